"""Whether a text is of one piece, in both languages."""

from itertools import pairwise
from random import Random
from string import ascii_lowercase

import numpy as np
import polars as pl
import pytest

from carebot_assets.raters import ngrams, passages

HAN = [chr(code) for code in range(0x4E00, 0x5200)]
TOPICS = {
    "en": (
        "The inhaler opens the airways of the lungs and the cough of asthma gets better. "
        "An attack of asthma narrows the airways, so the inhaler has to be at hand. ",
        "Potatoes are boiled in salted water until they are soft enough to be mashed with butter. "
        "Boiled potatoes are peeled while warm, and butter is added to the mash. ",
    ),
    "zh": (
        "哮喘发作时气道变窄，吸入剂能放松气道的肌肉。哮喘患者应随身携带吸入剂，避免气道受刺激。",
        "土豆放在盐水里煮软后压成土豆泥。土豆泥里加黄油和牛奶，趁热把煮软的土豆压碎。",
    ),
}


def measures(texts: list[str]) -> list[dict[str, float]]:
    column = pl.Series(texts)
    han = column.str.contains(r"\p{Han}").to_numpy()
    rows = passages.measure(column, han, *passages.fit(column, han))
    return [dict(zip(passages.MEASURES, row, strict=True)) for row in rows]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_foreign_passage_is_less_like_what_is_around_it(lang: str) -> None:
    own, other = TOPICS[lang]
    whole, spliced = measures([own * 3, own + other + own])
    assert spliced["foreign_most"] > whole["foreign_most"] + 0.2
    for name in ("apart_most", "cut_most"):
        assert spliced[name] < whole[name]


def test_pieces_make_up_the_text_in_their_place() -> None:
    texts = pl.Series([TOPICS["zh"][0], TOPICS["en"][0], TOPICS["zh"][1]])
    rows = passages._pieces(texts, np.array([True, False, True]))
    for text in range(3):
        whole, size = texts[text], passages.SIZES[text != 1]
        ends = [len(whole) * k // passages.PIECES for k in range(passages.PIECES + 1)]
        parts = [whole[a:b] for a, b in pairwise(ends)]
        alone = ngrams.vectorize(pl.Series(parts), 1000, passages.FEATURES, size)
        part = rows[text * passages.PIECES : (text + 1) * passages.PIECES]
        assert abs(part - alone).max() == 0


def test_products_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(3)
    columns = np.concatenate([rng.choice(50, 8, replace=False) for _ in range(12)])
    values, starts = rng.random(96).astype(np.float32), np.arange(13) * 8
    dense = np.zeros((12, 50))
    for row in range(12):
        dense[row, columns[row * 8 : row * 8 + 8]] = values[row * 8 : row * 8 + 8]
    found = passages.gram()(columns, values, starts, 4, 50)
    wanted = np.stack([dense[k : k + 4] @ dense[k : k + 4].T for k in (0, 4, 8)])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_contrasts_are_those_of_sums_of_pieces() -> None:
    rng, num = np.random.default_rng(5), passages.PIECES
    vectors = rng.random((num, 30))

    def cosine(one: np.ndarray, two: np.ndarray) -> float:
        a, b = one.sum(axis=0), two.sum(axis=0)
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    foreign, around = [], []
    for start in range(1, num - 1):
        for stop in range(start + 1, num):
            if not passages.SHORTEST * num <= stop - start <= passages.LONGEST * num:
                continue
            before, inside, after = vectors[:start], vectors[start:stop], vectors[stop:]
            seams = (cosine(before, inside) + cosine(inside, after)) / 2
            foreign.append(cosine(before, after) - seams)
            around.append(cosine(inside, np.vstack([before, after])))
    cut = [cosine(vectors[:k], vectors[k:]) for k in range(2, num - 1)]
    wanted = [max(foreign), np.mean(foreign), min(around), np.mean(around),
              min(around) - np.mean(around), min(cut), np.mean(cut)]  # fmt: skip
    found = passages._contrasts((vectors @ vectors.T)[None])
    np.testing.assert_allclose(found, [wanted], rtol=1e-6)


def test_an_n_gram_of_every_piece_weighs_next_to_nothing() -> None:
    texts, han = pl.Series(["abc" * 200, "xyz" * 200]), np.array([False, False])
    counts, topics = passages.fit(texts, han)
    assert counts[-1] == 2 * passages.PIECES and counts[:-1].max() == passages.PIECES
    known = np.append(np.full(passages.FEATURES, 20), 20).astype(np.float32)
    assert np.abs(passages.measure(texts, han, known, topics)).max() == 0
    assert np.abs(passages.measure(texts, han, counts, topics)).max() > 0.5


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_topics_tell_a_foreign_passage_that_shares_no_word_with_anything(lang: str) -> None:
    """Each word once in a text: only other texts say which of them go together."""
    rng, (letters, size, gap) = Random(2), {"en": (ascii_lowercase, 6, " "),
                                            "zh": (HAN, 2, "，")}[lang]  # fmt: skip
    words = ["".join(rng.sample(letters, size)) for _ in range(480)]
    topics = [words[40 * k : 40 * k + 40] for k in range(12)]
    known = pl.Series([gap.join(rng.sample(topics[k % 12], 24)) for k in range(240)])
    trained = passages.fit(known, np.full(240, lang == "zh"))
    asked = []
    for k in range(40):
        own, other = rng.sample(topics[k % 12], 24), rng.sample(topics[(k + 1) % 12], 8)
        asked += [gap.join(own), gap.join([*own[:8], *other, *own[16:]])]
    rows = passages.measure(pl.Series(asked), np.full(80, lang == "zh"), *trained)
    shared, about = (
        (rows[::2, column] > rows[1::2, column]).mean()
        for column in map(passages.MEASURES.index, ("apart", "topic_apart"))
    )
    assert about >= 0.9 > shared


def test_too_few_texts_have_no_topics() -> None:
    texts = pl.Series([TOPICS["en"][0], TOPICS["zh"][0]])
    _, topics = passages.fit(texts, np.array([False, True]))
    assert topics.shape == (passages.TOPIC_ROWS, 2 * passages.TOPICS) and not topics.any()
