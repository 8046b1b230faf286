from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from carebot_assets.sample.knowledge import FACETS, LANGS, Entry, KnowledgeBase, load_knowledge

TOPIC = """
- id: {id}
  domain: Sports
  kind: {kind}
  name: {{en: rowing, zh: 赛艇}}
  definition: {{en: Rowing is a sport on water., zh: 赛艇是一项水上运动。}}
  features: {{en: [an oar, a shell], zh: {features}}}
  background: {{en: [A., B.], zh: [甲。, 乙。]}}
  practice: {{en: [pull, glide], zh: [拉桨, 滑行]}}
  cautions: {{en: [wear a vest, watch the weather], zh: [穿救生衣, 注意天气]}}
"""
GOOD = {"id": "rowing", "kind": "topic", "features": "[桨, 艇]"}


def test_embedded_knowledge_is_complete(kb: KnowledgeBase) -> None:
    assert len(kb.medical) > 60 and len(kb.general) > 60
    assert {entry.kind for entry in kb.entries} == set(FACETS)
    for entry in kb.entries:
        assert (entry.department is not None) == entry.medical
        for lang in LANGS:
            assert all(entry.items(facet, lang) for facet in FACETS[entry.kind])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([GOOD, GOOD], "b.yaml: entry rowing: id already used in a.yaml"),
        ([{**GOOD, "features": "[桨]"}], "a.yaml: entry rowing: features needs parallel lists"),
        ([{**GOOD, "kind": "game"}], "a.yaml: entry rowing: kind is 'game', allowed: condition"),
        ([{**GOOD, "features": "[桨, 3]"}], "a.yaml: entry rowing: features holds 3"),
        ([], "no entries found"),
    ],
)
def test_bad_knowledge_is_named(tmp_path: Path, texts: list[dict[str, str]], message: str) -> None:
    for name, slots in zip("ab", texts, strict=False):
        (tmp_path / f"{name}.yaml").write_text(TOPIC.format(**slots), "utf-8")
    with pytest.raises(ValueError, match=message):
        load_knowledge(tmp_path)


def test_neighbour_shares_the_department(kb: KnowledgeBase) -> None:
    groups: dict[str, list[Entry]] = {}
    for entry in kb.by_kind["condition"]:
        groups.setdefault(entry.department["en"] if entry.department else "", []).append(entry)
    largest = max(groups.values(), key=len)
    for seed, entry in enumerate(largest):
        other = kb.neighbour(entry, Random(seed))
        assert other in largest and other is not entry
