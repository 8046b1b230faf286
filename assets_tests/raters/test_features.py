"""N-grams, sampling and encoders: what a rater learns from."""

import re
from collections import Counter
from collections.abc import Sequence
from math import log, sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.raters import encoder, ngrams, sampling
from carebot_assets.settings import EncoderSettings

FEATURES = 1 << 20


def reference(units: Sequence[str], longest: int) -> list[float]:
    """Sorted values of a row, the slow way; in so many columns that few n-grams collide."""
    grams = Counter(
        tuple(units[i : i + n]) for n in range(1, longest + 1) for i in range(len(units) - n + 1)
    )
    values = [1 + log(count) for count in grams.values()]
    norm = sqrt(sum(value * value for value in values))
    return sorted(value / norm for value in values)


WORD = re.compile(f"[{ngrams.CJK}]|[^\\W{ngrams.CJK}]+")
TEXTS = ["aspirin lowers fever", "阿司匹林可以退热", "Aa aA", "é̈ 𠮷野家", "",
         "维生素B12缺乏 x_1, 2.5mg/次—かな", "no no no NO"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_ngrams_are_counted(text: str) -> None:
    row = ngrams.vectorize(pl.Series([text]), 1000, FEATURES)
    assert np.allclose(sorted(row.data), reference(" ".join(text.lower().split()), 4), atol=1e-6)


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_counted(text: str) -> None:
    row = ngrams.vectorize_words(pl.Series([text]), 1000, FEATURES)
    assert np.allclose(sorted(row.data), reference(WORD.findall(text.lower()), 2), atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_words_of_any_text_are_counted(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    folded = pl.Series([text]).str.to_lowercase().item()
    row = ngrams.vectorize_words(pl.Series([text]), 1000, FEATURES)
    assert np.allclose(sorted(row.data), reference(WORD.findall(folded), 2), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_a_row_depends_on_its_text_only(texts: list[str]) -> None:
    texts = [t.encode("utf-8", "ignore").decode() for t in texts]
    for vectorize in (ngrams.vectorize, ngrams.vectorize_words):
        together = vectorize(pl.Series(texts, dtype=pl.String), 30, 997).toarray()
        for row, text in zip(together, texts, strict=True):
            assert (row == vectorize(pl.Series([text]), 30, 997).toarray()[0]).all()


def test_texts_are_cut_and_folded() -> None:
    rows = ngrams.vectorize(pl.Series(["ABC  def tail", "abc def", None]), 8, 997).toarray()
    assert (rows[0] == rows[1]).all()
    assert not rows[2].any()


def documents(counts: dict[tuple[str, str], int]) -> pl.LazyFrame:
    rows = [
        {"doc_id": f"{s}-{lang}-{n}", "shard": s, "source": s, "lang": lang, "text": "text " * 9}
        for (s, lang), count in counts.items()
        for n in range(count)
    ]
    return pl.LazyFrame(rows)


@pytest.mark.parametrize(
    ("num", "expected"),
    [(30, [10, 10, 10]), (60, [10, 25, 25]), (20, [6, 7, 7]), (999, [10, 50, 80])],
)
def test_short_strata_give_their_share_to_the_others(num: int, expected: list[int]) -> None:
    frame = documents({("web", "zh"): 80, ("web", "en"): 50, ("news", "zh"): 10})
    sample = sampling.stratified(frame, num, 3, 100)
    assert sorted(sample.group_by("source", "lang").len()["len"]) == expected
    assert sample["doc_id"].is_sorted()


def test_sample_does_not_depend_on_order_and_does_on_seed() -> None:
    frame = documents({("web", "zh"): 80, ("web", "en"): 50})
    first = sampling.stratified(frame, 20, 3, 4)
    assert first.equals(sampling.stratified(frame.reverse(), 20, 3, 4))
    assert not first.equals(sampling.stratified(frame, 20, 4, 4))
    assert first["text"].unique().to_list() == ["text"]
    assert "| web | zh | 10 |" in sampling.strata_counts(first.lazy())


def sentences(count: int) -> list[str]:
    rng = np.random.default_rng(5)
    words = ["".join(rng.choice(list("abcdefghijklmnop"), 6)) for _ in range(900)]
    chars = [chr(0x4E00 + i) for i in range(3000)]
    return [
        " ".join(rng.choice(words, 40)) if i % 2 else "".join(rng.choice(chars, 60))
        for i in range(count)
    ]


def test_packaged_model_is_the_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (encoder.packaged_model() / "config.json").is_file()
    monkeypatch.setattr(encoder, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"sha256 53aa.* instead of 0000"):
        encoder.packaged_model()


@pytest.mark.parametrize("backend", ["char_ngram", "word_ngram"])
def test_hashing_encoders_need_no_model(backend: str) -> None:
    settings = EncoderSettings(backend=backend, features=512)
    rows = encoder.open_encoder(settings).encode(["高血压 fever", "fever 高血压", ""]).toarray()
    assert rows.shape == (3, 512) and np.allclose(np.linalg.norm(rows, axis=1), [1, 1, 0])
    assert not np.allclose(rows[0], rows[1])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 600))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = encoder.budgeted(np.array(lengths, dtype=np.int64), budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert padded <= budget or len(batch) == 1


@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.999999), ("bfloat16", 0.999)])
def test_sentence_encoder_gives_the_library_s_vectors(dtype: str, least: float) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [*sentences(6), "", "高血压", "Hypertension is common. " * 90]
    own = encoder.open_encoder(
        EncoderSettings(backend="sentence_transformers", dtype=dtype, batch_tokens=300)
    ).encode(texts)
    plain = SentenceTransformer(str(encoder.packaged_model())).encode(
        texts, normalize_embeddings=True, show_progress_bar=False
    )
    assert ((own * plain).sum(axis=1) >= least).all()


def test_only_transformers_are_tuned() -> None:
    with pytest.raises(ValueError, match="fine_tune needs a sentence model"):
        EncoderSettings(backend="char_ngram", fine_tune={})
