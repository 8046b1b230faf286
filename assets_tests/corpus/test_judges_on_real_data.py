"""Floors of the rule filter on real public text; the benchmark of the same name has the figures."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks import judges_on_real_data as real
from benchmarks import real_texts
from carebot_assets.settings import Settings

LIMIT = 400
RECALL = {
    "bank_card": 0.9, "driver_license": 0.95, "email": 0.95, "iban": 0.95, "ip": 0.95,
    "phone": 0.85, "us_ssn": 0.95,
}  # fmt: skip
# Of what a label gives away; names and addresses without one are hardly found.
LABELLED_RECALL = {"address": 0.9, "person_name": 0.7}
# Good text that the rules may drop at most, and text that they may find private information in.
DAMAGE = {
    "medical_abstracts": 0.03, "csl": 0.03, "drug_monographs_zh": 0.03, "cmrc2018_wiki": 0.03,
    "tcm_ancient_books": 0.05, "gutenberg_medicine": 0.05, "disease_kb_zh": 0.05,
    "plos_articles": 0.03, "openstax_psychology": 0.03, "medquad_answers": 0.03,
}  # fmt: skip
# Least share that the rules for it find, most of what is not.
ADVERTS = {"spam_sms_zh_fbs": 0.7, "sms_spam_en spam": 0.5, "sms_spam_en ham": 0.01,
           "spam_reviews_zh ham": 0.01}  # fmt: skip
ABUSE = {"offensive_en_davidson offensive": 0.7, "offensive_en_davidson neither": 0.05,
         "offensive_zh_cold offensive": 0.04, "offensive_zh_cold other": 0.02}  # fmt: skip


def test_private_information_by_kind(shared_data: Path) -> None:
    table = real.private_information(shared_data)
    if table.is_empty():
        pytest.skip("real data is absent: noise/pii_synthetic_en")
    rows = {row["kind"]: row for row in table.iter_rows(named=True)}
    for kind, floor in RECALL.items():
        assert rows[kind]["recall"] >= floor, rows[kind]
    for kind, floor in LABELLED_RECALL.items():
        assert rows[kind]["labelled_recall"] >= floor > rows[kind]["recall"], rows[kind]
    assert all(row["precision"] >= 0.95 for row in rows.values()), table


@pytest.mark.parametrize("name", DAMAGE)
def test_good_medical_text_survives(demo: Settings, shared_data: Path, name: str) -> None:
    verdicts = real.judged(demo, shared_data, name, real_texts.GOOD[name], limit=LIMIT)
    if verdicts is None:
        pytest.skip(f"real data is absent: {name}")
    reasons = verdicts["reasons"].explode().value_counts(sort=True).head(5).rows()
    assert real.share(verdicts, real.OF_LENGTH, without=True) <= DAMAGE[name], reasons
    unwanted = real.share(verdicts, (*real.OF_ADVERTS, *real.OF_ABUSE))
    assert unwanted <= 0.01, reasons
    assert (verdicts["masked_kinds"].list.len() > 0).mean() <= 0.01


@pytest.mark.parametrize(
    ("sets", "floors", "named"),
    [(real_texts.ADVERTS, ADVERTS, real.OF_ADVERTS), (real_texts.ABUSE, ABUSE, real.OF_ABUSE)],
    ids=["adverts", "abuse"],
)
def test_unwanted_text_is_found(
    demo: Settings,
    shared_data: Path,
    sets: real_texts.Sets,
    floors: dict[str, float],
    named: tuple[str, ...],
) -> None:
    chosen = {name: sets[name] for name in floors} | real_texts.ORDINARY
    table = real.spam(demo, shared_data, chosen, named, limit=LIMIT)
    if table.is_empty():
        pytest.skip("real data is absent: noise")
    for row in table.filter(pl.col("set").is_in(floors)).iter_rows(named=True):
        floor = floors[row["set"]]
        assert row["unwanted"] == (row["named_rules"] >= floor), (row, floor)
    for row in real.precision(table).iter_rows(named=True):
        assert row["precision"] >= 0.8, row


def test_own_lists_add_to_the_built_in_one(demo: Settings, shared_data: Path) -> None:
    lists = shared_data / "noise/badwords"
    if not lists.is_dir():
        pytest.skip("real data is absent: noise/badwords")
    own = {f"abuse_{lang}": str(lists / f"{lang}.txt") for lang in ("en", "zh")}
    name = "offensive_zh_cold offensive"
    chosen = {name: real_texts.ABUSE[name]}
    plain = real.spam(demo, shared_data, chosen, real.OF_ABUSE, limit=LIMIT)
    longer = real.spam(demo, shared_data, chosen, real.OF_ABUSE, own, limit=LIMIT)
    assert longer["named_rules"][0] >= plain["named_rules"][0] > 0
    good = real.judged(
        demo, shared_data, "abstracts", real_texts.GOOD["medical_abstracts"], own, LIMIT
    )
    assert good is not None and real.share(good, real.OF_ABUSE) <= 0.01


def test_precision_counts_all_ordinary_text_of_the_language() -> None:
    sets = [
        ("spam", "zh", 10, True, 6), ("reviews", "zh", 10, True, 0), ("ham", "zh", 50, False, 1),
        ("titles", "zh", 40, False, 1), ("sms", "en", 20, True, 5), ("talk", "en", 30, False, 0),
    ]  # fmt: skip
    columns = ["set", "lang", "documents", "unwanted", "num_found"]
    table = real.precision(pl.DataFrame(sets, schema=columns, orient="row"))
    found = table.select("set", "ordinary", "wrong", "recall", "precision").rows()
    assert found == [
        ("spam", 90, 2, 0.6, 0.75),
        ("reviews", 90, 2, 0.0, 0.0),
        ("sms", 30, 0, 0.25, 1.0),
    ]
