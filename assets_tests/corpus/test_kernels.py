"""The compiled passes equal a slow, obvious version of themselves on any text."""

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.corpus import kernels

MASK = (1 << 64) - 1
FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
BASE, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

ANY_TEXT = st.text(max_size=60)
CLINICAL = st.text(alphabet="aB1 .\n患者咳嗽Ａ０，。é̈ß", max_size=60)
TEXTS = st.lists(st.one_of(ANY_TEXT, CLINICAL, st.none()), max_size=6)


def fold(char: str) -> str:
    plain = chr(ord(char) - 0xFEE0) if "！" <= char <= "～" else char
    return plain.lower() if len(plain.lower()) == 1 else plain


def is_cjk(char: str) -> bool:
    ranges = (
        (0x3040, 0x30FF),
        (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF),
        (0xF900, 0xFAFF),
        (0x20000, 0x3FFFF),
    )
    return any(low <= ord(char) <= high for low, high in ranges)


def is_word(char: str) -> bool:
    return ord(char) < 0x20000 and not is_cjk(char) and unicodedata.category(fold(char))[0] in "LMN"


def units_of(text: str) -> list[str]:
    units, word = [], ""
    for char in text:
        if is_word(char):
            word += fold(char)
            continue
        units += [word] if word else []
        word = ""
        units += [fold(char)] if is_cjk(char) else []
    return [*units, word] if word else units


def mix(z: int) -> int:
    z = (z ^ z >> 30) * MIX_1 & MASK
    z = (z ^ z >> 27) * MIX_2 & MASK
    return z ^ z >> 31


def unit_hash(unit: str) -> int:
    value = FNV_OFFSET
    for char in unit:
        value = (value ^ ord(char)) * FNV_PRIME & MASK
    return mix(value)


def gram_hash(units: list[str]) -> int:
    value = 0
    for unit in units:
        value = (value * BASE + unit_hash(unit)) & MASK
    return mix(value ^ (len(units) * FNV_PRIME & MASK))


def windows_of(text: str, n: int) -> list[int]:
    units = units_of(text)
    return [gram_hash(units[i : i + n]) for i in range(len(units) - n + 1)] if n else []


def grams_of(text: str, n: int) -> list[int]:
    return list(dict.fromkeys(windows_of(text, min(n, len(units_of(text))))))


def signature_of(text: str, n: int, count: int) -> list[int]:
    values = [mix(i * BASE & MASK) >> 32 for i in range(1, 2 * count + 1)]
    pairs = [(a | 1, b) for a, b in zip(values[:count], values[count:], strict=True)]
    hashes = [gram >> 32 for gram in grams_of(text, n)]
    return [min((a * x + b & 0xFFFFFFFF for x in hashes), default=0xFFFFFFFF) for a, b in pairs]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", []),
        ("...，。\n", []),
        ("Type-2 Diabetes", ["type", "2", "diabetes"]),
        ("患者,女", ["患", "者", "女"]),
        ("服用Aspirin１００mg后", ["服", "用", "aspirin100mg", "后"]),
        ("naïve café", ["naïve", "café"]),
        ("𠀀a", ["𠀀", "a"]),
    ],
)
def test_units(text: str, units: list[str]) -> None:
    assert units_of(text) == units
    found = kernels.sketch(pl.Series([text]), 1, bands=1, rows=1)
    assert found.num_shingles.tolist() == [len(units)]
    assert found.signature.tolist() == [signature_of(text, 1, 1)]


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, n=st.integers(1, 6))
def test_sketch(texts: list[str | None], n: int) -> None:
    found = kernels.sketch(pl.Series(texts, dtype=pl.String), n, bands=3, rows=2)
    signatures = [signature_of(text or "", n, 6) for text in texts]
    assert found.signature.tolist() == signatures
    sizes = [windows_of(text or "", min(n, len(units_of(text or "")))) for text in texts]
    assert found.num_shingles.tolist() == list(map(len, sizes))
    bands = []
    for signature in signatures:
        for start in range(0, 6, 2):
            band = FNV_OFFSET + start // 2
            for value in signature[start : start + 2]:
                band = mix((band ^ value) * FNV_PRIME & MASK)
            bands.append(band)
    assert found.bands.ravel().tolist() == bands


def test_sliced_columns_are_read_from_their_start() -> None:
    texts = pl.Series(["one", "two three", None, "四五"])
    whole = kernels.sketch(texts, 2, bands=2, rows=2)
    part = kernels.sketch(texts[1:], 2, bands=2, rows=2)
    assert part.signature.tolist() == whole.signature.tolist()[1:]


@settings(max_examples=100, deadline=None)
@given(text=CLINICAL)
def test_fingerprint_ignores_case_width_and_white_space(text: str) -> None:
    spaced = " \n".join(text.replace("A", "Ａ").replace("a", "A")) + "\u3000"
    texts = pl.Series([text, spaced, text + "x"])
    first, same, other = kernels.sketch(texts, 5, 1, 1).fingerprint.tolist()
    assert first == same
    assert first != other


def test_signatures_estimate_the_jaccard_similarity() -> None:
    common = [f"w{i}" for i in range(700)]
    texts = pl.Series([" ".join([*common, *(f"{side}{i}" for i in range(300))]) for side in "ab"])
    found = kernels.sketch(texts, 1, 64, 16)
    estimate = float((found.signature[0] == found.signature[1]).mean())
    assert estimate == pytest.approx(700 / 1300, abs=0.05)
