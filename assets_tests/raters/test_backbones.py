"""Encoders side by side, and what each costs."""

import time
from typing import Any

import pytest

from assets_tests.raters.test_heads import DOMAIN, ENCODER, labelled
from carebot_assets.raters import backbones, classifier
from carebot_assets.raters.encoder import packaged_model
from carebot_assets.settings import EncoderSettings


def test_backbones_side_by_side() -> None:
    seeds = labelled(240)

    def metrics(settings: EncoderSettings) -> dict[str, object]:
        return classifier.train(seeds, DOMAIN, settings, seed=1).metrics

    chosen = {"chars": ENCODER, "words": EncoderSettings(backend="word_ngram", features=4096)}
    table, costs = backbones.compare(seeds, chosen, metrics)
    # Of encoders that this process has just used: what they load is in its memory already.
    assert list(costs) == ["chars", "words"]
    for cost in costs.values():
        assert cost["documents_per_second"] > 0 and cost["memory_mb"] > 20
    assert set(table["backbone"]) == {"chars", "words"} and set(table["lang"]) == {"", "en", "zh"}
    found = backbones.summarize(table.lazy(), costs, "medical_f1")
    assert found["num_backbones"] == 2 and "| chars |" in found["backbones"]
    assert backbones.summarize(table.head(0).lazy(), {}, "medical_f1") == {"num_backbones": 0}


def test_weights_are_counted() -> None:
    settings = EncoderSettings(backend="sentence_transformers", dtype="float32", max_tokens=16)
    cost = backbones._cost(settings, ["高血压是慢性病。", "Fever and cough.", "患者发热。"])
    weights_mb = (packaged_model() / "model.safetensors").stat().st_size / 1e6
    assert cost["memory_mb"] > weights_mb > 80


class Waiting:
    """An encoder that leaves its work to another device and waits for it."""

    def __init__(self, device: str) -> None:
        self.device = device

    def encode(self, texts: list[str]) -> Any:
        time.sleep(0.01 * len(texts))


@pytest.mark.parametrize(("device", "is_wall_time"), [("cpu", False), ("cuda", True)])
def test_another_device_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, device: str, is_wall_time: bool
) -> None:
    """A hundred documents a second, of which the processor of this machine sees nothing."""
    monkeypatch.setattr(backbones, "open_encoder", lambda _: Waiting(device))
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda: 7000 << 20)
    cost = backbones.measure(ENCODER, ["发热 fever"] * 20)
    assert (cost["documents_per_second"] <= 100) == is_wall_time
    assert (cost["memory_mb"] >= 7000) == is_wall_time
