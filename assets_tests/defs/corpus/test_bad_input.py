"""Files and settings made to do harm, in runs: what is said of them, and that the rest is made."""

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import zstandard
from typer.testing import CliRunner

from assets_tests.defs.corpus.test_reading import EN, ZH, failed_checks, plan, run
from carebot_assets.cli import app
from carebot_assets.corpus import encodings
from carebot_assets.defs.corpus.assets import documents
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

GOOD = {"early": ZH, "late": EN}  # sources, planned before and after the bad one


def jsonl(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def parquet(column: str) -> bytes:
    file = io.BytesIO()
    pl.DataFrame({column: [EN]}).write_parquet(file)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Path:
    for name, text in GOOD.items():
        (tmp_path / f"{name}.jsonl").write_bytes(jsonl(text))
    sources = {name: {"path": f"{tmp_path}/{name}.*"} for name in ("early", "evil", "late")}
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    monkeypatch.setenv("CAREBOT_SET__corpus__sources", json.dumps(sources))
    monkeypatch.setattr(encodings, "FREE_BYTES", 1 << 20)
    current_settings.cache_clear()
    return tmp_path


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder / "store")


def read_all(instance: dg.DagsterInstance) -> dict[str, dg.ExecuteInProcessResult]:
    """One run for each source, as a backfill would start them."""
    assert plan(instance).success
    shards = sorted(instance.get_dynamic_partitions("corpus_shard"))
    assert shards == ["early-00000", "evil-00000", "late-00000"]
    return {s.partition("-")[0]: run(instance, [documents], s) for s in shards}


def assert_good_ones_are_read(store: Store, results: dict[str, dg.ExecuteInProcessResult]) -> None:
    for name, text in GOOD.items():
        assert results[name].success
        assert failed_checks(results[name]) == set()
        found = store.scan("documents", f"{name}-00000").collect()
        assert found["text"].to_list() == [text]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("evil.parquet", parquet("body"), "has no column 'text'; its columns are body"),
        ("evil.jsonl.zst", zstandard.compress(jsonl(*[EN] * 99))[:-20], "cannot be read as jsonl"),
        ("evil.jsonl.gz", gzip.compress(jsonl("0" * (1 << 22))), "expands to more than 1048576 b"),
    ],
)
def test_a_file_that_cannot_be_read_fails_its_own_run_by_name(
    folder: Path,
    instance: dg.DagsterInstance,
    store: Store,
    name: str,
    content: bytes,
    message: str,
) -> None:
    (folder / name).write_bytes(content)
    results = read_all(instance)
    assert_good_ones_are_read(store, results)
    assert not results["evil"].success
    [failure] = results["evil"].get_step_failure_events()
    cause = failure.step_failure_data.error_display_string
    assert f"{folder / name} " in cause and message in cause
    assert store.manifest("documents", "evil-00000") is None, "nothing half-written"


LONG = 1_000_000


@pytest.mark.parametrize(
    ("name", "content", "texts", "errors"),
    [
        (
            "evil.jsonl",
            b'{"text": "raw \0 NUL"}\n' + jsonl("an escaped\0 NUL in a text", EN),
            ["an escaped NUL in a text", EN],
            {"evil/evil.jsonl#0": "malformed JSON"},
        ),
        ("evil.txt", f"血\0压升高\0\n{ZH}".encode(), [f"血压升高\n{ZH}"], {}),
        (
            "evil.jsonl",
            jsonl("the \u202elevel\u202c of \u2066sugar\u2069", "\u202e\u2067", ZH),
            ["the level of sugar", ZH],
            {"evil/evil.jsonl#1": "empty text"},
        ),
        (
            "evil.jsonl",
            jsonl(EN, "x" * (LONG + 1), ZH),
            [EN, ZH],
            {"evil/evil.jsonl#1": f"record above {LONG} characters"},
        ),
        (
            "evil.csv",
            f"text\n{EN.replace(',', ';')}\n{'高' * (LONG + 1)}\n{ZH}\n".encode(),
            [EN.replace(",", ";"), ZH],
            {"evil/evil.csv#1": f"record above {LONG} characters"},
        ),
    ],
    ids=["nul_json", "nul_txt", "overrides", "long_json", "long_csv"],
)
def test_a_bad_record_is_quarantined_and_the_others_are_read(
    folder: Path,
    instance: dg.DagsterInstance,
    store: Store,
    name: str,
    content: bytes,
    texts: list[str],
    errors: dict[str, str],
) -> None:
    (folder / name).write_bytes(content)
    results = read_all(instance)
    assert_good_ones_are_read(store, results)
    assert results["evil"].success
    # One of three is more than a person should leave unseen.
    assert failed_checks(results["evil"]) == ({"quarantine_ratio"} if errors else set())
    shard = "evil-00000"
    assert store.scan("documents", shard).collect()["text"].to_list() == texts
    bad = store.scan("documents", shard, side_table="quarantine").collect()
    assert dict(bad.select("origin", "error").iter_rows()) == errors
    metadata = store.require("documents", shard).metadata
    assert metadata["num_quarantined"] == len(errors)
    assert metadata["num_records"] == len(texts) + len(errors)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("inside/*.jsonl", "link.jsonl leaves {folder}/inside, by `..` or a link"),
        ("inside/*/../../secret.jsonl", "secret.jsonl leaves {folder}/inside, by `..` or a link"),
        ("odd*", r"odd\u202elnosj.txt': the name holds invisible characters; rename it"),
    ],
)
def test_a_path_out_of_its_folder_stops_the_plan_and_nothing_planned(
    folder: Path,
    instance: dg.DagsterInstance,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    message: str,
) -> None:
    (folder / "evil.jsonl").write_bytes(jsonl(EN))
    assert plan(instance).success
    before = store.require("corpus_manifest")
    (folder / "inside" / "deep").mkdir(parents=True)
    (folder / "secret.jsonl").write_bytes(jsonl("secret"))
    (folder / "inside" / "link.jsonl").symlink_to(folder / "secret.jsonl")
    (folder / "odd\u202elnosj.txt").write_text(EN)
    monkeypatch.setenv("CAREBOT_SET__corpus__sources__evil__path", str(folder / path))
    current_settings.cache_clear()
    result = plan(instance)
    assert not result.success
    [failure] = result.get_step_failure_events()
    cause = failure.step_failure_data.error_display_string
    assert "corpus.sources.evil: " in cause
    assert message.format(folder=folder) in cause
    assert store.require("corpus_manifest") == before, "the last good plan stands"
    for name in GOOD:
        assert run(instance, [documents], f"{name}-00000").success


def test_a_source_given_twice_stops_the_command_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = folder / "mine.yaml"
    profile.write_text(
        "extends: demo\ncorpus:\n  sources:\n    evil: {path: a}\n    evil: {path: b}\n"
    )
    monkeypatch.setenv("CAREBOT_PROFILE", str(profile))
    done = CliRunner().invoke(app, ["run", "documents"])
    assert done.exit_code == 1
    assert f"profile {profile}: not readable as YAML: key 'evil' is given twice" in done.output
    assert "line 5" in done.output and "Traceback" not in done.output
