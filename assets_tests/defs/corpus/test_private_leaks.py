"""Private values stay in the raw shard: no other table, file, log, event or error holds one.

The raw shard is `documents`: its text, and the source's own id, are what was read, which later
tables mask. Its quarantine is shown to people and masked like the rest.
"""

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.corpus import private_values, test_contamination
from assets_tests.defs.corpus import test_reading
from carebot_assets.corpus import export, private
from carebot_assets.defs.artifact import ASSETS
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import (  # noqa: F401 - declare the assets and their checks
    assets,
    checks,
    export_assets,
    funnel_assets,
    funnel_checks,
    selection_assets,
    selection_checks,
)
from carebot_assets.defs.recipe import RECIPES, Recipe
from carebot_assets.defs.resources import Workshop
from carebot_assets.raters.verdicts import NOT_MEDICAL
from carebot_assets.settings import current_settings
from carebot_assets.store import Store
from carebot_assets.tables import JUDGES

GROUP = {name for name, asset in ASSETS.items() if "corpus" in asset.group_names_by_key.values()}
READING = ("documents", "text_measures", "rule_verdicts", "minhash_signatures")
JUDGING = ("duplicate_verdicts", "contamination_verdicts")
SELECTION = ("filtered_corpus", "general_corpus", "shard_tally", "corpus_export")
MEDICAL = {
    "zh": f"{test_reading.ZH}"
    "减轻体重、规律运动和戒酒也有帮助，药物需要在医生指导下长期服用，不可自行停药或者减量。\n"
    "常用的药有利尿剂、钙通道阻滞剂和血管紧张素转换酶抑制剂，选择取决于年龄与合并的疾病。\n"
    "如果出现剧烈头痛、视物模糊或者胸痛，应当立即就医，以免发生脑出血和急性心力衰竭。\n"
    "家庭自测血压时先安静休息五分钟，坐位测量上臂，早晚各测两次，把结果记在本子上。\n",
    "en": f"{test_reading.EN} Losing weight and drinking less help too, and nobody should stop a"
    " drug alone. A bad headache, a loss of sight or a pain in the chest needs help at once.\n",
}
GENERAL = {
    "zh": "球队昨晚在主场以三比一战胜对手，取得三连胜。教练赛后说，年轻队员的进步让人高兴。\n"
    "下一轮他们要去客场，门票在一个小时之内就已经卖完，球迷会包了三辆大巴一同前往。\n",
    "en": "The home team won the match last night, and the coach praised the young players.\n"
    "Tickets for the next round were sold within an hour; three buses will take the fans there.\n",
}
LEAKED = {
    "zh": f"{test_contamination.FILLER_ZH}\n{test_contamination.ZH}\n",
    "en": f"{test_contamination.FILLER_EN}\n{test_contamination.EN}\n",
}
HIDDEN = "\u200b"
UID = private_values.VALUES["url_credentials"]["zh"].value


def write(folder: Path) -> None:
    """A source a language: records that hold every value and meet each judge, by their position,
    and records that cannot be read, with a value as it is, with JSON's escapes, or with invisible
    characters in it."""
    for lang in ("en", "zh"):
        leak = private_values.sentences(lang)
        texts = [
            f"{MEDICAL[lang]}{leak}!",
            GENERAL[lang] + leak,
            MEDICAL[lang] + leak,  # a duplicate of the first, and shorter
            LEAKED[lang] + leak,
            leak + "\ufffd" * 90,  # dropped by a rule
        ]
        rows = [json.dumps({"text": t, "uid": f"{UID}?{i}"}) for i, t in enumerate(texts)]
        for by_lang in private_values.VALUES.values():
            value, frame = by_lang[lang]
            for word in (value, HIDDEN.join(value)):
                row = {"text": frame.format(word)}
                rows += [json.dumps(row, ensure_ascii=escaped)[:-2] for escaped in (False, True)]
        (folder / f"{lang}.jsonl").write_text("\n".join(rows), "utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    values = {
        "store__root": tmp_path / "store",
        "corpus__sources": {lang: {"path": f"{folder}/{lang}.*"} for lang in ("en", "zh")},
        "corpus__max_bad_ratio": 0.95,
        "corpus__max_bad_records": 0,
        "duplicates__min_similarity": 0.9,
        # Half of a text are numbers of persons.
        "rules__zh__max_digit_ratio": 0.5,
        "rules__en__min_letter_ratio": 0.5,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"CAREBOT_SET__{name}", json.dumps(value, default=str))
    current_settings.cache_clear()
    # Benchmarks, and judges that are models, belong to other groups.
    for name in ("domain_verdicts", "quality_scores"):
        monkeypatch.setitem(RECIPES, name, Recipe(name, (), (), "shard", "1"))
    monkeypatch.setitem(RECIPES, "benchmark_items", Recipe("benchmark_items", (), (), None, "1"))
    return folder


class Witness:
    """Runs assets with their checks and keeps all that is said of it."""

    def __init__(self, instance: dg.DagsterInstance, logs: Any, output: Any) -> None:
        self.instance, self.store = instance, Store(current_settings().store.root)
        self.logs, self.output = logs, output
        self.events: list[str] = []
        self.failed: list[str | None] = []  # checks, by what they say
        with self.store.publish("sample_world") as draft:
            (draft.dir / "stand-in").touch()

    def run(self, *names: str, shard: str | None = None) -> dg.ExecuteInProcessResult:
        result = dg.materialize(
            [*(ASSETS[name] for name in names), *build_checks(*names)],
            instance=self.instance,
            partition_key=shard,
            resources={"workshop": Workshop()},
            raise_on_error=False,
        )
        self.events += map(str, self.instance.all_logs(result.run_id))
        checked = result.get_asset_check_evaluations()
        self.failed += [e.description for e in checked if not e.passed]
        return result

    def shards(self) -> list[str]:
        assert self.run("corpus_manifest").success
        return sorted(self.instance.get_dynamic_partitions("corpus_shard"))

    def publish(self, name: str, frame: pl.DataFrame, shard: str | None = None) -> None:
        with self.store.publish(name, shard) as draft:
            draft.write(frame)

    def judge(self, shard: str) -> None:
        """What the models would say: the first record of a file is medical and good."""
        origins = self.store.scan("documents", shard).select("doc_id", "origin").collect()
        is_first = dict(origins.with_columns(pl.col("origin").str.ends_with("#0")).iter_rows())
        domain, quality = [], []
        for row in self.store.scan("contamination_verdicts", shard).collect().to_dicts():
            kept, first = row["verdict"] == "keep", is_first[row["doc_id"]]
            about = {"doc_id": row["doc_id"], "shard": shard}
            other = {"verdict": "drop", "reasons": [NOT_MEDICAL]} if kept and not first else {}
            judged = {"verdict": "keep" if kept and first else "skip", "reasons": []}
            domain.append(about | {"p_medical": 0.5} | judged | other)
            quality.append(about | judged | {"score": 3.5, "tier": "high"})
        self.publish("domain_verdicts", rows_of("domain_verdicts", *domain), shard)
        self.publish("quality_scores", rows_of("quality_scores", *quality), shard)

    def said(self) -> dict[str, str]:
        """Events of all runs with their metadata, logs of all levels, and what was printed."""
        printed = "".join(self.output.readouterr())
        return {"events": "\n".join(self.events), "logs": self.logs.text, "output": printed}


@pytest.fixture
def witness(
    folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Witness]:
    caplog.set_level(logging.DEBUG)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Witness(instance, caplog, capfd)


def contents(folder: Path) -> dict[str, str]:
    """What every file of a folder says, tables row by row."""
    found = {}
    for file in sorted(filter(Path.is_file, folder.rglob("*"))):
        name = file.relative_to(folder).as_posix()
        if file.suffix == ".parquet":
            frame = pl.read_parquet(file)
            rows = frame.select(pl.struct(pl.all()).struct.json_encode()) if frame.width else frame
            found[name] = "\n".join(rows.to_series().cast(pl.String)) if frame.height else ""
        else:
            content = file.read_bytes()
            plain = gzip.decompress(content) if file.suffix == ".gz" else content
            found[name] = plain.decode("utf-8", "replace")
    return found


def values_in(text: str) -> set[str]:
    """Values that the text holds, as they are, with JSON's escapes, or hidden."""
    seen = text.replace(HIDDEN, "").replace(json.dumps(HIDDEN)[1:-1], "")
    return {v for v in private_values.ALL if v in seen or json.dumps(v)[1:-1] in seen}


def is_raw(file: str) -> bool:
    return file.startswith("documents/") and file.endswith("/data.parquet")


def test_every_kind_has_values() -> None:
    assert set(private_values.VALUES) == set(private.BY_NAME)


def test_values_stay_in_the_raw_shard(
    folder: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness
) -> None:
    """From the plan to the exported files."""
    sources = {lang: {"path": f"{folder}/{lang}.*", "id": "uid"} for lang in ("en", "zh")}
    monkeypatch.setenv("CAREBOT_SET__corpus__sources", json.dumps(sources))
    current_settings.cache_clear()
    write(folder)
    store, shards = witness.store, witness.shards()
    witness.publish("benchmark_items", test_contamination.ITEMS)
    for shard in shards:
        witness.run(*READING, shard=shard)
    witness.run("benchmark_ngrams", "duplicate_clusters")
    for shard in shards:
        witness.run(*JUDGING, shard=shard)
        witness.judge(shard)
        witness.run(*SELECTION, shard=shard)
    witness.run("quality_funnel", "shard_drift", "held_out_text")
    assert witness.failed == []
    export.collect(store, folder.parent / "out")

    # Every value has come to every judge and into both corpora.
    texts = store.scan("documents").select("doc_id", "text").collect()
    for name in (*JUDGING, "rule_verdicts", "filtered_corpus", "general_corpus"):
        table = store.scan(name)
        ids = table if name.endswith("_corpus") else table.filter(pl.col("verdict") == "drop")
        reached = texts.join(ids.select("doc_id").collect(), on="doc_id", how="semi")["text"]
        assert values_in("\n".join(reached)) == set(private_values.ALL), name
    bad = store.scan("documents", side_table="quarantine").collect()
    assert bad.height == 4 * len(private_values.ALL)

    files = contents(store.root)
    assert {name.split("/")[0] for name in files} >= GROUP, "every asset of the group is searched"
    raw = "\n".join(text for name, text in files.items() if is_raw(name))
    assert values_in(raw) == set(private_values.ALL), "what is there is found"
    shown = {name: text for name, text in files.items() if not is_raw(name)}
    for name, text in (shown | contents(folder.parent / "out") | witness.said()).items():
        assert not values_in(text), name


LEAK = private_values.sentences("zh") + private_values.sentences("en")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("zh.jsonl", '{"text": "' + LEAK, "1 of 1 records are bad"),
        ("zh.json", '{"text": "' + LEAK, "zh.json cannot be read as json: malformed"),
        ("zh.csv", LEAK, "zh.csv has no column 'text'; its columns are 家庭住址：[ADDRESS]"),
        ("zh.warc", LEAK, "zh.warc cannot be read as warc: Invalid WARC record"),
        (
            "zh.xml",
            f"<{private_values.VALUES['person_name']['zh'].value}>{LEAK}</article>",
            "malformed XML: ERR_TAG_NAME_MISMATCH in line 1 (1, the first is zh/zh.xml#0)",
        ),
    ],
)
def test_an_error_does_not_quote_the_file(
    folder: Path, witness: Witness, name: str, content: str, message: str
) -> None:
    (folder / name).write_text(content, "utf-8")
    (folder / "en.txt").write_text(test_reading.EN)
    assert witness.shards() == ["en-00000", "zh-00000"]
    assert not witness.run("documents", shard="zh-00000").success
    said = witness.said()
    assert message in said["events"]
    for where, text in (contents(witness.store.root) | said).items():
        assert not values_in(text), where


def test_a_check_that_finds_a_value_does_not_quote_it(folder: Path, witness: Witness) -> None:
    (folder / "zh.txt").write_text(MEDICAL["zh"] + LEAK, "utf-8")
    (folder / "en.txt").write_text(test_reading.EN)
    witness.publish("benchmark_items", test_contamination.ITEMS)
    assert witness.shards() == ["en-00000", "zh-00000"]
    assert witness.run("documents", shard="zh-00000").success
    ids = witness.store.scan("documents", "zh-00000").select("doc_id").collect()["doc_id"]
    for judge in JUDGES:  # all of them let it through, unmasked
        row = {"doc_id": ids.item(), "shard": "zh-00000", "verdict": "keep", "reasons": []}
        witness.publish(judge, rows_of(judge, row), "zh-00000")
    witness.run("benchmark_ngrams")
    assert not witness.run("filtered_corpus", shard="zh-00000").success
    [found] = witness.failed
    assert found and "email in 1" in found
    for where, text in witness.said().items():
        assert not values_in(text), where
