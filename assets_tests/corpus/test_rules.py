"""Decisions of the rule filter: every rule, all reasons, masks, and its expectations."""

import re
from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets import tables
from carebot_assets.corpus import (
    contamination,
    duplicates,
    private,
    rules,
    screening,
    summaries,
)
from carebot_assets.settings import RuleSettings, Settings

# Every measure at a value that no rule minds, or at none of the kind.
GOOD = {
    "num_chars": 1200, "num_tokens": 200, "letter_ratio": 0.8, "alpha_word_ratio": 0.98,
    "mean_word_length": 5.0, "num_stop_words": 8, "mean_log_probability": -8.0,
    "unique_char_ratio": 0.5, "num_c4_sentences": 9, "c4_line_ratio": 1.0,
    "line_punctuation_ratio": 1.0, "special_char_ratio": 0.05, "digit_ratio": 0.01,
}  # fmt: skip
FINE: dict[str, Any] = {
    **{name: 0 for name, dtype in rules.MEASURES.items() if dtype.is_numeric()},
    **{
        "doc_id": "a",
        "shard": "s",
        "lang": "en",
        "private_kinds": [],
        "private_counts": [],
        "private_spans": [],
        **GOOD,
    },
}


def decide(settings: RuleSettings, **changed: Any) -> dict[str, Any]:
    rows = rows_of("text_measures", FINE | changed).lazy()
    found = rules.decide(rows, settings).collect()
    assert found.schema == tables.BY_NAME["rule_verdicts"].schema
    return found.row(0, named=True)


CITED = re.compile(r"\b(19|20)\d\d\b|arXiv \d{4}\.\d{5}")
# The rule filter says it rule by rule, the other judges in their modules.
SOURCES = [
    *rules.SOURCES.items(),
    *(
        (name, duplicates.__doc__)
        for name in (duplicates.EXACT, duplicates.NEAR, duplicates.EARLIER)
    ),
    (contamination.RULE, contamination.__doc__),
]


@pytest.mark.parametrize(("name", "source"), SOURCES, ids=[name for name, _ in SOURCES])
def test_every_rule_has_a_version_and_a_source(name: str, source: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*_v[1-9][0-9]*", name)
    stated = source if name in rules.SOURCES else source.partition("Source: ")[2]
    assert stated == rules.OURS or CITED.search(stated), stated


def test_every_rule_is_named_once_and_listed() -> None:
    names = [rule.name for rule in rules.RULES]
    unversioned = [re.sub(r"_v\d+$", "", name) for name in rules.RULE_NAMES]
    assert len(set(unversioned)) == len(unversioned) == len(names) + 1 + len(private.BY_NAME)
    assert set(names) < set(rules.RULE_NAMES)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_fine_document_is_kept(demo: Settings, lang: str) -> None:
    verdict = decide(demo.rules, lang=lang, unique_char_ratio=0.5)
    assert (verdict["verdict"], verdict["reasons"], verdict["evidence"]) == ("keep", [], [])


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_rule_fails_alone(demo: Settings, rule: rules.Rule, lang: str) -> None:
    chosen = getattr(demo.rules, lang)
    threshold = rule.value(chosen)
    if threshold is None:
        # Off in the profile: whatever the measure is, until the rule is switched on.
        for value in (0, 1):
            assert decide(demo.rules, lang=lang, **{rule.measure: value})["verdict"] == "keep"
        threshold = 3.0 if rule.measure.startswith(("num_", "mean_")) else 0.5
        chosen = chosen.model_copy(update={rule.threshold: threshold})
    settings = demo.rules.model_copy(update={lang: chosen})
    step = 1 if rule.measure.startswith("num_") else 0.0001
    at = decide(settings, **{"lang": lang, rule.measure: threshold})
    assert at["verdict"] == "keep"
    beyond = threshold + (step if rule.fails == "above" else -step)
    failed = decide(settings, **{"lang": lang, rule.measure: beyond})
    assert (failed["verdict"], failed["reasons"]) == ("drop", [rule.name])
    evidence = {"rule": rule.name, "value": pytest.approx(beyond), "threshold": threshold}
    assert failed["evidence"] == [evidence]


def test_rows_keep_their_order_and_language(demo: Settings) -> None:
    langs = ["en", "zh", "other", "zh", "en"]
    rows = [FINE | {"doc_id": str(i), "lang": lang} for i, lang in enumerate(langs)]
    rows[3]["num_tokens"] = 1
    found = rules.decide(rows_of("text_measures", *rows).lazy(), demo.rules).collect()
    assert found["doc_id"].to_list() == ["0", "1", "2", "3", "4"]
    assert found["verdict"].to_list() == ["keep", "keep", "drop", "drop", "keep"]
    assert rules.decide(rows_of("text_measures").lazy(), demo.rules).collect().height == 0


def test_all_reasons_are_kept(demo: Settings) -> None:
    verdict = decide(demo.rules, num_tokens=3, num_advert_hits=9, lang="other")
    assert verdict["reasons"] == ["min_tokens_v2", "advert_v1", "language_v2"]


def test_an_unknown_language_meets_the_laxer_threshold(demo: Settings) -> None:
    lax = min(demo.rules.zh.min_unique_char_ratio, demo.rules.en.min_unique_char_ratio)
    assert decide(demo.rules, lang="other", unique_char_ratio=lax)["reasons"] == ["language_v2"]
    below = decide(demo.rules, lang="other", unique_char_ratio=lax - 0.01)
    assert below["reasons"] == ["unique_chars_v2", "language_v2"]


KINDS = ("email", "phone", "phone")


def test_private_information_is_dropped_masked_or_kept(demo: Settings) -> None:
    actions = {"email": "keep", "us_ssn": "drop"}
    settings = demo.rules.model_copy(update={"private_information": actions})
    email, *phones = ({"kind": k, "start": 9 * i, "length": 4} for i, k in enumerate(KINDS))
    masked = decide(settings, private_kinds=["email", "phone"], private_spans=[email, *phones])
    assert (masked["verdict"], masked["masked_kinds"]) == ("keep", ["phone"])
    assert masked["masks"] == phones
    nothing = demo.rules.model_copy(
        update={"private_information": dict.fromkeys(private.BY_NAME, "keep")}
    )
    kept = decide(nothing, private_kinds=["email", "phone"], private_spans=[email, *phones])
    assert (kept["verdict"], kept["masked_kinds"], kept["masks"]) == ("keep", [], [])
    dropped = decide(settings, private_kinds=["phone", "us_ssn"])
    assert (dropped["reasons"], dropped["masked_kinds"]) == (["private_us_ssn_v1"], ["phone"])
    wrong = demo.rules.model_copy(update={"private_information": {"fax": "drop"}})
    with pytest.raises(ValueError, match=r"unknown kinds of private information \['fax'\]"):
        decide(wrong)


@pytest.mark.parametrize("measure", ["digit_ratio", "private_kinds", "private_spans"])
def test_a_missing_measure_is_never_a_keep(demo: Settings, measure: str) -> None:
    assert decide(demo.rules, **{measure: None})["verdict"] == "failed"


def verdict(doc_id: str, name: str, *reasons: str, **more: Any) -> dict[str, Any]:
    evidence = [{"rule": r, "value": 1.0, "threshold": 0.5} for r in reasons]
    row = {"doc_id": doc_id, "shard": "s", "verdict": name, "reasons": list(reasons)}
    return {**row, "evidence": evidence, "masked_kinds": [], **more}


def test_expectations_pass_and_fail() -> None:
    good = [verdict("a", "keep"), verdict("b", "drop", "digits_v2")]
    frame = rows_of("rule_verdicts", *good).lazy()
    dropped = pl.col("verdict").eq("drop")
    assert screening.share_of("drops", frame, dropped, 0.0, 0.5).passed
    assert not screening.share_of("drops", frame, dropped, 0.0, 0.4).passed
    assert screening.share_of("drops", frame.head(0), dropped, 0.2, 0.4).passed
    assert screening.known_reasons(frame, rules.RULE_NAMES).passed
    assert not screening.known_reasons(frame, ("other_v1",)).passed
    silent = rows_of("rule_verdicts", verdict("a", "drop", "digits_v2", evidence=[])).lazy()
    assert not screening.known_reasons(silent, rules.RULE_NAMES).passed

    measures = rows_of("text_measures", FINE).lazy()
    assert screening.in_range(measures).passed
    infinite = {"mean_log_probability": float("-inf")}
    wrongs = ({"digit_ratio": 1.2}, {"digit_ratio": None}, {"num_tokens": -1}, infinite)
    for wrong in wrongs:
        finding = screening.in_range(rows_of("text_measures", FINE | wrong).lazy())
        assert not finding.passed
        assert next(iter(wrong)) in finding.description


def test_expectations_on_plan_and_records() -> None:
    plan = pl.DataFrame({"file": ["a", "b"], "bytes": [1, 2]})
    assert screening.same_sizes(plan, pl.Series([1, 2])).passed
    assert screening.same_sizes(plan, pl.Series([-1, 3])).description == (
        "1 files are gone, 1 have another size"
    )
    assert screening.same_names("sources", {"a"}, {"a"}).passed
    assert not screening.same_names("sources", {"a"}, {"b"}).passed
    documents = rows_of("documents", {"origin": "o1"}).lazy()
    bad = rows_of("quarantine", {"origin": "o2"}).lazy()
    assert screening.records_accounted(2, documents, bad).passed
    assert not screening.records_accounted(3, documents, bad).passed
    twice = rows_of("quarantine", {"origin": "o1"}).lazy()
    assert not screening.records_accounted(2, documents, twice).passed


def test_summaries_are_json_with_tables() -> None:
    rows = [verdict("a", "keep", masked_kinds=["phone"]), verdict("b", "drop", "digits_v2")]
    summary = summaries.of_verdicts(rows_of("rule_verdicts", *rows).lazy())
    assert summary["num_keep"] == summary["num_drop"] == summary["num_to_mask"] == 1
    assert summary["drop_ratio"] == 0.5
    assert summary["reasons"] == "| rule | documents |\n| --- | --- |\n| digits_v2 | 1 |"
    empty = summaries.of_verdicts(rows_of("rule_verdicts").lazy())
    assert empty["drop_ratio"] == 0.0
    measures = summaries.of_measures(rows_of("text_measures", FINE).lazy())
    assert "| digit_ratio | 0.01 | 0.01 | 0.01 |" in measures["quantiles"]
