import dataclasses
from pathlib import Path

import pytest

from carebot_assets.teacher.ledger import Call, Ledger, call_key

OK = Call("k1", "domain_label", "m", 1, "ok", {"label": "体育"}, None, 10, 2, 0.5)
FAILED = Call("k2", "quality_score", "m", 1, "failed", None, "timeout", 7, 0, 0.25)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "deep" / "calls.sqlite")


def test_good_answers_are_found_again_and_failed_ones_are_not(ledger: Ledger) -> None:
    ledger.record(OK)
    ledger.record(FAILED)
    assert ledger.known(["k1", "k2", "k3", "k1"]) == {"k1": OK}


def test_a_failure_asked_again_keeps_what_it_cost(ledger: Ledger) -> None:
    ledger.record(FAILED)
    ledger.record(dataclasses.replace(FAILED, status="ok", value={"score": 3.0}, error=None))
    assert ledger.known(["k2"])["k2"].value == {"score": 3.0}
    assert ledger.totals("quality_score") == {
        "num_calls": 1,
        "num_failed": 0,
        "num_input_tokens": 14,
        "num_output_tokens": 0,
        "cost_usd": 0.5,
    }


def test_totals_and_spending(ledger: Ledger) -> None:
    assert ledger.spent() == 0
    ledger.record(OK)
    ledger.record(FAILED)
    assert ledger.spent() == 0.75
    assert (ledger.totals()["num_calls"], ledger.totals()["num_failed"]) == (2, 1)
    assert ledger.totals("judge_pair")["num_calls"] == 0


def test_more_keys_than_one_statement_takes(ledger: Ledger) -> None:
    for number in range(1000):
        ledger.record(dataclasses.replace(OK, key=f"key-{number}"))
    assert len(ledger.known(f"key-{number}" for number in range(2000))) == 1000


def test_survives_its_process(tmp_path: Path) -> None:
    """Every call is committed by itself: another connection sees it before the first closes."""
    first = Ledger(tmp_path / "calls.sqlite")
    first.record(OK)
    assert Ledger(tmp_path / "calls.sqlite").known(["k1"]) == {"k1": OK}


def test_not_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    path.write_text("not a database" * 100)
    with pytest.raises(ValueError, match="is not a call ledger"):
        Ledger(path)


@pytest.mark.parametrize(
    "other", [("m2", "a", 1, 0), ("m", "b", 1, 0), ("m", "a", 2, 0), ("m", "a", 1, 1)]
)
def test_key_depends_on_all_that_decides(other: tuple[str, str, int, int]) -> None:
    def key(model: str, text: str, seed: int, round: int) -> str:
        return call_key(model, [{"role": "user", "content": text}], {"seed": seed}, round)

    assert key("m", "a", 1, 0) == key("m", "a", 1, 0) != key(*other)
