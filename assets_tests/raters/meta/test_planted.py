"""Spoilt rows: of the same length, from the same text, and without its sense."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets.corpus import packing
from carebot_assets.raters.meta import planted, reports
from carebot_assets.raters.meta.rows import Rows, cut, write_training_rows


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    return packing.load_tokenizer(write_tokenizer(tmp_path_factory.mktemp("tokenizer")))[0]


@pytest.mark.parametrize("kind", planted.KINDS)
@pytest.mark.parametrize("text", [EN[3], ZH[3]])
def test_lengths_stay_and_sense_goes(kind: str, text: str, tokenizer) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(0)
    ids = np.array(tokenizer.encode(text).ids, np.uint32)
    others = [np.array(tokenizer.encode(t).ids, np.uint32) for t in (*EN[:3], *ZH[:3])]
    found = planted.spoil(kind, ids, others, tokenizer, random)
    assert found.shape == ids.shape and found.dtype == ids.dtype
    assert not np.array_equal(found, ids)
    if kind == "shuffled":
        assert sorted(found) == sorted(ids)
    if kind == "repeated":
        assert len(set(found)) <= planted.PIECE
        assert np.array_equal(found[: planted.PIECE], found[planted.PIECE : 2 * planted.PIECE])
    if kind == "spliced":
        piece = found[: planted.PIECE].tolist()
        starts = [o.tolist()[i : i + planted.PIECE] for o in others for i in range(len(o))]
        assert piece in starts


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_rows_stay_short(length: int, tokenizer) -> None:  # type: ignore[no-untyped-def]
    ids = np.array(tokenizer.encode(EN[0]).ids[:length], np.uint32)
    for kind in planted.KINDS:
        found = planted.spoil(kind, ids, [ids], tokenizer, np.random.default_rng(1))
        assert len(found) == length


def test_a_share_of_the_inner_rows_is_planted(tokenizer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    texts = [text * 3 for text in (*EN, *ZH)] * 4
    frame = pl.DataFrame({"doc_id": [str(i) for i in range(len(texts))], "text": texts})

    def plant(share: float) -> Rows:
        write_training_rows(tmp_path, frame[:80].lazy(), frame[80:].lazy(), tokenizer, 16, 4, 2)
        planted.plant(tmp_path, tokenizer, share, 5)
        found = Rows.read(tmp_path)
        return found._replace(ids=found.ids.copy())

    rows = cut(frame, tokenizer, 16, 4, 2)
    found = plant(0.25)
    kinds = found.about.filter(pl.col("planted").is_not_null())
    inner = found.about.filter(split="inner")
    assert kinds.height == round(0.25 * inner.height) and set(kinds["split"]) == {"inner"}
    counts = kinds["planted"].value_counts()["count"]
    assert counts.len() == len(planted.KINDS) and counts.max() - counts.min() <= 1  # type: ignore[operator]
    assert np.array_equal(found.lengths, rows.lengths)
    same = (found.ids == rows.ids).all(1)
    assert same[found.about["planted"].is_null().to_numpy()].all()
    assert np.array_equal(plant(0.25).ids, found.ids)
    none = plant(0.0)
    assert np.array_equal(none.ids, rows.ids)
    assert none.about["planted"].null_count() == len(rows.ids)


def test_cut_keeps_what_a_document_is(tokenizer) -> None:  # type: ignore[no-untyped-def]
    frame = pl.DataFrame({"doc_id": ["a"], "source": ["s"], "text": [EN[0]]})
    rows: Rows = cut(frame, tokenizer, 8, 4, 2)
    assert set(rows.about["source"]) == {"s"} and "text" not in rows.about.columns


def test_figures_of_scored_rows() -> None:
    table = pl.DataFrame(
        {
            "score": [3.0, 2.0, 1.0, 0.0, 2.5],
            "num_tokens": [30, 20, 10, 20, 20],
            "source": ["a", "a", "b", "a", "b"],
            "planted": [None, None, None, "noise", "shuffled"],
        }
    )
    found = reports.figures(table)
    assert found["length_correlation"] == pytest.approx(1.0)
    assert found["planted_auc_by_kind"] == {"noise": 1.0, "shuffled": pytest.approx(1 / 3)}
    assert found["planted_auc"] == pytest.approx(2 / 3)
    assert found["by_source"]["b"]["score"] < 0 < found["by_source"]["a"]["score"]
    assert found["source_share"] == pytest.approx(0.75)
    # Scores of the second language are lower as a whole: that is no corruption found.
    other = table.with_columns(pl.col("score") - 10, lang=pl.lit("en"))
    both = pl.concat([table.with_columns(lang=pl.lit("zh")), other])
    assert reports.figures(both)["planted_auc"] == pytest.approx(2 / 3)
    # A clean row beside the target is worth less than a spoilt one of it: not what is asked.
    beside = pl.DataFrame(
        {"score": [-5.0], "num_tokens": [20], "source": ["c"], "planted": [None],
         "is_target": [False]},
        schema_overrides={"planted": pl.String},
    )  # fmt: skip
    whole = pl.concat([table.with_columns(is_target=pl.lit(True)), beside])
    assert reports.figures(whole)["planted_auc"] == pytest.approx(2 / 3)
    assert reports.figures(whole)["target_auc"] == 1.0
    constant = reports.figures(table.with_columns(score=pl.lit(1.0)).drop("planted"))
    assert constant["length_correlation"] == 0 and constant["source_share"] == 0
    assert "planted_auc" not in constant
