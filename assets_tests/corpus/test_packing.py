import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets.corpus import packing


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("model"))


def slow_spans(lengths: list[int], sequence_length: int) -> list[tuple[int, int, int, int, int]]:
    """Token by token, whole sequences only: (use, sequence, position, start, num_tokens)."""
    tokens = [(use, at) for use, length in enumerate(lengths) for at in range(length)]
    tokens = tokens[: len(tokens) // sequence_length * sequence_length]
    spans: list[list[int]] = []
    for index, (use, at) in enumerate(tokens):
        sequence, position = divmod(index, sequence_length)
        if spans and spans[-1][:2] == [use, sequence]:
            spans[-1][4] += 1
        else:
            spans.append([use, sequence, position, at, 1])
    return [tuple(span) for span in spans]  # type: ignore[misc]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 40), max_size=30),
    st.integers(1, 17),
    st.lists(st.integers(0, 30), max_size=3),
)
def test_spans_are_those_of_the_slow_way_however_they_are_cut(
    lengths: list[int], sequence_length: int, cuts: list[int]
) -> None:
    # Whole sequences: the last document gives what is missing.
    lengths = [*lengths, 1 + (-sum(lengths) - 1) % sequence_length]
    bounds = sorted({0, len(lengths), *(min(cut, len(lengths)) for cut in cuts)})
    rows, first = [], 0
    for low, high in pairwise(bounds):
        part = np.array(lengths[low:high], np.int64)
        found = packing.spans(part, sequence_length, first)
        found["use"] = found["use"] + low
        columns = [
            found[k].tolist() for k in ("use", "sequence", "position", "start", "num_tokens")
        ]
        rows += list(zip(*columns, strict=True))
        first += int(part.sum())
    assert rows == slow_spans(lengths, sequence_length)


@pytest.mark.parametrize("chunk", [7, 64, 10_000])
def test_packed_tokens_are_the_documents_end_to_end(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(packing, "GATHER_TOKENS", chunk)
    monkeypatch.setattr(packing, "BATCH_CHARACTERS", chunk)
    pool = packing.Pool(model_dir, tmp_path / "pool")
    starts, lengths = pool.append([*ZH, *EN[:3]])
    more_starts, more_lengths = pool.append(EN[3:])
    assert [len(part) for part in pool.append([])] == [0, 0]
    starts, lengths = np.append(starts, more_starts), np.append(lengths, more_lengths)
    order = np.random.default_rng(0).permutation(len(starts))
    tokenizer, eos = packing.load_tokenizer(model_dir)
    texts = [[*ZH, *EN][i] for i in order]
    slow = [i for text in texts for i in [*tokenizer.encode(text).ids, eos]]
    width = next(n for n in range(16, len(slow) + 1) if len(slow) % n == 0)
    files = packing.PackedFiles(tmp_path, pool.path)
    first = 0
    for part in (order[:9], order[9:]):
        found = packing.spans(lengths[part], width, first)
        files.append(found, starts[part][found["use"]] + found["start"], width)
        first += int(lengths[part].sum())
    assert files.close(width) == len(slow) // width
    packed = np.load(tmp_path / "tokens.npy", mmap_mode="r")
    assert packed.dtype == np.uint32 and packed.shape == (len(slow) // width, width)
    assert packed.ravel().tolist() == slow
    assert files.largest_token == max(slow)
    assert tokenizer.decode(slow, skip_special_tokens=True) == "".join(texts)
    recorded = np.load(tmp_path / "document_starts.npy")
    ends = np.cumsum(lengths[order])
    assert set(recorded) == {0, *ends[:-1].tolist(), *range(0, len(slow), width)}
    assert (np.diff(recorded) > 0).all()
    pool.close()
    assert not pool.path.exists()


def test_text_that_spells_a_special_token_stays_text(model_dir: Path, tmp_path: Path) -> None:
    pool = packing.Pool(model_dir, tmp_path / "pool")
    pool.append(["before<|endoftext|>after"])
    assert np.fromfile(pool.path, np.uint32).tolist().count(pool.eos_id) == 1


def test_coverage_tells_tokens_per_character_and_unknown_tokens(
    model_dir: Path, tmp_path: Path
) -> None:
    english = packing.coverage(model_dir, EN)
    assert english and english["tokens_per_character"] < 1 and english["unknown_ratio"] == 0
    assert packing.coverage(model_dir, ["𠀀𠀁"]) == {
        "tokens_per_character": 4,
        "unknown_ratio": 0,
    }
    assert packing.coverage(model_dir, []) is packing.coverage(model_dir, [""]) is None

    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "fever": 1, "<end>": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>"}), "utf-8")
    found = packing.coverage(tmp_path, ["发热 fever"])
    assert found == {"tokens_per_character": 0.25, "unknown_ratio": 0.5}


def test_a_folder_that_cannot_tokenise_is_named(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json is missing"):
        packing.load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((model_dir / "tokenizer.json").read_bytes())
    with pytest.raises(ValueError, match="names no eos_token"):
        packing.load_tokenizer(tmp_path)
    token = {"eos_token": {"content": "<|endoftext|>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(token), "utf-8")
    assert packing.load_tokenizer(tmp_path)[1] == 0
