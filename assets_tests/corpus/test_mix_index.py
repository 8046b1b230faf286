"""Tokens to documents and back, against a slow list of every token."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus.test_packing import slow_spans
from carebot_assets import tables
from carebot_assets.corpus import mix_index

Tokens = list[tuple[str, int, int]]


def laid_out(lengths: list[int], length: int) -> tuple[Tokens, pl.DataFrame]:
    """Every token as (document, place in it, epoch), and the span table. Every third use repeats
    the document before it."""
    uses = []
    for number, size in enumerate(lengths):
        repeats = number % 3 == 2
        uses.append((f"d{number - repeats}", size, int(repeats)))
    tokens = [(doc, at, epoch) for doc, size, epoch in uses for at in range(size)]
    rows = [
        {
            "sequence": sequence, "position": position, "doc_id": uses[use][0], "start": start,
            "num_tokens": count, "epoch": uses[use][2], "stratum": "primary_zh", "source": "s",
        }
        for use, sequence, position, start, count in slow_spans(lengths, length)
    ]  # fmt: skip
    schema = tables.BY_NAME["stable_mix"].schema
    return tokens[: len(tokens) // length * length], pl.DataFrame(rows, schema=schema)


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 17))
def test_any_token_names_its_document_and_any_document_its_sequences(
    lengths: list[int], length: int
) -> None:
    tokens, spans = laid_out(lengths, length)
    for index in range(0, len(tokens), max(1, len(tokens) // 25)):
        found = mix_index.token_origin(spans.lazy(), *divmod(index, length))
        assert (found.doc_id, found.token, found.epoch) == tokens[index]
    for doc_id in {token[0] for token in tokens} | {"nobody"}:
        places = {
            (row["sequence"], row["position"] + i, row["start"] + i, row["epoch"])
            for row in mix_index.document_spans(spans.lazy(), doc_id).iter_rows(named=True)
            for i in range(row["num_tokens"])
        }
        assert places == {
            (*divmod(index, length), at, epoch)
            for index, (doc, at, epoch) in enumerate(tokens)
            if doc == doc_id
        }


def test_a_token_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    _, spans = laid_out([5, 6, 9], 4)
    spans.write_parquet(tmp_path / "spans.parquet")
    on_disk = pl.scan_parquet(tmp_path / "spans.parquet")
    assert mix_index.token_origin(on_disk, 4, 3).doc_id == "d1"
    for sequence, position in ((5, 0), (0, 4), (0, -1), (-1, 0)):
        with pytest.raises(LookupError, match="no token"):
            mix_index.token_origin(on_disk, sequence, position)
