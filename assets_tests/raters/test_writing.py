"""Measures of how a text is written, in both languages."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.raters import faults, writing
from carebot_assets.raters.writing import MEASURES, Usual, Writing

GOOD = {
    "en": "Asthma narrows the airways. The narrowed airways make it hard to breathe. Breathing "
    "gets easier with an inhaler. The inhaler relaxes the muscles of the airways. Most patients "
    "carry one all day.",
    "zh": "哮喘是气道的慢性炎症。炎症使气道变窄，呼吸困难。呼吸困难时可使用吸入剂。"
    "吸入剂能放松气道的肌肉。多数患者随身携带吸入剂。",
}
USUAL = Usual.fit(pl.Series(list(GOOD.values()) * 3))


def measures(text: str) -> dict[str, float]:
    return dict(zip(MEASURES, writing.measure(pl.Series([text]), USUAL)[0], strict=True))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("spoil", "measure"),
    [
        (lambda text: text[: len(text) * 3 // 4], "ended"),
        (lambda text: text.replace("a", "囗").replace("气", "囗"), "odd_pairs"),
        (lambda text: text.replace("e", "卩").replace("气", "卩"), "rare"),
        (lambda text: text[:40] + "qzxj 9#kw" + text[40:], "odd_window"),
    ],
)
def test_a_fault_moves_its_measure(lang: str, spoil: object, measure: str) -> None:
    good, bad = measures(GOOD[lang]), measures(spoil(GOOD[lang]))  # type: ignore[operator]
    lower = measure in ("ended", "odd_window")
    assert (bad[measure] < good[measure]) if lower else (bad[measure] > good[measure])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_text_is_in_its_own_order(lang: str) -> None:
    parts = faults.parts_of(GOOD[lang])
    gap = " " if lang == "en" else ""
    mixed = gap.join(parts[k].strip() for k in (0, 3, 1, 4, 2))
    assert measures(GOOD[lang])["not_disordered"] > measures(mixed)["not_disordered"]


def test_words_that_no_training_text_holds_are_known() -> None:
    text, word = GOOD["zh"], "心肌梗死"
    assert word not in text
    whole, turned = (measures(text[:30] + one + text[30:]) for one in (word, word[::-1]))
    assert whole["odd_narrow"] > turned["odd_narrow"] + 0.1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_a_row_depends_on_its_own_text_only(texts: list[str]) -> None:
    together = writing.measure(pl.Series(texts), USUAL)
    assert together.shape == (len(texts), len(MEASURES)) and np.isfinite(together).all()
    alone = np.vstack([writing.measure(pl.Series([text]), USUAL) for text in texts])
    np.testing.assert_array_equal(together, alone)


def test_a_text_that_is_cut_by_the_reader_has_not_broken_off() -> None:
    assert measures("word " * writing.MAX_CHARS)["ended"] == 1.0
    assert measures("word " * 20)["ended"] == 0.0


def test_nothing_is_odd_to_who_has_learned_it() -> None:
    """So a training text is measured by a model that has not."""
    new = f"{GOOD['en']} Qvik zzyp wrmt blorg fnix."
    texts = pl.Series([f"{GOOD['en']} {n}" for n in range(8)] + [new])
    learned, rows = writing.learn(texts, texts, np.arange(9))
    odd = MEASURES.index("odd_window")
    assert learned.encode(texts)[8, odd] > rows[8, odd]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_length_says_nothing(lang: str) -> None:
    texts = pl.Series([GOOD[lang] * (1 + n % 7) + str(n) for n in range(70)])
    lengths = np.log(texts.str.len_chars().to_numpy())

    def most(rows: np.ndarray) -> float:
        varied = rows[:, rows.std(axis=0) > 1e-3].T
        return max(abs(np.corrcoef(column, lengths)[0, 1]) for column in varied)

    assert most(writing.measure(texts, USUAL)) > 0.7
    assert most(writing.learn(texts, texts, np.arange(70))[1]) < 0.1


def test_what_is_usual_is_learned_from_so_many_texts_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = pl.Series([f"{text} {n}" for n in range(10) for text in GOOD.values()])
    whole = Usual.fit(texts)
    monkeypatch.setattr(writing, "MAX_TEXTS", 6)
    part = Usual.fit(texts)
    assert 0 < part.pieces[-1] < whole.pieces[-1]
    np.testing.assert_array_equal(part.runs, Usual.fit(texts).runs)


def test_it_is_kept_as_tensors() -> None:
    texts = pl.Series(list(GOOD.values()) * 4)
    learned, _ = writing.learn(texts, texts, np.arange(8))
    again = Writing.of_tensors(learned.tensors())
    np.testing.assert_array_equal(learned.encode(texts), again.encode(texts))
    # Languages have columns of their own.
    assert (learned.encode(texts)[::2, len(MEASURES) :] == 0).all()


def test_texts_are_measured_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pl.Series([*GOOD.values(), "", None, GOOD["en"][:90]])
    whole = writing.measure(texts, USUAL)
    monkeypatch.setattr(writing, "CHUNK_ROWS", 2)
    # Sums of products end in another digit by how many there are at once.
    np.testing.assert_allclose(writing.measure(texts, USUAL), whole, atol=1e-12)
    assert writing.measure(texts[:0], USUAL).shape == (0, len(MEASURES))
