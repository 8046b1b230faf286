import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets.corpus import packing


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("model"))


def slow_spans(lengths: list[int], sequence_length: int) -> list[tuple[int, int, int, int, int]]:
    """Token by token: (use, sequence, position, start, num_tokens)."""
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


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 17))
def test_spans_are_those_of_the_slow_way(lengths: list[int], sequence_length: int) -> None:
    found = packing.spans(np.array(lengths, np.int64), sequence_length)
    columns = [found[k].tolist() for k in ("use", "sequence", "position", "start", "num_tokens")]
    assert list(zip(*columns, strict=True)) == slow_spans(lengths, sequence_length)


@pytest.mark.parametrize("chunk", [7, 64, 10_000])
def test_packed_tokens_are_the_documents_end_to_end(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(packing, "GATHER_TOKENS", chunk)
    pool = packing.Pool(model_dir, tmp_path / "pool")
    starts, lengths = pool.append([*ZH, *EN[:3]])
    more_starts, more_lengths = pool.append(EN[3:])
    starts, lengths = np.append(starts, more_starts), np.append(lengths, more_lengths)
    order = np.random.default_rng(0).permutation(len(starts))
    found = packing.spans(lengths[order], 16)
    begin = starts[order][found["use"]] + found["start"]
    packing.gather(pool.path, begin, found["num_tokens"], 16, tmp_path / "tokens.npy")
    tokenizer, eos = packing.load_tokenizer(model_dir)
    texts = [[*ZH, *EN][i] for i in order]
    slow = [i for text in texts for i in [*tokenizer.encode(text).ids, eos]]
    packed = np.load(tmp_path / "tokens.npy")
    assert packed.dtype == np.uint32 and packed.shape == (len(slow) // 16, 16)
    assert packed.ravel().tolist() == slow[: packed.size]
    assert tokenizer.decode(slow, skip_special_tokens=True) == "".join(texts)


def test_text_that_spells_a_special_token_stays_text(model_dir: Path, tmp_path: Path) -> None:
    pool = packing.Pool(model_dir, tmp_path / "pool")
    pool.append(["before<|endoftext|>after"])
    assert np.fromfile(pool.path, np.uint32).tolist().count(pool.eos_id) == 1


def test_tokens_per_character_tell_coverage(model_dir: Path) -> None:
    assert packing.tokens_per_character(model_dir, EN) < 1
    assert packing.tokens_per_character(model_dir, ["𠀀𠀁"]) == 4
    assert packing.tokens_per_character(model_dir, []) == 0


def test_a_folder_that_cannot_tokenise_is_named(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json is missing"):
        packing.load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((model_dir / "tokenizer.json").read_bytes())
    with pytest.raises(ValueError, match="names no eos_token"):
        packing.load_tokenizer(tmp_path)
    token = {"eos_token": {"content": "<|endoftext|>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(token), "utf-8")
    assert packing.load_tokenizer(tmp_path)[1] == 0
