"""Bounds on token counts hold for every kind of tokenizer and decide as counting all would."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets import tables
from carebot_assets.corpus import token_counts
from carebot_assets.settings import Settings

TEXTS = [*ZH, *EN, "the the the patient patient of the hospital", "慢性支气管炎急性发作"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _byte_level() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet))
    return made


def _byte_fallback() -> Tokenizer:
    """As Llama 2 and Mistral: spaces are letters, tokens may span words."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    made.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<unk>", *BYTES], show_progress=False
    )
    made.train_from_iterator(TEXTS, trainer)
    return made


def _word_piece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]"])
    made.train_from_iterator(TEXTS, trainer)
    return made


def _unigram() -> Tokenizer:
    """As XLM-R: what it does not know becomes one unknown token, so nothing is proved."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=["<unk>"], unk_token="<unk>")
    made.train_from_iterator(TEXTS, trainer)
    return made


KINDS = {
    "byte_level": _byte_level,
    "byte_fallback": _byte_fallback,
    "word_piece": _word_piece,
    "unigram": _unigram,
}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.lists(
    st.sampled_from(
        [
            *TEXTS,
            " ",
            "\n",
            "  ",
            "病",
            "x",
            "3",
            "\u3164",
            "\ufdfa",
            "。",
            "\x1f",
            "\x85",
            "e\u0301",
            "\u200b",
            "¬",
        ]
    ),
    max_size=8,
).map("".join)


@pytest.fixture(scope="module", params=KINDS)
def counter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp(request.param) / "tokenizer.json"
    KINDS[request.param]().save(str(file))
    return token_counts.load(file.parent)


@given(text=ANY_TEXT)
def test_bounds_enclose_the_count(counter: token_counts.TokenCounter, text: str) -> None:
    lower, upper = counter.bounds(pl.Series([text]))
    [count] = counter.count([text])
    assert lower[0] <= count <= upper[0]


def test_what_each_vocabulary_proves(counter: token_counts.TokenCounter) -> None:
    kind = type(counter.tokenizer.model).__name__
    assert (counter.words is None) == (kind == "Unigram")
    assert (counter.han is None) == (kind in ("Unigram", "WordPiece"))
    if counter.han is not None:
        assert counter.han > 1, "it has learnt Chinese words"


@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=6), fewest=st.integers(0, 40))
def test_decisions_are_those_of_counting_everything(
    demo: Settings, counter: token_counts.TokenCounter, texts: list[str], fewest: int
) -> None:
    most = 3 * fewest + 5
    limits = {"min_tokens": fewest, "max_tokens": most}
    rules = demo.rules.model_copy(
        update={
            "zh": demo.rules.zh.model_copy(update=limits),
            "en": demo.rules.en.model_copy(update={"min_tokens": fewest + 3, "max_tokens": most}),
        }
    )
    langs = [("zh", "en", "other")[i % 3] for i in range(len(texts))]
    batch = _measures(len(texts)).with_columns(lang=pl.Series(langs), text=pl.Series(texts))
    found = token_counts._recount(batch, rules, counter)["num_tokens"].to_list()
    for tokens, text, lang in zip(found, texts, langs, strict=True):
        low, high = (fewest + 3 if lang == "en" else fewest), most
        [count] = counter.count([text])
        if low <= tokens <= high:
            assert low <= count <= high
        else:
            assert tokens == count, "what fails is said exactly"


def test_only_texts_near_a_limit_are_counted(demo: Settings, tmp_path: Path) -> None:
    counter = token_counts.load(write_tokenizer(tmp_path))
    texts = ["fever", "fever " * 30, "fever " * 500, "发热" * 2, "发热咳嗽" * 300]
    asked: list[str] = []

    class Spy(token_counts.TokenCounter):
        def count(self, texts: list[str]) -> list[int]:
            asked.extend(texts)
            return super().count(texts)

    spy = Spy(counter.tokenizer, counter.words, counter.han, counter.growth)
    langs = ["en", "en", "en", "zh", "zh"]
    batch = _measures(5).with_columns(lang=pl.Series(langs), text=pl.Series(texts))
    token_counts._recount(batch, demo.rules, spy)
    assert asked == [texts[0], texts[3]]


def test_a_missing_measure_stays_missing(demo: Settings, tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    measured = _measures(2).with_columns(num_tokens=pl.Series([None, 4], dtype=pl.Int64))
    documents = pl.DataFrame({"doc_id": ["0", "1"], "text": ["fever", "fever"]})
    found = token_counts.exact(measured.lazy(), documents.lazy(), demo.rules, tmp_path).collect()
    assert found["num_tokens"].is_null().to_list() == [True, False]
    assert found.schema == measured.schema


@pytest.mark.parametrize(
    ("content", "words"), [(None, "does not exist"), ("{}", "is no tokenizer")]
)
def test_the_file_is_named(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match=words) as caught:
        token_counts.load(file)
    assert str(file) in str(caught.value) and "rules.tokenizer" in str(caught.value)


def _measures(count: int) -> pl.DataFrame:
    schema = tables.BY_NAME["text_measures"].schema
    empty = pl.DataFrame({name: pl.Series([None] * count, dtype=t) for name, t in schema.items()})
    ids = pl.Series([str(i) for i in range(count)])
    return empty.with_columns(doc_id=ids, num_tokens=pl.lit(1, pl.Int64))
