"""The training dialogues of the sample world, in the layouts of six publishers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from carebot_assets.sample import dirt
from carebot_assets.sample.benchmarks import Benchmarks, cmtmedqa_record, medqa_record
from carebot_assets.sample.dialogues import Consultation, consultation
from carebot_assets.sample.knowledge import Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import phrases, pick, say
from carebot_assets.sample.questions import LETTERS, Choice, choice, several
from carebot_assets.sample.studies import study

DIRTY_SHARE = 0.08
YES_NO_SHARE = 0.15
SEVERAL_SHARE = 0.15
DIALOGUE_DIRT = (
    "empty_answer",
    "exact_duplicate",
    "unsafe",
    "private_information",
    "benchmark_leak",
)
_CHATDOCTOR = (
    "If you are a doctor, please answer the medical questions based on the patient's description."
)


@dataclass(frozen=True)
class Publisher:
    """One data set of dialogues; `leaks` names the benchmark suite that it quotes."""

    name: str
    file: str
    lang: Lang
    kind: str
    share: float
    leaks: str


PUBLISHERS = (
    Publisher("toyhom", "toyhom.csv", "zh", "single", 0.2, "cmtmedqa"),
    Publisher("cmtmedqa", "cmtmedqa.json", "zh", "multi", 0.25, "cmtmedqa"),
    Publisher("huatuo26m", "huatuo26m.json", "zh", "single", 0.15, "cmtmedqa"),
    Publisher("chatdoctor", "chatdoctor.json", "en", "single", 0.2, "pubmedqa"),
    Publisher("medqa_train", "medqa_train.jsonl", "en", "choice", 0.1, "medqa"),
    Publisher("cmb_train", "cmb_train.json", "zh", "choice", 0.1, "cmmlu_med"),
)


@dataclass(frozen=True)
class Exchange:
    """What is said in one record, before it takes a publisher's layout.

    Attributes:
        rounds: (question, answer) pairs; empty for a choice question.
        kind: single, multi, choice or yes_no.
        instruction: task line of a yes/no/maybe question.
    """

    entry: Entry
    kind: str
    rounds: tuple[tuple[str, str], ...] = ()
    choice: Choice | None = None
    instruction: str = ""
    dirt: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What is asked first, without options."""
        return self.choice.stem if self.choice else self.rounds[0][0]


class Dialogues:
    """Makes any training record from its publisher and index."""

    def __init__(self, kb: KnowledgeBase, benchmarks: Benchmarks, seed: int) -> None:
        """Takes the facts, the benchmarks that leaks quote, and the world's seed."""
        self.kb, self.benchmarks, self.seed = kb, benchmarks, seed

    def exchange(self, publisher: Publisher, index: int) -> Exchange:
        """Record `index` of `publisher`.

        Raises:
            AssertionError: when a clean record asks a benchmark's question in its words.
        """
        rng = Random(f"{self.seed}:{publisher.name}:{index}")
        kind = pick(DIALOGUE_DIRT, rng) if rng.random() < DIRTY_SHARE else ""
        if kind == "exact_duplicate" and index > 0:
            original = self.exchange(publisher, rng.randrange(index))
            if not original.dirt:
                return replace(original, dirt=(kind,))
        if kind == "benchmark_leak" and self.benchmarks.items[publisher.leaks]:
            return self._leak(publisher, rng)
        clean = self._clean(publisher, rng)
        assert clean.question not in self.benchmarks.stems, clean.question
        if kind in ("empty_answer", "unsafe", "private_information"):
            return replace(_spoiled(clean, kind, publisher.lang, rng), dirt=(kind,))
        return clean

    def _clean(self, publisher: Publisher, rng: Random) -> Exchange:
        kb, lang = self.kb, publisher.lang
        if publisher.kind == "choice":
            entry = pick(kb.medical, rng)
            many = lang == "zh" and rng.random() < SEVERAL_SHARE
            asked = several(kb, entry, rng) if many else choice(kb, entry, lang, rng)
            return Exchange(entry, "choice", choice=asked)
        if publisher.name == "chatdoctor" and rng.random() < YES_NO_SHARE:
            done = study(kb, pick(kb.medical, rng), lang, rng, (0.5, 0.35, 0.15))
            text = f"Abstract: {done.background} {done.methods} {done.results}"
            task = say(phrases("dialogues", lang)["training"]["instruction"], rng)
            asked_text = f"{text}\nQuestion: {done.question}"
            return Exchange(done.entry, "yes_no", ((asked_text, done.outcome),), instruction=task)
        rounds = rng.randint(2, 5) if publisher.kind == "multi" else 1
        talk = consultation(kb, lang, rng, rounds)
        return Exchange(talk.entry, publisher.kind, talk.rounds)

    def _leak(self, publisher: Publisher, rng: Random) -> Exchange:
        items = self.benchmarks.items[publisher.leaks]
        place = rng.randrange(len(items))
        item = items[place]
        dirty = ("benchmark_leak",)
        if publisher.leaks == "medqa":
            return Exchange(item.entry, "choice", choice=self.benchmarks.medqa[place], dirt=dirty)
        if publisher.leaks == "cmmlu_med":
            asked = [one for _, group in sorted(self.benchmarks.cmmlu.items()) for one in group]
            return Exchange(item.entry, "choice", choice=asked[place], dirt=dirty)
        if publisher.kind == "multi":
            talk = self.benchmarks.cmtmedqa[place]
            return Exchange(item.entry, "multi", talk.rounds, dirt=dirty)
        return Exchange(item.entry, publisher.kind, ((item.question, item.answer),), dirt=dirty)

    def write(
        self, folder: Path, publisher: Publisher, count: int
    ) -> Iterator[tuple[int, Exchange]]:
        """Writes `count` records to the publisher's file, yielding (position, record)."""
        with open(folder / publisher.file, "w", encoding=_encoding(publisher), newline="") as file:
            if publisher.name == "toyhom":
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(["department", "title", "ask", "answer"])
                for index in range(count):
                    exchange = self.exchange(publisher, index)
                    rows.writerow(_toyhom(exchange, index))
                    yield index, exchange
                return
            lines = publisher.file.endswith(".jsonl")
            end = "\r\n" if publisher.name == "chatdoctor" else "\n"
            file.write("" if lines else f"[{end}")
            for index in range(count):
                exchange = self.exchange(publisher, index)
                content = _LAYOUTS[publisher.name](exchange, index)
                text = json.dumps(content, ensure_ascii=False, indent=None if lines else 4)
                comma = "" if lines or index == count - 1 else ","
                file.write(text.replace("\n", end) + comma + end)
                yield index, exchange
            file.write("" if lines else f"]{end}")


def _spoiled(clean: Exchange, kind: str, lang: Lang, rng: Random) -> Exchange:
    """The record with its last answer emptied, made unsafe, or with private information."""
    if clean.choice:
        asked = clean.choice
        if kind == "empty_answer":
            return replace(clean, choice=replace(asked, correct=()))
        stem = asked.stem
        if kind == "unsafe":
            stem = say(phrases("dirt", lang)["unsafe"], rng) + stem
        else:
            stem = dirt.private_information(stem, lang, rng)[0]
        return replace(clean, choice=replace(asked, stem=stem))
    *before, (question, answer) = clean.rounds
    if kind == "empty_answer":
        answer = ""
    elif kind == "unsafe":
        answer = say(phrases("dirt", lang)["unsafe"], rng)
    else:
        question = dirt.private_information(question, lang, rng)[0]
    return replace(clean, rounds=(*before, (question, answer)))


def _encoding(publisher: Publisher) -> str:
    return "gb18030" if publisher.name == "toyhom" else "utf-8"


def _toyhom(one: Exchange, index: int) -> list[str]:
    """Department, title, ask, answer; some titles are empty and some questions span lines."""
    question, answer = one.rounds[0]
    name = one.entry.name["zh"]
    title = ("无", f"{name}咨询", f"关于{name}")[index % 3]
    if index % 4 == 0:
        question = question.replace("，", "，\n", 1)
    department = one.entry.department["zh"] if one.entry.department else ""
    return [department, title, question, answer]


def _chatdoctor(one: Exchange, index: int) -> dict[str, Any]:
    question, answer = one.rounds[0]
    return {"instruction": one.instruction or _CHATDOCTOR, "input": question, "output": answer}


def _huatuo(one: Exchange, index: int) -> dict[str, Any]:
    question, answer = one.rounds[0]
    return {"id": "", "instruction": [question], "input": "", "output": [answer]}


def _cmtmedqa(one: Exchange, index: int) -> dict[str, Any]:
    return cmtmedqa_record(f"x{index}", Consultation(one.entry, "zh", one.rounds))


def _medqa(one: Exchange, index: int) -> dict[str, Any]:
    assert one.choice is not None
    if not one.choice.correct:
        filled = replace(one.choice, correct=(0,))
        return {**medqa_record(filled), "answer": "", "answer_idx": ""}
    return medqa_record(one.choice)


def _cmb(one: Exchange, index: int) -> dict[str, Any]:
    assert one.choice is not None
    asked = one.choice
    return {
        "exam_type": "医师考试",
        "exam_class": "执业医师" if one.entry.kind == "condition" else "执业药师",
        "exam_subject": one.entry.department["zh"] if one.entry.department else "",
        "question": asked.stem,
        "question_type": "多项选择题" if len(asked.options) == 5 else "单项选择题",
        "option": dict(zip(LETTERS, asked.options, strict=False)),
        "answer": asked.letters,
    }


_LAYOUTS: dict[str, Callable[[Exchange, int], dict[str, Any]]] = {
    "cmtmedqa": _cmtmedqa,
    "huatuo26m": _huatuo,
    "chatdoctor": _chatdoctor,
    "medqa_train": _medqa,
    "cmb_train": _cmb,
}
