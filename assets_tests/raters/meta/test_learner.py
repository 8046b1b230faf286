"""The meta-learned rater on a small world: clean rows follow a chain, spoilt ones are noise."""

import copy
import dataclasses
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from benchmarks.value_planted import Shuffled
from carebot_assets.raters.meta import learn, ranks, scoring
from carebot_assets.raters.meta.gradients import Found
from carebot_assets.raters.meta.learner import Learner
from carebot_assets.raters.meta.rows import Rows
from carebot_assets.settings.value import MetaModelSettings, ValueSettings
from carebot_assets.training import session
from carebot_assets.training.config import TrainingError
from carebot_assets.training.reporter import Reporter

VOCABULARY, LENGTH, INNER, OUTER = 40, 12, 400, 120
SMALL = MetaModelSettings(width=16, layers=1, heads=2)
SETTINGS = ValueSettings(
    sequence_length=LENGTH, rater=SMALL, inner=SMALL, population=2, unroll=2, batch_size=16,
    outer_batch_size=16, meta_steps=24, lifetime=16, settle_steps=6, inner_learning_rate=0.01,
    learning_rate=0.01, warmup_steps=2, probe_rows=300, eval_steps=6, save_steps=5,
    pretrain_steps=10,
)  # fmt: skip


def world(seed: int = 0) -> tuple[Rows, np.ndarray]:
    """Rows of equal length, a quarter of the inner ones noise, and which are clean."""
    random = np.random.default_rng(seed)
    steps = random.integers(1, 4, (INNER + OUTER, LENGTH)).cumsum(axis=1)
    ids = ((steps + random.integers(20, size=(INNER + OUTER, 1))) % 20).astype(np.uint32)
    clean = np.ones(INNER + OUTER, bool)
    clean[: INNER // 4] = False
    ids[~clean] = random.integers(20, VOCABULARY, (INNER // 4, LENGTH))
    split = ["inner"] * INNER + ["outer"] * OUTER
    about = pl.DataFrame({"doc_id": [str(i) for i in range(len(ids))], "split": split})
    return Rows(ids, np.full(len(ids), LENGTH), about), clean[:INNER]


def trained(learner: Learner, steps: int = SETTINGS.meta_steps) -> list[dict[str, float]]:
    numbers = []
    for _ in range(steps):
        proposal, found = learner.step()
        learner.accept(proposal)
        numbers.append(found)
    return numbers


def auc(learner: Learner, clean: np.ndarray) -> float:
    return ranks.auc(learner.scores(np.arange(INNER)), clean)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_is_found(seed: int) -> None:
    rows, clean = world(seed)
    learner = Learner(SETTINGS, rows, VOCABULARY, seed)
    assert auc(learner, clean) == 0.5, "a new rater weighs all alike"
    trained(learner)
    assert auc(learner, clean) >= 0.9


def test_inner_models_learn() -> None:
    rows, _ = world()
    learner = Learner(SETTINGS, rows, VOCABULARY, 0)
    assert np.mean([n["inner_loss_fall"] for n in trained(learner)[-8:]]) > 0.2
    frozen = Learner(SETTINGS, rows, VOCABULARY, 0)
    frozen.inner_optimizer = dataclasses.replace(frozen.inner_optimizer, learning_rate=1e-12)
    assert abs(np.mean([n["inner_loss_fall"] for n in trained(frozen)[-8:]])) < 0.1


def test_a_rater_that_is_not_updated_stays_blind() -> None:
    rows, clean = world()
    learner = Learner(SETTINGS, rows, VOCABULARY, 0)
    for _ in range(SETTINGS.meta_steps):
        learner.step()
    assert auc(learner, clean) == 0.5


def test_derivatives_of_the_wrong_rows_teach_nothing() -> None:
    """Two kinds of rows always fall apart somehow: by chance the wrong way round as often."""
    found = []
    for seed in range(4):
        rows, clean = world(seed)
        learner = Learner(SETTINGS, rows, VOCABULARY, seed)
        learner.engine = Shuffled(learner.engine, seed)
        trained(learner)
        found.append(auc(learner, clean))
    assert np.median(found) < 0.7


def test_constant_weights_are_plain_training_and_teach_nothing() -> None:
    rows, clean = world()
    learner = Learner(SETTINGS.model_copy(update={"settle_steps": 0}), rows, VOCABULARY, 0)
    engine = learner.engine

    def alike(*args: Any) -> Found:
        found = engine(*args)
        return found._replace(by_weight=torch.ones_like(found.by_weight))

    learner.engine = alike
    twin = copy.deepcopy(learner.population[0])
    for batch in [learner._draw(twin, "inner", SETTINGS.batch_size) for _ in range(2)]:
        leaf = twin.state.parameters.requires_grad_()
        [gradient] = torch.autograd.grad(learner.losses(leaf, *batch, fused=True).mean(), [leaf])
        state = twin.state._replace(parameters=leaf.detach())
        twin.state = learner.inner_optimizer.step(state, gradient)
    trained(learner, 1)
    assert torch.allclose(learner.population[0].state.parameters, twin.state.parameters, atol=1e-5)
    trained(learner)
    assert auc(learner, clean) == 0.5


def test_a_process_without_a_model_proposes_nothing() -> None:
    """Two models on three processes: proposals weighted by models sum to the mean of both."""
    rows, _ = world()
    whole = Learner(SETTINGS, rows, VOCABULARY, 0)
    parts = [Learner(SETTINGS, rows, VOCABULARY, 0, numbers=range(i, 2, 3)) for i in range(3)]
    expected, numbers = whole.step()
    found = [part.step() for part in parts]
    share = [len(part.population) / 2 for part in parts]
    assert share == [0.5, 0.5, 0]
    together = sum(s * proposal for s, (proposal, _) in zip(share, found, strict=True))
    assert torch.allclose(together, expected, atol=1e-6)
    for name, value in numbers.items():
        mean = sum(s * n[name] for s, (_, n) in zip(share, found, strict=True))
        assert mean == pytest.approx(value, rel=1e-5)


def test_models_are_reset_at_different_times_to_different_weights() -> None:
    rows, _ = world()
    learner = Learner(SETTINGS, rows, VOCABULARY, 0)
    ages, starts = [], []
    for _ in range(34):
        ages.append([inner.age for inner in learner.population])
        learner.accept(learner.step()[0])
        starts += [i.state.parameters[:4].clone() for i in learner.population if i.age == 1]
    resets = [
        [step for step, (old, new) in enumerate(pairwise(ages)) if new[i] < old[i]]
        for i in range(2)
    ]
    assert not set(resets[0]) & set(resets[1])
    assert all(len(r) >= 2 for r in resets)
    assert len({tuple(start.tolist()) for start in starts}) == len(starts)


def test_micro_batches_and_engines_change_nothing_but_rounding() -> None:
    rows, _ = world()
    found = []
    for change in ({}, {"engine": "unrolled"}, {"micro_batch": 5, "kept_rows": 8}):
        learner = Learner(SETTINGS.model_copy(update=change), rows, VOCABULARY, 0)
        trained(learner, 2)
        found.append(learner.eta)
    assert torch.allclose(found[0], found[1], atol=2e-4)
    assert torch.allclose(found[0], found[2], atol=2e-4)


def config_of(folder: Path, rows: Rows, **changes: Any) -> learn.MetaConfig:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    rows.write(data)
    return learn.MetaConfig(
        stage="value_rater", output=folder / "out", work_dir=folder / "work", seed=3, data=data,
        vocab_size=VOCABULARY, settings=SETTINGS.model_copy(update=changes),
    )  # fmt: skip


def test_an_interrupted_training_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = world()
    whole = config_of(tmp_path / "whole", rows)
    learn.learn(whole, Reporter(False))
    cut = config_of(tmp_path / "cut", rows)
    step = Learner.step
    count = {"left": 13}

    def stopping(self: Learner) -> Any:
        count["left"] -= 1
        if count["left"] == 0:
            signal.raise_signal(signal.SIGTERM)
        if count["left"] == -4:
            raise KeyboardInterrupt("killed between two checkpoints")
        return step(self)

    monkeypatch.setattr(Learner, "step", stopping)
    with pytest.raises(session.Interrupted, match="SIGTERM after step 13, saved"):
        learn.learn(cut, Reporter(False))
    with pytest.raises(KeyboardInterrupt):
        learn.learn(cut, Reporter(False))
    monkeypatch.undo()
    learn.learn(cut, Reporter(False))
    one, other = ((c.output / scoring.WEIGHTS).read_bytes() for c in (whole, cut))
    assert one == other
    logs = [pl.read_parquet(c.output / learn.LOG) for c in (whole, cut)]
    same = [log.filter(pl.col("name") != "seconds").sort("step", "name") for log in logs]
    assert same[0].equals(same[1])


def test_the_written_rater_scores_as_the_learner_does(tmp_path: Path) -> None:
    rows, clean = world()
    config = config_of(tmp_path, rows)
    learn.learn(config, Reporter(False))
    rater = scoring.load(config.output)
    scores = scoring.score_rows(rater, rows)
    probe = pl.read_parquet(config.output / learn.PROBE)
    mine = scores[probe["doc_id"].cast(pl.Int64).to_numpy()]
    assert np.allclose(mine, probe["score"].to_numpy(), atol=1e-5)
    assert ranks.auc(scores[:INNER], clean) >= 0.9


def test_the_probe_is_of_clean_rows_whatever_was_planted(tmp_path: Path) -> None:
    """Rows are planted by chance with the same seed that the probe is drawn with."""
    rows, _ = world()
    chosen = np.random.default_rng(3).permutation(INNER)[:190]
    planted = np.full(INNER + OUTER, None, object)
    planted[chosen] = "noise"
    about = rows.about.with_columns(planted=pl.Series(planted.tolist(), dtype=pl.String))
    config = config_of(tmp_path, rows._replace(about=about), meta_steps=2, probe_rows=150)
    learn.learn(config, Reporter(False))
    probe = pl.read_parquet(config.output / learn.PROBE)
    assert probe["planted"].is_null().sum() == 150 and probe.height == 340


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inner_learning_rate": 1e30}, "numbers overflow at meta-step"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    rows, _ = world()
    with pytest.raises(TrainingError, match=words):
        learn.learn(config_of(tmp_path, rows, **changes), Reporter(False))


def test_rows_of_both_parts_are_needed(tmp_path: Path) -> None:
    rows, _ = world()
    alone = rows._replace(about=rows.about.with_columns(split=pl.lit("inner")))
    with pytest.raises(TrainingError, match="0 rows in the outer part"):
        learn.learn(config_of(tmp_path, alone), Reporter(False))
