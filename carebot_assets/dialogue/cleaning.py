"""Which instruction records are fit for training, with every reason why not.

Source: CareBot 2.2 (deduplication; violence, bias and pornography removed); the other rules are
ours.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from carebot_assets.dialogue.adapters import normalise
from carebot_assets.dialogue.frame import measure
from carebot_assets.dialogue.lexicon import REFUSALS, UNSAFE, pattern
from carebot_assets.settings import InstructionSettings

ALTERNATING = r"^user,assistant(?:,user,assistant)*$"
# Shorter benchmark questions are phrases that anybody may use.
MIN_QUESTION_CHARS = 12

Find = Callable[[pl.Series], pl.Series]


def decide(
    everything: pl.LazyFrame,
    source: str,
    benchmark: pl.LazyFrame,
    tokenizer: Any,
    settings: InstructionSettings,
    find_private: Find,
    find_benchmark: Find,
) -> pl.DataFrame:
    """Verdicts on the records of a source, in their order.

    Args:
        everything: `sft_dialogues` of all sources, sources in the order of their names: of equal
            records the first is kept, and of choice questions with different keys none.
        source: the source to decide on.
        benchmark: `benchmark_items`.
        tokenizer: the target tokenizer, with its chat template.
        settings: thresholds and the maximum training length.
        find_private: kinds of private information in each text, as lists.
        find_benchmark: whether each text repeats a benchmark item.
    """
    mine = everything.filter(pl.col("source") == source).collect()
    facts = _facts(mine)
    lengths = measure(mine.lazy(), tokenizer, settings.sft.max_length)
    longest = settings.sft.max_length
    failing = {
        "roles_v1": ~facts["roles"].str.contains(ALTERNATING),
        "empty_turn_v1": facts["has_empty"],
        "duplicate_v1": _is_duplicate(everything, mine, source),
        "conflicting_key_v1": _is_conflicting(everything, mine),
        **{f"unsafe_{kind}_v1": _hits(facts, words) for kind, words in UNSAFE.items()},
        "refusal_v1": _hits(facts, REFUSALS, column="answers"),
        "private_information_v1": find_private(facts["text"]).list.len() > 0,
        "benchmark_overlap_v2": find_benchmark(facts["text"])
        | _asks(facts["questions"], benchmark),
        "too_short_v1": lengths["num_content_tokens"] < settings.min_tokens,
        "too_long_v1": lengths["num_tokens"] > longest,
        "untrainable_v1": lengths["num_trainable_tokens"] == 0,
    }
    reasons = pl.concat_list(
        pl.when(pl.col(name)).then(pl.lit(name)) for name in failing
    ).list.drop_nulls()
    return (
        mine.select("record_id", "source")
        .with_columns(lengths.select("num_tokens", "num_trainable_tokens"))
        .with_columns(**failing)
        .with_columns(reasons=reasons)
        .with_columns(
            verdict=pl.when(pl.col("reasons").list.len() == 0)
            .then(pl.lit("keep"))
            .otherwise(pl.lit("drop"))
        )
        .select("record_id", "source", "verdict", "reasons", "num_tokens", "num_trainable_tokens")
    )


def summarize(verdicts: pl.LazyFrame, dialogues: pl.LazyFrame, max_length: int) -> dict[str, Any]:
    """Counts for metadata: kept, reasons, and what the maximum length costs."""
    frame = verdicts.join(dialogues.select("record_id", "kind", "lang"), on="record_id").collect()
    kept = frame.filter(pl.col("verdict") == "keep")
    return {
        "num_kept": kept.height,
        "kept_ratio": kept.height / max(frame.height, 1),
        "num_over_length": int((frame["num_tokens"] > max_length).sum()),
        "num_untrainable": int((frame["num_trainable_tokens"] == 0).sum()),
        "num_kept_tokens": int(kept["num_tokens"].sum()),
        "num_kept_by_language": _counts(kept, "lang"),
        "num_kept_by_kind": _counts(kept, "kind"),
        "reasons": reasons_table(frame),
    }


def reasons_table(frame: pl.DataFrame) -> str:
    """Markdown table of how many records each reason touches."""
    counts = (
        frame.select(pl.col("reasons").explode(empty_as_null=False))
        .group_by("reasons")
        .len()
        .sort("len", "reasons", descending=[True, False])
    )
    rows = [f"| {name} | {count} | {count / frame.height:.1%} |" for name, count in counts.rows()]
    return "\n".join(["| reason | records | share |", "|---|---:|---:|", *rows])


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(frame.group_by(column).len().sort(column).rows())


def _facts(mine: pl.DataFrame) -> pl.DataFrame:
    field = pl.element().struct.field
    texts = pl.col("turns").list.eval(field("text").fill_null(""))

    def said(role: str) -> pl.Expr:
        return pl.col("turns").list.eval(field("text").filter(field("role") == role))

    return mine.select(
        roles=pl.col("turns").list.eval(field("role").fill_null("?")).list.join(","),
        has_empty=texts.list.eval(pl.element().str.strip_chars() == "").list.any(),
        text=texts.list.join("\n"),
        answers=said("assistant").list.join("\n", ignore_nulls=True),
        # A line end between turns, so that no question is found across two of them.
        questions=said("user").list.eval(normalise(pl.element())).list.join("\n"),
    )


def _hits(facts: pl.DataFrame, phrases: tuple[str, ...], column: str = "text") -> pl.Series:
    return facts[column].str.contains(pattern(phrases))


def _is_duplicate(everything: pl.LazyFrame, mine: pl.DataFrame, source: str) -> pl.Series:
    earlier = everything.filter(pl.col("source") < source).select("pair_key").unique().collect()
    return (
        mine["pair_key"].is_in(earlier["pair_key"].implode())
        | ~mine["pair_key"].is_first_distinct()
    )


def _is_conflicting(everything: pl.LazyFrame, mine: pl.DataFrame) -> pl.Series:
    conflicts = (
        everything.filter(pl.col("kind") == "choice")
        .group_by("question_key")
        .agg(pl.col("answer_key").n_unique())
        .filter(pl.col("answer_key") > 1)
        .collect()
    )
    found = mine["question_key"].is_in(conflicts["question_key"].implode())
    return found & (mine["kind"] == "choice")


def _asks(questions: pl.Series, benchmark: pl.LazyFrame) -> pl.Series:
    """Whether a user's words are or contain a benchmark question, even one of few words: those
    cannot be searched for in running text, but what a user asks is a question."""
    asked = pl.concat_list(
        "question", pl.col("turns").list.first().struct.field("text")
    ).list.drop_nulls()
    known = (
        benchmark.select(question=normalise(asked.explode(empty_as_null=False)))
        .filter(pl.col("question").str.len_chars() >= MIN_QUESTION_CHARS)
        .unique()
        .sort("question")
        .collect()["question"]
    )
    if known.is_empty():
        return pl.repeat(False, questions.len(), eager=True)
    return questions.to_frame("q").select(pl.col("q").str.contains_any(known.implode())).to_series()
