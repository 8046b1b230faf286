"""Runs of the whole graph, once per session, as a user would start them."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from carebot_assets.settings import load_settings
from carebot_assets.store import Store

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Place:
    """A folder with a store and a Dagster home, and the profile used there."""

    folder: Path
    profile: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / ".carebot" / "store")

    @property
    def home(self) -> Path:
        return self.folder / ".carebot" / "dagster"

    @property
    def environ(self) -> dict[str, str]:
        """What a command of this place finds in its environment."""
        return {k: v for k, v in os.environ.items() if not k.startswith("CAREBOT_")} | {
            "CAREBOT_PROFILE": str(self.profile),
            "DAGSTER_HOME": str(self.home),
            "HF_HUB_OFFLINE": "1",
            # Two runs share two cores in `make test`.
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "160",
            "CAREBOT_SET__store__root": str(self.store.root),
        }

    def run(
        self, *command: str, cwd: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, in the place's folder unless told otherwise."""
        return subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=cwd or self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=540,
        )

    def materialize(self, asset: str, *options: str, **environ: str) -> tuple[int, str]:
        """Exit code and output of `dagster asset materialize`."""
        done = self.run(
            "dagster",
            "asset",
            "materialize",
            "-m",
            "carebot_assets.definitions",
            "--select",
            asset,
            *options,
            **environ,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    """The whole graph on the smallest sample world; the place and what was printed."""
    place = Place(tmp_path_factory.mktemp("tiny"), HERE / "tiny.yaml")
    assert load_settings(str(place.profile), {}).sample_world is not None
    done = place.run("carebot", "run")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return place, done.stdout
