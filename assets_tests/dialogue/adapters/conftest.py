import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from carebot_assets.dialogue.adapters import read
from carebot_assets.settings import DialogueSource

Read = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]


@pytest.fixture
def load(tmp_path: Path) -> Read:
    """Write records as a file and read them with an adapter."""

    def load(adapter: str, records: Any, name: str = "a.json", limit: int | None = None) -> Any:
        data = records if isinstance(records, bytes) else json.dumps(records).encode()
        (tmp_path / name).write_bytes(data)
        source = DialogueSource(path="*", adapter=adapter, license="MIT", limit=limit)
        return read("src", source, [tmp_path / name])

    return load
