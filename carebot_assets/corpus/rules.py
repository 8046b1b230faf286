"""The rule filter's decisions: measures against thresholds; no text is read here.

A rule's name carries a version: whoever changes what a measure means raises it, so that verdicts of
different meaning never share a name.
"""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import private
from carebot_assets.settings import RuleSettings, RuleThresholds

Action = Literal["drop", "mask", "keep"]

SCHEMA = tables.BY_NAME["rule_verdicts"].schema
MEASURES = tables.BY_NAME["text_measures"].schema
LANGUAGE_RULE = "language_v2"
DEFAULT_ACTION: Action = "mask"


@dataclass(frozen=True)
class Rule:
    """A document fails when its measure is `below` or `above` the threshold of its language."""

    name: str
    measure: str
    fails: Literal["below", "above"]
    threshold: str
    source: str

    def value(self, thresholds: RuleThresholds) -> float | None:
        """The threshold; None where the profile has switched the rule off."""
        value = getattr(thresholds, self.threshold)
        return None if value is None else float(value)

    def limit(self, settings: RuleSettings, lang: str) -> float | None:
        """Threshold of a language; of an unknown one the laxer of both."""
        if lang in ("zh", "en"):
            return self.value(getattr(settings, lang))
        both = [self.value(settings.zh), self.value(settings.en)]
        known = [value for value in both if value is not None]
        if len(known) < len(both):
            return None
        return max(known) if self.fails == "above" else min(known)

    def failure(self, limit: float) -> pl.Expr:
        """Whether the measure is beyond a threshold."""
        value = pl.col(self.measure)
        return value < limit if self.fails == "below" else value > limit


GOPHER = "Gopher, Rae et al. 2021 (arXiv 2112.11446), section A1.1"
C4 = "C4, Raffel et al. 2020 (arXiv 1910.10683), section 2.2"
FINE_WEB = "FineWeb, Penedo et al. 2024 (arXiv 2406.17557), section 3.4"
ROOTS = "ROOTS, Laurencon et al. 2022 (arXiv 2303.03915), section 3"
REFINED_WEB = "RefinedWeb, Penedo et al. 2023 (arXiv 2306.01116), appendix G.2"
PES2O = "peS2o, Soldaini and Lo 2023"
CAREBOT = "CareBot 2024 (arXiv 2412.15236), rule filter of the pretraining data"
OURS = "ours"


def _above(name: str, measure: str, source: str) -> Rule:
    """A rule that fails above the setting `max_<measure>`."""
    return Rule(name, measure, "above", f"max_{measure.removeprefix('num_')}", source)


def _below(name: str, measure: str, source: str) -> Rule:
    return Rule(name, measure, "below", f"min_{measure.removeprefix('num_')}", source)


RULES = (
    _below("min_tokens_v2", "num_tokens", GOPHER),
    _above("max_tokens_v2", "num_tokens", GOPHER),
    _below("min_chars_v1", "num_chars", ROOTS),
    _above("max_chars_v1", "num_chars", ROOTS),
    _above("special_chars_v2", "special_char_ratio", ROOTS),
    _above("punctuation_v1", "punctuation_ratio", ROOTS),
    _above("digits_v2", "digit_ratio", REFINED_WEB),
    _below("letters_v2", "letter_ratio", GOPHER),
    _above("mixed_scripts_v1", "mixed_script_ratio", OURS),
    _above("traditional_v1", "traditional_ratio", OURS),
    _above("url_lines_v1", "url_line_ratio", REFINED_WEB),
    _above("boilerplate_v1", "boilerplate_line_ratio", C4),
    _above("gopher_bullets_v1", "bullet_line_ratio", GOPHER),
    _above("gopher_ellipsis_lines_v1", "ellipsis_line_ratio", GOPHER),
    _above("unterminated_v2", "unterminated_ratio", C4),
    _above("gopher_dup_lines_v2", "dup_line_ratio", GOPHER),
    _above("gopher_dup_line_chars_v1", "dup_line_char_ratio", GOPHER),
    _above("gopher_dup_paragraphs_v1", "dup_paragraph_ratio", GOPHER),
    _above("gopher_dup_paragraph_chars_v1", "dup_paragraph_char_ratio", GOPHER),
    _above("dup_sentences_v2", "dup_sentence_ratio", GOPHER),
    *(_above(f"gopher_top_{n}gram_v1", f"top_{n}gram_ratio", GOPHER) for n in (2, 3, 4)),
    *(_above(f"gopher_dup_{n}gram_v1", f"dup_{n}gram_ratio", GOPHER) for n in range(5, 11)),
    _above("gopher_symbols_v1", "symbol_word_ratio", GOPHER),
    _below("gopher_alpha_words_v1", "alpha_word_ratio", GOPHER),
    _below("gopher_short_words_v1", "mean_word_length", GOPHER),
    _above("gopher_long_words_v1", "mean_word_length", GOPHER),
    _below("stop_words_v2", "num_stop_words", GOPHER),
    _below("unigram_oddness_v1", "mean_log_probability", PES2O),
    _below("unique_chars_v2", "unique_char_ratio", ROOTS),
    _below("c4_sentences_v1", "num_c4_sentences", C4),
    _below("c4_lines_v1", "c4_line_ratio", C4),
    _above("c4_lorem_ipsum_v1", "num_lorem_ipsum_lines", C4),
    _above("c4_curly_brackets_v1", "num_curly_lines", C4),
    _above("c4_javascript_v1", "javascript_line_ratio", C4),
    _below("fineweb_line_punctuation_v1", "line_punctuation_ratio", FINE_WEB),
    _above("fineweb_short_lines_v1", "short_line_ratio", FINE_WEB),
    _above("fineweb_char_duplicates_v1", "char_dup_ratio", FINE_WEB),
    _above("fineweb_newlines_v1", "newline_ratio", FINE_WEB),
    _above("replacement_chars_v1", "replacement_ratio", OURS),
    _above("mojibake_v2", "mojibake_ratio", OURS),
    _above("advert_v1", "num_advert_hits", OURS),
    _above("medical_advert_v1", "num_medical_advert_hits", OURS),
    _above("toxic_v1", "num_toxic_hits", C4),
)


def private_rule(kind: str) -> str:
    """Name of the rule that drops documents with a kind of private information."""
    return f"private_{kind}_v1"


# Of every rule, who had the idea: a paper, or we.
SOURCES = {
    **{rule.name: rule.source for rule in RULES},
    LANGUAGE_RULE: OURS,
    **{private_rule(kind): CAREBOT for kind in sorted(private.BY_NAME)},
}
RULE_NAMES = tuple(SOURCES)


def decide(measures: pl.LazyFrame, settings: RuleSettings) -> pl.LazyFrame:
    """Verdicts (table `rule_verdicts`) with every failing rule and its evidence.

    A document whose measures are incomplete is `failed`, never kept. A kind of private information
    that the profile does not name is masked.

    Raises:
        ValueError: the profile names a kind of private information that does not exist.
    """
    actions = dict.fromkeys(private.BY_NAME, DEFAULT_ACTION) | settings.private_information
    private.check_kinds(list(actions))
    return measures.map_batches(
        lambda batch: _decide(batch, settings, actions), schema=SCHEMA, streamable=True
    )


def _decide(
    batch: pl.DataFrame, settings: RuleSettings, actions: dict[str, Action]
) -> pl.DataFrame:
    masked = sorted(kind for kind, action in actions.items() if action == "mask")
    dropped = sorted(kind for kind, action in actions.items() if action == "drop")
    rows, lang = batch.with_row_index("row"), pl.col("lang").fill_null("")
    parts = {
        "zh": rows.filter(lang == "zh"),
        "en": rows.filter(lang == "en"),
        "other": rows.filter(~lang.is_in(["zh", "en"])),
    }
    failing = pl.concat(_failing(part, settings, name, dropped) for name, part in parts.items())
    reasons = pl.col("reasons")
    incomplete = pl.any_horizontal(pl.col(name).is_null() for name in _used())
    return (
        rows.join(failing, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("reasons", "evidence").fill_null([]))
        .select(
            "doc_id",
            "shard",
            verdict=pl.when(incomplete)
            .then(pl.lit("failed"))
            .when(reasons.list.len() > 0)
            .then(pl.lit("drop"))
            .otherwise(pl.lit("keep")),
            reasons="reasons",
            evidence="evidence",
            masked_kinds=pl.col("private_kinds")
            .list.set_intersection(pl.lit(masked, dtype=pl.List(pl.String)))
            .list.sort(),
            masks=pl.col("private_spans").list.filter(
                pl.element().struct.field("kind").is_in(masked)
            ),
        )
    )


def _failing(
    rows: pl.DataFrame, settings: RuleSettings, lang: str, dropped: list[str]
) -> pl.DataFrame:
    """Row, reasons and evidence of the rows of a language that fail any rule.

    Evidence is put together for these rows alone: they are few.
    """
    found: list[tuple[str, pl.Expr, pl.Expr | None, float | None]] = [
        (rule.name, rule.failure(limit), pl.col(rule.measure), limit)
        for rule in RULES
        if (limit := rule.limit(settings, lang)) is not None
    ]
    if lang == "other":
        found.append((LANGUAGE_RULE, pl.col("lang").is_not_null(), None, None))
    kinds = pl.col("private_kinds")
    found += [(private_rule(kind), kinds.list.contains(kind), None, None) for kind in dropped]
    some = rows.filter(pl.any_horizontal(fails for _, fails, _, _ in found)).lazy()
    failures = [
        some.filter(fails).select("row", evidence=_evidence(name, value, limit))
        for name, fails, value, limit in found
    ]
    return (
        pl.concat(failures)
        .collect()
        .group_by("row", maintain_order=True)  # the evidence stays in the rules' order
        .agg("evidence")
        .with_columns(reasons=pl.col("evidence").list.eval(pl.element().struct.field("rule")))
    )


def _used() -> list[str]:
    return ["lang", "private_kinds", "private_spans", *(rule.measure for rule in RULES)]


def _evidence(rule: str, value: pl.Expr | None, limit: float | None) -> pl.Expr:
    null = pl.lit(None, dtype=pl.Float64)
    return pl.struct(
        rule=pl.lit(rule),
        value=null if value is None else value.cast(pl.Float64),
        threshold=pl.lit(limit, dtype=pl.Float64),
    )
