from pathlib import Path

import pytest

from carebot_assets.evaluation import suites


def test_the_shipped_suites() -> None:
    assert suites.task_names() == [
        "ceval_med", "cmb", "cmmlu_med", "medmcqa", "medqa", "mmlu_med", "pubmedqa",
    ]  # fmt: skip
    for suite in suites.task_names():
        assert (suites.DEFAULT_DIR / suite / "README.md").is_file()


@pytest.mark.parametrize("suite", ["cmtmedqa", "cmb_clin"])
def test_shipped_protocols(suite: str) -> None:
    protocol = suites.judge_protocol(suite)
    assert (protocol.role, protocol.low, protocol.high) == ("judge_consultation", 1.0, 5.0)


def test_a_protocol_that_is_not_carried_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no consultation suite 'x'"):
        suites.judge_protocol("x", tmp_path)
    text = (suites.DEFAULT_DIR / "consultation" / "cmtmedqa.yaml").read_text("utf-8")
    (tmp_path / "consultation").mkdir()
    path = tmp_path / "consultation" / "cmtmedqa.yaml"
    path.write_text(text.replace("history: reference", "history: model"), "utf-8")
    with pytest.raises(ValueError, match="history is 'model', expected 'reference'"):
        suites.judge_protocol("cmtmedqa", tmp_path)


def test_the_fingerprint_follows_prompts_and_code(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    deciding = ("a/a.yaml", "utils.py", "_choice_task")
    for name in (*deciding, "README.md"):
        (tmp_path / name).write_text("x", "utf-8")
    found = [suites.fingerprint(tmp_path)]
    (tmp_path / "README.md").write_text("y", "utf-8")
    assert suites.fingerprint(tmp_path) == found[0]
    for name in deciding:
        (tmp_path / name).write_text("y", "utf-8")
        found.append(suites.fingerprint(tmp_path))
    assert len(set(found)) == 4
