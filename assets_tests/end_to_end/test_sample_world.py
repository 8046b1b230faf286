"""The whole graph on the sample world, and what a user does with the result."""

import json
import re
import time

import polars as pl

from assets_tests.end_to_end.conftest import PROJECT, Place
from carebot_assets.defs.recipe import RECIPES
from carebot_assets.sample.dirt import BROKEN_KINDS
from carebot_assets.sample.truth import DUPLICATE_KINDS, RULE_KINDS, judge_the_judges

Run = tuple[Place, str]

# Of every planted kind that a judge answers for; the demo's summary shows the figures.
FLOOR = 0.95
PLANTED = {
    "recall": [
        *(("rules", kind) for kind in RULE_KINDS),
        *(("duplicates", kind) for kind in DUPLICATE_KINDS),
        ("rules", "private_information"),
        ("contamination", "benchmark_leak"),
        ("domain", "medical"),
    ],
    "precision": [
        ("rules", "any planted dirt"),
        ("rules", "private_information"),
        ("duplicates", "any planted pair"),
        ("contamination", "benchmark_leak"),
        ("domain", "medical"),
    ],
}


def test_every_artifact_is_there(tiny: Run) -> None:
    place, _ = tiny
    for name, recipe in RECIPES.items():
        if recipe.partitions is None:
            assert place.store.manifest(name), name
        else:
            assert place.store.partitions(name), name


def test_the_summary_tells_a_person_what_happened(tiny: Run) -> None:
    _, output = tiny
    for words in (
        "Documents",
        "Dropped, by reason",
        "Mean loss per token on held-out text",
        "Accuracy, 0-shot",
        "Judges against the planted truth",
        "offline heuristic teacher",
        "carebot why",
    ):
        assert words in output, words


def test_judges_meet_the_planted_truth(tiny: Run) -> None:
    place, _ = tiny
    rates = {
        (row["judge"], row["kind"]): row
        for row in judge_the_judges(place.store).iter_rows(named=True)
    }
    for rate, keys in PLANTED.items():
        for key in keys:
            assert rates[key]["num_planted"] > 0, key
            assert rates[key][rate] >= FLOOR, rates[key]


def test_the_broken_records_are_quarantined_and_no_others(tiny: Run) -> None:
    place, _ = tiny
    truth = pl.read_parquet(place.store.path("sample_world") / "truth" / "corpus.parquet")
    is_broken = pl.col("dirt").list.set_intersection(list(BROKEN_KINDS)).list.len() > 0
    origin = pl.format("{}/{}#{}", "source", "file", "position")
    broken = set(truth.filter(is_broken).select(origin).to_series())
    bad = place.store.scan("documents", side_table="quarantine").collect()
    assert broken and set(bad["origin"]) == broken


def test_nothing_reads_the_truth(tiny: Run) -> None:
    place, _ = tiny
    truth = place.store.path("sample_world") / "truth"
    hidden = truth.with_name("hidden")
    truth.rename(hidden)
    try:
        code, output = place.materialize("quality_funnel", CAREBOT_SET__seed="1")
    finally:
        hidden.rename(truth)
    assert code == 0, output[-2000:]


def test_a_second_run_has_nothing_to_do(tiny: Run) -> None:
    place, _ = tiny
    started = time.monotonic()
    done = place.run("carebot", "run")
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.search(r"(\d+) runs, (\d+) artifacts were up to date", done.stdout)
    assert found, done.stdout
    assert int(found[1]) <= 3, "only what looks at the outside world runs again"
    assert int(found[2]) > 40
    assert time.monotonic() - started < 120


def test_why_prints_the_life_of_a_document(tiny: Run) -> None:
    place, _ = tiny
    used = place.store.scan("stable_mix").select("doc_id", "sequence").collect()
    kept = place.store.scan("filtered_corpus").select("doc_id").collect()["doc_id"]
    span = used.filter(pl.col("doc_id").is_in(kept.implode())).row(0, named=True)
    done = place.run("carebot", "why", span["doc_id"][:16])
    assert done.returncode == 0, done.stderr
    for words in (
        span["doc_id"],
        "origin",
        "rule_verdicts",
        "p_medical",
        "threshold",
        "quality_scores",
        "ended in filtered_corpus",
        "in stable_mix",
        "trained into stable_checkpoint",
    ):
        assert words in done.stdout, words
    unknown = place.run("carebot", "why", "0" * 32)
    assert unknown.returncode == 1
    assert "no document with id" in unknown.stderr


def test_one_shard_of_one_asset_by_hand(tiny: Run) -> None:
    place, _ = tiny
    shard = place.store.partitions("rule_verdicts")[0]
    before = place.store.require("rule_verdicts", shard)
    code, output = place.materialize("rule_verdicts", "--partition", shard)
    assert code == 0, output[-2000:]
    assert place.store.require("rule_verdicts", shard) == before, "inputs and settings unchanged"
    launched = place.run(
        "dg", "launch", "--assets", "rule_verdicts", "--partition", shard, cwd=PROJECT
    )
    assert launched.returncode == 0, launched.stdout[-2000:] + launched.stderr[-2000:]


def test_a_failed_blocking_check_exits_with_1(tiny: Run) -> None:
    place, _ = tiny
    path = place.store.path("quality_funnel") / "data.parquet"
    whole = path.read_bytes()
    frame = pl.read_parquet(path)
    frame.with_columns(num_documents=pl.col("num_documents") + 1).write_parquet(path)
    try:
        code, output = place.materialize("quality_funnel")
    finally:
        path.write_bytes(whole)
    assert code == 1
    assert "counts_match_verdicts" in output


def test_a_setting_misspelt_is_named(tiny: Run) -> None:
    place, _ = tiny
    done = place.run("carebot", "run", CAREBOT_SET__domain__treshold="1")
    assert done.returncode == 1
    assert "domain.treshold: unknown setting" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_scorecard_says_who_judged(tiny: Run) -> None:
    place, _ = tiny
    done = place.run("carebot", "report")
    page = (place.folder / done.stdout.strip()).read_text("utf-8")
    assert "offline heuristic teacher" in page
    numbers = json.loads((place.store.path("scorecard") / "scores.json").read_text("utf-8"))
    assert {row["suite"] for row in numbers["benchmarks"]} == {"cmmlu_med", "medqa", "pubmedqa"}
