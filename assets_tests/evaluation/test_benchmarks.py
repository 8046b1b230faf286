import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.evaluation import benchmarks, suites

PROMPTS = {
    "medqa": "Question: Which?\nA. one\nC. three\nAnswer:",
    "medmcqa": "Question: Which?\nChoices:\nA. one\nC. three\nAnswer:",
    "mmlu_med": (
        "The following are multiple choice questions (with answers) about college biology.\n\n"
        "Which?\nA. one\nC. three\nAnswer:"
    ),
    "pubmedqa": "Abstract: It was so.\nQuestion: Which?\nAnswer:",
    "cmmlu_med": (
        "以下是关于病毒学的单项选择题，请直接给出正确答案的选项。\n\n"
        "Which?\nA. one\nC. three\n答案："
    ),
    "ceval_med": (
        "以下是中国关于基础医学考试的单项选择题，请选出其中的正确答案。\n\n"
        "Which?\nA. one\nC. three\n答案："
    ),
    "cmb": (
        "以下是中国医师考试中执业医师考试的一道单项选择题，不需要做任何分析和解释，直接输出答案选项。\n"
        "Which?\nA. one\nC. three\n答案："
    ),
}
SUBJECTS = {
    "mmlu_med": "college_biology",
    "cmmlu_med": "virology",
    "ceval_med": "basic_medicine",
    "cmb": "医师考试/执业医师",
}


def item(suite: str, number: int = 0, **more: Any) -> dict[str, Any]:
    values = {
        "item_id": f"{suite}/t#{number}",
        "suite": suite,
        "lang": "en",
        "subject": SUBJECTS.get(suite),
        "question": "Which?",
        "options": ["one", " ", "three"],
        "answer": "C",
    }
    if suite == "pubmedqa":
        values |= {"context": "It was so.", "options": ["yes", "no", "maybe"], "answer": "no"}
    return values | more


def write_items(folder: Path, *items: dict[str, Any]) -> None:
    for values in items:
        path = folder / values["suite"] / "test.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        row = rows_of("benchmark_items", values).drop("turns").to_dicts()[0]
        with path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(row) + "\n")


@pytest.mark.parametrize("suite", suites.task_names())
def test_prompts_choices_and_targets(tmp_path: Path, suite: str) -> None:
    from lm_eval.tasks import TaskManager

    write_items(tmp_path, item(suite))
    manager = TaskManager(
        include_path=str(suites.DEFAULT_DIR),
        include_defaults=False,
        metadata={"data_dir": str(tmp_path)},
    )
    task: Any = manager.load([suite])["tasks"][suite]
    document = task.test_docs()[0]
    assert task.fewshot_context(document, 0) == PROMPTS[suite]
    wanted = ["yes", "no", "maybe"] if suite == "pubmedqa" else ["A", "C"]
    assert task.doc_to_choice(document) == wanted
    assert task.doc_to_target(document) == 1


def test_every_item_is_answered_the_same_way_twice(tiny_model: Path, tmp_path: Path) -> None:
    options = ["fever", "cough", "rash", "pain", "none"]
    rows = [
        item(
            "medqa",
            n,
            question=f"Case {n}: which?",
            options=options[: 2 + n % 4],
            answer="AB"[n % 2],
        )
        for n in range(9)
    ]
    rows.append(item("medqa", 9, options=options, answer="AD"))
    rows.append(item("medqa", 10, question="long " * 200, options=options, answer="E"))
    items = rows_of("benchmark_items", *rows).lazy()
    runs = [
        benchmarks.run(tiny_model, "medqa", items, tmp_path / str(size), batch_size=size, seed=3)
        for size in (2, 2)
    ]
    frame, info = runs[0]
    assert runs[1][0].equals(frame) and runs[1][1] == info
    assert frame["item_id"].to_list() == [f"medqa/t#{n}" for n in range(11) if n != 9]
    assert frame["correct"].to_list() == (frame["prediction"] == frame["answer"]).to_list()
    letters = frame.with_columns(n=pl.Series([2 + n % 4 for n in range(9)] + [5]))
    assert all("ABCDE".index(row["prediction"]) < row["n"] for row in letters.to_dicts())
    assert frame["suite_version"].n_unique() == 1
    assert frame["suite_version"][0].startswith("medqa v1.0 lm-eval ")
    assert info["num_items"] == 10 and info["num_not_asked"] == 1 and info["num_fewshot"] == 0
    assert info["num_truncated_prompts"] == 1 and info["max_length"] == 320
    assert info["accuracy"] == pytest.approx(frame["correct"].mean())


def test_an_unknown_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no suite 'bioasq' in .*, known are ceval_med, cmb"):
        benchmarks.run(tmp_path, "bioasq", rows_of("benchmark_items").lazy(), tmp_path)


ALONE = """
import json, sys
sys.modules["carebot_assets"] = None
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
folder, model, tasks = sys.argv[1:]
found = simple_evaluate(
    "hf", model_args=f"pretrained={model}", tasks=tasks.split(","), device="cpu", batch_size=16,
    task_manager=TaskManager(include_path=folder, include_defaults=False, metadata={}),
    bootstrap_iters=0,
)
print(json.dumps({t: [found["n-samples"][t]["effective"], r["acc,none"]]
                  for t, r in found["results"].items()}))
"""


def test_the_folder_works_without_the_package(tiny_model: Path, tmp_path: Path) -> None:
    """Plain lm-eval, offline, on the shipped samples; lm-eval's own tasks, whose indexing takes
    most of its time, are left out."""
    folder = shutil.copytree(suites.DEFAULT_DIR, tmp_path / "eval_suites")
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), str(tiny_model), "medqa,pubmedqa,cmmlu_med"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout.splitlines()[-1])
    assert set(results) == {"medqa", "pubmedqa", "cmmlu_med"}
    assert all(count == 40 and 0 <= acc <= 1 for count, acc in results.values())


def test_a_suite_without_data_says_what_to_do(tmp_path: Path, monkeypatch: Any) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("suite_utils", suites.DEFAULT_DIR / "utils.py")
    assert spec and spec.loader
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    with pytest.raises(FileNotFoundError, match="CAREBOT_SUITE_DATA is not set and no sample"):
        utils.load("mmlu_med")
    monkeypatch.setenv("CAREBOT_SUITE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"is {tmp_path}"):
        utils.load("medqa")
    write_items(tmp_path, item("medqa"))
    assert utils.load("medqa")["test"]["choices"] == [["A", "C"]]
