import json
from pathlib import Path

import pytest
from dagster_pipes import encode_param

from carebot_assets.training.reporter import open_reporter


def test_without_dagster_it_speaks_to_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    with open_reporter() as reporter:
        reporter.say("step 1/2 loss 3.0")
        reporter.send({"step": 1})
    assert capsys.readouterr().err == "step 1/2 loss 3.0\n"


@pytest.mark.parametrize(("rank", "opened"), [("0", True), ("1", False)])
def test_under_dagster_only_the_first_process_reports(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rank: str,
    opened: bool,
) -> None:
    context = {"asset_keys": None, "code_version_by_asset_key": None, "extras": {}}
    context |= {"provenance_by_asset_key": None, "partition_key": None, "run_id": "r"}
    context |= {"partition_key_range": None, "partition_time_window": None, "job_name": None}
    (tmp_path / "context").write_text(json.dumps(context | {"retry_number": 0}), "utf-8")
    for name in ("context", "messages"):
        param = encode_param({"path": str(tmp_path / name)})
        monkeypatch.setenv(f"DAGSTER_PIPES_{name.upper()}", param)
    monkeypatch.setenv("RANK", rank)
    with open_reporter() as reporter:
        reporter.say("step 1/2")
        reporter.send({"step": 1, "loss": 3.0})
    path = tmp_path / "messages"
    sent = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if opened else []
    methods = [message["method"] for message in sent]
    assert methods == (["opened", "log", "report_custom_message", "closed"] if opened else [])
    assert path.exists() is opened
    assert capsys.readouterr().err == ("step 1/2\n" if opened else "")
