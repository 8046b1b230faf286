"""`carebot labels`: the bill before a run, what failed, what was spent."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from carebot_assets import labels
from carebot_assets.cli import app
from carebot_assets.raters import seed_items
from carebot_assets.settings import Settings, load_settings
from carebot_assets.store import Store
from carebot_assets.teacher.client import open_teacher, read_ledger

FAULTS = '{"invalid_ratio": 0.5, "num_times": 100000}'
ENVIRONMENT = {
    "CAREBOT_SET__teacher__prices": "{m: {input: 10, output: 20}}",
    "CAREBOT_SET__teacher__model": "m",
    "CAREBOT_SET__teacher__offline__faults": FAULTS,
    "CAREBOT_SET__domain__seed_documents": "10",
}


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Settings]:
    environment = ENVIRONMENT | {"CAREBOT_SET__store__root": str(tmp_path / "store")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    return Store(settings.store.root), settings


def sample(store: Store) -> pl.LazyFrame:
    rows = {
        "doc_id": [f"{n:032x}" for n in range(6)],
        "shard": ["s"] * 6,
        "source": ["web"] * 6,
        "lang": ["en"] * 6,
        "text": [f"The team won match {n}." for n in range(6)],
        "stands_for": [1.0] * 6,
    }
    with store.publish("domain_seed_sample") as draft:
        draft.write(pl.DataFrame(rows))
    return store.scan("domain_seed_sample")


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["labels", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_is_priced_before_it_starts(profile: tuple[Store, Settings]) -> None:
    store, settings = profile
    with read_ledger(settings.teacher, store.ledger_path(), settings.seed) as teacher:
        before = {line.asset: line for line in labels.bill(teacher, store, settings)}
        sample(store)
        after = {line.asset: line for line in labels.bill(teacher, store, settings)}
    bound, exact = before["domain_seed_labels"], after["domain_seed_labels"]
    assert "before domain_seed_sample" in bound.basis and exact.basis == "its items"
    assert bound.costs["num_calls"] == 20 and exact.costs["num_calls"] == 12
    assert 0 < exact.costs["expected_usd"] < exact.costs["cost_usd"] < bound.costs["cost_usd"]
    rounds = before["instruction_seed_scores"]
    assert rounds.costs["num_calls"] == settings.instruction.seed_rounds
    assert "sft_verdicts" in rounds.basis
    shown = call("--dry-run")
    assert "domain_seed_labels" in shown and "spent so far 0.00" in shown
    # Nothing was asked: there are no calls.
    assert "all" in call() and "no failed labels" in call("--failed")


def test_failed_labels_are_listed(profile: tuple[Store, Settings]) -> None:
    store, settings = profile
    items = seed_items.domain(sample(store), settings.domain)
    with open_teacher(settings.teacher, store.ledger_path(), settings.seed) as teacher:
        answers = teacher.ask_rounds("domain_label", items, (1, 2))
        failed = [
            (f"{n:032x}", number)
            for number, one in zip((1, 2), answers, strict=True)
            for n, answer in enumerate(one)
            if answer.status == "failed"
        ]
        assert 0 < len(failed) < 12
        found = list(labels.failed_calls(teacher, store, settings))
        known = {line.asset: line for line in labels.bill(teacher, store, settings)}
    assert [(row["doc_id"], row["round"]) for row in found] == failed
    assert {row["attempts"] for row in found} == {3} and "label" in found[0]["error"]
    # The bill of the next run holds the failures alone.
    assert known["domain_seed_labels"].costs["num_calls"] == len(failed)
    assert f"{len(failed)} failed calls" in call("--failed")
    assert f"{len(failed)}" in call()


def test_an_unknown_batch(profile: tuple[Store, Settings]) -> None:
    result = CliRunner().invoke(app, ["labels", "--forget", "nothing"])
    assert result.exit_code == 1
