"""The batch transport against the offline server, killed at every point of a run."""

from pathlib import Path
from typing import Any

import pytest

from assets_tests.teacher.endpoints import Killed, Served, good, items
from carebot_assets.teacher.client import BudgetExceeded, TeacherError, summarize
from carebot_assets.teacher.ledger import Ledger

BATCH: dict[str, Any] = {"transport": "batch"}
SMALL = {**BATCH, "batch": {"poll_seconds": 0.001, "max_requests": 5, "max_open": 2}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


def check(answers: list[Any]) -> None:
    assert [a.value["label"] for a in answers] == [good(n) for n in range(len(answers))]


@pytest.mark.parametrize("settings", [BATCH, SMALL])
def test_answers_of_two_rounds(path: Path, settings: dict[str, Any]) -> None:
    served = Served()
    with served.teacher(path, **settings) as (teacher, _):
        for answers in teacher.ask_rounds("domain_label", items(12), [1, 2]):
            check(answers)
        assert not teacher.ledger.open_batches()
        bill = teacher.ledger.totals()
        # Batches cost half of the price.
        tokens = bill["num_input_tokens"] + bill["num_output_tokens"]
        assert bill["cost_usd"] == pytest.approx(0.5 * tokens / 1e6)
        [call] = teacher.ledger.known([next(iter(_keys(teacher)))]).values()
        assert call.transport.startswith("batch batch_") and call.prompt_hash and call.parameters
    with served.teacher(path, **settings) as (teacher, wire):
        again = teacher.ask_rounds("domain_label", items(12), [1, 2])
        assert wire.num_requests == 0 and all(a.cached for answers in again for a in answers)
    assert served.stats() == {"num_served": 24, "num_repeated": 0}


def _keys(teacher: Any) -> list[str]:
    return [row[0] for row in teacher.ledger._db.execute("SELECT key FROM calls")]


def _num_requests(path: Path) -> int:
    with Served().teacher(path, **SMALL) as (teacher, wire):
        teacher.ask("domain_label", items(12))
        return wire.num_requests


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_request_loses_and_repeats_nothing(tmp_path: Path, when: str) -> None:
    """At every request of a run: killed before it is sent, or after the reply was on its way."""
    total = _num_requests(tmp_path / "whole.sqlite")
    assert total > 12
    for fatal in range(total):
        path, served = tmp_path / f"{when}-{fatal}.sqlite", Served()

        def kill(number: int, moment: str, fatal: int = fatal) -> None:
            if (number, moment) == (fatal, when):
                raise Killed

        with pytest.raises(Killed), served.teacher(path, kill, **SMALL) as (teacher, _):
            teacher.ask("domain_label", items(12))
        with served.teacher(path, **SMALL) as (teacher, _):
            check(teacher.ask("domain_label", items(12)))
            assert not teacher.ledger.open_batches()
        assert served.stats() == {"num_served": 12, "num_repeated": 0}, (when, fatal)


@pytest.mark.parametrize("method", ["plan_batch", "batch_created", "batch_fetched"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_around_any_entry_in_the_ledger(
    path: Path, method: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, original = Served(), getattr(Ledger, method)

    def dying(self: Ledger, *args: Any) -> Any:
        if when == "after":
            original(self, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, method, dying)
        with pytest.raises(Killed), served.teacher(path, **SMALL) as (teacher, _):
            teacher.ask("domain_label", items(12))
    with served.teacher(path, **SMALL) as (teacher, _):
        check(teacher.ask("domain_label", items(12)))
    assert served.stats() == {"num_served": 12, "num_repeated": 0}


def test_a_lost_reply_to_the_creation_makes_no_second_batch(path: Path) -> None:
    import httpx2

    served, lost = Served(), []

    def cut(number: int, moment: str) -> None:
        if number == 1 and moment == "after":  # 0 is the upload
            lost.append(number)
            raise httpx2.ReadTimeout("cut")

    with served.teacher(path, cut, **BATCH) as (teacher, _):
        check(teacher.ask("domain_label", items(6)))
    assert lost and served.stats() == {"num_served": 6, "num_repeated": 0}


@pytest.mark.parametrize(
    "faults",
    [
        {"batch_error_ratio": 0.4},
        {"batch_duplicate_ratio": 0.5},
        {"batch_expired_ratio": 1.0},
        {"truncated_ratio": 0.4},
        {"invalid_ratio": 0.4},
        {"rate_limit_ratio": 0.0, "batch_error_ratio": 0.3, "batch_duplicate_ratio": 0.3,
         "batch_expired_ratio": 0.5, "invalid_ratio": 0.2},
    ],
)  # fmt: skip
def test_partial_failures_lose_nothing_and_repeat_nothing_paid(
    path: Path, faults: dict[str, float]
) -> None:
    served = Served(faults=faults)
    with served.teacher(path, **SMALL) as (teacher, _):
        check(teacher.ask("domain_label", items(24)))
        assert teacher.ledger.totals()["num_failed"] == 0
    assert served.stats() == {"num_served": 24, "num_repeated": 0}


def test_what_keeps_failing_is_failed_listed_and_alone_asked_again(path: Path) -> None:
    served = Served(faults={"batch_error_ratio": 0.4, "num_times": 1000})
    with served.teacher(path, **BATCH, max_retries=1) as (teacher, _):
        answers = teacher.ask("domain_label", items(20))
        failed = [n for n, a in enumerate(answers) if a.status == "failed"]
        assert 0 < len(failed) < 20
        [calls] = teacher.failures("domain_label", items(20))
        assert [n for n, call in enumerate(calls) if call] == failed
        assert {c.error for c in calls if c} == {"an error on purpose"}
        assert {c.attempts for c in calls if c} == {2} and summarize(answers)["num_failed"]
    healed = Served()
    with healed.teacher(path, **BATCH) as (teacher, _):
        check(teacher.ask("domain_label", items(20)))
        assert teacher.failures("domain_label", items(20)) == [[None] * 20]
    assert healed.stats()["num_served"] == len(failed)


def test_calls_of_a_batch_that_another_job_asked_for_are_not_lost(path: Path) -> None:
    served = Served()

    def kill(number: int, moment: str) -> None:
        if number == 3:
            raise Killed

    with pytest.raises(Killed), served.teacher(path, kill, **BATCH) as (teacher, _):
        teacher.ask("domain_label", items(12))
    with served.teacher(path, **BATCH) as (teacher, _):
        check(teacher.ask("domain_label", items(4)))
        assert len(teacher.ledger.open_batches()[0].keys) == 8
        check(teacher.ask("domain_label", items(12)))
        assert not teacher.ledger.open_batches()
    assert served.stats() == {"num_served": 12, "num_repeated": 0}


def test_budget(path: Path) -> None:
    served = Served()
    with served.teacher(path, **SMALL, budget_usd=0.004, max_output_tokens=1000) as (teacher, _):
        with pytest.raises(BudgetExceeded, match=r"budget_usd = 0.004: .* of 30 calls of"):
            teacher.ask("domain_label", items(30))
        done = teacher.ledger.totals()["num_calls"]
        assert 0 < done < 30 and teacher.ledger.spent() <= 0.004
    with served.teacher(path, **SMALL, max_output_tokens=1000) as (teacher, _):
        check(teacher.ask("domain_label", items(30)))
    assert served.stats() == {"num_served": 30, "num_repeated": 0}


def test_a_batch_the_endpoint_does_not_know_stops_until_it_is_given_up(path: Path) -> None:
    """Another key, perhaps: asking everything again could pay twice."""

    def kill(number: int, moment: str) -> None:
        if number == 3:
            raise Killed

    with pytest.raises(Killed), Served().teacher(path, kill, **BATCH) as (teacher, _):
        teacher.ask("domain_label", items(4))
    other = Served()
    with other.teacher(path, **BATCH) as (teacher, _):
        with pytest.raises(TeacherError, match=r"does not know batch .* labels --forget"):
            teacher.ask("domain_label", items(4))
        [batch] = teacher.ledger.open_batches()
        assert teacher.ledger.spent() == pytest.approx(batch.reserved_usd)
        teacher.ledger.batch_closed(batch.name, "lost")
        check(teacher.ask("domain_label", items(4)))


def test_an_endpoint_without_batches(path: Path) -> None:
    served = Served()
    served.app.routes[:] = [r for r in served.app.routes if "files" not in r.path]
    with (
        served.teacher(path, **BATCH) as (teacher, _),
        pytest.raises(TeacherError, match=r"has no Batch API.*transport: direct"),
    ):
        teacher.ask("domain_label", items(2))
