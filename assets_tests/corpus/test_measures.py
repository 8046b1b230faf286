"""What is measured of a text, in both languages, and the character counts behind it."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.conftest import rows_of
from carebot_assets import tables
from carebot_assets.corpus import screening
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
        ("dup_line_char_ratio", "zh", "一行字\n一行字\n另行字", 3 / 11),
        ("dup_paragraph_ratio", "en", "One.\n\nTwo.\n\nOne.", 1 / 3),
        ("dup_sentence_ratio", "zh", "患者应当定期测量血压。" * 4, 0.75),
        ("dup_sentence_ratio", "en", "No. No. No. No.", 0.0),
        ("top_2gram_ratio", "en", "one two three four five six seven eight", 0.0),
        ("top_2gram_ratio", "en", "buy it " * 10, 6 / 7),
        ("top_2gram_ratio", "zh", "买买买买买买", 1.0),
        ("punctuation_ratio", "zh", "血压，。", 0.5),
        ("mixed_script_ratio", "en", "abжд", 0.5),
        ("mixed_script_ratio", "zh", "血压α ab", 0.0),
        ("traditional_ratio", "zh", "血壓是醫學", 1.0),
        ("traditional_ratio", "zh", "血压是医學", 1 / 3),
        ("bullet_line_ratio", "en", "- one\n• two\nthree\nfour", 0.5),
        ("bullet_line_ratio", "zh", "· 一\n二", 0.5),
        ("ellipsis_line_ratio", "en", "Read on...\nRead on…\nRead on", 2 / 3),
        ("symbol_word_ratio", "en", "one #two three four", 0.25),
        ("alpha_word_ratio", "en", "one 2 three 4", 0.5),
        ("mean_word_length", "en", "one three", 4.0),
        ("num_c4_sentences", "en", "One two three. Four! And\nno end here\nA b c.[1]", 1),
        ("num_c4_sentences", "zh", "血压升高很常见。应当测量。\n首页", 2),
        ("num_lorem_ipsum_lines", "en", "Some Lorem Ipsum dolor.", 1),
        ("num_curly_lines", "en", "if (x) { return 1; } else.", 1),
        ("javascript_line_ratio", "en", "Please enable JavaScript\nText", 0.5),
        ("line_punctuation_ratio", "zh", "一句。\n标题", 0.5),
        ("short_line_ratio", "en", "Title\n" + "long " * 10, 0.5),
        ("short_line_ratio", "zh", "标题\n" + "长" * 20, 0.5),
        ("char_dup_ratio", "en", "same\nsame", 0.5),
        ("newline_ratio", "en", "a\nb\nc d", 0.5),
        ("mojibake_ratio", "en", EN, 0.0),
        ("mojibake_ratio", "en", "a caf\u00e9\u201d, na\u00efve \u00e0 la carte", 0.0),
        ("num_advert_hits", "en", "Buy now! Limited stock!", 4),
        ("num_advert_hits", "zh", "限时优惠，加微信领取优惠券", 6),
        ("num_advert_hits", "en", "Buy now! " + "The text goes on and on. " * 500, 0),
        ("num_toxic_hits", "en", "You IDIOT, shut up", 4),
        ("num_toxic_hits", "en", "idiotypic antibodies", 0),
        ("num_toxic_hits", "zh", "闭嘴，你这个白痴", 4),
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


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=4), st.sampled_from(["zh", "en"]))
def test_any_text_has_measures_in_range(texts: list[str], lang: str) -> None:
    rows = [{"doc_id": str(i), "shard": "s", "lang": lang, "text": t} for i, t in enumerate(texts)]
    finding = screening.in_range(measure(rows_of("documents", *rows).lazy()).collect().lazy())
    assert finding.passed, finding.description


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_normalisation_is_idempotent(text: str) -> None:
    frame = pl.DataFrame({"t": [text]})
    once = frame.select(normalize(pl.col("t")))
    assert once.select(normalize(pl.col("t"))).item() == once.item()
