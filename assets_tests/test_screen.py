"""What the command line draws of a document."""

import io

import pytest
from rich.console import Console

from assets_tests.corpus import private_values
from carebot_assets.lineage.why import Judgement, Life
from carebot_assets.screen import print_life


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_life_shows_no_private_information(lang: str) -> None:
    values = [by_lang[lang] for by_lang in private_values.VALUES.values()]
    out = io.StringIO()
    for wording in values:
        keys = ("doc_id", "origin", "source", "license", "lang", "n_chars", "n_tokens", "shard")
        document = dict.fromkeys(keys, "x") | {"text": wording.sentence}
        masks = {"masks": [{"kind": "x", "start": 5, "length": len(wording.value)}]}
        print_life(
            Console(file=out, width=200),
            Life(document, [Judgement("rule_verdicts", "keep", [], masks, None)]),
        )
    printed = out.getvalue()
    assert printed.count("masks kind=x, start=5, length=") == len(values)
    for kind, by_lang in private_values.VALUES.items():
        assert f"[{kind.upper()}]" in printed
        assert by_lang[lang].value not in printed
