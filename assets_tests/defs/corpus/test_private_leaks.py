"""Private values stay in the raw shard: no other table, manifest, log, event or error holds one."""

import logging
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets_tests.defs.corpus.test_reading import EN, SHARDED, ZH, folder, plan, run, write
from carebot_assets.corpus import filtering
from carebot_assets.defs.partitions import corpus_shards
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

__all__ = ["folder"]

VALUES = [
    "13812345678", "lin.quill@example.com", "11010519491231002X", "6217006801148757049",
    "331-97-4605", "20231234567", "欧阳思雨", "183.246.7.9", "guest:maple123",
    "GB82WEST12345698765432",
]  # fmt: skip
CARE = (
    "\n减轻体重、规律运动和戒酒也有帮助，药物需要在医生指导下长期服用，不可自行停药或者减量。\n"
    "常用的药有利尿剂、钙通道阻滞剂和血管紧张素转换酶抑制剂，选择取决于年龄与合并的疾病。\n"
    "如果出现剧烈头痛、视物模糊或者胸痛，应当立即就医，以免发生脑出血和急性心力衰竭。\n"
    "家庭自测血压时先安静休息五分钟，坐位测量上臂，早晚各测两次，把结果记在本子上。\n"
)
LEAKS = [
    f"{ZH}{CARE}电话{VALUES[0]}，邮箱{VALUES[1]}，身份证{VALUES[2]}，卡号{VALUES[3]}。",
    f"{EN} SSN: {VALUES[4]}. MRN: {VALUES[5]}. IBAN {VALUES[9]}.",
    f"{ZH}{CARE}姓名：{VALUES[6]}，住院号：{VALUES[5]}，发帖IP{VALUES[7]}，"
    f"https://{VALUES[8]}@x.example/a 。",
]
# Records that cannot be read: their start is shown in the quarantine.
BROKEN = [f'{{"text": "{leak[-120:]}' for leak in LEAKS] + [
    rf'{{"text": "\u7535\u8bdd{VALUES[0]} \u8eab\u4efd\u8bc1{VALUES[2]}',
]


def contents(folder: Path) -> dict[str, str]:
    """What every file of a folder says, tables row by row."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".parquet":
            frame = pl.read_parquet(file)
            rows = frame.select(pl.struct(pl.all()).struct.json_encode()) if frame.width else frame
            found[str(file)] = "\n".join(rows.to_series().cast(pl.String)) if frame.height else ""
        elif file.is_file():
            found[str(file)] = file.read_bytes().decode("utf-8", "replace")
    return found


@pytest.mark.parametrize("max_bad_ratio", [0.9, 0.1])
def test_values_stay_in_the_raw_shard(
    folder: Path,
    max_bad_ratio: float,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CAREBOT_SET__corpus__shard_bytes", "1000000")
    monkeypatch.setenv("CAREBOT_SET__corpus__max_bad_records", "0")
    monkeypatch.setenv("CAREBOT_SET__corpus__max_bad_ratio", str(max_bad_ratio))
    current_settings.cache_clear()
    (folder / "b.jsonl").unlink()
    write(folder / "a.jsonl", *({"t": leak} for leak in LEAKS), *BROKEN)
    store = Store(current_settings().store.root)
    with dg.DagsterInstance.ephemeral() as instance:
        assert plan(instance).success
        shard = instance.get_dynamic_partitions(str(corpus_shards.name))[0]
        result = run(instance, SHARDED, shard)
        events = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert result.success is (max_bad_ratio > 0.5)
    out, err = capfd.readouterr()
    said = {"events": events, "logs": caplog.text, "output": out + err}
    for name, text in (contents(store.root) | said).items():
        is_raw = "/documents/" in name and "quarantine" not in name and name.endswith(".parquet")
        for value in VALUES:
            assert is_raw or value not in text, f"{value} is in {name}"
    if result.success:
        measured = store.scan("text_measures", shard).collect()
        assert measured["private_counts"].list.sum().to_list() == [4, 3, 4]
        rules = store.scan("rule_verdicts", shard)
        published = filtering.publishable(store.scan("documents", shard), rules).collect()
        assert published.height == len(LEAKS)
        assert not [v for v in VALUES if v in "\n".join(published["text"])]
