"""A tiny model and a little bilingual text, made once for all training tests."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from assets_tests.training.running import Configure, config_of, run
from carebot_assets.corpus import packing
from carebot_assets.settings import ScratchModel, TrainSettings
from carebot_assets.training import scratch

ZH = [f"患者{i}岁，发热咳嗽三天，建议多喝水并及时就医，复查血常规。" for i in range(30)]
EN = [f"Patient {i} has had fever and cough for three days and should rest." for i in range(30)]
GENERAL = [f"The match number {i} ended late in the evening after a long rain." for i in range(30)]
LENGTH = 32


@pytest.fixture(scope="session")
def start_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration and tokenizer of a model without weights."""
    folder = tmp_path_factory.mktemp("start")
    train = TrainSettings(max_steps=1, batch_size=1, learning_rate=1.0)
    sizes = {"vocab_size": 500, "hidden_size": 32, "layers": 1, "heads": 2}
    model = ScratchModel(**sizes, intermediate_size=48, tokens=1, train=train)
    scratch.write_model(folder, [*ZH, *EN, *GENERAL], model, 256)
    return folder


@pytest.fixture(scope="session")
def tokens_file(start_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text packed to sequences."""
    folder = tmp_path_factory.mktemp("tokens")
    pool = packing.Pool(start_dir, folder / "pool.u32")
    starts, lengths = pool.append([*ZH, *EN, *GENERAL])
    count = int(lengths.sum()) // LENGTH
    flat = np.fromfile(pool.path, np.uint32)[: count * LENGTH]
    np.save(folder / "tokens.npy", flat.reshape(count, LENGTH))
    np.save(folder / "document_starts.npy", starts[starts < flat.size])
    return folder / "tokens.npy"


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that losses are measured on."""
    path = tmp_path_factory.mktemp("held") / "held_out.parquet"
    strata = {"medical_zh": ZH[0], "medical_en": EN[0], "general": GENERAL[0]}
    pl.DataFrame([{"stratum": s, "text": t} for s, t in strata.items()]).write_parquet(path)
    return path


@pytest.fixture
def one_cpu_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher's settings for one process on the CPU."""
    import torch

    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def pretrain(shared: Path, start_dir: Path, tokens_file: Path, held_out: Path) -> Configure:
    """Configurations of pre-trainings that differ only in what is given."""

    def config(name: str, **values: Any) -> Path:
        given = {"model": start_dir, "data": tokens_file, "held_out": held_out}
        return config_of(shared / name, **({**given, "from_scratch": True} | values))

    return config


@pytest.fixture
def trained(
    shared: Path, pretrain: Configure, one_cpu_thread: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The checkpoint of an undisturbed run."""
    folder = shared / "whole" / "out"
    return folder if folder.is_dir() else run("pretrain", pretrain("whole"), monkeypatch)


def write_encoder(folder: Path, texts: list[str]) -> Path:
    """A sentence-transformers model with random weights (always the same) that knows the words."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = BertWordPieceTokenizer()
    words.train_from_iterator(texts, vocab_size=3000, min_frequency=1, show_progress=False)
    PreTrainedTokenizerFast(
        tokenizer_object=words._tokenizer, pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
    ).save_pretrained(folder)  # fmt: skip
    config = BertConfig(
        vocab_size=words.get_vocab_size(), hidden_size=32, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=48, max_position_embeddings=64,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bert = BertModel(config)
    bert.save_pretrained(folder)
    body = Transformer(str(folder))
    model = SentenceTransformer(modules=[body, Pooling(body.get_embedding_dimension())])
    model.save(str(folder / "st"), create_model_card=False)
    return folder / "st"
