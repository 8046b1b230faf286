"""Training as assets, and the comparisons on top: tiny, in this process."""

import importlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.corpus.tiny_tokenizer import EN, ZH
from assets_tests.defs.test_pretraining_mixes import store  # noqa: F401 - a fixture
from assets_tests.training.conftest import one_cpu_thread  # noqa: F401 - a fixture
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.pretraining import assets
from carebot_assets.defs.pretraining import comparison_assets as comparisons
from carebot_assets.defs.resources import Workshop
from carebot_assets.raters.meta import learn
from carebot_assets.settings import ScratchModel, TrainSettings, current_settings
from carebot_assets.store import Store
from carebot_assets.training import checkpoint, scratch
from carebot_assets.training import config as configs
from carebot_assets.training.reporter import Reporter

if TYPE_CHECKING:
    from carebot_assets.defs.artifact import Step

TRAIN = "{max_steps: 10, batch_size: 4, learning_rate: 0.01, log_steps: 5, eval_steps: 5}"
SEARCH = f"{{primary_shares: [0.5, 0.9], zh_shares: [0.5], seeds: 2, tokens: 640, train: {TRAIN}}}"


class Here(Launcher):
    """Runs a script in this process."""

    def train(self, step: "Step", script: str, config: dict[str, Any]) -> dict[str, Any]:
        shared = {
            "stage": step.name,
            "output": step.draft.dir,
            "work_dir": step.work_dir,
            "seed": step.settings.seed,
            "inputs": step.recipe.input_hashes(step.store, step.partition),
        }
        if script == "raters.meta.learn":
            learn.learn(learn.MetaConfig.model_validate(shared | config), Reporter(False))
        else:
            module = importlib.import_module(f"carebot_assets.training.{script}")
            kind = getattr(configs, f"{script.capitalize()}Config")
            module.train(kind.model_validate(shared | config), Reporter(False))
        shutil.rmtree(step.work_dir / "checkpoints", ignore_errors=True)
        return json.loads((step.draft.dir / "report.json").read_text("utf-8"))


@pytest.fixture
def trained(
    store: Store,  # noqa: F811
    one_cpu_thread: None,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    """A base model with weights, and settings of seconds."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    for name, value in {
        "stable": TRAIN,
        "boost": TRAIN,
        "ratio_search": SEARCH,
        "comparison_seeds": "2",
        "max_general_loss_rise": "9.0",
    }.items():
        monkeypatch.setenv(f"CAREBOT_SET__pretraining__{name}", value)
    current_settings.cache_clear()
    # The same letters in another order: what is learned helps, and nothing is copied.
    held_out = store.scan("held_out_text").collect()
    letters = pl.lit(ZH[0][::-1] * 2)
    text = pl.when(pl.col("stratum") == "medical_zh").then(letters).otherwise("text")
    with store.publish("held_out_text") as draft:
        draft.write(held_out.with_columns(text=text))
    train = TrainSettings(max_steps=1, batch_size=1, learning_rate=1.0)
    sizes = {"vocab_size": 600, "hidden_size": 32, "layers": 1, "heads": 2}
    model = ScratchModel(**sizes, intermediate_size=48, tokens=1, train=train)
    with store.publish("base_model") as draft:
        scratch.write_model(draft.dir, [*ZH, *EN], model, 256)
        torch.manual_seed(0)
        made = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(draft.dir))
        made.save_pretrained(draft.dir)
    return store


def run(*chosen: dg.AssetsDefinition) -> dict[str, bool]:
    result = dg.materialize(
        [*chosen, *build_checks(*(asset.key.to_user_string() for asset in chosen))],
        resources={"workshop": Workshop(), "launcher": Here()},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return {
        f"{e.asset_key.to_user_string()}.{e.check_name}": e.passed
        for e in result.get_asset_check_evaluations()
    }


def test_two_stages_are_compared_with_one(trained: Store) -> None:
    verdicts = run(
        assets.stable_mix,
        assets.boost_mix,
        assets.stable_checkpoint,
        assets.boost_checkpoint,
        comparisons.one_stage_mix,
        comparisons.one_stage_checkpoint,
        comparisons.two_stage_comparison,
    )
    assert {name for name, passed in verdicts.items() if not passed} == set()
    assert "base_model.general_loss_rise" not in verdicts
    assert verdicts["one_stage_checkpoint.general_loss_rise"]

    mixes = {name: trained.path(name) / "receipts.json" for name in ("boost_mix", "one_stage_mix")}
    asked = {name: json.loads(path.read_text("utf-8")) for name, path in mixes.items()}
    assert asked["boost_mix"]["num_tokens"] == asked["one_stage_mix"]["num_tokens"]
    stable, more = (trained.scan(name).collect() for name in ("stable_mix", "one_stage_mix"))
    assert stable["doc_id"].head(20).to_list() != more["doc_id"].head(20).to_list()

    manifest = checkpoint.read_manifest(trained.path("one_stage_checkpoint"))
    assert set(manifest["inputs"]) == {"one_stage_mix", "stable_checkpoint", "held_out_text"}
    assert manifest["receipts"] == checkpoint.file_hash(mixes["one_stage_mix"])
    assert manifest["settings"]["max_steps"] == 10

    log = trained.scan("two_stage_comparison").collect()
    seed = current_settings().seed
    arms = [comparisons.ONE_STAGE, comparisons.TWO_STAGE]
    runs = log.select("arm", "seed").unique().sort("arm", "seed").rows()
    assert runs == [(arm, s) for arm in arms for s in (seed, seed + 1)]
    # Both arms start from the same checkpoint.
    starts = log.filter(pl.col("step") == 0, name="held_out_general_loss")["value"]
    assert starts.len() == 4 and starts.n_unique() == 1
    found = trained.require("two_stage_comparison").metadata
    gap = found["two_stages_minus_one"]["medical_zh"]
    assert gap["num_seeds"] == 2 and gap["low"] < gap["mean"] < gap["high"]
    assert found["curves"].startswith("![arms]")
    assert comparisons.TWO_STAGE in found["final_losses"]
    assert not list((trained.root / ".work").rglob("*.safetensors"))


def test_ratios_are_searched(trained: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = run(comparisons.mix_ratio_search)
    assert all(verdicts.values()), verdicts
    log = trained.scan("mix_ratio_search").collect()
    assert set(log["arm"]) == {"medical 0.5, zh 0.5", "medical 0.9, zh 0.5"}
    found = trained.require("mix_ratio_search").metadata
    assert found["num_runs"] == 4
    assert found["best"]["medical_zh"]["behind"]["num_seeds"] == 2

    monkeypatch.setenv("CAREBOT_SET__pretraining__ratio_search", "null")
    current_settings.cache_clear()
    verdicts = run(comparisons.mix_ratio_search)
    assert all(verdicts.values()), verdicts
    assert trained.require("mix_ratio_search").rows == 0


def test_a_base_model_is_a_folder_or_a_repository(tmp_path: Path) -> None:
    from carebot_assets.training import snapshot

    (tmp_path / "model").mkdir()
    assert snapshot.find("model", None, tmp_path / "model") == (tmp_path / "model", None)
    with pytest.raises(ValueError, match="is a folder: it has no `revision`"):
        snapshot.find("model", "main", tmp_path / "model")
    with pytest.raises(ValueError, match=r"nobody/nothing \(revision v1\): no folder .*nowhere"):
        snapshot.find("nobody/nothing", "v1", tmp_path / "nowhere")
