"""The order of sentences: units, relations between them, and what is learned from texts."""

from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.raters.test_writing import GOOD
from carebot_assets.raters import discourse
from carebot_assets.raters import discourse_kernels as loops

MASK = (1 << 64) - 1


def fold(code: int, part: int) -> int:
    return ((code ^ part) * 1099511628211 & MASK) ^ (code >> 29)


def slot(code: int, size: int) -> int:
    mixed = (code ^ (code >> 32)) * 0x9E3779B97F4A7C15 & MASK
    return (mixed >> 20) % size


def column(family: int, han: int, one: int, two: int = 0, three: int = 0) -> int:
    code = fold(1469598103934665603, 2 * family + han)
    return slot(fold(fold(fold(code, one), two), three), discourse.FEATURES)


def reference(units: list[tuple[int, ...]], han: int) -> Counter[int]:
    """Relations of one text, sentence by sentence; units are (code, kind, gap, sentence, value)."""
    sentences = [[u for u in units if u[3] == s] for s in range(units[-1][3] + 1)] if units else []
    found: Counter[int] = Counter()
    if len(sentences) < 2:
        return found

    def length(sentence: list[tuple[int, ...]]) -> int:
        return sum(len(sentence) > limit for limit in (3, 8, 16, 30))

    codes = [unit[0] for unit in sentences[0]]
    found.update(column(loops.OPENING, han, code) for code in codes)
    found.update(column(loops.OPENING_PAIR, han, a, b) for a, b in pairwise(codes))
    numbers = [next((u[4] for u in s[:3] if 0 < u[4] <= 30), 0) for s in sentences]
    last_number = numbers[0]
    for before, after, number in zip(sentences, sentences[1:], numbers[1:], strict=False):
        end, start = before[-1], after[0]
        mark = end[0] if loops.END <= end[1] <= loops.CLOSE else end[1]
        found[column(loops.SEAM_KIND, han, mark, start[2], start[1])] += 1
        found[column(loops.SEAM_UNIT, han, mark, start[2], start[0])] += 1
        second = after[1][1] if len(after) > 1 else 0
        found[column(loops.SEAM_SECOND, han, mark, start[2], second)] += 1
        found[column(loops.LENGTHS, han, length(before), length(after))] += 1
        if number and last_number:
            found[column(loops.STEP, han, max(-3, min(3, number - last_number)) + 3)] += 1
        last_number = number or last_number
    mentions: dict[int, list[tuple[int, int, int, int]]] = {}
    for place, sentence in enumerate(sentences):
        for i, (code, kind, *_) in enumerate(sentence):
            width = 2 if kind == loops.HAN else 1
            if kind == loops.HAN:
                if i + 1 == len(sentence) or sentence[i + 1][1] != loops.HAN:
                    continue
                key = slot(fold(code, sentence[i + 1][0]), loops.WORDS)
            elif kind in (loops.LOWER, loops.UPPER, loops.CAPITALS):
                key = slot(code, loops.WORDS)
            else:
                continue
            left = sentence[i - 1][0] if i else 1
            right = sentence[i + width][0] if i + width < len(sentence) else 2
            mentions.setdefault(key, []).append((place, left, right, kind))
    for all_ in mentions.values():
        last = None
        if len({mention[0] for mention in all_}) < 2:
            continue
        for place, left, right, kind in all_:
            if place == last:
                continue
            status = loops.FIRST if last is None else loops.LATER
            distance = 0 if last is None else min(place - last, 5)
            found[column(loops.BEFORE, han, status, left)] += 1
            found[column(loops.AFTER, han, status, right)] += 1
            found[column(loops.DISTANCE, han, distance, kind)] += 1
            last = place
    return found


TEXTS = [
    *GOOD.values(),
    "1. Wash hands. 2. Put on gloves. 4. Take 12.5 mg. The NSAID (aspirin) helps. Aspirin!\n\nIt's",
    "一、饮食：少吃盐。二、运动：每天30分钟。\n（三）用药，按时用药。运动有益。",
    "One sentence only", "", "\n\n", "a. b. a b. c a", "“Yes.” He said. “No!” Said he",
]  # fmt: skip


def rows_of(texts: list[str]) -> tuple[discourse.Units, np.ndarray]:
    column = pl.Series(texts, dtype=pl.String)
    return discourse.split(column), column.str.contains(r"\p{Han}").to_numpy()


def by_row(units: discourse.Units, han: np.ndarray) -> list[dict[int, float]]:
    rows = discourse.relations(units, han)
    return [dict(zip(r.indices.tolist(), r.data.tolist(), strict=True)) for r in rows]


def the_slow_way(units: discourse.Units, han: np.ndarray) -> list[dict[int, float]]:
    parts = list(zip(*(part.tolist() for part in units[:-1]), strict=True))
    texts = [parts[a:b] for a, b in pairwise(units[-1].tolist())]
    return [
        {k: v / np.sqrt(own[-1][3] + 1) for k, v in reference(own, int(of)).items()}
        for own, of in zip(texts, han, strict=True)
    ]


def test_relations_are_those_of_the_slow_way() -> None:
    units, han = rows_of(TEXTS)
    wanted = the_slow_way(units, han)
    assert sum(map(bool, wanted)) >= 5
    assert by_row(units, han) == [pytest.approx(row) for row in wanted]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("ab C1。.!?\n(\"'三中文", max_size=40), min_size=1, max_size=4))
def test_relations_of_any_text(texts: list[str]) -> None:
    units, han = rows_of(texts)
    for order in (units, loops.kernels()[1](*units, 0)):
        assert by_row(order, han) == [pytest.approx(row) for row in the_slow_way(order, han)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It is 2.5 mg. Take it! Now?", [7, 3, 2]),
        ("“停药。”他说。好", [5, 3, 1]),
        ("Heading\nText of it", [1, 3]),
        ("Wait... what", [4, 1]),
    ],
)
def test_sentences(text: str, sentences: list[int]) -> None:
    units, _ = rows_of([text])
    assert np.bincount(units[3]).tolist() == sentences


def test_other_orders_keep_sentences_and_what_separates_them() -> None:
    units, _ = rows_of(TEXTS)
    other = loops.kernels()[1](*units, 1)
    assert (other[0] != units[0]).any()
    for row in range(len(TEXTS)):
        part = slice(units[-1][row], units[-1][row + 1])
        known, found = (
            Counter(tuple(u[0][part][u[3][part] == s]) for s in set(u[3][part].tolist()))
            for u in (units, other)
        )
        assert known == found
        starts = [np.flatnonzero(np.diff(u[3][part], prepend=-1)) for u in (units, other)]
        assert (units[2][part][starts[0]] == other[2][part][starts[1]]).all()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_order_is_learned_from_texts(lang: str) -> None:
    """What a text opens with, and how words come up, holds for words not seen before."""
    words = {
        "en": (["Asthma", "Gout", "Measles", "Anaemia", "Mumps", "Scabies", "Rabies", "Tetanus"],
               "{0} is a disease. It has signs. However, {0} can be treated. Ask a doctor."),
        "zh": (["哮喘", "痛风", "麻疹", "贫血", "疥疮", "狂犬病", "破伤风", "腮腺炎"],
               "{0}是一种疾病。它有症状。但是，{0}可以治疗。请咨询医生。"),
    }  # fmt: skip
    names, pattern = words[lang]
    texts = [pattern.format(name) for name in names]
    han = np.full(6, lang == "zh")
    weights = discourse.fit(pl.Series(texts[:6]), han)
    for text in texts[6:]:
        parts = [p for p in text.replace("。", "。|").replace(". ", ". |").split("|") if p]
        mixed = " ".join(parts[k].strip() for k in (2, 3, 0, 1))
        found = discourse.measure(pl.Series([text, mixed]), han[:2], weights)[:, 0]
        assert found[0] > found[1]


def test_no_order_is_learned_from_single_sentences() -> None:
    texts = pl.Series(["One sentence.", "Another one."])
    weights = discourse.fit(texts, np.array([False, False]))
    assert weights.shape == (len(discourse.MEASURES), discourse.FEATURES)
    assert (discourse.measure(texts, np.array([False, False]), weights)[:, :2] == 0).all()


def ending(units: list[tuple[int, ...]], han: int) -> Counter[int]:
    """What a text of these units ends with."""
    found: Counter[int] = Counter()
    if not units:
        return found
    codes, kinds = [0, 0, *(u[0] for u in units)], [0, *(u[1] for u in units)]
    last = [u for u in units if u[3] == units[-1][3]]
    opened = 0
    for _, kind, *_ in units[-loops.BRACKET_REACH - 1 :]:
        opened = opened + 1 if kind == loops.OPEN else max(0, opened - (kind == loops.CLOSE))
    for family, parts in enumerate([
        codes[-1:], codes[-2:], codes[-3:], kinds[-1:], kinds[-2:], [kinds[-2], codes[-1]],
        [min(len(last) - 1, loops.LONGEST_REST), kinds[-1]], [min(opened, 2)],
        [last[0][0], last[0][2], kinds[-1]],
    ]):  # fmt: skip
        found[column(family, han, *parts)] += 1
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("ab C1。.!?\n(\"'三中文", max_size=40), min_size=1, max_size=4))
def test_endings_of_any_text(texts: list[str]) -> None:
    units, han = rows_of(texts)
    parts = list(zip(*(part.tolist() for part in units[:-1]), strict=True))
    for turn in (None, 0, 1):
        found = discourse.endings(units, han, turn)
        for row, own in enumerate(pairwise(units[-1].tolist())):
            length = own[1] - own[0]
            left = np.random.default_rng((discourse.SEED, turn or 0)).uniform(0.3, 0.95, row + 1)
            kept = length if turn is None else min(length, max(1, int(length * left[-1])))
            wanted = ending(parts[own[0] : own[0] + kept], int(han[row]))
            columns = found[row].indices.tolist()
            assert {k: v for k, v in zip(columns, found[row].data, strict=True) if v} == {
                k: pytest.approx(v / 3) for k, v in wanted.items()
            }


@pytest.mark.parametrize(
    ("lang", "whole", "cut"),
    [
        ("en", "Rest and drink enough. Call if it hurts.", "Rest and drink enough. Call if it"),
        ("en", "It helps in most cases (see below).", "It helps in most cases (see"),
        ("zh", "注意休息，多喝水。疼痛时就诊。", "注意休息，多喝水。疼痛时"),
        ("zh", "多数情况有效（见下文）。", "多数情况有效（见"),
    ],
)
def test_how_texts_end_is_learned_from_them(lang: str, whole: str, cut: str) -> None:
    known = [text for text in TEXTS[: len(GOOD)] if ("。" in text) == (lang == "zh")]
    weights = discourse.fit(pl.Series(known), np.full(len(known), lang == "zh"))
    asked = pl.Series([whole, cut])
    found = discourse.measure(asked, np.full(2, lang == "zh"), weights)[:, 2]
    assert found[0] > 0 > found[1]
