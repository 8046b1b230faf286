from __future__ import annotations

import re
from itertools import combinations
from random import Random

import pytest

from carebot_assets.sample.knowledge import LANGS, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import fill, listing
from carebot_assets.sample.render import FORMS, render
from carebot_assets.sample.sentences import length

CASES = [(lang, form) for lang in LANGS for form in FORMS]


def shingles(text: str, lang: Lang) -> set[tuple[str, ...]]:
    units = re.findall(r"\w+", text.lower()) if lang == "en" else re.findall(r"\w", text)
    return {tuple(units[i : i + 5]) for i in range(len(units) - 4)}


@pytest.mark.parametrize(("lang", "form"), CASES)
def test_renderings_of_one_entry_are_not_near_duplicates(
    kb: KnowledgeBase, lang: Lang, form: str
) -> None:
    entries = kb.medical if form == "patient" else kb.entries
    similar = []
    for entry in Random(1).sample(entries, 12):
        texts = [render(kb, entry, lang, form, Random(i)).text for i in range(8)]
        for one, other in combinations([shingles(text, lang) for text in texts], 2):
            similar.append(len(one & other) / len(one | other))
    assert sum(value >= 0.5 for value in similar) <= 0.01 * len(similar)


@pytest.mark.parametrize(("lang", "form"), CASES)
def test_documents_have_the_size_asked_for_and_name_the_entry(
    kb: KnowledgeBase, lang: Lang, form: str
) -> None:
    sizes = []
    for i in range(60):
        document = render(kb, kb.medical[i], lang, form, Random(i))
        sizes.append(length(document.body, lang))
        assert document.entry.name[lang].lower() in document.body.lower()
        assert not re.search(r"[{}|\[\]]|<\d+-", document.text)
    low, high = (90, 270) if lang == "en" else (150, 560)
    inside = sum(low <= size <= high for size in sizes)
    assert inside >= 0.8 * len(sizes) and min(sizes) >= low


def test_rendering_depends_on_the_seed_alone(kb: KnowledgeBase) -> None:
    entry = kb.general[0]
    first, again, other = (render(kb, entry, "en", "news", Random(seed)) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("form", ["poem", "patient"])
def test_unknown_form_is_refused(kb: KnowledgeBase, form: str) -> None:
    with pytest.raises(ValueError, match=f"form is '{form}'"):
        render(kb, kb.general[0], "en", form, Random(0))


def test_facts_are_never_read_as_templates() -> None:
    assert fill("[a|[a|a]] {x} <3-3>", Random(0), x="[b|c] {y}") == "A [b|c] {y} 3"


def test_items_with_commas_are_listed_with_semicolons() -> None:
    assert listing(["a, b", "c", "d"], "en", Random(0)).startswith("a, b; c")
