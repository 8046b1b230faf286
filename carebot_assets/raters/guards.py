"""What labels, raters and their verdicts must fulfil, as findings over the numbers they report."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from carebot_assets.expectations import Finding, inside
from carebot_assets.raters.verdicts import PREFILTERED

MAX_CLASS_SHARE = 0.95
MIN_SCORE_STD, MIN_SCORES = 0.05, 10
# What a shard's report on its prefilter counts.
PREFILTER_COUNTS = ("num_audited", "num_missed_in_audit", "num_missed", "num_surely_missed",
                    "num_medical_passed")  # fmt: skip
# Fewer missed documents than this in one shard prove nothing.
MIN_MISSED = 5
# A shard whose misses are less probable than this does not have the recall asked for.
MAX_P_VALUE = 0.01


def floor(name: str, metrics: Mapping[str, Any], minimum: float) -> Finding:
    """A reported number (of at most 1) is not below its floor; one that is missing is."""
    return inside(name.replace("_", " "), metrics.get(name), minimum, 1.0)


def faults_are_seen(metrics: Mapping[str, Any], planted: int, minimum: float) -> Finding:
    """Good texts are above their spoilt twins often enough; nothing planted, nothing to see."""
    if not planted or metrics.get("planted_won_ratio") is None:
        return Finding(True, "no faults were planted", {"planted_won_ratio": None})
    return floor("planted_won_ratio", metrics, minimum)


def class_minimum(labels: pl.LazyFrame, wanted: Sequence[str], minimum: int) -> Finding:
    """Every label of the profile has enough agreed documents to be learned."""
    counts = dict(
        labels.filter(pl.col("status") == "agreed").group_by("label").len().collect().iter_rows()
    )
    short = {label: counts.get(label, 0) for label in wanted if counts.get(label, 0) < minimum}
    listed = ", ".join(f"{label} ({num})" for label, num in short.items())
    text = f"labels with fewer than {minimum} documents: {listed}" if short else (
        f"every label has at least {minimum} documents"
    )  # fmt: skip
    return Finding(not short, text, {"num_short_labels": len(short), "short": short})


def none_left_out(metadata: Mapping[str, Any]) -> Finding:
    """Everything that people judged is part of the sample."""
    num = metadata.get("num_judged_by_people_left_out", 0)
    listed = ", ".join(metadata.get("left_out", []))
    text = f"{num} documents judged by people are not in the sample: {listed}" if num else (
        f"{metadata.get('num_judged_by_people', 0)} documents judged by people are in the sample"
    )  # fmt: skip
    return Finding(not num, text, {"num_left_out": num})


def not_collapsed(metrics: Mapping[str, Any]) -> Finding:
    """A classifier still tells its labels apart: no single one takes nearly every document."""
    share, num = metrics.get("largest_class_ratio"), metrics.get("num_predicted_labels", 0)
    passed = share is not None and share <= MAX_CLASS_SHARE and num >= 2
    text = f"{num} labels predicted, the most frequent for {share} of the documents"
    return Finding(passed, text, {"largest_class_ratio": share, "num_predicted_labels": num})


def not_constant(scores: pl.LazyFrame, column: str) -> Finding:
    """Scores differ between documents; those of a few may happen to differ by little."""
    value = pl.col(column)
    num, spread = scores.select(value.count().alias("num"), value.std()).collect().row(0)
    differ = spread is not None and spread > 0
    passed = num < 2 or (differ and (num < MIN_SCORES or spread >= MIN_SCORE_STD))
    text = f"standard deviation {0.0 if spread is None else spread:.4g} of {num} scores"
    return Finding(passed, text, {"num_scores": num, "std": spread})


def keep_rate(verdicts: pl.LazyFrame, band: tuple[float, float]) -> Finding:
    """The share of judged documents that are kept lies in its band."""
    verdict = pl.col("verdict")
    num_kept, num_judged = verdicts.select(
        (verdict == "keep").sum().alias("kept"), verdict.is_in(["keep", "drop"]).sum()
    ).collect().row(0)  # fmt: skip
    if not num_judged:
        return Finding(True, "no document was left to judge", {"num_judged": 0})
    return inside("keep ratio", num_kept / num_judged, *band)


def follows_threshold(verdicts: pl.LazyFrame, column: str) -> Finding:
    """Keep means at or above the threshold, drop below it, failed no score; skip has none.

    What a prefilter stopped has no score: the reason says so.
    """
    value, verdict = pl.col(column), pl.col("verdict")
    stopped = pl.col("reasons").list.contains(PREFILTERED)
    wanted = (
        pl.when(verdict == "skip")
        .then(value.is_null())
        .when((verdict == "failed") | (stopped & (verdict == "drop")))
        .then(value.is_null())
        .when(verdict == "keep")
        .then((value >= pl.col("threshold")).fill_null(False))
        .otherwise((value < pl.col("threshold")).fill_null(False))
    )
    num_wrong = verdicts.select((~wanted).sum()).collect().item()
    text = "verdicts follow from the scores" if not num_wrong else (
        f"{num_wrong} verdicts contradict their score"
    )  # fmt: skip
    return Finding(num_wrong == 0, text, {"num_contradictions": num_wrong})


def all_shards(shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the prefilter did in all shards, from its reports on each."""
    total = {name: sum(shard[name] for shard in shards) for name in PREFILTER_COUNTS}
    medical = total["num_medical_passed"] + total["num_missed"]
    recall = total["num_medical_passed"] / medical if medical else None
    return {**total, "prefilter_recall": recall}


def prefilter_recall(
    report: Mapping[str, Any], minimum: float, lowest: float, least: int = 1
) -> Finding:
    """What the prefilter surely missed is not more than the recall asked for explains.

    Fails where so many misses, among so many medical documents, are improbable (binomial test,
    1 %) at the recall that is asked for, or at the lower end of what the documents say on which
    the threshold was chosen, if that is less: with few of them a threshold is not exact. Fewer
    than `least` missed documents prove nothing.
    """
    from scipy.stats import binomtest

    missed, passed = report["num_surely_missed"], report["num_medical_passed"]
    wanted = min(minimum, lowest)
    if not report["num_audited"]:
        return Finding(True, "nothing was prefiltered", {"num_audited": 0})
    found = report["prefilter_recall"]
    p_value = 1.0
    if missed:
        p_value = float(binomtest(missed, missed + passed, 1 - wanted, "greater").pvalue)
    text = (
        f"{report['num_missed_in_audit']} of {report['num_audited']} audited documents are "
        f"medical, so at least {missed} were stopped, {passed} passed: recall "
        f"{'unknown' if found is None else f'{found:.4f}'}; asked {minimum:g}"
    )
    numbers = {"recall": found, "num_surely_missed": missed, "p_value": p_value}
    passed = p_value >= MAX_P_VALUE or report["num_missed_in_audit"] < least
    return Finding(passed, text, numbers | {"num_audited": report["num_audited"]})
