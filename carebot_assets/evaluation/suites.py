"""The folder of suites: which there are, their fingerprint, and how consultations are judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from carebot_assets.store import hash_json

DEFAULT_DIR = Path(__file__).parents[2] / "eval_suites"
DIMENSIONS = ("fluency", "relevance", "completeness", "proficiency")


@dataclass(frozen=True)
class JudgeProtocol:
    """How answers of a consultation suite are graded."""

    suite: str
    role: str
    low: float
    high: float


def task_names(folder: Path = DEFAULT_DIR) -> list[str]:
    """Likelihood suites of a folder."""
    return sorted(path.parent.name for path in folder.glob("*/*.yaml") if _is_task(path))


def fingerprint(folder: Path = DEFAULT_DIR) -> str:
    """Hash of everything that decides a prompt: task files and the code that reads the data."""
    files = sorted([*folder.glob("*/*.yaml"), *folder.glob("*.py"), *folder.glob("_*")])
    return hash_json(
        {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in files if p.is_file()}
    )


def shipped_hashes(folder: Path = DEFAULT_DIR) -> list[str]:
    """Hashes of the items that the suites are shipped with."""
    return [hash_json(path.read_text("utf-8")) for path in sorted(folder.glob("*/sample.jsonl"))]


def judge_protocol(suite: str, folder: Path = DEFAULT_DIR) -> JudgeProtocol:
    """Read `consultation/<suite>.yaml`.

    Raises:
        ValueError: no such suite, or a protocol that this code does not carry out.
    """
    path = folder / "consultation" / f"{suite}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise ValueError(f"no consultation suite {suite!r} in {folder}, known are {known}")
    values: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    fixed = {"suite": suite, "history": "reference", "dimensions": list(DIMENSIONS)}
    for key, wanted in fixed.items():
        if values.get(key) != wanted:
            raise ValueError(f"{path}: {key} is {values.get(key)!r}, expected {wanted!r}")
    low, high = values["scale"]
    return JudgeProtocol(suite, values["role"], float(low), float(high))


def _is_task(path: Path) -> bool:
    return path.stem == path.parent.name
