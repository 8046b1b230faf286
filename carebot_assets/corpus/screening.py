"""Expectations on the corpus tables up to the rule filter's verdicts."""

import polars as pl

from carebot_assets.expectations import MAX_OFFENDERS, Finding, inside


def same_sizes(plan: pl.DataFrame, sizes: pl.Series) -> Finding:
    """Files have the planned size (-1 stands for a file that is gone)."""
    gone = plan.filter(sizes == -1)["file"].to_list()
    changed = plan.filter((sizes != -1) & (sizes != plan["bytes"]))["file"].to_list()
    text = f"{len(gone)} files are gone, {len(changed)} have another size"
    return Finding(
        not gone and not changed,
        text if gone or changed else f"{plan.height} files in place",
        {"num_gone": len(gone), "num_changed": len(changed), "examples": [*gone, *changed][:10]},
    )


def same_names(what: str, found: set[str], wanted: set[str]) -> Finding:
    """Two sets of names are equal."""
    missing, extra = sorted(wanted - found), sorted(found - wanted)
    text = (
        f"{what} missing: {missing}, unknown: {extra}" if missing or extra else f"all {what} there"
    )
    return Finding(not missing and not extra, text, {"missing": missing, "unknown": extra})


def records_accounted(num_records: int, documents: pl.LazyFrame, bad: pl.LazyFrame) -> Finding:
    """Records read = documents + quarantined, and no record is both."""
    num_documents = documents.select(pl.len()).collect().item()
    num_bad = bad.select(pl.len()).collect().item()
    both = documents.join(bad, on="origin", how="semi").select(pl.len()).collect().item()
    counts = {
        "num_records": num_records,
        "num_documents": num_documents,
        "num_quarantined": num_bad,
    }
    equal = num_records == num_documents + num_bad
    text = (
        f"{num_records} records {'=' if equal else 'are not'} {num_documents} documents + "
        f"{num_bad} quarantined" + (f"; {both} records are both" if both else "")
    )
    return Finding(equal and not both, text, counts)


def share(name: str, part: int, whole: int, low: float, high: float = 1.0) -> Finding:
    """A share lies in its band; of nothing there is no share, which is fine."""
    if whole == 0:
        return Finding(True, f"no {name}: the shard is empty", {"num_rows": 0})
    return inside(f"share of {name}", part / whole, low, high)


def share_of(
    name: str, frame: pl.LazyFrame, which: pl.Expr, low: float, high: float = 1.0
) -> Finding:
    """The share of a frame's rows that `which` picks lies in its band."""
    part, whole = frame.select(which.sum(), pl.len().alias("whole")).collect().row(0)
    return share(name, part, whole, low, high)


def in_range(measures: pl.LazyFrame) -> Finding:
    """No null, NaN or infinity, ratios in 0..1, counts not below 0."""
    bad = []
    for name, dtype in measures.collect_schema().items():
        wrong = pl.col(name).is_null()
        if name.endswith("_ratio"):
            wrong |= pl.col(name).is_nan() | ~pl.col(name).is_between(0.0, 1.0)
        elif dtype == pl.Float64:
            wrong |= ~pl.col(name).is_finite()
        elif dtype.is_numeric():
            wrong |= pl.col(name) < 0
        bad.append(wrong.sum().alias(name))
    counts = measures.select(bad).collect(engine="streaming").row(0, named=True)
    wrong_columns = {name: count for name, count in counts.items() if count}
    text = f"values out of range: {wrong_columns}" if wrong_columns else "all measures in range"
    return Finding(not wrong_columns, text, {"num_out_of_range": sum(wrong_columns.values())})


def known_reasons(verdicts: pl.LazyFrame, known: tuple[str, ...]) -> Finding:
    """Reasons are rules that exist and agree with the evidence."""
    rules = pl.col("evidence").list.eval(pl.element().struct.field("rule"))
    unknown = pl.col("reasons").list.set_difference(pl.lit(list(known), dtype=pl.List(pl.String)))
    offenders = (
        verdicts.filter((rules != pl.col("reasons")) | (unknown.list.len() > 0))
        .select("doc_id", "reasons")
        .collect()
    )
    text = (
        "every reason is a known rule with evidence"
        if offenders.is_empty()
        else (f"{offenders.height} verdicts have unknown reasons or none of their evidence")
    )
    examples = offenders.head(MAX_OFFENDERS).to_dicts()
    return Finding(
        offenders.is_empty(), text, {"num_offenders": offenders.height, "examples": examples}
    )
