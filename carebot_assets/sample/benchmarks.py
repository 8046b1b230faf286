"""The held-out benchmarks of the sample world, in their publishers' layouts.

They ask about the facts that documents and dialogues teach, in words that neither uses. A
benchmark is small and is kept in memory, because planted leaks quote it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from carebot_assets.sample.dialogues import Consultation, consultation
from carebot_assets.sample.knowledge import Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import pick
from carebot_assets.sample.questions import LETTERS, Choice, choice
from carebot_assets.sample.studies import Study, study

CMMLU_SUBJECT = {
    "symptoms": "clinical_knowledge",
    "tests": "clinical_knowledge",
    "name_condition": "clinical_knowledge",
    "causes": "college_medicine",
    "mechanism": "college_medicine",
}
"""Facet -> CMMLU subject; every other facet belongs to professional_medicine."""
PUBMED_WEIGHTS = (0.55, 0.34, 0.11)
"""Shares of yes, no and maybe in PubMedQA's labelled set."""
_FIRST_PMID = 30_000_001
T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """A benchmark item as a leak shows it.

    Attributes:
        id: "suite/...", e.g. "medqa/12", "cmmlu_med/college_medicine/3", "pubmedqa/30000001".
        question: everything that is asked, with the options where there are some.
        answer: the gold answer as text.
    """

    id: str
    entry: Entry
    lang: Lang
    question: str
    answer: str


class Benchmarks:
    """All benchmark items of one world."""

    def __init__(self, kb: KnowledgeBase, questions: int, seed: int) -> None:
        """Draws `questions` items for each choice suite and a quarter as many dialogues."""

        def keyed(
            suite: str, count: int, make: Callable[[Random, int], T], key: Callable[[T], Any]
        ) -> list[T]:
            return _distinct(suite, count, make, key, seed)

        def asked(suite: str, lang: Lang) -> list[Choice]:
            return keyed(
                suite,
                questions,
                lambda rng, i: choice(
                    kb, pick(kb.medical, rng), lang, rng, "exam", _position(seed, suite, i)
                ),
                # A patient's age does not make a new question.
                lambda one: (re.sub(r"\d+", "", one.stem), one.options[one.correct[0]]),
            )

        self.medqa = asked("medqa", "en")
        self.cmmlu: dict[str, list[Choice]] = {}
        for one in asked("cmmlu_med", "zh"):
            subject = CMMLU_SUBJECT.get(one.facet, "professional_medicine")
            self.cmmlu.setdefault(subject, []).append(one)
        self.pubmedqa: list[Study] = keyed(
            "pubmedqa",
            questions,
            lambda rng, i: study(kb, pick(kb.medical, rng), "en", rng, PUBMED_WEIGHTS, "exam"),
            lambda one: one.question,
        )
        self.cmtmedqa: list[Consultation] = keyed(
            "cmtmedqa",
            questions // 4,
            lambda rng, i: consultation(kb, "zh", rng, rng.randint(2, 5), "exam"),
            lambda one: one.rounds,
        )
        self.items = self._items()
        self.stems = {one.stem for one in self.medqa}
        self.stems |= {one.stem for group in self.cmmlu.values() for one in group}
        self.stems |= {one.question for one in self.pubmedqa}
        self.stems |= {question for one in self.cmtmedqa for question, _ in one.rounds}

    def _items(self) -> dict[str, list[Item]]:
        """Suite -> items, for leaks."""
        items: dict[str, list[Item]] = {
            "medqa": [_item(f"medqa/{i}", one) for i, one in enumerate(self.medqa)],
            "cmmlu_med": [
                _item(f"cmmlu_med/{subject}/{i}", one)
                for subject, group in sorted(self.cmmlu.items())
                for i, one in enumerate(group)
            ],
            "pubmedqa": [
                Item(
                    f"pubmedqa/{_FIRST_PMID + i}",
                    one.entry,
                    "en",
                    "\n".join([one.background, one.methods, one.results, one.question]),
                    one.outcome,
                )
                for i, one in enumerate(self.pubmedqa)
            ],
            "cmtmedqa": [
                Item(f"cmtmedqa/{i}", one.entry, "zh", one.rounds[0][0], one.rounds[0][1])
                for i, one in enumerate(self.cmtmedqa)
            ],
        }
        return items

    def write(self, folder: Path) -> dict[str, int]:
        """Writes the suites under `folder`; returns the number of items of each."""
        for name in ("medqa", "cmmlu_med", "pubmedqa", "cmtmedqa"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        with open(folder / "medqa/test.jsonl", "w", encoding="utf-8", newline="\n") as file:
            for one in self.medqa:
                file.write(json.dumps(medqa_record(one), ensure_ascii=False) + "\n")
        for subject, group in self.cmmlu.items():
            path = folder / f"cmmlu_med/{subject}.csv"
            with open(path, "w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(["", "Question", "A", "B", "C", "D", "Answer"])
                rows.writerows(
                    [i, one.stem, *one.options, one.letters] for i, one in enumerate(group)
                )
        abstracts = {str(_FIRST_PMID + i): _pubmed(one) for i, one in enumerate(self.pubmedqa)}
        truth = {pmid: one["final_decision"] for pmid, one in abstracts.items()}
        dialogues = [cmtmedqa_record(f"j{i}", one) for i, one in enumerate(self.cmtmedqa)]
        for name, content in (
            ("pubmedqa/ori_pqal.json", abstracts),
            ("pubmedqa/test_ground_truth.json", truth),
            ("cmtmedqa/CMtMedQA_test.json", dialogues),
        ):
            text = json.dumps(content, ensure_ascii=False, indent=4)
            (folder / name).write_text(text, "utf-8", newline="\n")
        return {suite: len(items) for suite, items in self.items.items()}


def medqa_record(one: Choice) -> dict[str, Any]:
    """A question in MedQA's four-option layout."""
    return {
        "question": one.stem,
        "answer": one.options[one.correct[0]],
        "options": dict(zip(LETTERS, one.options, strict=False)),
        "meta_info": "step1",
        "answer_idx": one.letters,
    }


def cmtmedqa_record(record_id: str, one: Consultation) -> dict[str, Any]:
    """A dialogue in CMtMedQA's layout: the last round apart from its history."""
    department = one.entry.department["zh"] if one.entry.department else "nan"
    question, answer = one.rounds[-1]
    return {
        "id": record_id,
        "cate1": department,
        "cate2": one.entry.name["zh"],
        "instruction": question,
        "input": "",
        "output": answer,
        "history": [list(pair) for pair in one.rounds[:-1]],
    }


def _pubmed(one: Study) -> dict[str, Any]:
    return {
        "QUESTION": one.question,
        "CONTEXTS": [one.background, one.methods, one.results],
        "LABELS": ["BACKGROUND", "METHODS", "RESULTS"],
        "MESHES": [one.entry.name["en"], one.item],
        "YEAR": "2019",
        "reasoning_required_pred": one.outcome,
        "reasoning_free_pred": one.outcome,
        "final_decision": one.outcome,
        "LONG_ANSWER": one.conclusion,
    }


def _item(item_id: str, one: Choice) -> Item:
    answer = f"{one.letters}. {one.options[one.correct[0]]}"
    return Item(item_id, one.entry, one.lang, one.page, answer)


def _position(seed: int, suite: str, index: int) -> int:
    """Place of the right option: each block of four items has every place once."""
    places = [0, 1, 2, 3]
    Random(f"{seed}:{suite}:positions:{index // 4}").shuffle(places)
    return places[index % 4]


def _distinct(
    suite: str, count: int, make: Callable[[Random, int], T], key: Callable[[T], Any], seed: int
) -> list[T]:
    """`count` items with different keys.

    Raises:
        ValueError: when the knowledge base does not hold so many different items.
    """
    found: list[T] = []
    seen = set()
    for attempt in range(40 * count):
        if len(found) == count:
            break
        one = make(Random(f"{seed}:{suite}:{attempt}"), len(found))
        if key(one) not in seen:
            seen.add(key(one))
            found.append(one)
    if len(found) < count:
        raise ValueError(f"questions is too high: {suite} has only {len(found)} different items")
    return found
