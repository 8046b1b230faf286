"""N-grams, sampling and splitting: what a rater learns from and how it is divided."""

from collections import Counter
from math import log, sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.raters import encoder, ngrams, sampling, splitting
from carebot_assets.settings import EncoderSettings

FEATURES = 1 << 20


def reference(text: str) -> list[float]:
    """Sorted values of a row, the slow way; in so many columns that few n-grams collide."""
    plain = " ".join(text.lower().split())
    grams = Counter(plain[i : i + n] for n in range(1, 5) for i in range(len(plain) - n + 1))
    values = [1 + log(count) for count in grams.values()]
    norm = sqrt(sum(value * value for value in values))
    return sorted(value / norm for value in values)


@pytest.mark.parametrize(
    "text", ["aspirin lowers fever", "阿司匹林可以退热", "Aa aA", "é̈ 𠮷野家", ""]
)
def test_ngrams_are_counted(text: str) -> None:
    row = ngrams.vectorize(pl.Series([text]), 1000, FEATURES)
    assert np.allclose(sorted(row.data.tolist()), reference(text), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_a_row_depends_on_its_text_only(texts: list[str]) -> None:
    texts = [t.encode("utf-8", "ignore").decode() for t in texts]
    together = ngrams.vectorize(pl.Series(texts, dtype=pl.String), 30, 997).toarray()
    for row, text in zip(together, texts, strict=True):
        assert (row == ngrams.vectorize(pl.Series([text]), 30, 997).toarray()[0]).all()


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


def test_texts_that_begin_alike_are_not_straddled() -> None:
    starts = [
        f"Document number {n} is about 高血压 and more of it. " + "x" * 40 for n in range(400)
    ]
    first = splitting.is_validation(pl.Series([s + " One end." for s in starts]), 0.2, 1)
    other = splitting.is_validation(pl.Series([s.upper() + "Another!" for s in starts]), 0.2, 1)
    assert (first == other).all() and 0.14 < first.mean() < 0.26
    assert (first != splitting.is_validation(pl.Series(starts), 0.2, 2)).any()


def test_packaged_model_is_the_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (encoder.packaged_model() / "config.json").is_file()
    monkeypatch.setattr(encoder, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"sha256 53aa.* instead of 0000"):
        encoder.packaged_model()


def test_default_encoder_needs_no_model() -> None:
    rows = encoder.open_encoder(EncoderSettings(features=512)).encode(["高血压", "fever"])
    assert rows.shape == (2, 512)
