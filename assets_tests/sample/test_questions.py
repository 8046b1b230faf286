from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest

from carebot_assets.sample.benchmarks import Benchmarks
from carebot_assets.sample.corpus import Corpus
from carebot_assets.sample.dialogues import consultation
from carebot_assets.sample.knowledge import LANGS, SIGNATURE, Entry, KnowledgeBase, Lang
from carebot_assets.sample.publishers import PUBLISHERS, Dialogues
from carebot_assets.sample.questions import Choice, choice, several
from carebot_assets.sample.sources import SOURCES
from carebot_assets.sample.studies import study


def assert_key_is_right(kb: KnowledgeBase, asked: Choice) -> None:
    """The knowledge base gives the marked options to the entry and no other option."""
    lang, entry = asked.lang, asked.entry
    assert len(set(asked.options)) == len(asked.options)
    for place, option in enumerate(asked.options):
        if asked.facet.startswith("name_"):
            named = next(one for one in kb.by_kind[entry.kind] if one.name[lang] == option)
            shown = [
                item
                for item in entry.items(SIGNATURE[entry.kind], lang)
                if item.lower() in asked.stem.lower()
            ]
            assert shown
            held = all(item in named.items(SIGNATURE[entry.kind], lang) for item in shown)
            assert held or not set(shown) & set(named.items(SIGNATURE[entry.kind], lang))
        else:
            held = option in entry.items(asked.facet, lang)
        assert held == (place in asked.correct)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("wording", ["training", "exam"])
def test_gold_is_right_and_other_options_are_wrong(
    kb: KnowledgeBase, lang: Lang, wording: str
) -> None:
    for i, entry in enumerate(kb.medical * 2):
        assert_key_is_right(kb, choice(kb, entry, lang, Random(i), wording))


def test_several_answers(kb: KnowledgeBase) -> None:
    for i, entry in enumerate(kb.medical):
        asked = several(kb, entry, Random(i))
        assert 2 <= len(asked.correct) <= 3 and len(asked.options) == 5
        assert_key_is_right(kb, asked)


@pytest.mark.parametrize(("weights", "held"), [((1, 0, 0), True), ((0, 1, 0), False)])
def test_study_outcome_follows_the_facts(
    kb: KnowledgeBase, weights: tuple[float, float, float], held: bool
) -> None:
    for i, entry in enumerate(kb.medical):
        done = study(kb, entry, "en", Random(i), weights, "exam")
        assert (done.item in entry.items(done.facet, "en")) == held
        assert done.item.lower() in done.results.lower()


def ngrams(text: str, lang: Lang) -> set[tuple[str, ...]]:
    units = re.findall(r"\w+" if lang == "en" else r"\w", text.lower())
    return {tuple(units[i : i + 13]) for i in range(len(units) - 12)}


@pytest.fixture(scope="module")
def benchmarks(kb: KnowledgeBase) -> Benchmarks:
    return Benchmarks(kb, 120, seed=5)


def test_right_options_stand_everywhere_equally_often(benchmarks: Benchmarks) -> None:
    assert set(Counter(one.letters for one in benchmarks.medqa).values()) == {30}
    grouped = [one.letters for group in benchmarks.cmmlu.values() for one in group]
    assert set(Counter(grouped).values()) == {30}


def test_training_and_benchmark_share_no_question(
    kb: KnowledgeBase, benchmarks: Benchmarks
) -> None:
    talks = Dialogues(kb, benchmarks, seed=5)
    for publisher in PUBLISHERS:
        exchanges = [talks.exchange(publisher, i) for i in range(150)]
        clean = {one.question for one in exchanges if "benchmark_leak" not in one.dirt}
        assert clean and not clean & benchmarks.stems
        quoted = [one.question for one in exchanges if one.dirt == ("benchmark_leak",)]
        stems = "\n".join(benchmarks.stems)
        assert all(question.split("\n")[-1] in stems for question in quoted)


def test_clean_documents_share_no_13_gram_with_a_benchmark(
    kb: KnowledgeBase, benchmarks: Benchmarks
) -> None:
    corpus = Corpus(kb, benchmarks, 2_000, seed=5)
    exam = set[tuple[str, ...]]().union(
        *(ngrams(item.question, item.lang) for group in benchmarks.items.values() for item in group)
    )
    overlaps, leaks = 0, 0
    for source in SOURCES:
        for i in range(100):
            record = corpus.record(source, i)
            hit = bool(ngrams(f"{record.head}\n{record.body}", source.lang) & exam)
            overlaps += hit and not record.dirt
            if record.leaked_item and not record.leaked_item.startswith("cmtmedqa"):
                leaks += 1
                assert hit
    assert overlaps == 0 and leaks > 0


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("rounds", [1, 3, 5])
def test_consultations_have_their_rounds(kb: KnowledgeBase, lang: Lang, rounds: int) -> None:
    for seed in range(30):
        talk = consultation(kb, lang, Random(seed), rounds)
        assert len(talk.rounds) == rounds
        assert all(question and answer for question, answer in talk.rounds)
        assert mentions(talk.entry, lang, talk.rounds[0])


def mentions(entry: Entry, lang: Lang, talk: tuple[str, str]) -> bool:
    return entry.name[lang].lower() in " ".join(talk).lower()
