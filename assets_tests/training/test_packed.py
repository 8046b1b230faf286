"""Packed rows: what a model says of a document does not depend on what else is in the row."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carebot_assets.training.config import TrainingError

LENGTH, VOCABULARY = 24, 97
# Documents of 5, 9, 24 (which goes on in the next row), 3 and 7 tokens.
STARTS = [0, 5, 14, 24, 38, 41]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "tokens.npy", rng.integers(0, VOCABULARY, (2, LENGTH)).astype(np.uint32))
    np.save(tmp_path / "document_starts.npy", np.array(STARTS, np.int64))
    return tmp_path / "tokens.npy"


def llama(attention: str = "sdpa") -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    config._attn_implementation = attention
    # As the trainer sets it: with a cache the library does not look at the positions.
    config.use_cache = False
    # Weights that are no longer small, as after training.
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def documents() -> list[tuple[int, slice]]:
    """Row and place of every document, or part of it in a row."""
    bounds = sorted({*STARTS, 24, 48})
    return [(a // LENGTH, slice(a % LENGTH, (b - 1) % LENGTH + 1)) for a, b in pairwise(bounds)]


def batch(path: Path, model: Any, isolate: bool = True) -> dict[str, Any]:
    from carebot_assets.training import packed

    data = packed.PackedTokens(path, isolate)
    return packed.collator(model)([data[0], data[1]])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_of_a_packed_document_are_those_of_the_document_alone(
    path: Path, attention: str
) -> None:
    import torch

    from carebot_assets.training import packed

    model = llama(attention)
    with torch.no_grad():
        together = batch(path, model)
        logits = model(**together).logits
        shared = model(**batch(path, model, isolate=False)).logits
        assert together["position_ids"].shape == (2, LENGTH)
        for row, place in documents():
            ids = together["input_ids"][row, place]
            alone = model(input_ids=ids[None]).logits[0]
            torch.testing.assert_close(logits[row, place], alone, atol=1e-4, rtol=1e-4)
            if place.start:
                assert (shared[row, place] - alone).abs().max() > 0.1, "the test can fail"
    packed.require_isolation(model)


def test_the_trainers_loss_is_the_mean_over_documents_alone(path: Path, tmp_path: Path) -> None:
    import torch
    from transformers import Trainer, TrainingArguments

    from carebot_assets.training import packed

    model = llama()
    model.config.use_cache = True
    trainer = Trainer(
        model,
        TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", seed=1),
        train_dataset=packed.PackedTokens(path, isolate=True),
        data_collator=packed.collator(model),
    )
    together = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        loss = trainer.compute_loss(model, dict(together)).item()
        rows = batch(path, model)["input_ids"]
        sums, count = 0.0, 0
        for row, place in documents():
            ids = rows[row, place][None]
            size = ids.shape[1] - 1
            sums += model(input_ids=ids, labels=ids).loss.item() * size
            count += size
    assert loss == pytest.approx(sums / count, abs=1e-4)


def test_gradients_do_not_cross_documents(path: Path) -> None:
    import torch

    model = llama()
    together = batch(path, model)
    vectors = model.get_input_embeddings()(together.pop("input_ids")).detach().requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        model(inputs_embeds=vectors, position_ids=together["position_ids"]).logits[0, 5:13],
        together["labels"][0, 6:14],
    )
    loss.backward()
    assert vectors.grad is not None
    reached = vectors.grad.abs().sum(-1) > 0
    assert reached[0, 5:13].all() and reached.sum() == 8


def test_rows_lie_end_to_end_for_flash_attention(path: Path) -> None:
    from transformers.modeling_flash_attention_utils import (
        _is_packed_sequence,
        prepare_fa_kwargs_from_position_ids,
    )

    model = llama()
    apart = batch(path, model)
    model.config._attn_implementation = "flash_attention_2"
    flat = batch(path, model)
    assert {name: values.shape for name, values in flat.items()} == {
        name: (1, 2 * LENGTH) for name in ("input_ids", "labels", "position_ids")
    }
    # Where the library finds the documents: only in a batch of one row.
    assert _is_packed_sequence(flat["position_ids"], 1)
    assert not _is_packed_sequence(apart["position_ids"], 2)
    (bounds, _), _ = prepare_fa_kwargs_from_position_ids(flat["position_ids"])
    assert bounds.tolist() == [*STARTS, 2 * LENGTH]
    # No row's last token is asked for the first one of the next row.
    assert flat["labels"][0, STARTS].eq(-100).all() and flat["labels"].eq(-100).sum() == 6


def test_what_cannot_keep_documents_apart_is_refused(path: Path) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    from carebot_assets.training import packed

    state_space = MambaForCausalLM(
        MambaConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, state_size=4)
    )
    with pytest.raises(TrainingError, match="isolate_documents: false"):
        packed.require_isolation(state_space)
    model = llama()
    forward = model.forward

    def with_mask(input_ids: Any, position_ids: Any = None, **more: Any) -> Any:
        return forward(input_ids, position_ids=position_ids, attention_mask=input_ids * 0 + 1)

    # With a mask given, the library does not look at the positions.
    model.forward = with_mask
    with pytest.raises(TrainingError, match="carries over from one document to the next"):
        packed.require_isolation(model)


def test_rows_without_starts_are_refused_or_whole(path: Path) -> None:
    from carebot_assets.training import packed

    path.with_name("document_starts.npy").unlink()
    with pytest.raises(TrainingError, match=r"document_starts\.npy is missing"):
        packed.PackedTokens(path, isolate=True)
    row = packed.PackedTokens(path, isolate=False)[1]
    assert set(row) == {"input_ids", "labels"} and row["labels"].equal(row["input_ids"])


def test_the_largest_token_is_that_of_the_receipts(path: Path) -> None:
    from carebot_assets.training import packed

    data = packed.PackedTokens(path, isolate=True)
    assert data.largest_token() == np.load(path).max()
    path.with_name("receipts.json").write_text(json.dumps({"largest_token": 5}), "utf-8")
    assert data.largest_token() == 5


@pytest.mark.parametrize(("isolate", "lengths"), [(True, [5, 9, 10, 14, 3, 7]), (False, [24, 24])])
def test_a_sample_holds_texts_as_they_are_trained_on(
    path: Path, isolate: bool, lengths: list[int]
) -> None:
    from carebot_assets.training import packed

    data = packed.PackedTokens(path, isolate)
    rows = data.sample(9)
    assert [len(row["input_ids"]) for row in rows] == lengths
    assert [token for row in rows for token in row["input_ids"]] == data.tokens.flatten().tolist()
    assert len(data.sample(1)) == (3 if isolate else 1)
