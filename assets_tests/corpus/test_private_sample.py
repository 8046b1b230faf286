"""Private information of the sample world: what is planted is found, and nothing else."""

from random import Random

import polars as pl
import pytest

from carebot_assets.corpus import private
from carebot_assets.sample import dirt
from carebot_assets.sample.private import PRIVATE_KINDS

BODIES = {
    "en": "The patient came with a cough. The fever fell on day 3. He took 500 mg twice a day. "
    "Blood pressure was 120/80 mmHg. He went home on day 10.",
    "zh": "患者因咳嗽就诊。第3天退热。每日两次服药，每次500毫克。血压120/80毫米汞柱。第10天出院。",
}
FLOOR = 0.95


def test_recall_and_precision_by_kind() -> None:
    rng = Random(5)
    planted = [dirt.private_information(BODIES[lang], lang, rng) for lang in ("en", "zh") * 600]
    found = private.tally(pl.Series([text for text, _ in planted]))["private_kinds"].to_list()
    names = {"phone_cn": "phone", "phone_us": "phone"}
    wanted = [{names.get(kind, kind) for kind in kinds} for _, kinds in planted]
    for kind in sorted({names.get(kind, kind) for kind in PRIVATE_KINDS}):
        has, says = [kind in w for w in wanted], [kind in f for f in found]
        hits = sum(a and b for a, b in zip(has, says, strict=True))
        assert hits / sum(has) >= FLOOR, (kind, "recall", hits, sum(has))
        assert hits / sum(says) >= FLOOR, (kind, "precision", hits, sum(says))
    others = {kind for kinds in found for kind in kinds} - {k for w in wanted for k in w}
    assert not others


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_clean_body_stays(lang: str) -> None:
    assert private.find(pl.Series([BODIES[lang]])).to_list() == [[]]
