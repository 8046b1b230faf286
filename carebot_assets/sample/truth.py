"""The judges measured against the planted truth of the sample world.

Only tests and the demo's summary call this: no stage reads the truth.
"""

import polars as pl

from carebot_assets.store import Store

# What each kind of planted dirt should meet; other kinds are for the quality rater to see.
RULE_KINDS = (
    "advert",
    "boilerplate",
    "mojibake",
    "repetition",
    "abuse",
    "too_short",
    "symbol_noise",
)
DUPLICATE_KINDS = ("exact_duplicate", "near_duplicate")


def judge_the_judges(store: Store) -> pl.DataFrame:
    """Precision and recall of every judge on the documents that reached it.

    Returns:
        Columns judge, kind, num_planted, recall, precision (null where it has no meaning by kind).
    """
    truth = pl.read_parquet(store.path("sample_world") / "truth" / "corpus.parquet").with_columns(
        origin=pl.format("{}/{}#{}", "source", "file", "position")
    )
    known = (
        store.scan("documents")
        .select("doc_id", "origin")
        .collect()
        .join(truth, on="origin", how="inner")
    )
    rows = [
        *_rules(known, _verdicts(store, "rule_verdicts", "masked_kinds")),
        *_duplicates(known, _verdicts(store, "duplicate_verdicts")),
        _contamination(known, _verdicts(store, "contamination_verdicts")),
        _domain(known, _verdicts(store, "domain_verdicts")),
        _quality(known, _verdicts(store, "quality_scores", "score")),
    ]
    return pl.DataFrame(
        rows,
        schema={
            "judge": pl.String,
            "kind": pl.String,
            "num_planted": pl.Int64,
            "recall": pl.Float64,
            "precision": pl.Float64,
        },
        orient="row",
    )


Row = tuple[str, str, int, float | None, float | None]


def _verdicts(store: Store, judge: str, *columns: str) -> pl.DataFrame:
    judged = store.scan(judge).filter(pl.col("verdict").is_in(["keep", "drop"]))
    return judged.select("doc_id", "verdict", "reasons", *columns).collect()


def _rates(judge: str, kind: str, found: pl.Series, planted: pl.Series) -> Row:
    hits = int((found & planted).sum())
    num_planted, num_found = int(planted.sum()), int(found.sum())
    return (
        judge,
        kind,
        num_planted,
        hits / num_planted if num_planted else None,
        hits / num_found if num_found else None,
    )


def _has_dirt(kind: str) -> pl.Expr:
    return pl.col("dirt").list.contains(kind)


def _rules(known: pl.DataFrame, verdicts: pl.DataFrame) -> list[Row]:
    frame = known.join(verdicts, on="doc_id")
    dropped = frame["verdict"] == "drop"
    rows: list[Row] = []
    for kind in RULE_KINDS:
        planted = frame.select(_has_dirt(kind)).to_series()
        judge, kind, num, recall, _ = _rates("rules", kind, dropped, planted)
        rows.append((judge, kind, num, recall, None))
    dirty = frame.select(pl.col("dirt").list.len() > 0).to_series()
    # Duplicates, leaks and splices are for other judges: only precision has a meaning here.
    judge, kind, num, _, precision = _rates("rules", "any planted dirt", dropped, dirty)
    rows.append((judge, kind, num, None, precision))
    found = frame.select(
        (pl.col("masked_kinds").list.len() > 0)
        | pl.col("reasons").list.eval(pl.element().str.starts_with("private_")).list.any()
    ).to_series()
    private = frame.select(pl.col("private_kinds").list.len() > 0).to_series()
    rows.append(_rates("rules", "private_information", found, private))
    return rows


def _duplicates(known: pl.DataFrame, verdicts: pl.DataFrame) -> list[Row]:
    """A planted pair is found when either of its two documents was removed."""
    frame = known.join(verdicts, on="doc_id")
    removed = set(frame.filter(pl.col("verdict") == "drop")["origin"])
    reached = set(frame["origin"])
    rows: list[Row] = []
    related: set[str] = set()
    for kind in DUPLICATE_KINDS:
        pairs = frame.filter(_has_dirt(kind) & pl.col("duplicate_of").is_in(list(reached)))
        hits = sum(
            copy in removed or original in removed
            for copy, original in pairs.select("origin", "duplicate_of").iter_rows()
        )
        related |= set(pairs["origin"]) | set(pairs["duplicate_of"])
        rows.append(
            ("duplicates", kind, pairs.height, hits / pairs.height if pairs.height else None, None)
        )
    precision = len(removed & related) / len(removed) if removed else None
    rows.append(("duplicates", "any planted pair", sum(r[2] for r in rows), None, precision))
    return rows


def _contamination(known: pl.DataFrame, verdicts: pl.DataFrame) -> Row:
    frame = known.join(verdicts, on="doc_id")
    leaked = frame["leaked_item"].is_not_null()
    return _rates("contamination", "benchmark_leak", frame["verdict"] == "drop", leaked)


def _domain(known: pl.DataFrame, verdicts: pl.DataFrame) -> Row:
    frame = known.join(verdicts, on="doc_id")
    return _rates("domain", "medical", frame["verdict"] == "keep", frame["medical"])


def _quality(known: pl.DataFrame, verdicts: pl.DataFrame) -> Row:
    frame = known.join(verdicts, on="doc_id")
    good = frame["quality"] >= 3
    return _rates("quality", "quality >= 3", frame["verdict"] == "keep", good)
