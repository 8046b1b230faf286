"""Documents cut into rows of tokens."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_tests.corpus.tiny_tokenizer import write_tokenizer
from carebot_assets.corpus.packing import load_tokenizer
from carebot_assets.raters.meta import rows as rows_module
from carebot_assets.raters.meta.rows import Rows, cut, write_training_rows


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    return load_tokenizer(write_tokenizer(tmp_path_factory.mktemp("tokenizer")))[0]


@given(
    texts=st.lists(st.text("abc 发热", max_size=60), min_size=1, max_size=5),
    length=st.integers(4, 12),
    min_tokens=st.integers(2, 6),
)
def test_rows_are_the_tokens_in_order(tokenizer, texts: list[str], length: int, min_tokens: int):
    documents = pl.DataFrame({"doc_id": [str(i) for i in range(len(texts))], "text": texts})
    rows = cut(documents, tokenizer, length, min_tokens, most=99)
    for number, text in enumerate(texts):
        tokens = tokenizer.encode(text, add_special_tokens=False).ids
        mine = (rows.about["doc_id"] == str(number)).to_numpy()
        found = [
            row[:n].tolist() for row, n in zip(rows.ids[mine], rows.lengths[mine], strict=True)
        ]
        expected = [tokens[i : i + length] for i in range(0, len(tokens), length)]
        rest = len(tokens) % length
        if rest and rest < (min_tokens if len(expected) > 1 else 2):
            expected.pop()
        assert found == expected
        assert not any(
            row[n:].any() for row, n in zip(rows.ids[mine], rows.lengths[mine], strict=True)
        )


def test_rows_of_a_long_document_are_spread_over_it(tokenizer) -> None:
    text = " ".join(f"{i:03d}" for i in range(400))
    documents = pl.DataFrame({"doc_id": ["a"], "text": [text]})
    every = cut(documents, tokenizer, 8, 4, most=10**6)
    few = cut(documents, tokenizer, 8, 4, most=4)
    places = [np.flatnonzero((every.ids == row).all(axis=1))[0] for row in few.ids]
    assert len(few.ids) == 4
    assert np.allclose(np.diff(places), len(every.ids) / 4, atol=1)


def test_rows_are_written_a_batch_at_a_time(
    tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "BATCH_DOCUMENTS", 3)
    texts = [f"fever {i} 发热 " * (i % 7) for i in range(20)]
    documents = pl.DataFrame({"doc_id": [str(i) for i in range(20)], "text": texts})
    inner, outer = documents[:15].lazy(), documents[15:].lazy()
    write_training_rows(tmp_path, inner, outer, tokenizer, 8, 4, 3)
    found, whole = Rows.read(tmp_path), cut(documents, tokenizer, 8, 4, 3)
    assert np.array_equal(found.ids, whole.ids) and np.array_equal(found.lengths, whole.lengths)
    assert found.about.drop("split").equals(whole.about)
    held_out = found.about["doc_id"].cast(pl.Int64) >= 15
    assert ((found.about["split"] == "outer") == held_out).all()
    nothing = documents.head(0).lazy()
    write_training_rows(tmp_path, nothing, nothing, tokenizer, 8, 4, 3)
    assert len(Rows.read(tmp_path).ids) == 0


def test_rows_come_back_from_disk(tokenizer, tmp_path: Path) -> None:
    documents = pl.DataFrame({"doc_id": ["a", "b"], "text": ["fever " * 20, "发热" * 30]})
    rows = cut(documents, tokenizer, 8, 4, most=3)
    rows.write(tmp_path)
    back = Rows.read(tmp_path)
    assert np.array_equal(back.ids, rows.ids) and np.array_equal(back.lengths, rows.lengths)
    assert back.about.equals(rows.about)
