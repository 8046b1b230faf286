"""How right the rule filter is on real public text: private information, adverts, abuse, damage.

    python -m benchmarks.judges_on_real_data [folder of the public data]

Files are read, measured and judged by the code of the pipeline with the thresholds of the demo
profile. Precision is that on the sets as large as they are: `wrong` of `ordinary` texts give it
for any other mixture. Prints Markdown tables, then one JSON line. Nothing of the texts is printed.
"""

import json
import re
import sys
from pathlib import Path

import polars as pl

from benchmarks import open_data
from benchmarks.real_texts import ABUSE, ADVERTS, GOOD, GOOD_MEDICAL, Sets, Source, read
from carebot_assets.corpus import measures, private, rules
from carebot_assets.corpus.summaries import markdown
from carebot_assets.settings import Settings, load_settings

# Rules that a message of a line fails whatever it says.
OF_LENGTH = ("min_tokens", "min_chars", "c4_sentences", "stop_words", "letters", "unique_chars")
OF_ADVERTS = ("advert_v1", "medical_advert_v1")
OF_ABUSE = ("toxic_v1",)

# Entities of the synthetic sentences and the kind that should claim them.
ENTITIES = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "bank_card",
    "IBAN_CODE": "iban",
    "US_SSN": "us_ssn",
    "IP_ADDRESS": "ip",
    "US_DRIVER_LICENSE": "driver_license",
    "STREET_ADDRESS": "address",
    "PERSON": "person_name",
}
# What stands before a name or an address that a label gives away, whatever the patterns ask for.
LABEL = re.compile(r"\b(name|address)\s*(:|is)\s*$", re.IGNORECASE)


def judged(
    profile: Settings,
    data: Path,
    name: str,
    source: Source,
    lexicons: dict[str, str] | None = None,
    limit: int | None = None,
) -> pl.DataFrame | None:
    """Verdicts of the rules and `lang` of every document; None where its files are absent."""
    if not any(data.glob(source["path"])):
        return None
    documents = read(profile, data, name, source)
    if limit is not None and documents.height > limit:
        documents = documents.sample(limit, seed=7)
    measured = measures.measure(documents.lazy(), lexicons=lexicons)
    found = rules.decide(measured, profile.rules).collect()
    return found.join(documents.select("doc_id", "lang"), on="doc_id", validate="1:1")


def failing(verdicts: pl.DataFrame, prefixes: tuple[str, ...], without: bool = False) -> pl.Series:
    """Whether a rule with one of the prefixes fails a document (or any other rule)."""
    name = pl.element()
    chosen = pl.any_horizontal(name.str.starts_with(prefix) for prefix in prefixes)
    return verdicts["reasons"].list.eval(~chosen if without else chosen).list.any()


def share(verdicts: pl.DataFrame, prefixes: tuple[str, ...], without: bool = False) -> float:
    """Share of the documents that such a rule fails."""
    return round(float(failing(verdicts, prefixes, without).mean() or 0.0), 4)  # type: ignore[arg-type]


def damage(profile: Settings, data: Path, limit: int | None = None) -> pl.DataFrame:
    """How much good text the rules drop, by source, and the rules that drop most."""
    rows = []
    for name, source in GOOD.items():
        verdicts = judged(profile, data, name, source, limit=limit)
        if verdicts is None:
            continue
        counts = verdicts["reasons"].explode().drop_nulls().value_counts()
        top = counts.sort("count", "reasons", descending=[True, False]).head(6)
        num_dropped = (verdicts["verdict"] == "drop").sum()
        rows.append(
            {
                "source": name,
                "lang": source["lang"],
                "medical": name in GOOD_MEDICAL,
                "documents": verdicts.height,
                "num_dropped": num_dropped,
                "dropped": round(num_dropped / verdicts.height, 4),
                "not_for_length": share(verdicts, OF_LENGTH, without=True),
                "adverts": failing(verdicts, OF_ADVERTS).sum(),
                "abuse": failing(verdicts, OF_ABUSE).sum(),
                "to_mask": round((verdicts["masked_kinds"].list.len() > 0).mean(), 4),  # type: ignore[arg-type]
                "other_language": (verdicts["lang"] != source["lang"]).sum(),
                "rules": ", ".join(f"{rule} {num}" for rule, num in top.iter_rows()),
            }
        )
    return pl.DataFrame(rows)


def spam(
    profile: Settings,
    data: Path,
    sets: Sets,
    named: tuple[str, ...],
    lexicons: dict[str, str] | None = None,
    limit: int | None = None,
) -> pl.DataFrame:
    """Share of every set that the named rules fail, that any rule drops, and any but for length."""
    rows = []
    for name, (source, unwanted) in sets.items():
        verdicts = judged(profile, data, name, source, lexicons, limit)
        if verdicts is None:
            continue
        rows.append(
            {
                "set": name,
                "lang": source["lang"],
                "documents": verdicts.height,
                "unwanted": unwanted,
                "num_found": failing(verdicts, named).sum(),
                "named_rules": share(verdicts, named),
                "any_rule": round((verdicts["verdict"] == "drop").mean(), 4),  # type: ignore[arg-type]
                "not_for_length": share(verdicts, OF_LENGTH, without=True),
                "other_language": (verdicts["lang"] != source["lang"]).sum(),
            }
        )
    return pl.DataFrame(rows)


def precision(table: pl.DataFrame) -> pl.DataFrame:
    """Recall of the named rules on every unwanted set, and precision beside all ordinary text of
    its language."""
    found = pl.col("num_found").sum()
    ordinary = (
        table.filter(~pl.col("unwanted"))
        .group_by("lang")
        .agg(ordinary=pl.col("documents").sum(), wrong=found)
    )
    unwanted = table.filter("unwanted").group_by("set", "lang", maintain_order=True)
    return (
        unwanted.agg(pl.col("documents").sum(), found=found)
        .join(ordinary, on="lang", maintain_order="left")
        .with_columns(
            recall=(pl.col("found") / pl.col("documents")).round(4),
            precision=(pl.col("found") / (pl.col("found") + pl.col("wrong"))).round(4),
        )
    )


def languages(*tables: pl.DataFrame) -> pl.DataFrame:
    """How many texts of the sources and sets are taken for another language than theirs."""
    columns = ("source", "lang", "documents", "other_language")
    renamed = (table.rename({"set": "source"}, strict=False).select(columns) for table in tables)
    by_source = pl.concat(renamed).unique("source", maintain_order=True)
    return by_source.filter(pl.col("other_language") > 0).vstack(
        by_source.select(
            pl.lit("all").alias("source"),
            pl.lit("zh, en").alias("lang"),
            pl.col("documents", "other_language").sum(),
        ).head(1)
    )


def private_information(data: Path) -> pl.DataFrame:
    """Recall of every kind on synthetic English sentences with known spans, and precision.

    A span is found when at least half of it is claimed by the kind, and a claim is right when at
    least half of it lies in a span of the kind; `masked` counts spans that any kind claims. Kinds
    that the sentences do not name have no recall and are right within any span. `labelled` are the
    spans that follow a label.
    """
    file = data / "noise/pii_synthetic_en/synth_dataset_v2.json"
    if not file.is_file():
        return pl.DataFrame()
    records = json.loads(file.read_text("utf-8"))
    claimed = private.spans(pl.Series([record["full_text"] for record in records]))
    gold = pl.DataFrame(
        [
            {
                "row": row,
                "kind": ENTITIES.get(span["entity_type"]),
                "begin": span["start_position"],
                "end": span["end_position"],
                "labelled": bool(LABEL.search(record["full_text"][: span["start_position"]])),
            }
            for row, record in enumerate(records)
            for span in record["spans"]
        ],
        schema_overrides={"row": pl.UInt32, "kind": pl.String},
    ).with_row_index("gold")
    found = claimed.select(
        "row",
        claimed_as="kind",
        at=pl.col("start").cast(pl.Int64),
        until=pl.col("start").cast(pl.Int64) + pl.col("length"),
    ).with_row_index("claim")
    pairs = gold.join(found, on="row").with_columns(
        overlap=pl.min_horizontal("end", "until") - pl.max_horizontal("begin", "at"),
        is_same=pl.col("kind").eq_missing(pl.col("claimed_as")),
    )
    covered = pairs.filter(
        pl.col("overlap") > 0, pl.col("overlap") * 2 >= pl.col("end") - pl.col("begin")
    )
    inside = pairs.filter(
        pl.col("overlap") > 0, pl.col("overlap") * 2 >= pl.col("until") - pl.col("at")
    )
    rows = []
    for kind in sorted({*ENTITIES.values(), *found["claimed_as"]}):
        spans = gold.filter(pl.col("kind") == kind)
        hits = spans.join(covered.filter("is_same"), on="gold", how="semi")
        claims = found.filter(pl.col("claimed_as") == kind)
        right = inside if spans.is_empty() else inside.filter("is_same")
        rows.append(
            {
                "kind": kind,
                "spans": spans.height,
                "recall": _ratio(hits.height, spans.height),
                "masked": _ratio(spans.join(covered, on="gold", how="semi").height, spans.height),
                "labelled": spans["labelled"].sum(),
                "labelled_recall": _ratio(hits["labelled"].sum(), spans["labelled"].sum()),
                "other_recall": _ratio((~hits["labelled"]).sum(), (~spans["labelled"]).sum()),
                "claims": claims.height,
                "precision": _ratio(
                    claims.join(right, on="claim", how="semi").height, claims.height
                ),
            }
        )
    return pl.DataFrame(rows)


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else open_data.OPEN
    if not data.is_dir():
        raise SystemExit(f"{data} does not exist: name the folder of the public data")
    profile = load_settings("demo", {})
    lists = {f"abuse_{lang}": str(data / f"noise/badwords/{lang}.txt") for lang in ("en", "zh")}
    adverts = spam(profile, data, ADVERTS, OF_ADVERTS)
    abuse = spam(profile, data, ABUSE, OF_ABUSE)
    longer = spam(profile, data, ABUSE, OF_ABUSE, lists)
    good = damage(profile, data)
    tables = {
        "private_information": private_information(data),
        "adverts": adverts,
        "adverts_precision": precision(adverts),
        "abuse": abuse,
        "abuse_precision": precision(abuse),
        "abuse_with_own_lists": longer,
        "abuse_with_own_lists_precision": precision(longer),
        "damage": good,
        "languages": languages(good, adverts, abuse),
    }
    for name, table in tables.items():
        print(f"\n{name}\n\n{markdown(table)}")
    print(json.dumps({name: table.to_dicts() for name, table in tables.items()}))


if __name__ == "__main__":
    main()
