import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.evaluation import scorecard, scores
from carebot_assets.evaluation.suites import DIMENSIONS

CHECKPOINTS = ("base_model", "sft_checkpoint", "dpo_checkpoint")


def _answers() -> pl.DataFrame:
    right = {"base_model": 2, "sft_checkpoint": 4, "dpo_checkpoint": 5}
    return rows_of(
        "benchmark_scores",
        *(
            {
                "item_id": f"medqa/t#{n}",
                "checkpoint": checkpoint,
                "suite": "medqa",
                "lang": "en",
                "correct": n < count,
            }
            for checkpoint, count in right.items()
            for n in range(8)
        ),
    )


def _grades() -> pl.DataFrame:
    rows = []
    for checkpoint, base in (("sft_checkpoint", 2), ("dpo_checkpoint", 3)):
        for dialogue in range(3):
            for turn in (1, 2):
                failed = checkpoint == "dpo_checkpoint" and (dialogue, turn) == (2, 2)
                grade = None if failed else float(base + (dialogue + turn) % 2)
                row = {"item_id": f"c/t#{dialogue}", "turn": turn, "suite": "cmtmedqa"}
                row |= {"checkpoint": checkpoint, "status": "failed" if failed else "scored"}
                rows.append(row | dict.fromkeys(DIMENSIONS, grade))
    return rows_of("consultation_scores", *rows)


def stage(name: str, verdict: str, reason: str, count: int) -> dict[str, Any]:
    row: dict[str, Any] = {"stage": name, "source": "web", "lang": "zh", "verdict": verdict}
    return row | {"reason": reason, "num_documents": count, "num_tokens": 10 * count}


@pytest.fixture
def material() -> scores.Material:
    item: dict[str, Any] = {"suite": "medqa", "options": list("wxyz"), "answer": "A"}
    return scores.Material(
        profile="<script>alert(1)</script>",
        checkpoints=CHECKPOINTS,
        benchmarks=_answers(),
        consultations=_grades(),
        items=rows_of("benchmark_items", *({"item_id": f"medqa/t#{n}", **item} for n in range(8))),
        teacher="offline heuristic teacher",
        teacher_is_offline=True,
        losses={
            "sft_checkpoint": {"before": {"general": 5.0, "x": 6.0}, "after": {"general": 4.5}}
        },
        funnel=rows_of(
            "quality_funnel",
            stage("rules", "keep", "", 70),
            stage("rules", "drop", "<b>bad</b>", 30),
            stage("quality", "keep", "", 20),
            stage("quality", "skip", "rules", 30),
        ),
        volumes={"documents": 12345},
        raters={"quality_rater": {"spearman": 0.71234, "curve": "![x](data:image/png;base64,AA)"}},
        mixes={"stable_mix": {"num_sequences": 10, "receipts": "| a | b |\n|---|---|\n| x | 1 |"}},
        published_counts={"medqa": 1273},
        bootstrap_samples=50,
    )


def test_the_numbers_of_every_section(material: scores.Material) -> None:
    built = json.loads(json.dumps(scores.build(material)))
    suite = {"suite": "medqa", "lang": "en", "num_items": 8, "num_published": 1273}
    assert built["suites"] == [suite | {"generated": False, "chance": 0.25}]
    accuracies = {row["checkpoint"]: row["value"] for row in built["benchmarks"]}
    assert accuracies == {"base_model": 0.25, "sft_checkpoint": 0.5, "dpo_checkpoint": 0.625}
    changes = [(r["first"], r["second"], r["num_gained"]) for r in built["benchmark_changes"]]
    assert changes == [("base_model", "sft_checkpoint", 2), ("sft_checkpoint", "dpo_checkpoint", 1)]
    grades = {
        row["checkpoint"]: (row["value"], row["num"], row["num_answers"])
        for row in built["consultations"]
        if row["dimension"] == "average"
    }
    assert grades == {"sft_checkpoint": (2.5, 6, 6), "dpo_checkpoint": (3.6, 5, 6)}
    change = built["consultation_changes"][0]
    assert (change["value"], change["num"]) == (1.0, 5)
    assert built["losses"] == [
        {"checkpoint": "sft_checkpoint", "stratum": "general", "before": 5.0, "after": 4.5}
    ]
    left = [(row["stage"], row["num_kept"], row["num_tokens_kept"]) for row in built["funnel"]]
    assert left == [("documents", 12345, None), ("rules", 70, 700), ("quality", 20, 200)]
    reasons = [row["top_reasons"] for row in built["funnel"]]
    assert reasons == [[], [["<b>bad</b>", 30]], []]
    assert built["mixes"]["stable_mix"]["tables"] == {"receipts": [["a", "b"], ["x", "1"]]}
    assert built["raters"]["quality_rater"] == {"values": {"spearman": 0.71234}, "tables": {}}
    assert built == json.loads(json.dumps(scores.build(material)))


class _Page(HTMLParser):
    """Tags, and whatever would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in {"src", "href", "srcset"}]


def test_the_page_stands_alone_and_escapes(material: scores.Material) -> None:
    text = scorecard.render(scores.build(material))
    page = _Page()
    page.feed(text)
    assert not page.links and "script" not in page.tags and "b" not in page.tags
    assert "url(" not in text and "@import" not in text and "://" not in text
    assert "&lt;script&gt;" in text and "&lt;b&gt;bad&lt;/b&gt; 30" in text
    assert "prefers-color-scheme: dark" in text
    assert "offline heuristic teacher" in text and "no language model" in text
    for said in (
        "62.5",
        "(published set 1,273)",
        "12,345",
        "71.53",
        "4.58",
        "<th>a</th>",
        "0.7123",
    ):
        assert said in text, said


def test_a_real_teacher_is_named_without_the_warning(material: scores.Material) -> None:
    real = replace(material, teacher="judge-1", teacher_is_offline=False)
    text = scorecard.render(scores.build(real))
    assert "judge-1" in text and "no language model" not in text


def test_generated_suites_are_marked(material: scores.Material) -> None:
    text = scorecard.render(scores.build(replace(material, generated=["medqa"])))
    assert "8 generated items" in text and "cannot be compared" in text and "1,273" not in text
    assert "cannot be compared" not in scorecard.render(scores.build(material))


def test_an_empty_store_gives_a_page_too(material: scores.Material) -> None:
    empty = scores.Material(
        profile="p",
        checkpoints=CHECKPOINTS,
        benchmarks=material.benchmarks.head(0),
        consultations=material.consultations.head(0),
        items=material.items.head(0),
        teacher="t",
        teacher_is_offline=False,
    )
    text = scorecard.render(scores.build(empty))
    assert text.count("Nothing recorded.") == 4 and "No consultation suite" in text
    assert (
        scorecard.differences(scores.build(empty), text, empty.benchmarks, empty.consultations)
        == []
    )


def test_a_changed_number_is_found(material: scores.Material) -> None:
    built = scores.build(material)
    text = scorecard.render(built)
    tables = material.benchmarks, material.consultations
    assert scorecard.differences(built, text, *tables) == []
    key = 'data-key="base_model/medqa" data-value="0.25'
    assert key in text
    found = scorecard.differences(built, text.replace(key, key[:-1] + "6"), *tables)
    assert len(found) == 1 and found[0].startswith("base_model/medqa: table 0.25")
    built["consultations"][0]["value"] += 0.1
    assert len(scorecard.differences(built, text, *tables)) == 1
    flipped = material.benchmarks.with_columns(correct=pl.lit(True))
    assert len(scorecard.differences(scores.build(material), text, flipped, tables[1])) == 3


def test_metadata_has_one_plain_number_a_score(material: scores.Material) -> None:
    found = scores.summarize(scores.build(material))
    assert found["accuracy sft_checkpoint medqa"] == 0.5
    assert found["grade dpo_checkpoint cmtmedqa"] == pytest.approx(3.6)
