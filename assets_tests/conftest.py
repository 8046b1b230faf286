"""Fixtures shared by all tests: a clean environment and a store in a temporary folder."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

# Before anything imports torch or a hub client.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
for _variable in [v for v in os.environ if v.startswith("CAREBOT_")]:
    del os.environ[_variable]

from carebot_assets import tables  # noqa: E402
from carebot_assets.settings import Settings, current_settings, load_settings  # noqa: E402
from carebot_assets.store import Store  # noqa: E402

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data" / "open"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def memory_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: a Dagster home waits for the disk at every event."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def demo() -> Settings:
    return load_settings("demo", {})


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Settings are read again after the test has changed the environment, and after the test."""
    current_settings.cache_clear()
    yield
    current_settings.cache_clear()


@pytest.fixture
def no_assets() -> Iterator[None]:
    """Registries without the project's assets and checks, for a graph that a test declares."""
    from carebot_assets.defs.artifact import ASSETS
    from carebot_assets.defs.checking import CHECKS
    from carebot_assets.defs.recipe import RECIPES

    registries: list[dict[str, Any]] = [ASSETS, CHECKS, RECIPES]
    declared = [dict(registry) for registry in registries]
    for registry in registries:
        registry.clear()
    yield
    for registry, entries in zip(registries, declared, strict=True):
        registry.clear()
        registry.update(entries)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is absent: {SHARED_DATA.name} not found beside the project")
    return SHARED_DATA


def rows_of(name: str, *rows: dict[str, object]) -> pl.DataFrame:
    """Rows of a table in its declared schema; columns that are not given are null."""
    return pl.DataFrame(list(rows), schema=tables.BY_NAME[name].schema)
