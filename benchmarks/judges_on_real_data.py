"""How right the rule filter is on real public text: private information, adverts, abuse, damage.

    python -m benchmarks.judges_on_real_data [folder of the public data]

Files are read, measured and judged by the code of the pipeline with the thresholds of the demo
profile. Prints Markdown tables, then one JSON line. Nothing of the texts is printed.
"""

import json
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import manifest, measures, private, rules
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.corpus.summaries import markdown
from carebot_assets.settings import CorpusSource, Settings, load_settings

DATA = Path(__file__).parents[2] / "shared" / "data" / "open"
CHAPTER_CHARS = 4000
# Rules that a message of a line fails whatever it says.
OF_LENGTH = ("min_tokens", "min_chars", "c4_sentences", "stop_words", "letters", "unique_chars")
OF_ADVERTS = ("advert_v1", "medical_advert_v1")
OF_ABUSE = ("toxic_v1",)

Source = dict[str, Any]
GOOD: dict[str, Source] = {
    "medical_abstracts": {"path": "corpus/medical_abstracts/*test.csv", "text": "medical_abstract"},
    "csl": {
        "path": "corpus/csl/cls_dcp/*.tsv",
        "text": "text",
        "columns": ["task", "text", "label"],
    },
    "plos_articles": {"path": "corpus/plos_articles/**/*.xml", "xml": ("p",)},
    "openstax_psychology": {"path": "corpus/openstax_psychology/**/*.cnxml", "xml": ("para",)},
    "openstax_political_science": {
        "path": "corpus/openstax_political_science/**/*.cnxml",
        "xml": ("para",),
    },
    "gutenberg_medicine": {"path": "corpus/gutenberg_medicine/*.txt", "chapters": "utf-8"},
    "gutenberg_fiction": {"path": "corpus/gutenberg_fiction/*.txt", "chapters": "utf-8"},
    "drug_monographs_zh": {"path": "corpus/drug_monographs_zh/*.json", "list": True},
    "disease_kb_zh": {
        "path": "corpus/disease_kb_zh/*.csv",
        "text": ["name", "alias", "symptom", "checklist", "treatment", "drug"],
    },
    "tcm_ancient_books": {"path": "corpus/tcm_ancient_books/*.txt", "chapters": "gb18030"},
    "wikipedia_en_demo": {"path": "corpus/wikipedia_en_demo/*.txt", "format": "lines"},
    "cmrc2018_wiki": {
        "path": "corpus/cmrc2018_wiki/*.json",
        "text": "data[].paragraphs[].context",
    },
    "drcd_wiki_tc": {"path": "corpus/drcd_wiki_tc/*.json", "text": "data[].paragraphs[].context"},
    "cncf_glossary": {"path": "corpus/cncf_glossary/**/*.md", "format": "txt"},
    "how_to_live_longer": {"path": "corpus/how_to_live_longer/*.md", "chapters": "utf-8"},
    "rust_book_zh_en": {"path": "corpus/rust_book_zh_en/**/*.md", "format": "txt"},
    "web_en_c4_demo": {"path": "corpus/web_en_c4_demo/*.jsonl"},
    "medquad_answers": {"path": "sft_sources/medquad/**/*.xml", "xml": ("Answer",)},
}
ADVERTS: dict[str, tuple[Source, bool]] = {
    "spam_sms_zh_fbs": ({"path": "noise/spam_sms_zh_fbs/*.txt", "unspaced": True}, True),
    "spam_reviews_zh spam": ({"path": "noise/spam_reviews_zh/spam*.txt", "unspaced": True}, True),
    "spam_reviews_zh ham": ({"path": "noise/spam_reviews_zh/ham*.txt", "unspaced": True}, False),
    "sms_spam_en spam": (
        {"path": "noise/sms_spam_en/*.csv", "text": "v2", "where": {"v1": "spam"}},
        True,
    ),
    "sms_spam_en ham": (
        {"path": "noise/sms_spam_en/*.csv", "text": "v2", "where": {"v1": "ham"}},
        False,
    ),
}
COLD = {"path": "noise/offensive_zh_cold/*.csv", "text": "TEXT"}
TWEETS = {"path": "noise/offensive_en_davidson/*.csv", "text": "tweet"}
ABUSE: dict[str, tuple[Source, bool]] = {
    "offensive_zh_cold offensive": (COLD | {"where": {"label": "1"}}, True),
    "offensive_zh_cold other": (COLD | {"where": {"label": "0"}}, False),
    "offensive_en_davidson hate": (TWEETS | {"where": {"class": "0"}}, True),
    "offensive_en_davidson offensive": (TWEETS | {"where": {"class": "1"}}, True),
    "offensive_en_davidson neither": (TWEETS | {"where": {"class": "2"}}, False),
}
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


def is_there(data: Path, name: str) -> bool:
    """Whether the files of a source of good text are there."""
    return any(data.glob(GOOD[name]["path"]))


def documents_of(data: Path, name: str) -> pl.Series:
    """Texts of a source of good text."""
    return _read(load_settings("demo", {}), data, name, GOOD[name])["text"]


def judged(
    profile: Settings,
    data: Path,
    name: str,
    source: Source,
    lexicons: dict[str, str] | None = None,
    limit: int | None = None,
) -> pl.DataFrame | None:
    """Verdicts of the rules on the documents of a source; None where its files are absent."""
    if not any(data.glob(source["path"])):
        return None
    documents = _read(profile, data, name, source)
    if limit is not None and documents.height > limit:
        documents = documents.sample(limit, seed=7)
    measured = measures.measure(documents.lazy(), lexicons=lexicons)
    return rules.decide(measured, profile.rules).collect()


def _read(profile: Settings, data: Path, name: str, source: Source) -> pl.DataFrame:
    """Documents of a source, by the reader of the pipeline."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = _prepared(source | {"path": str(data / source["path"])}, Path(folder))
        sources = {name: CorpusSource.model_validate(recipe)}
        corpus = profile.corpus.model_copy(update={"sources": sources})
        settings = profile.model_copy(update={"corpus": corpus, "sample_world": None})
        plan = manifest.scan(settings)
        return ShardReader(plan, settings.corpus).documents().collect()


def _prepared(source: Source, folder: Path) -> Source:
    """The source's recipe; what the pipeline does not split itself is put into `folder` first."""
    recipe, path = dict(source), Path(source["path"])
    tags, encoding = recipe.pop("xml", None), recipe.pop("chapters", None)
    is_list, unspaced = recipe.pop("list", False), recipe.pop("unspaced", False)
    if not (tags or encoding or is_list or unspaced):
        return recipe
    root = Path(*path.parts[: next(i for i, part in enumerate(path.parts) if "*" in part)])
    texts: list[str] = []
    for file in sorted(root.glob(str(path.relative_to(root)))):
        if tags:
            texts += _chapters(_paragraphs(file, tags))
        elif is_list:
            texts += json.loads(file.read_text("utf-8"))
        elif unspaced:
            texts += [line.replace(" ", "") for line in file.read_text("utf-8").splitlines()]
        else:
            texts += _chapters(file.read_text(encoding or "utf-8", "replace").split("\n"))
    target = folder / "texts.jsonl"
    rows = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    target.write_text("\n".join(rows), "utf-8")
    return {"path": str(target)}


def _paragraphs(file: Path, tags: tuple[str, ...]) -> list[str]:
    """Text of the elements with one of the tags, whatever their name space."""
    elements = ET.parse(file).iter()
    chosen = (e for e in elements if e.tag.rpartition("}")[2] in tags)
    return [" ".join("".join(element.itertext()).split()) for element in chosen]


def _chapters(lines: list[str]) -> list[str]:
    """Lines joined to texts of a few thousand characters."""
    chapters, size = [""], 0
    for line in lines:
        if size > CHAPTER_CHARS:
            chapters.append("")
            size = 0
        chapters[-1] += line + "\n"
        size += len(line)
    return [chapter for chapter in chapters if chapter.strip()]


def share(verdicts: pl.DataFrame, prefixes: tuple[str, ...], without: bool = False) -> float:
    """Share of the documents that a rule with one of the prefixes fails (or any other rule)."""
    name = pl.element()
    chosen = pl.any_horizontal(name.str.starts_with(prefix) for prefix in prefixes)
    hit = verdicts["reasons"].list.eval(~chosen if without else chosen).list.any()
    return round(float(hit.mean() or 0.0), 4)  # type: ignore[arg-type]


def damage(profile: Settings, data: Path, limit: int | None = None) -> pl.DataFrame:
    """Share of good text that the rules drop, by source, and the rules that drop most."""
    rows = []
    for name, source in GOOD.items():
        verdicts = judged(profile, data, name, source, limit=limit)
        if verdicts is None:
            continue
        counts = verdicts["reasons"].explode().drop_nulls().value_counts(sort=True).head(4)
        top = ", ".join(f"{rule} {num / verdicts.height:.3f}" for rule, num in counts.iter_rows())
        rows.append(
            {
                "source": name,
                "documents": verdicts.height,
                "dropped": round((verdicts["verdict"] == "drop").mean(), 4),  # type: ignore[arg-type]
                "not_for_length": share(verdicts, OF_LENGTH, without=True),
                "to_mask": round((verdicts["masked_kinds"].list.len() > 0).mean(), 4),  # type: ignore[arg-type]
                "rules": top,
            }
        )
    return pl.DataFrame(rows)


def spam(
    profile: Settings,
    data: Path,
    sets: dict[str, tuple[Source, bool]],
    named: tuple[str, ...],
    lexicons: dict[str, str] | None = None,
    limit: int | None = None,
) -> pl.DataFrame:
    """Share of every set that the named rules fail, that any rule drops, and any but for length."""
    rows = []
    for name, (source, unwanted) in sets.items():
        verdicts = judged(profile, data, name.replace(" ", "_"), source, lexicons, limit)
        if verdicts is None:
            continue
        rows.append(
            {
                "set": name,
                "documents": verdicts.height,
                "unwanted": unwanted,
                "named_rules": share(verdicts, named),
                "any_rule": round((verdicts["verdict"] == "drop").mean(), 4),  # type: ignore[arg-type]
                "not_for_length": share(verdicts, OF_LENGTH, without=True),
            }
        )
    return pl.DataFrame(rows)


def private_information(data: Path) -> pl.DataFrame:
    """Recall of every kind on synthetic English sentences with known spans, and precision.

    A span is found when at least half of it is claimed by the kind, and right when it touches a
    span of the entity; `masked` counts entities that any kind claims.
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
                "kind": ENTITIES[span["entity_type"]],
                "begin": span["start_position"],
                "end": span["end_position"],
            }
            for row, record in enumerate(records)
            for span in record["spans"]
            if span["entity_type"] in ENTITIES
        ],
        schema={"row": pl.UInt32, "kind": pl.String, "begin": pl.Int64, "end": pl.Int64},
    ).with_row_index("gold")
    found = claimed.select(
        "row",
        claimed_as="kind",
        at=pl.col("start").cast(pl.Int64),
        until=pl.col("start").cast(pl.Int64) + pl.col("length"),
    ).with_row_index("claim")
    overlap = pl.min_horizontal("end", "until") - pl.max_horizontal("begin", "at")
    pairs = gold.join(found, on="row").with_columns(overlap=overlap).filter(pl.col("overlap") > 0)
    half = pairs.filter(pl.col("overlap") * 2 >= pl.col("end") - pl.col("begin"))
    same = pl.col("kind") == pl.col("claimed_as")
    rows = []
    for kind in sorted(ENTITIES.values()):
        num_gold = int((gold["kind"] == kind).sum())
        num_claims = int((found["claimed_as"] == kind).sum())
        hits = half.filter(same, pl.col("kind") == kind)["gold"].n_unique()
        masked = half.filter(pl.col("kind") == kind)["gold"].n_unique()
        right = pairs.filter(same, pl.col("kind") == kind)["claim"].n_unique()
        rows.append(
            {
                "kind": kind,
                "spans": num_gold,
                "recall": round(hits / max(num_gold, 1), 3),
                "masked": round(masked / max(num_gold, 1), 3),
                "claims": num_claims,
                "precision": round(right / num_claims, 3) if num_claims else None,
            }
        )
    return pl.DataFrame(rows)


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not data.is_dir():
        raise SystemExit(f"{data} does not exist: name the folder of the public data")
    profile = load_settings("demo", {})
    lists = {f"abuse_{lang}": str(data / f"noise/badwords/{lang}.txt") for lang in ("en", "zh")}
    tables = {
        "private_information": private_information(data),
        "adverts": spam(profile, data, ADVERTS, OF_ADVERTS),
        "abuse": spam(profile, data, ABUSE, OF_ABUSE),
        "abuse_with_own_lists": spam(profile, data, ABUSE, OF_ABUSE, lists),
        "damage": damage(profile, data),
    }
    for name, table in tables.items():
        print(f"\n{name}\n\n{markdown(table)}")
    print(json.dumps({name: table.to_dicts() for name, table in tables.items()}))


if __name__ == "__main__":
    main()
