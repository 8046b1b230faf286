"""Arms side by side: means, intervals, paired differences, and a sweep that makes them."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.training.running import Configure, Killed, run, write_config
from carebot_assets import tables
from carebot_assets.training import arms, sweep_log


def log_of(values: dict[tuple[str, int], float], step: int = 9) -> pl.DataFrame:
    """Final medical losses by arm and seed, after a higher one at step 0."""
    rows = [
        (arm, seed, at, "held_out_medical_zh_loss", value + (at == 0))
        for (arm, seed), value in values.items()
        for at in (0, step)
    ]
    return pl.DataFrame(rows, schema=tables.BY_NAME["mix_ratio_search"].schema, orient="row")


@pytest.mark.parametrize(
    ("values", "mean", "half"),
    [
        ([2.0], 2.0, None),
        ([1.0, 3.0], 2.0, 12.706205),  # t(0.975, 1) * sqrt(2) / sqrt(2)
        ([1.0, 2.0, 3.0], 2.0, 4.302653 / math.sqrt(3)),
    ],
)
def test_intervals_are_students(values: list[float], mean: float, half: float | None) -> None:
    found = arms.mean_of(values)
    assert found.mean == mean and found.num_seeds == len(values)
    if half is None:
        assert found.low is None and str(found) == "2.0000"
    else:
        assert found.high == pytest.approx(mean + half, rel=1e-5)
        assert found.low == pytest.approx(mean - half, rel=1e-5)


def test_differences_are_paired_by_seed() -> None:
    """The seeds are far apart, the arms differ by the same in each: the interval is narrow."""
    log = log_of({("a", 1): 1.0, ("b", 1): 1.5, ("a", 2): 7.0, ("b", 2): 7.5})
    found = arms.difference(log, "a", "b")["medical_zh"]
    assert (found.mean, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))
    spread = arms.by_arm(log)["a"]["medical_zh"]
    assert spread.mean == 4.0 and spread.low is not None and spread.low < -30
    best = arms.best(log, "medical_zh")
    assert best["arm"] == "a" and best["next"] == "b" and best["behind"]["mean"] == 0.5
    assert arms.best(log.filter(arm="b"), "medical_zh") == {"arm": "b"}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (1.0, 1.0),  # as good as the baseline exactly at the end
        (0.5, 2 / 3),  # from 2.0 at 0 to 0.5 at 9: 1.0 after two thirds
        (1.5, None),
    ],
)
def test_compute_to_reach_a_baseline(end: float, expected: float | None) -> None:
    rows = [
        (arm, 0, at, "held_out_medical_zh_loss", value)
        for arm, last in (("base", 1.0), ("arm", end))
        for at, value in ((0, 2.0), (9, last))
    ]
    schema = tables.BY_NAME["mix_ratio_search"].schema
    log = pl.DataFrame(rows, schema=schema, orient="row")
    found = arms.steps_to_reach(log, "base", "medical_zh")
    assert found["base"] == 1.0
    assert found["arm"] == (pytest.approx(expected) if expected else None)
    table = arms.compute_table(log, ["medical_zh"], {"medical_zh": found}, {"arm": 0.25})
    cells = "never | never" if expected is None else f"{expected:.0%} | {expected + 0.25:.0%}"
    assert f"| arm | {end:.4f} | {cells} |" in table


@pytest.mark.parametrize(
    ("base", "arm", "expected"),
    [
        ((2.0, 2.5), (2.0, 1.0), {"base": None, "arm": None}),  # raised: nothing to reach
        ((2.0, 1.0), (0.9, 0.8), {"base": 1.0, "arm": 0.0}),  # as good at the start
    ],
)
def test_compute_at_the_edges(
    base: tuple[float, float], arm: tuple[float, float], expected: dict[str, float | None]
) -> None:
    rows = [
        (name, 0, at, "held_out_general_loss", value)
        for name, values in (("base", base), ("arm", arm))
        for at, value in zip((0, 9), values, strict=True)
    ]
    log = pl.DataFrame(rows, schema=tables.BY_NAME["mix_ratio_search"].schema, orient="row")
    assert arms.steps_to_reach(log, "base", "general") == expected


def test_a_table_and_a_picture_show_all_arms() -> None:
    log = log_of({("a", 1): 1.0, ("b", 1): 1.5})
    assert arms.table(arms.by_arm(log)).splitlines() == [
        "| arm | medical_zh |",
        "|---|---|",
        "| a | 1.0000 |",
        "| b | 1.5000 |",
    ]
    assert arms.plot(log, ["medical_zh"]).startswith("![arms](data:image/png;base64,")


@pytest.mark.parametrize(
    ("values", "step", "passed", "words"),
    [
        ({("a", 1): 1.0, ("b", 1): 1.5}, 9, True, "2 of 2 runs"),
        ({("a", 1): 1.0}, 9, False, "1 of 2 runs"),
        ({("a", 1): 1.0, ("b", 1): math.inf}, 9, False, "no numbers"),
        ({("a", 1): 1.0, ("b", 1): 1.5}, 8, False, "not to the same step"),
    ],
)
def test_a_run_that_is_missing_is_found(
    values: dict[tuple[str, int], float], step: int, passed: bool, words: str
) -> None:
    log = log_of(values)
    log = log.filter(~((pl.col("arm") == "a") & (pl.col("step") == 9))) if step == 8 else log
    finding = arms.complete(log, 2, 1)
    assert finding.passed is passed and words in finding.description


def test_nothing_was_asked_for() -> None:
    assert arms.complete(sweep_log.combine([]), 0, 0).passed


@pytest.fixture
def sweep(pretrain: Configure, tmp_path: Path) -> Path:
    import yaml

    runs: list[dict[str, Any]] = []
    for arm, seed in (("a", 3), ("b", 3), ("a", 4)):
        folder = tmp_path / f"{arm}{seed}"
        config = pretrain(f"sweep-{arm}{seed}", stage=arm, seed=seed, objective=[])
        values = yaml.safe_load(config.read_text("utf-8"))
        runs.append(values | {"output": str(folder / "out"), "work_dir": str(folder / "work")})
    shared = {"stage": "sweep", "seed": 3, "output": tmp_path / "out", "work_dir": tmp_path}
    return write_config(tmp_path, shared | {"runs": runs})


@pytest.mark.usefixtures("one_cpu_thread")
def test_a_killed_sweep_goes_on_and_keeps_logs_only(
    sweep: Path, trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from carebot_assets.training import pretrain

    train, done = pretrain.train, []

    def killed(config: Any, reporter: Any) -> None:
        if len(done) == 1:
            raise Killed
        done.append((config.stage, config.seed))
        train(config, reporter)

    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "train", killed)
        with pytest.raises(Killed):
            run("sweep", sweep, monkeypatch)
    assert done == [("a", 3)]
    seen: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(
            pretrain, "train", lambda c, r: (seen.append(f"{c.stage}{c.seed}"), train(c, r))
        )
        output = run("sweep", sweep, monkeypatch)
    assert seen == ["b3", "a4"]
    log = sweep_log.take(output)
    assert log.schema == tables.BY_NAME["mix_ratio_search"].schema
    assert arms.complete(log.filter(arm="a"), 1, 2).passed
    # Same seed and data as the undisturbed training, whatever ran before it in this process.
    alone = sweep_log.read(trained, "a", 3)
    assert log.filter(arm="a", seed=3).equals(alone)
    assert log.filter(arm="b").drop("arm").equals(alone.drop("arm"))
    assert not log.filter(arm="a", seed=4).drop("seed").equals(alone.drop("seed"))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert json.loads((output / "report.json").read_text("utf-8"))["num_runs"] == 3
