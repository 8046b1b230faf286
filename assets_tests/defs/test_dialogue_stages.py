"""The instruction and preference stages on a small sample world, with a teacher of three rules."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.dialogue.conftest import model_dir  # noqa: F401 - a fixture
from carebot_assets.corpus import protected
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import selection_assets  # noqa: F401 - registers an input
from carebot_assets.defs.evaluation import assets as evaluation  # noqa: F401 - registers an input
from carebot_assets.defs.instruction import assets as instruction
from carebot_assets.defs.instruction import checks as instruction_checks  # noqa: F401 - declares
from carebot_assets.defs.preference import assets as preference
from carebot_assets.defs.preference import checks as preference_checks  # noqa: F401 - declares
from carebot_assets.defs.recipe import RECIPES
from carebot_assets.defs.resources import TeacherResource, Workshop
from carebot_assets.evaluation import items
from carebot_assets.sample.world import write_world
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

CHECKPOINTS = ("base_model", "boost_checkpoint", "sft_checkpoint")


def answer(role: str, item: dict[str, str]) -> dict[str, Any]:
    if role == "instruction_score":
        return {
            "complexity": 2.0 + len(item["question"]) % 4,
            "quality": 2.0 + len(item["answer"]) % 4,
        }
    if role == "doctor_answer":
        return {"answer": f"Please rest. {len(item['dialogue'])}"}
    longer = len(item["answer_a"]) - len(item["answer_b"])
    return {"winner": "a" if longer > 0 else "b" if longer < 0 else "tie"}


class FakeTeacher(TeacherResource):
    """The longer answer wins; every 27th call fails."""

    @contextmanager
    def open(self) -> Iterator[Any]:
        def ask(role: str, asked: list[dict[str, str]], **_: Any) -> list[Any]:
            cost = {"cached": False, "input_tokens": 1, "output_tokens": 1, "usd": 0.0}
            return [
                SimpleNamespace(status="failed", value=None, **cost)
                if number % 27 == 26
                else SimpleNamespace(status="ok", value=answer(role, item), **cost)
                for number, item in enumerate(asked)
            ]

        yield SimpleNamespace(ask=ask, description="fake", model="fake")


@pytest.fixture
def store(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh_settings: None,
    model_dir: Path,  # noqa: F811
) -> Store:
    """A store with the sample world, the benchmarks and one tiny model as every checkpoint."""
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    monkeypatch.setenv("CAREBOT_SET__instruction__sft__max_length", "4000")
    monkeypatch.setenv("CAREBOT_SET__instruction__confilter_band", "[0.5, 2.0]")
    monkeypatch.setenv("CAREBOT_SET__instruction__min_deita_score", "12")
    monkeypatch.setenv("CAREBOT_SET__instruction__preference_share", "0.3")
    monkeypatch.setenv("CAREBOT_SET__instruction__min_spearman", "-1")
    monkeypatch.setenv("CAREBOT_SET__preference__prompts", "12")
    monkeypatch.setenv("CAREBOT_SET__preference__max_new_tokens", "4")
    current_settings.cache_clear()
    settings, store = current_settings(), Store(tmp_path / "store")
    with store.publish("sample_world") as draft:
        write_world(draft.dir, documents=30, dialogues=120, questions=12, seed=1)
    for name in CHECKPOINTS:
        with store.publish(name) as draft:
            shutil.copytree(model_dir, draft.dir, dirs_exist_ok=True)
            config = draft.dir / "config.json"
            values = json.loads(config.read_text()) | {"max_position_embeddings": 4096}
            config.write_text(json.dumps(values))
    with store.publish("benchmark_items") as draft:
        suites = settings.evaluation.benchmarks.items()
        frames = [items.load_suite(n, s, settings.resolve(s.path)) for n, s in suites]
        draft.write(items.combine(frames))
    with store.publish("benchmark_ngrams") as draft:
        draft.write(protected.ngrams(store.scan("benchmark_items"), settings.contamination))
    return store


def run(assets: list[Any], partition: str | None = None) -> dict[str, bool]:
    """Materialize assets with their checks; the verdicts by check."""
    checks = build_checks(*(asset.key.to_user_string() for asset in assets))
    result = dg.materialize(
        [*assets, *checks],
        partition_key=partition,
        resources={"workshop": Workshop(), "teacher": FakeTeacher()},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def test_from_files_to_preference_pairs(store: Store) -> None:
    sources = sorted(current_settings().instruction.sources)
    for asset in (instruction.sft_dialogues, instruction.sft_verdicts):
        for source in sources:
            verdicts = run([asset], source)
            assert {name for name, passed in verdicts.items() if not passed} <= {"quarantine_rate"}
    scored = [
        instruction.instruction_seed_scores, instruction.instruction_raters,
        instruction.instruction_scores, instruction.confilter_scores, instruction.sft_set,
    ]  # fmt: skip
    verdicts = run(scored)
    # Few records look for a person.
    assert {name for name, passed in verdicts.items() if not passed} == {"records_per_language"}
    seeds = store.scan("instruction_seed_scores").collect()
    assert set(seeds["status"]) == {"ok", "failed"}
    # While calls have failed the artifact is not current: the next run asks those again.
    assert RECIPES["instruction_seed_scores"].current(store, None) is None
    assert store.require("instruction_raters").metadata["teacher"] == "fake"
    chosen = store.scan("sft_set").collect()
    assert set(chosen["verdict"]) == {"keep", "drop"}
    assert {"single", "multi", "choice"} == set(chosen.filter(pl.col("verdict") == "keep")["kind"])
    metadata = store.require("sft_set").metadata
    assert metadata["num_candidates"] == chosen.height
    assert metadata["departments"].startswith("| department |")

    paired = [preference.preference_prompts, preference.chat_responses, preference.dpo_pairs]
    verdicts = run(paired)
    failed = {name for name, passed in verdicts.items() if not passed}
    assert failed <= {"responses_end", "length_bias", "judge_order_consistency"}
    pairs = store.scan("dpo_pairs").collect()
    assert pairs.height == 12
    assert store.require("dpo_pairs").metadata["num_pairs"] == (pairs["verdict"] == "keep").sum()


def test_verdicts_of_a_source_depend_on_every_source(store: Store) -> None:
    sources = sorted(current_settings().instruction.sources)
    for source in sources:
        run([instruction.sft_dialogues], source)
    run([instruction.sft_verdicts], "toyhom")
    recipe = RECIPES["sft_verdicts"]
    assert recipe.current(store, "toyhom") is not None
    dialogues = store.scan("sft_dialogues", "chatdoctor").head(3).collect()
    with store.publish("sft_dialogues", "chatdoctor") as draft:
        draft.write(dialogues)
    assert recipe.current(store, "toyhom") is None
