"""What the pictures of two rounds show: the numbers that are drawn, and where."""

from typing import Any

import polars as pl
import pytest

from assets_tests.corpus.test_pictures import is_png
from carebot_assets import markdown
from carebot_assets.raters import agreement_plots
from carebot_assets.teacher import agreement

# The last row has no second round: a failed call is no disagreement.
LABELS = pl.LazyFrame(
    [
        ("zh", "web", "Medicine", "Medicine"),
        ("zh", "web", "Medicine", "Sports"),
        ("en", "web", "Sports", "Sports"),
        ("en", "news", "Sports", "Sports"),
        ("en", "news", "Gaming", "Medicine"),
        ("zh", "news", "Gaming", None),
    ],
    schema=["lang", "source", "label_1", "label_2"],
    orient="row",
)
SCORES = pl.LazyFrame(
    [
        ("zh", "web", 3.0, 3.0),
        ("zh", "web", 3.0, 3.0),
        ("zh", "news", 1.0, 4.0),
        ("en", "web", 2.0, 2.5),
        ("en", "news", 5.0, 4.0),
        ("en", "news", None, 2.0),
    ],
    schema=["lang", "source", "score_1", "score_2"],
    orient="row",
)
BAR_TEXT_X = 1.01


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Axes of every picture that is made, by its title."""
    found: dict[str, Any] = {}
    image = markdown.image

    def keep(figure: Any, title: str) -> str:
        found[title] = figure.axes
        return image(figure, title)

    monkeypatch.setattr(markdown, "image", keep)
    return found


def names(axis: Any, which: str) -> list[str]:
    return [text.get_text() for text in getattr(axis, f"get_{which}ticklabels")()]


def bars(axis: Any) -> list[tuple[str, float, str]]:
    """Name, length, and the number at its right, of every bar from the top down."""
    [bottom, top] = axis.get_ylim()
    assert bottom > top  # the first is above
    numbers = {round(t.get_position()[1]): t.get_text() for t in axis.texts}
    assert {t.get_position()[0] for t in axis.texts} == {BAR_TEXT_X}
    rows = zip(names(axis, "y"), axis.patches, strict=True)
    return [(name, bar.get_width(), numbers[row]) for row, (name, bar) in enumerate(rows)]


def test_labels_that_the_rounds_confuse(drawn: dict[str, Any]) -> None:
    images = agreement_plots.labels(LABELS)
    assert list(images) == ["rounds", "agreement_plot"] and all(map(is_png, images.values()))
    [cells] = drawn["labels of the two rounds"]
    assert names(cells, "x") == names(cells, "y") == ["Gaming", "Medicine", "Sports"]
    assert (cells.get_ylabel(), cells.get_xlabel()) == ("first round", "second round")
    shown = {tuple(t.get_position()[::-1]): t.get_text() for t in cells.texts}
    # Row is the first round, column the second; a cell without documents is empty.
    assert shown == {(0, 1): "1", (1, 1): "1", (1, 2): "1", (2, 2): "2"}
    shades = cells.images[0].get_array().tolist()
    assert shades == [[0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


def test_agreement_on_every_label(drawn: dict[str, Any]) -> None:
    """Both rounds gave it, of the documents to which either did; the most agreed on is above."""
    agreement_plots.labels(LABELS)
    [axis] = drawn["agreement by label"]
    assert bars(axis) == [
        ("Sports", pytest.approx(2 / 3), "3"),
        ("Medicine", pytest.approx(1 / 3), "3"),
        ("Gaming", 0.0, "1"),
    ]


def test_rare_labels_beyond_the_limit_are_left_out(
    drawn: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement_plots, "MAX_LABELS", 2)
    agreement_plots.labels(LABELS)
    [cells] = drawn["labels of the two rounds"]
    assert names(cells, "x") == ["Medicine", "Sports"]
    assert sum(int(text.get_text()) for text in cells.texts) == 4


def test_scores_of_both_rounds(drawn: dict[str, Any]) -> None:
    images = agreement_plots.scores(SCORES, max_gap=2.0)
    assert list(images) == ["rounds"] and is_png(images["rounds"])
    pairs, gaps = drawn["scores of the two rounds"]
    [dots] = pairs.collections
    assert dots.get_offsets().tolist() == [[1.0, 4.0], [2.0, 2.5], [3.0, 3.0], [5.0, 4.0]]
    once, twice = 8 + 6, 8 + 6 * 2**0.7
    assert dots.get_sizes().tolist() == pytest.approx([once, once, twice, once])
    # Pairs on and beyond these lines are removed.
    assert [list(line.get_ydata()) for line in pairs.lines] == [[-2.0, 3.0], [2.0, 7.0]]
    assert [list(line.get_xdata()) for line in gaps.lines] == [[2.0, 2.0]]


def test_distances_of_scores_by_language(drawn: dict[str, Any]) -> None:
    agreement_plots.scores(SCORES, max_gap=2.0)
    _, axis = drawn["scores of the two rounds"]
    heights = {
        group[0].get_label(): {bar.get_x(): bar.get_height() for bar in group if bar.get_height()}
        for group in axis.containers
    }
    assert heights == {"en": {0.5: 1.0, 1.0: 1.0}, "zh": {0.0: 2.0, 3.0: 1.0}}
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["en", "zh"]


@pytest.mark.parametrize(
    ("compared", "expected"),
    [
        (agreement.compared(LABELS), [("en", 2 / 3, "3"), ("zh", 1 / 2, "2"),
                                      ("news", 1 / 2, "2"), ("web", 2 / 3, "3")]),
        (agreement.compared(SCORES, 2.0), [("en", 1.0, "2"), ("zh", 2 / 3, "3"),
                                           ("news", 1 / 2, "2"), ("web", 1.0, "3")]),
    ],
    ids=["labels", "scores"],
)  # fmt: skip
def test_agreement_by_language_and_source(
    drawn: dict[str, Any], compared: pl.LazyFrame, expected: list[tuple[str, float, str]]
) -> None:
    images = agreement_plots.groups(compared)
    assert list(images) == ["agreement_by_group"] and is_png(images["agreement_by_group"])
    [axis] = drawn["agreement by language and source"]
    assert bars(axis) == [(name, pytest.approx(share), num) for name, share, num in expected]
    colors = [bar.get_facecolor() for bar in axis.patches]
    assert colors[0] == colors[1] != colors[2] == colors[3]


def test_nothing_answered_is_nothing_drawn(drawn: dict[str, Any]) -> None:
    unanswered = LABELS.filter(pl.col("label_2").is_null())
    assert agreement_plots.labels(unanswered) == {}
    assert agreement_plots.scores(SCORES.filter(pl.col("score_1").is_null()), 2.0) == {}
    assert agreement_plots.groups(agreement.compared(unanswered)) == {}
    assert not drawn
