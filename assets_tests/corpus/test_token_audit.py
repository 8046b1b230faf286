from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets_tests.corpus.test_mixing import GENERAL, MEDICAL, build, mix
from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets.corpus import packing, token_audit

SECRET = {
    "zh": "胆囊结石患者术前应评估肝功能与凝血功能，必要时行磁共振胰胆管成像检查明确诊断。",
    "en": "Gallstones should be looked for by ultrasound before any operation on the pancreas.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("audit"))


@pytest.fixture
def built(folder: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(token_audit, "PART_TOKENS", 500)
    spans, receipts = build(folder, mix(12_000, 0.5, 0.4))
    return token_audit.open_tokens(folder), spans, receipts["num_cut_documents"]


def changed(values: np.ndarray, place: int, value: int) -> np.ndarray:
    copy = np.array(values)
    copy.reshape(-1)[place] = value
    return copy


def test_boundaries_are_recorded_or_found_missing(folder: Path, built) -> None:  # type: ignore[no-untyped-def]
    file, spans, cut = built
    _, eos = packing.load_tokenizer(folder)

    def passed(file: token_audit.TokenFile, spans: pl.DataFrame, cut: int = cut) -> bool:
        return token_audit.boundaries_recorded(file, spans.lazy(), eos, cut).passed

    assert passed(file, spans)
    inside = int(np.flatnonzero(file.flat != eos)[3])
    end = int(np.flatnonzero(file.flat == eos)[5])
    assert not passed(file._replace(tokens=changed(file.tokens, inside, eos)), spans)
    assert not passed(file._replace(tokens=changed(file.tokens, end, eos + 1)), spans)
    assert not passed(file._replace(starts=changed(file.starts, 7, file.starts[7] + 1)), spans)
    assert not passed(file._replace(starts=file.starts[:-1]), spans)
    assert not passed(file, spans[:-1])
    assert not passed(file, spans, cut + 1)


def test_tokens_are_those_of_the_text(folder: Path, built) -> None:  # type: ignore[no-untyped-def]
    file, spans, _ = built
    documents = pl.concat([MEDICAL, GENERAL])

    def check(file: token_audit.TokenFile, documents: pl.LazyFrame = documents):  # type: ignore[no-untyped-def]
        return token_audit.agrees_with_text(file, spans.lazy(), documents, folder)

    assert check(file).passed and check(file).metadata["num_sampled"] == 64
    swapped = file._replace(tokens=np.ascontiguousarray(file.tokens[::-1]))
    assert not check(swapped).passed
    assert not check(file, documents.with_columns(pl.col("text") + "x")).passed
    gone = check(file, documents.clear())
    assert not gone.passed and len(gone.metadata["examples"]) == 20


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("found", "leaks"),
    [
        ("{0}", True),
        ("{0}{1}{1}{1}{1}{1}{1}", True),
        ("{0} !", True),
        ("{2}{1}", False),
        ("{1}", False),
    ],
)
def test_held_out_text_is_found_in_the_token_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lang: str, found: str, leaks: bool
) -> None:
    monkeypatch.setattr(token_audit, "PART_TOKENS", 333)
    secret, other = SECRET[lang], {"zh": ZH, "en": EN}[lang][3]
    text = found.format(secret, other, secret[: len(secret) // 2])
    documents = pl.concat(
        [
            MEDICAL.head(40),
            MEDICAL.tail(40),
            pl.LazyFrame({"doc_id": "x", "source": "s", "lang": lang, "text": [text]}).with_columns(
                n_tokens=pl.col("text").str.len_chars()
            ),
        ]
    )
    # All there is: the document is surely in.
    spans, _ = build(folder, mix(9_000, 1.0, 0.5), primary=documents, secondary=None)
    assert "x" in set(spans["doc_id"])
    file = token_audit.open_tokens(folder)
    texts = pl.Series([*SECRET.values(), "short"])
    finding = token_audit.holds_no_text(file, spans.lazy(), texts, folder)
    assert finding.passed is not leaks, finding
    assert finding.metadata["examples"] == (["x"] if leaks else [])
    none = token_audit.holds_no_text(file, spans.lazy(), pl.Series([], dtype=pl.String), folder)
    assert none.passed


def test_a_tokenizer_that_covers_a_language_badly_is_told() -> None:
    good = {"tokens_per_character_zh": 0.8, "unknown_ratio_zh": 0.0}
    assert token_audit.covers(good, "zh", 1.2).passed
    assert not token_audit.covers(good, "zh", 0.7).passed
    # One token for each character that it does not know looks good.
    assert not token_audit.covers(good | {"unknown_ratio_zh": 0.3}, "zh", 1.2).passed
    missing = token_audit.covers({}, "zh", 1.2)
    assert not missing.passed and "no held-out text in zh" in missing.description
