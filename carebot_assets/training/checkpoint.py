"""The finished checkpoint: its manifest, its training log, and whether it is sound.

Nothing here loads torch: weights are read tensor by tensor from their safetensors files.
"""

import hashlib
import json
import math
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import tables
from carebot_assets.expectations import Finding, inside
from carebot_assets.settings import TrainSettings
from carebot_assets.training.config import TrainingConfig

MANIFEST, REPORT, LOG = "checkpoint.json", "report.json", "training_log.parquet"
PACKAGES = (
    "torch", "transformers", "trl", "accelerate", "deepspeed", "tokenizers", "safetensors", "numpy",
    "polars",
)  # fmt: skip
REQUIRED = (
    "stage", "seed", "steps", "settings", "inputs", "packages", "git_revision", "num_parameters",
    "losses", "objective",
)  # fmt: skip
NO_REPOSITORY = "not in a git repository"


def write(
    config: TrainingConfig,
    train: TrainSettings,
    history: list[dict[str, Any]],
    report: dict[str, Any],
    objective: list[str],
) -> None:
    """Write manifest, log and report beside the weights."""
    manifest = {
        "stage": config.stage,
        "seed": config.seed,
        "steps": report["steps"],
        "settings": train.model_dump(),
        "inputs": config.inputs,
        "packages": package_versions(),
        "git_revision": git_revision(),
        "num_parameters": report["num_parameters"],
        "losses": report["losses"],
        "objective": objective,
        "receipts": file_hash(config.receipts) if config.receipts else None,
        "engine": report.get("engine"),
        "num_processes": report.get("num_processes"),
    }
    _write_json(config.output / MANIFEST, manifest)
    _write_json(config.output / REPORT, report)
    log_table(history).write_parquet(config.output / LOG)


def log_table(history: list[dict[str, Any]]) -> pl.DataFrame:
    """The trainer's log as a long table; of a value logged twice at a step the last one stays."""
    values = {
        (int(entry["step"]), name): float(value)
        for entry in history
        for name, value in entry.items()
        if name not in {"step", "epoch"} and isinstance(value, (int, float))
    }
    rows = [(step, name, value) for (step, name), value in sorted(values.items())]
    return pl.DataFrame(rows, schema=tables.BY_NAME["training_log"].schema, orient="row")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint folder."""
    return json.loads((folder / MANIFEST).read_text("utf-8"))


def inspect(folder: Path) -> dict[str, Finding]:
    """All findings about a checkpoint folder that need no other checkpoint."""
    return {
        "loads_and_is_finite": loads_and_is_finite(folder),
        "manifest_complete": manifest_complete(folder),
        "loss_fell": loss_fell(folder),
    }


def loads_and_is_finite(folder: Path) -> Finding:
    """Every tensor can be read, is finite and fits the configuration and the tokenizer."""
    from safetensors import SafetensorError, safe_open
    from tokenizers import Tokenizer

    problems: list[str] = []
    shapes: dict[str, list[int]] = {}
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            problems.append("no safetensors file")
        for path in files:
            with safe_open(path, framework="numpy") as handle:
                for name in handle.keys():  # noqa: SIM118 - the handle is no mapping
                    shapes[name] = handle.get_slice(name).get_shape()
            problems += [f"{path.name}: {name} is not finite" for name in not_finite(path)]
    except (OSError, ValueError, SafetensorError) as error:
        return Finding(False, f"does not load: {error}", {"num_problems": 1})
    except Exception as error:  # tokenizers raises bare Exception for a file it cannot parse
        return Finding(False, f"tokenizer does not load: {error}", {"num_problems": 1})
    rows = next((s[0] for n, s in shapes.items() if n.endswith("embed_tokens.weight")), None)
    if rows is not None and not vocabulary <= rows == config.get("vocab_size", rows):
        problems.append(
            f"embedding of {rows} rows, vocabulary of {vocabulary}, config {config['vocab_size']}"
        )
    parameters = sum(math.prod(shape) for shape in shapes.values())
    promised = _promised_parameters(folder)
    if promised is not None and parameters != promised:
        problems.append(f"{parameters} parameters instead of {promised}")
    text = (
        f"{len(shapes)} tensors, {parameters} parameters, finite"
        if not problems
        else "; ".join(problems[:5])
    )
    metadata = {"num_tensors": len(shapes), "num_parameters": parameters}
    return Finding(not problems, text, metadata | {"num_problems": len(problems)})


def manifest_complete(folder: Path) -> Finding:
    """The manifest has every field, with a value."""
    try:
        manifest = read_manifest(folder)
    except (OSError, ValueError) as error:
        return Finding(False, f"manifest cannot be read: {error}", {"num_missing": len(REQUIRED)})
    missing = [key for key in REQUIRED if manifest.get(key) in (None, "")]
    missing += [f"inputs.{k}" for k, v in (manifest.get("inputs") or {}).items() if not v]
    text = "manifest complete" if not missing else f"manifest lacks {', '.join(missing)}"
    return Finding(not missing, text, {"num_missing": len(missing)})


def loss_fell(folder: Path) -> Finding:
    """Every loss the stage is meant to lower is lower at the end than before, and finite."""
    try:
        manifest = read_manifest(folder)
        objective = manifest["objective"]
        before, after = manifest["losses"]["before"], manifest["losses"]["after"]
    except (OSError, ValueError, KeyError) as error:
        return Finding(False, f"losses cannot be read: {error}")
    if not objective:
        # Nothing was trained here (a snapshot), or what comes of it is the question (a control).
        undefined = [name for name, value in after.items() if not math.isfinite(value)]
        text = f"no number: {', '.join(undefined)}" if undefined else "no loss has to fall here"
        return Finding(not undefined, text)
    pairs = {name: (before.get(name), after.get(name)) for name in objective}
    wrong = [name for name, (b, a) in pairs.items() if b is None or a is None or not a < b]
    text = ", ".join(f"{n}: {_shown(b)} -> {_shown(a)}" for n, (b, a) in pairs.items())
    metadata = {f"{name}_fall": b - a for name, (b, a) in pairs.items() if None not in (a, b)}
    passed = bool(objective) and not wrong
    return Finding(passed, f"{'fell' if passed else 'did not fall'}: {text}", metadata)


def general_loss_rise(folder: Path, base: float | None, maximum: float) -> Finding:
    """The loss on general text is at most the stated nats a token above the base model's.

    Stage by stage a little is forgotten: what counts is the distance from the base model.
    """
    manifest = read_manifest(folder)
    if manifest["steps"] == 0:
        return Finding(True, "a snapshot: nothing was trained here")
    found = manifest["losses"]
    before, after = found["before"].get("general"), found["after"].get("general")
    rise = None if base is None or after is None else after - base
    finding = inside("rise of the general loss above the base model's", rise, -math.inf, maximum)
    of_stage = None if before is None or after is None else after - before
    return Finding(finding.passed, finding.description, finding.metadata | {"of_stage": of_stage})


def not_finite(path: Path) -> list[str]:
    """Names of the float tensors of a safetensors file with an infinite or undefined value.

    Reads the file's own header, because NumPy has no bfloat16: in every IEEE format a value is not
    finite exactly when all bits of its exponent are set.
    """
    import numpy as np

    masks = {"F64": ("<u8", 0x7FF << 52), "F32": ("<u4", 0xFF << 23), "F16": ("<u2", 0x1F << 10)}
    masks["BF16"] = ("<u2", 0xFF << 7)
    with path.open("rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        header = json.loads(handle.read(size))
    bad = []
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in masks:
            continue
        dtype, mask = masks[entry["dtype"]]
        low, high = entry["data_offsets"]
        count = (high - low) // np.dtype(dtype).itemsize
        values = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size + low, shape=high - low)
        bits = values.view(dtype)[:count]
        if count and bool(((bits & np.array(mask, dtype)) == mask).any()):
            bad.append(name)
    return bad


def package_versions() -> dict[str, str]:
    """Installed versions of what decides a training's outcome."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision() -> str:
    """Commit the code was taken from, with `-dirty` where files have changed since."""
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    command = ["git", "-C", str(Path(__file__).parent), *describe]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return NO_REPOSITORY
    return done.stdout.strip() if done.returncode == 0 else NO_REPOSITORY


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def num_parameters(folder: Path) -> int:
    """Parameters in the safetensors files of a checkpoint; their headers tell.

    Raises:
        ValueError: there are none.
    """
    from safetensors import safe_open

    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as handle:
            names = handle.keys()
            count += sum(math.prod(handle.get_slice(name).get_shape()) for name in names)
    if not count:
        raise ValueError(f"{folder} holds no parameters in safetensors files")
    return count


def _promised_parameters(folder: Path) -> int | None:
    try:
        return read_manifest(folder).get("num_parameters")
    except (OSError, ValueError):
        return None


def _shown(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4f}"


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, sort_keys=True), "utf-8")
