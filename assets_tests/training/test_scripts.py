"""The scripts on a tiny model, in this process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets_tests.training.conftest import EN, ZH
from assets_tests.training.running import STEPS, Configure, config_of, run
from carebot_assets import tables
from carebot_assets.training import checkpoint

pytestmark = pytest.mark.usefixtures("one_cpu_thread")


def test_pretraining_leaves_a_sound_checkpoint_and_a_log(trained: Path) -> None:
    assert {name: f.passed for name, f in checkpoint.inspect(trained).items()} == {
        "loads_and_is_finite": True,
        "manifest_complete": True,
        "loss_fell": True,
    }
    names = {path.name for path in trained.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)
    log = pl.read_parquet(trained / "training_log.parquet")
    assert log.schema == tables.BY_NAME["training_log"].schema
    assert log.select("step", "name").is_duplicated().sum() == 0
    steps = log.filter(pl.col("name") == "held_out_medical_zh_loss")["step"].to_list()
    assert steps == [0, 6, 12]
    report = json.loads((trained / "report.json").read_text("utf-8"))
    assert STEPS * 3 * 32 < report["tokens"] <= STEPS * 4 * 32
    assert report["tokens_per_second"] > 0


def test_a_stage_may_be_judged_by_its_own_text(
    pretrain: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = pretrain("own", work_dir=tmp_path, seed=4, objective=["own_text"])
    folder = run("pretrain", config, monkeypatch)
    manifest = checkpoint.read_manifest(folder)
    assert manifest["losses"]["after"]["own_text"] < manifest["losses"]["before"]["own_text"]
    assert checkpoint.inspect(folder)["loss_fell"].passed


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"train": {"learning_rate": 1e30, "max_grad_norm": 1e30}}, "lower `learning_rate`"),
        ({"train": {"max_steps": 0}}, "train.max_steps: Input should be greater than"),
        ({"data": "/nowhere/tokens.npy"}, "No such file"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_work_says_why(
    pretrain: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: Any, cause: str
) -> None:
    config = (
        pretrain("broken", work_dir=tmp_path, **({"seed": 4} | values))
        if ("data" not in values)
        else config_of(tmp_path, model=tmp_path, **values)
    )
    with pytest.raises(SystemExit, match=cause.replace("`", ".")):
        run("pretrain", config, monkeypatch)


def test_tokens_of_another_tokenizer_are_refused(
    pretrain: Configure, start_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    np.save(tmp_path / "other.npy", np.full((4, 8), 99_999, np.uint32))
    np.save(tmp_path / "document_starts.npy", np.arange(0, 32, 8))
    config = config_of(
        tmp_path / "c", model=start_dir, data=tmp_path / "other.npy", from_scratch=True
    )
    with pytest.raises(SystemExit, match="packed with another tokenizer"):
        run("pretrain", config, monkeypatch)


def test_fine_tuning_and_preferences_follow(
    trained: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turns(*texts: str) -> list[dict[str, str]]:
        return [{"role": r, "text": t} for r, t in zip(["user", "assistant"] * 2, texts)]  # noqa: B905

    rows = [
        {"record_id": f"r{i:02}", "turns": turns(zh, en), "verdict": "keep", "split": "sft"}
        for i, (zh, en) in enumerate(zip(ZH, EN, strict=True))
    ]
    rows[0]["verdict"], rows[1]["split"] = "drop", "preference"
    rows.append({**rows[2], "record_id": "long", "turns": turns("word " * 400, "never seen")})
    pl.DataFrame(rows).write_parquet(tmp_path / "sft.parquet")
    pairs = [
        {"record_id": f"p{i}", "prompt": turns(zh), "chosen": "See a doctor soon.",
         "rejected": "No idea at all.", "verdict": "keep"}
        for i, zh in enumerate(ZH[:8])
    ]  # fmt: skip
    pl.DataFrame(pairs).write_parquet(tmp_path / "dpo.parquet")
    small = {"max_steps": 6, "max_length": 96, "save_steps": 6}

    config = config_of(
        tmp_path / "sft", model=trained, data=tmp_path / "sft.parquet", held_out=held_out,
        stage="sft_checkpoint", train=small,
    )  # fmt: skip
    sft = run("sft", config, monkeypatch)
    report = json.loads((sft / "report.json").read_text("utf-8"))
    assert report["counts"]["num_dialogues"] == 29
    assert report["counts"]["num_truncated"] == report["counts"]["num_untrainable"] == 1
    assert checkpoint.read_manifest(sft)["objective"] == ["sft"]
    assert all(finding.passed for finding in checkpoint.inspect(sft).values())

    config = config_of(
        tmp_path / "dpo", model=sft, data=tmp_path / "dpo.parquet", held_out=held_out,
        stage="dpo_checkpoint", train=small | {"learning_rate": 0.001},
    )  # fmt: skip
    dpo = run("dpo", config, monkeypatch)
    report = json.loads((dpo / "report.json").read_text("utf-8"))
    assert report["last"]["rewards/accuracies"] == 1.0
    assert report["last"]["rewards/margins"] > 0
    assert all(finding.passed for finding in checkpoint.inspect(dpo).values())

    from carebot_assets.training.generate import generate

    asked = [turns(ZH[3]), turns("fever"), turns(ZH[4] * 2)]
    batched = generate(sft, asked, max_new_tokens=8, batch_size=2)
    single = [generate(sft, [one], max_new_tokens=8)[0] for one in asked]
    assert batched == single
    assert all(0 <= answer.num_tokens <= 8 for answer in batched)
    with pytest.raises(ValueError, match="256 positions"):
        generate(sft, asked, max_new_tokens=250)
