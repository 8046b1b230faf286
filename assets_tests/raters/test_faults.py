"""Planted faults: what they do to a text, and what a rater learns from them."""

from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest

from assets_tests.raters.test_heads import ENCODER
from assets_tests.raters.test_writing import GOOD
from carebot_assets.raters import faults, guards, regressor
from carebot_assets.raters.rubric import QUALITY
from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge
from carebot_assets.sample.render import render

ADVERTS = ["Buy now!"]
OTHER = {"en": "Tea is grown on hills. It is picked by hand.", "zh": "茶树种在山上。茶叶靠手采。"}


def seeds(num: int) -> pl.DataFrame:
    rng, kb = Random(4), KnowledgeBase(load_knowledge())
    rows = []
    for number in range(num):
        lang = ("en", "zh")[number % 2]
        text = render(kb, rng.choice(kb.medical), lang, "encyclopaedia", rng).text
        row = {"text": text, "lang": lang, "source": "web", "score": 3.0 + number % 5 / 4}
        rows.append(row)
    return pl.DataFrame(rows)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", list(faults.FAULTS))
def test_a_fault_spoils_a_text_in_its_own_way(name: str, lang: str) -> None:
    text = GOOD[lang]
    spoilt = faults.FAULTS[name](text, Random(2), OTHER[lang], ADVERTS)
    assert spoilt != text
    checks = {
        "disordered": sorted(spoilt.replace(" ", "")) == sorted(text.replace(" ", "")),
        "patched": spoilt[:5] == text[:5] and spoilt[-5:] == text[-5:],
        "advertised": spoilt.replace(ADVERTS[0], "").replace(" ", "").strip().replace("\n", "")
        == text.replace(" ", ""),
        "misread": 0.8 < len(spoilt) / len(text) < 1.2,
        "broken_off": text.startswith(spoilt) and len(spoilt) < 0.95 * len(text),
    }
    assert checks[name]


def test_parts_make_up_the_text() -> None:
    for text in (*GOOD.values(), "a. b\n\nc! “d。”e", "no end", ""):
        assert "".join(faults.parts_of(text)) == text


def test_planting_is_by_turns_and_the_same_every_time() -> None:
    frame = seeds(40)
    twins = faults.plant(frame, 3, seed=1)
    assert twins.equals(faults.plant(frame, 3, seed=1))
    assert twins.height == 120 and set(twins["fault"]) == set(faults.FAULTS)
    assert (twins["text"] != frame["text"].gather(twins["origin"])).all()
    assert not faults.plant(frame.with_columns(text=pl.lit("Too short.")), 3, seed=1).height
    assert not faults.plant(frame, 0, seed=1).height
    # More than there are faults: drawn anew.
    twins = faults.plant(frame, 10, seed=1)
    assert set(twins["fault"].value_counts()["count"]) == {80}
    assert twins.n_unique(["origin", "text"]) > 390


def test_a_rater_learns_what_is_worse(tmp_path: Path) -> None:
    frame = seeds(120)
    plain = regressor.train(frame, QUALITY, ENCODER, seed=1)
    found = regressor.train(frame, QUALITY, ENCODER, seed=1, planted_faults=5)
    assert plain.head.writing is None and "planted_won_ratio" not in plain.metrics
    assert found.metrics["planted_won_ratio"] > 0.8
    assert {name.split()[1] for name in found.metrics["by_fault"]} == set(faults.FAULTS)
    assert guards.faults_are_seen(found.metrics, 5, 0.8).passed
    assert not guards.faults_are_seen(found.metrics, 5, 1.0).passed
    assert guards.faults_are_seen(plain.metrics, 0, 1.0).passed
    # What was learned is kept, and rates the same when it is read again.
    found.head.save(tmp_path)
    fresh = pl.DataFrame({"text": [GOOD["zh"], GOOD["zh"][:30]], "doc_id": ["good", "broken"]})
    scores = dict(regressor.predict(tmp_path, QUALITY, fresh.lazy()).iter_rows())
    assert scores["good"] > scores["broken"]
    held_out = np.isclose(found.predicted, found.truth, atol=1.5)
    assert held_out.mean() > 0.9
