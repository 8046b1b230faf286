"""What is measured of a text, in both languages, and the character counts behind it."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.conftest import rows_of
from carebot_assets import tables
from carebot_assets.corpus import counting
from carebot_assets.corpus.language import language
from carebot_assets.corpus.measures import measure
from carebot_assets.corpus.normalize import normalize

EN = "Hypertension is a lasting rise of the blood pressure. It harms the heart and the kidneys."
ZH = "高血压是一种以血压持续升高为特征的慢性病，可损害心脏和肾脏。患者应当限盐并定期测量血压。"


def measured(text: str, lang: str = "en") -> dict[str, object]:
    rows = rows_of("documents", {"doc_id": "a", "shard": "s", "lang": lang, "text": text})
    return measure(rows.lazy()).collect().row(0, named=True)


@pytest.mark.parametrize(
    ("column", "lang", "text", "value"),
    [
        ("num_tokens", "en", "Two words, 3 tokens...", 4),
        ("num_tokens", "zh", "血压120/80毫米汞柱（mmHg）", 9),
        ("special_char_ratio", "en", "ab!?", 0.5),
        ("special_char_ratio", "zh", "血压，。", 0.5),
        ("digit_ratio", "zh", "血压12", 0.5),
        ("letter_ratio", "en", "ab 血压", 0.4),
        ("letter_ratio", "zh", "ab 血压", 0.4),
        ("replacement_ratio", "en", "ab\ufffdd", 0.25),
        ("url_line_ratio", "en", "text\nhttps://example.org/a\n\nmore\nwww.example.org", 0.5),
        ("url_line_ratio", "en", "Long " * 40 + "see https://example.org.", 0.0),
        ("boilerplate_line_ratio", "en", "Accept Cookies\nA text.", 0.5),
        (
            "boilerplate_line_ratio",
            "zh",
            "版权所有\n首页 | 关于我们\n正文一行。\n正文又一行。",
            0.5,
        ),
        ("dup_line_ratio", "en", "same line\nsame line\nsame line\nsame line", 0.75),
        ("dup_line_ratio", "zh", "一行字\n一行字\n另行字", 1 / 3),
        ("dup_sentence_ratio", "zh", "患者应当定期测量血压。" * 4, 0.75),
        ("dup_sentence_ratio", "en", "No. No. No. No.", 0.0),
        ("top_ngram_ratio", "en", "one two three four five six seven eight", 0.0),
        ("top_ngram_ratio", "en", "buy it " * 10, 1.0),
        ("top_ngram_ratio", "zh", "买买买买买买", 1.0),
        ("mojibake_ratio", "en", EN, 0.0),
        ("mojibake_ratio", "en", "a caf\u00e9\u201d, na\u00efve \u00e0 la carte", 0.0),
        ("num_advert_hits", "en", "Buy now! Limited stock!", 2),
        ("num_advert_hits", "zh", "限时优惠，加微信领取优惠券", 3),
        ("num_advert_hits", "en", "Buy now! " + "The text goes on and on. " * 500, 0),
        ("num_toxic_hits", "en", "You IDIOT, shut up", 2),
        ("num_toxic_hits", "en", "idiotypic antibodies", 0),
        ("num_toxic_hits", "zh", "闭嘴，你这个白痴", 2),
        ("num_stop_words", "en", "The sum of the parts and of the rest", 3),
        ("num_stop_words", "zh", ZH, 6),
        ("unique_char_ratio", "en", "abab abab", 0.25),
        ("unterminated_ratio", "en", "A title", 0.0),
        ("unterminated_ratio", "en", "Home\nNews\nA sentence.\nLogin", 0.75),
        ("unterminated_ratio", "zh", "首页\n新闻\n这是一句话。\n“也是。”", 0.5),
    ],
)
def test_measures(column: str, lang: str, text: str, value: float) -> None:
    assert measured(text, lang)[column] == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [(ZH, "latin-1"), (ZH, "gbk"), ("It\u2019s a \u201cna\u00efve\u201d text \u2013 ok", "cp1252")],
)
def test_mojibake_is_seen_after_normalisation(text: str, wrong: str) -> None:
    damaged = pl.Series([text.encode().decode(wrong, "replace")])
    clean = damaged.to_frame("t").select(normalize(pl.col("t"))).item()
    assert measured(clean)["mojibake_ratio"] > 0.03


def test_schema_and_order_over_many_documents() -> None:
    texts = [f"{EN} {i}" if i % 2 else f"{ZH}{i}" for i in range(5000)]
    langs = ["en" if i % 2 else "zh" for i in range(5000)]
    ids = [f"{i:032x}" for i in range(5000)]
    frame = (
        rows_of("documents")
        .clear(5000)
        .with_columns(
            doc_id=pl.Series(ids), lang=pl.Series(langs), text=pl.Series(texts), shard=pl.lit("s")
        )
    )
    found = measure(frame.lazy()).collect(engine="streaming")
    assert found["doc_id"].to_list() == ids
    assert found.schema == tables.BY_NAME["text_measures"].schema
    assert found["num_tokens"].to_list()[:2] == [42, 17]
    assert measure(frame.head(0).lazy()).collect().height == 0


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        (EN, "en"),
        (ZH, "zh"),
        ("Acute otitis media", "en"),
        ("16S rRNA基因及16S-23S rRNA基因间隔区", "zh"),
        ("Die Behandlung des Bluthochdrucks umfasst eine salzarme Kost und mehr Bewegung "
         "sowie Medikamente, die der Arzt verordnet.", "other"),
        ("高血圧とは、血圧が持続的に高くなる病気のことです。", "other"),
        ("Артериальная гипертензия", "other"),
        ("*** 123 ***", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_language(text: str, lang: str) -> None:
    texts = pl.Series("text", [text])
    frame = pl.concat([texts.to_frame(), counting.characters(texts)], how="horizontal")
    assert frame.select(language(pl.col("text"))).item() == lang


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("e\u0301tude", "\u00e9tude"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        (" a\u200b\ufeff\x00b\u00ad \n\n\n\n c\t\n", "ab\n\n c"),
        ("\x93quoted\x94 \x85 \u00a0x", "“quoted” …  x"),
        ("血压，１２０", "血压，１２０"),
    ],
)
def test_normalize(raw: str, clean: str) -> None:
    assert pl.DataFrame({"t": [raw]}).select(normalize(pl.col("t"))).item() == clean


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=5))
def test_any_text_has_measures_in_range(texts: list[str]) -> None:
    found = counting.repetition(pl.Series(texts))
    assert all(math.isfinite(v) and 0 <= v <= 1 for row in found.iter_rows() for v in row)
    counts = counting.characters(pl.Series(texts))
    assert counts["num_chars"].to_list() == [len(text) for text in texts]
    by_class = counts.select(pl.sum_horizontal(f"num_{name}" for name in counting.CLASSES))
    assert by_class.to_series().to_list() == counts["num_chars"].to_list()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_normalisation_is_idempotent(text: str) -> None:
    frame = pl.DataFrame({"t": [text]})
    once = frame.select(normalize(pl.col("t")))
    assert once.select(normalize(pl.col("t"))).item() == once.item()
