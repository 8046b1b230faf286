import polars as pl
import pytest

from assets_tests.evaluation.conftest import FakeJudge
from carebot_assets.evaluation import consultations as subject
from carebot_assets.evaluation.suites import judge_protocol

PROTOCOL = judge_protocol("cmtmedqa")


def test_every_round_sees_the_reference_history(items: pl.DataFrame) -> None:
    rounds = subject.rounds_of(items.lazy())
    assert rounds.select("item_id", "turn", "reference").rows() == [
        ("cmtmedqa/t#0", 1, "有发热吗？"),
        ("cmtmedqa/t#0", 2, "多休息。"),
    ]
    assert [len(history) for history in rounds["history"].to_list()] == [1, 3]
    assert rounds["history"].to_list()[1][1] == {"role": "assistant", "text": "有发热吗？"}


def test_answers_are_graded_against_the_reference(items: pl.DataFrame, judge: FakeJudge) -> None:
    def generate(conversations: list[list[subject.Turn]], limit: int) -> list[str]:
        assert limit == 7
        return ["go" if len(c) == 1 else "drink water" for c in conversations]

    frame, info = subject.run(items.lazy(), PROTOCOL, generate, judge, max_new_tokens=7)
    assert judge.asked[1] == {
        "dialogue": "Patient: 头痛三天。\nDoctor: 有发热吗？\nPatient: 没有。",
        "reference": "多休息。",
        "answer": "drink water",
    }
    assert frame["turn"].to_list() == [1, 2] and frame["fluency"].to_list() == [3.0, 5.0]
    assert frame["judge"].unique().to_list() == ["fake-judge"]
    assert info["num_answers"] == 2 and info["num_failed"] == 0 and info["mean_relevance"] == 4.0


@pytest.mark.parametrize("answer", ["fail", "nonsense outside the scale"])
def test_a_grade_that_cannot_be_had_stays_failed(
    items: pl.DataFrame, judge: FakeJudge, answer: str
) -> None:
    frame, info = subject.run(
        items.lazy(), PROTOCOL, lambda c, n: ["ok", answer], judge, max_new_tokens=7
    )
    assert frame["status"].to_list() == ["scored", "failed"]
    assert frame["completeness"].to_list() == [3.0, None]
    assert info["num_failed"] == 1
    # Asking again helps where the call failed, not where its answer is of no use.
    assert info["num_failed_calls"] == (answer == "fail")


def test_a_generator_that_loses_answers_is_refused(items: pl.DataFrame, judge: FakeJudge) -> None:
    with pytest.raises(ValueError, match="1 answers to 2 conversations"):
        subject.run(items.lazy(), PROTOCOL, lambda c, n: ["one"], judge, max_new_tokens=7)


def test_long_conversations_lose_their_oldest_rounds() -> None:
    def turns(count: int) -> list[subject.Turn]:
        return [{"role": "user", "text": str(n)} for n in range(count)]

    def count(conversations: list[list[subject.Turn]]) -> list[int]:
        return [10 * len(c) for c in conversations]

    histories = [turns(1), turns(3), turns(7)]
    shortened, num = subject.shorten(histories, count, 30)
    assert [[t["text"] for t in h] for h in shortened] == [["0"], ["0", "1", "2"], ["4", "5", "6"]]
    assert num == 1
    shortened, num = subject.shorten(histories, count, 5)
    assert [len(h) for h in shortened] == [1, 1, 1] and num == 2
    assert subject.shorten([], count, 5) == ([], 0)
