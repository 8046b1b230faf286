"""The compiled measures equal a slow, obvious version of themselves on any text."""

from random import Random

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets_tests.corpus.slow_measures import characters, measures_of, num_stop_hits, words
from carebot_assets.corpus import counting
from carebot_assets.corpus.outline import OUTLINE, outline

PIECES = (
    *("患者", "咳嗽", "高血压。", "血壓", "の", "カ", "𠀀", "Ａ１", "！", "……", "…", "。", "，"),
    *("the ", "The ", "of ", "blood ", "pressure ", "Pressure. ", "x1 ", "2.5 ", "naïve ", "é"),
    *("\n", "\n\n", "- ", "• ", "# ", "...", ". ", "! ", "?", '"', "{", "}", "[1]", "[edit]"),
    *("[citation needed]", "http://a", "WWW.b", "lorem Ipsum ", "JavaScript ", "terms of use "),
    *("uses cookies ", "Ã©", "â€™", "鈥", "\ufffd", "\u3000", "\t", "α", "ж", "²", "٣", "ﾊ"),
)
PHRASED = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
REPEATED = st.tuples(PHRASED, st.integers(1, 4)).map(lambda pair: pair[0] * pair[1])
# A few letters: n-grams that repeat, overlap, tie.
DENSE = st.text(alphabet="ab 血压\n.", max_size=120)
TEXTS = st.lists(st.one_of(PHRASED, REPEATED, DENSE, st.text(max_size=60)), max_size=5)
LANGS = st.sampled_from(["zh", "en", "other"])


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, lang=LANGS)
@example(["a b a b a b a b a b a b a b a b"], "en")
@example(["one two\n\none two\n \n\none two"], "en")
@example(["Yes. It is so.[1] And so.[2][edit]\nNot so...\nThree words here [12]"], "en")
@example(["\n", " ", "", "\n\n\n"], "zh")
def test_every_measure_equals_its_slow_version(texts: list[str], lang: str) -> None:
    series = pl.Series(texts, dtype=pl.String)
    found = counting.measures(series, pl.Series([lang] * len(texts), dtype=pl.String))
    assert found.columns == list(counting.MEASURES)
    for row, text in zip(found.iter_rows(named=True), texts, strict=True):
        slow = measures_of(text, lang)
        differing = {
            name: (row[name], slow[name]) for name in counting.MEASURES if row[name] != slow[name]
        }
        assert not differing, text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_long_texts_equal_their_slow_version(lang: str) -> None:
    """Tables of hashes are full enough here for places to be taken."""
    rng = Random(3)
    pieces = [piece for piece in PIECES if piece.strip()] + ["\n", "\n\n"] * 8
    texts = ["".join(rng.choices(pieces, k=1500)) for _ in range(4)]
    lines = [line for text in texts for line in text.split("\n")]
    texts += ["\n".join(rng.choices(lines, k=400)) for _ in range(4)]
    texts += ["\n\n".join(f"{n}" for n in rng.choices(range(300), k=600))]
    found = counting.measures(pl.Series(texts), pl.Series([lang] * len(texts)))
    for row, text in zip(found.iter_rows(named=True), texts, strict=True):
        assert row == measures_of(text, lang)


def test_null_is_empty_and_slices_are_read_from_their_start() -> None:
    texts, langs = (
        pl.Series(["one", "two three", None, "四五"]),
        pl.Series(["en", None, "zh", "zh"]),
    )
    whole = counting.measures(texts, langs)
    assert whole["num_chars"].to_list() == [3, 9, 0, 2]
    assert counting.measures(texts[1:], langs[1:]).equals(whole[1:])


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS)
@example(
    ["the", "xxxxxxxxthe", "a the", "thе", "ŧhe the1 1the", "tHE ＴＨＥ", "the\u0301", "\u00e9be"]
)
def test_an_outline_is_what_the_slow_version_counts(texts: list[str]) -> None:
    series = pl.Series([None, *texts, *texts], dtype=pl.String)
    for found in (outline(series[1:]), outline(series)[1:]):
        assert found.columns == list(OUTLINE)
        for row, text in zip(found.iter_rows(named=True), [*texts, *texts], strict=True):
            slow = characters(text) | words(text) | {"num_stop_hits": num_stop_hits(text)}
            assert row == {name: slow[name] for name in OUTLINE}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("two two two two two", "top_2gram_ratio", 1.0),
        ("see the leaf see the tree", "top_2gram_ratio", 14 / 25),
        ("血压升高血压下降", "top_2gram_ratio", 0.5),
        ("all words of this line differ", "top_2gram_ratio", 0.0),
        # Of two bigrams seen twice the first counts: `a b` (3), not `long words` (10).
        ("a b x long words y a b z long words", "top_2gram_ratio", 6 / 35),
        ("a b c d e a b c d e a b c d e", "dup_5gram_ratio", 10 / 29),
        ("a b c d e f", "dup_5gram_ratio", 0.0),
    ],
)
def test_ngrams_by_hand(text: str, name: str, value: float) -> None:
    found = counting.measures(pl.Series([text]), pl.Series(["en"]))
    assert found[name].item() == pytest.approx(value)
