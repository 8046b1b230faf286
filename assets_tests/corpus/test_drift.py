"""Shards that differ from the others of their source and language are named, with the measure."""

from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets import tables
from carebot_assets.corpus import drift
from carebot_assets.settings import DriftSettings

LIMITS = DriftSettings()


def tally(shard: str, lang: str = "zh", source: str = "web", **changed: Any) -> pl.DataFrame:
    """A shard of 1000 documents; a tenth of them are adverts, and every score is about 3."""
    about = {"documents": 1000, "tokens": 300, "adverts": 100, "unread": 0, "points": 3.0}
    about |= changed
    n, adverts = about["documents"], about["adverts"]

    def row(stage: str, verdict: str, count: int, reason: str = "", **more: int) -> dict[str, Any]:
        sums = {"num_tokens": 0, "tokens_squared": 0, "millipoints": 0, "millipoints_squared": 0}
        key = {"shard": shard, "source": source, "lang": lang, "stage": stage}
        return key | sums | {"verdict": verdict, "reason": reason, "num_documents": count} | more

    tokens = {"num_tokens": n * about["tokens"], "tokens_squared": n * about["tokens"] ** 2 * 2}
    left, points = n - adverts, round(1000 * about["points"])
    rows = [
        row("documents", "keep", n, **tokens),
        row("rule_verdicts", "keep", left),
        row("quality_scores", "skip", adverts),
        row(
            "quality_scores",
            "keep",
            left,
            millipoints=left * points,
            millipoints_squared=left * (points**2 + 250_000),
        ),
    ]
    if about["unread"]:
        unread = row("documents", "drop", about["unread"]) | {"lang": "unknown"}
        rows += [unread, unread | {"reason": "malformed JSON"}]
    if adverts:
        rows += [row("rule_verdicts", "drop", adverts, name) for name in ("", "advert_v1")]
    return rows_of("shard_tally", *rows)


def deviations(*shards: pl.DataFrame, limits: DriftSettings = LIMITS) -> dict[tuple, list[str]]:
    measured = drift.measures(pl.concat(shards).lazy())
    table = drift.table(measured, drift.score(measured, limits))
    assert dict(table.schema) == dict(tables.BY_NAME["shard_drift"].schema)
    names = pl.col("deviations").list.eval(pl.element().struct.field("measure")).list.sort()
    return {
        (shard, lang): found
        for shard, lang, found in table.select("shard", "lang", names).iter_rows()
        if found
    }


ALIKE = [tally(f"web-{i}", adverts=95 + 3 * i, tokens=295 + 3 * i) for i in range(4)]


@pytest.mark.parametrize(
    ("changed", "measures"),
    [
        ({}, []),
        # What chance does to a shard of this size, and what is certain but small.
        ({"adverts": 115}, []),
        ({"documents": 100_000, "adverts": 11_500}, []),
        ({"tokens": 330}, []),
        ({"documents": 20, "adverts": 20}, []),
        ({"adverts": 300}, ["advert_v1", "dropped by rule_verdicts"]),
        ({"adverts": 0}, ["advert_v1", "dropped by rule_verdicts"]),
        ({"tokens": 900}, ["mean_tokens"]),
        ({"points": 1.5}, ["mean_quality"]),
        ({"unread": 400}, ["unreadable_ratio"]),
    ],
)
def test_one_shard_among_five(changed: dict[str, Any], measures: list[str]) -> None:
    found = deviations(*ALIKE, tally("web-4", **changed))
    assert found == ({("web-4", "zh"): measures} if measures else {})


def test_a_shard_in_another_language_deviates_in_both() -> None:
    found = deviations(*ALIKE, tally("web-4", documents=10), tally("web-4", lang="en"))
    assert found == {("web-4", "zh"): ["lang_ratio"], ("web-4", "en"): ["lang_ratio"]}


def test_a_language_that_vanished_is_a_deviation() -> None:
    english = [tally(f"web-{i}", lang="en") for i in range(4)]
    found = deviations(*ALIKE, *english, tally("web-4", lang="en"))
    assert found == {("web-4", "zh"): ["lang_ratio"], ("web-4", "en"): ["lang_ratio"]}


def test_sources_and_languages_are_not_compared_with_each_other() -> None:
    others = [tally(f"books-{i}", source="books", adverts=0, tokens=2000) for i in range(3)]
    assert deviations(*ALIKE, *others) == {}
    assert deviations(*others, *ALIKE[:1]) == {}


def test_two_shards_cannot_tell_which_of_them_deviates() -> None:
    two = [tally("web-0"), tally("web-1", tokens=900)]
    assert deviations(*two) == {}
    assert deviations(*two, tally("web-2")) == {("web-1", "zh"): ["mean_tokens"]}


def test_shards_that_always_differ_are_not_flagged() -> None:
    """A source that spreads widely by itself has no outlier."""
    spread = [tally(f"web-{i}", tokens=t) for i, t in enumerate((100, 250, 400, 600, 900, 1100))]
    assert deviations(*spread) == {}


@pytest.mark.parametrize(("tokens", "passed"), [(300, True), (900, False)])
def test_the_check_names_shard_measure_and_value(tokens: int, passed: bool) -> None:
    measured = drift.measures(pl.concat([*ALIKE, tally("web-4", tokens=tokens)]).lazy())
    table = drift.table(measured, drift.score(measured, LIMITS)).lazy()
    finding = drift.none_deviates(table)
    assert finding.passed is passed
    if passed:
        assert finding.description == "5 of 5 shards compared, none deviates"
    else:
        assert "1 of 5 shards deviate: web-4 (zh): mean_tokens 900 where 3" in finding.description
        assert finding.metadata["shards"] == ["web-4"]
    summary = drift.summarize(table)
    assert (summary["num_shards"], summary["num_deviating"]) == (5, int(not passed))


def test_a_corpus_without_shards() -> None:
    measured = drift.measures(rows_of("shard_tally").lazy())
    table = drift.table(measured, drift.score(measured, LIMITS))
    assert drift.none_deviates(table.lazy()).passed
    assert drift.summarize(table.lazy())["num_shards"] == 0
