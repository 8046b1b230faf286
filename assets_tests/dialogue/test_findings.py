"""Every expectation is seen passing and failing."""

import polars as pl

from assets_tests.conftest import rows_of
from assets_tests.dialogue.conftest import record, turns_of
from carebot_assets.dialogue import findings


def dialogues(*rows: dict[str, object]) -> pl.LazyFrame:
    return rows_of("sft_dialogues", *rows).lazy()


def chosen(*rows: dict[str, object]) -> pl.LazyFrame:
    base: dict[str, object] = {"verdict": "keep", "kind": "single", "deita": 20.0, "split": "sft"}
    numbered = [base | {"record_id": str(n)} | row for n, row in enumerate(rows)]
    return rows_of("sft_set", *numbered).lazy()


def test_conserved() -> None:
    talks = dialogues(record("0", origin="a/f#0"), record("2", origin="a/f#2"))
    rest = rows_of("sft_quarantine", {"origin": "a/f#1"}).lazy()
    assert findings.conserved(talks, rest).passed
    lost = findings.conserved(talks, rest.clear())
    assert not lost.passed and "a/f" in lost.description
    twice = dialogues(record("0", origin="a/f#0"), record("1", origin="a/f#1"))
    assert not findings.conserved(twice, rest).passed


def test_alternate() -> None:
    good, blank = record("1", "q", "a"), record("2", "q", " ")
    kept = pl.LazyFrame({"record_id": ["1", "2"]})
    assert findings.alternate(dialogues(good), kept).passed
    assert findings.alternate(dialogues(good, blank), kept.head(1)).passed, "only kept ones"
    assert findings.alternate(dialogues(good, blank), kept).metadata["examples"] == ["2"]
    assert not findings.alternate(dialogues(record("1", "q")), kept).passed


def test_valid_keys() -> None:
    options = ["x", "", "z"]
    good = record("1", "q", "a", kind="choice", options=options, answer_key="AC")
    assert findings.valid_keys(dialogues(good, record("2", "q", "a"))).passed
    for key in ("B", "D", "", None, "AB"):
        assert not findings.valid_keys(dialogues(good | {"answer_key": key})).passed
    assert not findings.valid_keys(dialogues(record("3", "q", "a", answer_key="A"))).passed


def test_same_records() -> None:
    one, two = pl.LazyFrame({"record_id": ["1"]}), pl.LazyFrame({"record_id": ["1", "2"]})
    assert findings.same_records(two, two, "x").passed
    assert "1 missing" in findings.same_records(one, two, "x").description
    assert "1 unknown" in findings.same_records(two, one, "x").description


def test_unique_pairs_and_separate_splits() -> None:
    talks = dialogues(record("0", "q", "a"), record("1", "q", "b"), record("2", "q", "a"))
    different, same = chosen({}, {}), chosen({}, {}, {})
    assert findings.unique_pairs(different, talks).passed
    assert not findings.unique_pairs(same, talks).passed
    assert findings.separate_splits(different, talks).passed
    assert not findings.separate_splits(chosen({}, {"split": "preference"}), talks).passed


def test_thresholds_hold() -> None:
    band = (0.3, 1.0)
    good = [{}, {"kind": "multi", "cf": 0.5}, {"kind": "choice", "deita": None}]
    dropped = {"deita": 1.0, "verdict": "drop"}
    assert findings.thresholds_hold(chosen(*good, dropped), 9.0, band).passed
    for bad in (
        {"deita": 8.0},
        {"deita": None},
        {"kind": "multi", "cf": 1.1},
        {"kind": "multi", "cf": 0.2},
        {"kind": "multi"},
    ):
        assert not findings.thresholds_hold(chosen(*good, bad), 9.0, band).passed


def test_at_least() -> None:
    frame = chosen({"lang": "zh"}, {"lang": "en"}, {"lang": "en", "split": "preference"})
    assert findings.at_least(frame, ["zh", "en"], 1).passed
    assert "{'zh': 1, 'en': 1}" in findings.at_least(frame, ["zh", "en"], 2).description


def test_good_pairs() -> None:
    base: dict[str, object] = {"verdict": "keep", "prompt": turns_of("q")}

    def pairs(**fields: object) -> pl.LazyFrame:
        return rows_of("dpo_pairs", base | fields).lazy()

    assert findings.good_pairs(pairs(chosen="a", rejected="b")).passed
    assert findings.good_pairs(pairs(verdict="drop")).passed
    for bad in (
        {"chosen": "a", "rejected": "a "},
        {"chosen": "a", "rejected": ""},
        {"chosen": "a"},
    ):
        assert not findings.good_pairs(pairs(**bad)).passed
    answered = pairs(chosen="a", rejected="b", prompt=turns_of("q", "a"))
    assert not findings.good_pairs(answered).passed


def test_held_out() -> None:
    prompts = rows_of("preference_prompts", {"record_id": "0"}).lazy()
    assert findings.held_out(prompts, chosen({"split": "preference"})).passed
    assert not findings.held_out(prompts, chosen({})).passed
