"""Texts that people judged are masked like those of the corpus."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from carebot_assets.defs import seed_samples
from carebot_assets.settings import Settings


@pytest.mark.parametrize(
    ("actions", "masked"),
    [
        ({}, "电话[PHONE], mail [EMAIL]"),
        ({"phone": "mask"}, "电话[PHONE], mail [EMAIL]"),
        ({"phone": "keep"}, "电话13812345678, mail [EMAIL]"),
        ({"phone": "drop", "email": "keep"}, "电话[PHONE], mail x@example.com"),
    ],
)
def test_kinds_the_profile_does_not_name_are_masked(
    demo: Settings, actions: dict[str, Any], masked: str
) -> None:
    rules = demo.rules.model_copy(update={"private_information": actions})
    step: Any = SimpleNamespace(settings=demo.model_copy(update={"rules": rules}))
    texts = pl.Series(["电话13812345678, mail x@example.com", "none"])
    assert seed_samples._masked(step)(texts).to_list() == [masked, "none"]
