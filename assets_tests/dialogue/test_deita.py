from types import SimpleNamespace
from typing import Any

from assets_tests.conftest import rows_of
from assets_tests.dialogue.conftest import record
from carebot_assets import tables
from carebot_assets.dialogue import deita
from carebot_assets.expectations import conforms


def rated(complexity: float, quality: float) -> Any:
    value = {"complexity": complexity, "quality": quality}
    return SimpleNamespace(status="ok", value=value)


FAILED: Any = SimpleNamespace(status="failed", value=None)


def test_rounds_are_rated_alone_and_averaged() -> None:
    dialogues = rows_of(
        "sft_dialogues",
        record("2", "q1", "a1", "q2", "a2"),
        record("1", "q3", "a3"),
        record("0", "q4", "a4", "q5", "a5"),
    )
    rounds = deita.rounds(dialogues.lazy())
    assert deita.items(rounds)[:3] == [
        {"question": "q1", "answer": "a1"},
        {"question": "q2", "answer": "a2"},
        {"question": "q3", "answer": "a3"},
    ]
    answers = [rated(2, 3), rated(4, 5), rated(1.5, 6), FAILED, rated(6, 6)]
    seeds = deita.scored(rounds, answers, "me")
    schema = tables.BY_NAME["instruction_seed_scores"].schema
    assert conforms(
        tables.BY_NAME["instruction_seed_scores"], seeds.select(schema.names()).lazy()
    ).passed
    assert seeds["status"].to_list() == ["ok", "ok", "ok", "failed", "ok"]
    scores = deita.combine(seeds, "hash")
    assert conforms(tables.BY_NAME["instruction_scores"], scores.lazy()).passed
    assert scores["record_id"].to_list() == ["2", "1", "0"]
    assert scores["score"].to_list() == [(2 * 3 + 4 * 5) / 2, 1.5 * 6, None]
    assert scores["status"].to_list() == ["scored", "scored", "failed"]
    assert scores["complexity"].to_list() == [[2, 4], [1.5], [None, 6]]
    report = deita.summarize(scores.lazy())
    assert (report["num_scored"], report["num_failed"], report["num_rounds"]) == (2, 1, 5)
    assert report["mean_score"] == 11.0


def test_a_sample_is_even_over_sources_and_does_not_depend_on_order() -> None:
    one = [record(f"a{n}", "q", "a", "q", "a") for n in range(40)]
    two = [record(f"b{n}", "q", "a") | {"source": "other"} for n in range(6)]
    rounds = deita.rounds(rows_of("sft_dialogues", *one, *two).lazy())
    assert rounds.height == 86 and set(rounds["round"]) == {0, 1}
    chosen = deita.sample(rounds, 20, 1)
    assert dict(chosen["source"].value_counts().iter_rows())["other"] == 6
    assert chosen.equals(deita.sample(rounds.reverse(), 20, 1))
    assert not chosen.equals(deita.sample(rounds, 20, 2))


def test_nothing_to_rate() -> None:
    rounds = deita.rounds(rows_of("sft_dialogues").lazy())
    assert deita.scored(deita.sample(rounds, 5, 1), [], "me").is_empty()
