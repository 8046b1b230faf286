"""What a text must hold for a gate to open: told beforehand, nothing else is found."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus import private_values
from assets_tests.corpus.test_private import CLEAN, FOUND
from carebot_assets.corpus import literals, private
from carebot_assets.corpus.private.detector import needed

EXAMPLES = [text for text, _, _ in FOUND] + CLEAN
WIDE = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})
TEXT = st.sampled_from(EXAMPLES) | st.sampled_from(EXAMPLES).map(lambda text: text.translate(WIDE))


@pytest.mark.parametrize(
    ("gate", "literals"),
    [
        ("NHS", ("NHS",)),
        ("姓名\\s", ("姓名",)),
        ("ecord [Nn]|MRN", ("ecord ", "MRN")),
        ("D\\.O\\.B|irth[?.]", ("D.O.B", "irth")),
        ("liv(?:e|es|ing) [ao][nt] [0-9]|resid", ("liv", "resid")),
        ("api_?key=", ("key=",)),
        ("river(?:'s|s)? [Ll]icen", ("river",)),
        ("://[^/ ]*:[^/ ]*@", ("://",)),
        ("@", ()),
        ("[0-9]{11}", ()),
        ("MRN|[0-9]", ()),
    ],
)
def test_needed(gate: str, literals: tuple[str, ...]) -> None:
    assert needed(gate) == literals


@settings(max_examples=300)
@given(st.sampled_from(sorted(private.HINTS)).flatmap(
    lambda gate: st.tuples(st.just(gate), st.from_regex(re.compile(gate, re.ASCII)))
))  # fmt: skip
def test_whatever_opens_a_gate_holds_one(found: tuple[str, str]) -> None:
    gate, text = found
    assert any(literal.lower() in text.lower() for literal in private.HINTS[gate])


@settings(max_examples=60, deadline=None)  # the pass is compiled at the first call
@given(st.lists(st.none() | st.lists(TEXT, max_size=3).map(" | ".join), max_size=5))
def test_hints_change_nothing(parts: list[str | None]) -> None:
    texts = pl.Series(parts, dtype=pl.String)
    held = literals.held(texts, literals.prepared(private.HINTS))
    assert private.tally(texts, held).equals(private.tally(texts))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_kind_is_found_with_hints(lang: str) -> None:
    texts = pl.Series([private_values.sentences(lang), "none"])
    held = literals.held(texts, literals.prepared(private.HINTS))
    assert set(private.tally(texts, held)["private_kinds"][0]) == set(private_values.VALUES)
