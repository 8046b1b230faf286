"""The rule filter's decisions: measures against thresholds; no text is read here.

A rule's name carries a version: whoever changes what a measure means raises it, so that verdicts of
different meaning never share a name.
"""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from carebot_assets.corpus import private
from carebot_assets.settings import RuleSettings, RuleThresholds

LANGUAGE_RULE = "language_v1"
DEFAULT_ACTION = "mask"


@dataclass(frozen=True)
class Rule:
    """A document fails when its measure is `below` or `above` the threshold of its language."""

    name: str
    measure: str
    fails: Literal["below", "above"]
    threshold: str
    source: str

    def value(self, thresholds: RuleThresholds) -> float:
        return float(getattr(thresholds, self.threshold))

    def for_language(self, settings: RuleSettings) -> pl.Expr:
        """Threshold of the row's language; of an unknown language the laxer of both."""
        zh, en = self.value(settings.zh), self.value(settings.en)
        lax = max(zh, en) if self.fails == "above" else min(zh, en)
        lang = pl.col("lang")
        return (
            pl.when(lang == "zh")
            .then(pl.lit(zh))
            .when(lang == "en")
            .then(pl.lit(en))
            .otherwise(lax)
        )

    def failure(self, settings: RuleSettings) -> pl.Expr:
        """Evidence (rule, value, threshold) where the rule fails, else null."""
        value, threshold = pl.col(self.measure).cast(pl.Float64), self.for_language(settings)
        fails = value < threshold if self.fails == "below" else value > threshold
        return pl.when(fails).then(_evidence(self.name, value, threshold))


GOPHER = "Gopher, Rae et al. 2021, table A1"
C4 = "C4, Raffel et al. 2020, section 2.2"
ROOTS = "ROOTS, Laurencon et al. 2022, section 3"
REFINED_WEB = "RefinedWeb, Penedo et al. 2023, appendix G.2"
OURS = "ours"

RULES = (
    Rule("min_tokens_v1", "num_tokens", "below", "min_tokens", GOPHER),
    Rule("max_tokens_v1", "num_tokens", "above", "max_tokens", GOPHER),
    Rule("special_chars_v1", "special_char_ratio", "above", "max_special_char_ratio", ROOTS),
    Rule("digits_v1", "digit_ratio", "above", "max_digit_ratio", REFINED_WEB),
    Rule("letters_v1", "letter_ratio", "below", "min_letter_ratio", GOPHER),
    Rule("url_lines_v1", "url_line_ratio", "above", "max_url_line_ratio", REFINED_WEB),
    Rule("boilerplate_v1", "boilerplate_line_ratio", "above", "max_boilerplate_line_ratio", C4),
    Rule("gopher_dup_lines_v1", "dup_line_ratio", "above", "max_dup_line_ratio", GOPHER),
    Rule("dup_sentences_v1", "dup_sentence_ratio", "above", "max_dup_sentence_ratio", GOPHER),
    Rule("gopher_top_ngram_v1", "top_ngram_ratio", "above", "max_top_ngram_ratio", GOPHER),
    Rule("replacement_chars_v1", "replacement_ratio", "above", "max_replacement_ratio", OURS),
    Rule("mojibake_v1", "mojibake_ratio", "above", "max_mojibake_ratio", OURS),
    Rule("advert_v1", "num_advert_hits", "above", "max_advert_hits", OURS),
    Rule("toxic_v1", "num_toxic_hits", "above", "max_toxic_hits", C4),
    Rule("stop_words_v1", "num_stop_words", "below", "min_stop_words", GOPHER),
    Rule("unique_chars_v1", "unique_char_ratio", "below", "min_unique_char_ratio", ROOTS),
    Rule("unterminated_v1", "unterminated_ratio", "above", "max_unterminated_ratio", C4),
)


def private_rule(kind: str) -> str:
    """Name of the rule that drops documents with a kind of private information."""
    return f"private_{kind}_v1"


RULE_NAMES = (
    *(rule.name for rule in RULES),
    LANGUAGE_RULE,
    *(private_rule(kind) for kind in sorted(private.BY_NAME)),
)


def decide(measures: pl.LazyFrame, settings: RuleSettings) -> pl.LazyFrame:
    """Verdicts (table `rule_verdicts`) with every failing rule and its evidence.

    A document whose measures are incomplete is `failed`, never kept. A kind of private information
    that the profile does not name is masked.

    Raises:
        ValueError: the profile names a kind of private information that does not exist.
    """
    actions = dict.fromkeys(private.BY_NAME, DEFAULT_ACTION) | settings.private_information
    private.check_kinds(list(actions))
    kinds = pl.col("private_kinds")
    failures = [
        *(rule.failure(settings) for rule in RULES),
        pl.when(~pl.col("lang").is_in(["zh", "en"])).then(_evidence(LANGUAGE_RULE, None, None)),
        *(
            pl.when(kinds.list.contains(kind)).then(_evidence(private_rule(kind), None, None))
            for kind, action in sorted(actions.items())
            if action == "drop"
        ),
    ]
    masked = [kind for kind, action in sorted(actions.items()) if action == "mask"]
    incomplete = pl.any_horizontal(pl.col(name).is_null() for name in _used())
    evidence = pl.concat_list(failures).list.drop_nulls()
    return (
        measures.with_columns(evidence=evidence)
        .with_columns(reasons=pl.col("evidence").list.eval(pl.element().struct.field("rule")))
        .select(
            "doc_id",
            "shard",
            verdict=pl.when(incomplete)
            .then(pl.lit("failed"))
            .when(pl.col("reasons").list.len() > 0)
            .then(pl.lit("drop"))
            .otherwise(pl.lit("keep")),
            reasons="reasons",
            evidence="evidence",
            masked_kinds=kinds.list.set_intersection(
                pl.lit(masked, dtype=pl.List(pl.String))
            ).list.sort(),
        )
    )


def _used() -> list[str]:
    return ["lang", "private_kinds", *(rule.measure for rule in RULES)]


def _evidence(rule: str, value: pl.Expr | None, threshold: pl.Expr | None) -> pl.Expr:
    null = pl.lit(None, dtype=pl.Float64)
    return pl.struct(
        rule=pl.lit(rule),
        value=null if value is None else value,
        threshold=null if threshold is None else threshold,
    )
