"""Commands that need no run of the graph, called in this process."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets_tests.conftest import rows_of
from assets_tests.corpus.test_export import TEXTS, corpus_of
from carebot_assets.cli import app
from carebot_assets.corpus import export
from carebot_assets.store import Store


def test_export_collects_the_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    store, out = Store(tmp_path / "store"), tmp_path / "out"
    early = CliRunner().invoke(app, ["export", str(out)])
    assert early.exit_code == 1
    assert "corpus_manifest has not been materialized" in early.output
    plan = {"shard": "web-00000", "file": "a", "source": "web"}
    with store.publish("corpus_manifest") as draft:
        draft.write(rows_of("corpus_manifest", plan))
    with store.publish("corpus_export", "web-00000") as draft:
        export.write(*corpus_of(TEXTS), draft.dir, "web-00000", "gz")
    done = CliRunner().invoke(app, ["export", str(out)])
    assert done.exit_code == 0, done.output
    assert (out / "documents" / "web-00000.jsonl.gz").is_file()
    again = CliRunner().invoke(app, ["export", str(out)])
    assert again.exit_code == 1 and "is not an empty folder" in again.output
