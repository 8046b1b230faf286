"""Real public text of which it is known whether it is good, advert, abuse or ordinary.

Read by the reader of the pipeline; only what it does not split itself (books, articles, one list)
is cut into documents here first.
"""

import json
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import manifest
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.settings import CorpusSource, Settings, load_settings

CHAPTER_CHARS = 4000

# What the reader needs to know, and `lang`, in which all of its texts are written.
Source = dict[str, Any]
GOOD_MEDICAL: dict[str, Source] = {
    "medical_abstracts": {
        "path": "corpus/medical_abstracts/*test.csv",
        "text": "medical_abstract",
        "lang": "en",
    },
    "csl": {
        "path": "corpus/csl/cls_dcp/*.tsv",
        "text": "text",
        "columns": ["task", "text", "label"],
        "lang": "zh",
    },
    "plos_articles": {"path": "corpus/plos_articles/**/*.xml", "xml": ("p",), "lang": "en"},
    "openstax_psychology": {
        "path": "corpus/openstax_psychology/**/*.cnxml",
        "xml": ("para",),
        "lang": "en",
    },
    "gutenberg_medicine": {
        "path": "corpus/gutenberg_medicine/*.txt",
        "chapters": "utf-8",
        "lang": "en",
    },
    "tcm_ancient_books": {
        "path": "corpus/tcm_ancient_books/*.txt",
        "chapters": "gb18030",
        "lang": "zh",
    },
    "drug_monographs_zh": {
        "path": "corpus/drug_monographs_zh/*.json",
        "list": True,
        "lang": "zh",
    },
    "disease_kb_zh": {
        "path": "corpus/disease_kb_zh/*.csv",
        "text": ["name", "alias", "symptom", "checklist", "treatment", "drug"],
        "lang": "zh",
    },
    "medquad_answers": {"path": "sft_sources/medquad/**/*.xml", "xml": ("Answer",), "lang": "en"},
    "how_to_live_longer en": {
        "path": "corpus/how_to_live_longer/*_en.md",
        "chapters": "utf-8",
        "lang": "en",
    },
    "how_to_live_longer zh": {
        "path": "corpus/how_to_live_longer/*_zh.md",
        "chapters": "utf-8",
        "lang": "zh",
    },
}
GOOD_OTHER: dict[str, Source] = {
    "openstax_political_science": {
        "path": "corpus/openstax_political_science/**/*.cnxml",
        "xml": ("para",),
        "lang": "en",
    },
    "gutenberg_fiction": {
        "path": "corpus/gutenberg_fiction/*.txt",
        "chapters": "utf-8",
        "lang": "en",
    },
    "wikipedia_en_demo": {
        "path": "corpus/wikipedia_en_demo/*.txt",
        "format": "lines",
        "lang": "en",
    },
    "cmrc2018_wiki": {
        "path": "corpus/cmrc2018_wiki/*.json",
        "text": "data[].paragraphs[].context",
        "lang": "zh",
    },
    "drcd_wiki_tc": {
        "path": "corpus/drcd_wiki_tc/*.json",
        "text": "data[].paragraphs[].context",
        "lang": "zh",
    },
    "cncf_glossary en": {"path": "corpus/cncf_glossary/en/*.md", "format": "txt", "lang": "en"},
    "cncf_glossary zh": {"path": "corpus/cncf_glossary/zh*/*.md", "format": "txt", "lang": "zh"},
    "rust_book en": {"path": "corpus/rust_book_zh_en/en/*.md", "format": "txt", "lang": "en"},
    "rust_book zh": {"path": "corpus/rust_book_zh_en/zh*/*.md", "format": "txt", "lang": "zh"},
    "web_en_c4_demo": {"path": "corpus/web_en_c4_demo/*.jsonl", "lang": "en"},
}
GOOD = GOOD_MEDICAL | GOOD_OTHER

# Short texts that are neither advert nor abuse, as far as their publishers say: False.
Sets = dict[str, tuple[Source, bool]]
UNSPACED = {"unspaced": True, "lang": "zh"}
SMS = {"path": "noise/sms_spam_en/*.csv", "text": "v2", "lang": "en"}
COLD = {"path": "noise/offensive_zh_cold/*.csv", "text": "TEXT", "lang": "zh"}
TWEETS = {"path": "noise/offensive_en_davidson/*.csv", "text": "tweet", "lang": "en"}
ORDINARY: Sets = {
    "spam_reviews_zh ham": (UNSPACED | {"path": "noise/spam_reviews_zh/ham*.txt"}, False),
    "offensive_zh_cold other": (COLD | {"where": {"label": "0"}}, False),
    "news_zh_titles_thucnews": (
        {
            "path": "corpus/news_zh_titles_thucnews/*.txt",
            "format": "tsv",
            "columns": ["text", "label"],
            "lang": "zh",
        },
        False,
    ),
    "toyhom questions": (
        {
            "path": "sft_sources/toyhom_internal_medicine/*.csv",
            "text": "ask",
            "encoding": "gb18030",
            "lang": "zh",
        },
        False,
    ),
    "sms_spam_en ham": (SMS | {"where": {"v1": "ham"}}, False),
    "offensive_en_davidson neither": (TWEETS | {"where": {"class": "2"}}, False),
    "news_en_ag": (
        {
            "path": "corpus/news_en_ag/*.csv",
            "text": ["title", "text"],
            "columns": ["label", "title", "text"],
            "lang": "en",
        },
        False,
    ),
    "forum_qa_en questions": (
        {"path": "sft_sources/forum_qa_en/*.json", "text": "question", "lang": "en"},
        False,
    ),
}
ADVERTS: Sets = {
    "spam_sms_zh_fbs": (UNSPACED | {"path": "noise/spam_sms_zh_fbs/*.txt"}, True),
    "spam_reviews_zh spam": (UNSPACED | {"path": "noise/spam_reviews_zh/spam*.txt"}, True),
    "sms_spam_en spam": (SMS | {"where": {"v1": "spam"}}, True),
    **ORDINARY,
}
ABUSE: Sets = {
    "offensive_zh_cold offensive": (COLD | {"where": {"label": "1"}}, True),
    "offensive_en_davidson hate": (TWEETS | {"where": {"class": "0"}}, True),
    "offensive_en_davidson offensive": (TWEETS | {"where": {"class": "1"}}, True),
    **ORDINARY,
}


def is_there(data: Path, name: str) -> bool:
    """Whether the files of a source of good text are there."""
    return any(data.glob(GOOD[name]["path"]))


def documents_of(data: Path, name: str) -> pl.Series:
    """Texts of a source of good text."""
    return read(load_settings("demo", {}), data, name, GOOD[name])["text"]


def read(profile: Settings, data: Path, name: str, source: Source) -> pl.DataFrame:
    """Documents of a source, by the reader of the pipeline."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = _prepared(source | {"path": str(data / source["path"])}, Path(folder))
        sources = {name.replace(" ", "_"): CorpusSource.model_validate(recipe)}
        corpus = profile.corpus.model_copy(update={"sources": sources})
        settings = profile.model_copy(update={"corpus": corpus, "sample_world": None})
        plan = manifest.scan(settings)
        return ShardReader(plan, settings.corpus).documents().collect()


def _prepared(source: Source, folder: Path) -> Source:
    """The source's recipe; what the pipeline does not split itself is put into `folder` first."""
    recipe, path = dict(source), Path(source["path"])
    recipe.pop("lang")
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
