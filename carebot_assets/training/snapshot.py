"""A base model that is taken as it is: a folder, or a repository of the hub at a revision."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from carebot_assets.training import checkpoint
from carebot_assets.training.chat import TEMPLATE

# Weights as safetensors only: other formats can run code when they are opened.
PATTERNS = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "LICENSE*", "README.md")


def take(
    source: Path, output: Path, origin: str, revision: str | None, seed: int
) -> dict[str, Any]:
    """Link (or copy) a model folder's files into `output` and write a manifest beside them.

    A chat template that marks the assistant's words is added where there is none.

    Raises:
        ValueError: no safetensors weights or no fast tokenizer in the folder.
    """
    for needed in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (source / needed).is_file():
            raise ValueError(f"base model {origin}: {needed} is missing")
    if not any(source.glob("*.safetensors")):
        raise ValueError(f"base model {origin}: no *.safetensors weights; convert them first")
    for file in files(source):
        _link(file.resolve(), output / file.name)
    taken = {file.name: checkpoint.file_hash(file) for file in files(output)}
    template = output / "chat_template.jinja"
    settings = json.loads((output / "tokenizer_config.json").read_text("utf-8"))
    if not template.is_file() and "chat_template" not in settings:
        template.write_text(TEMPLATE, "utf-8")
    found = checkpoint.loads_and_is_finite(output)
    manifest = {
        "stage": "base_model",
        "seed": seed,
        "steps": 0,
        "settings": {"path": origin, "revision": revision},
        "inputs": taken,
        "packages": checkpoint.package_versions(),
        "git_revision": checkpoint.git_revision(),
        "num_parameters": found.metadata.get("num_parameters", 0),
        "losses": {"before": {}, "after": {}},
        "objective": [],
    }
    (output / checkpoint.MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    return {"origin": origin, "revision": revision, "num_parameters": manifest["num_parameters"]}


def find(name: str, revision: str | None, folder: Path) -> tuple[Path, str | None]:
    """The folder of a base model and its revision: the given one, or the hub's cache of a name.

    Of a hub's repository the revision is the commit, even if a branch or nothing was asked for.

    Raises:
        ValueError: neither a folder nor a repository that can be had; a revision of a folder.
    """
    if folder.is_dir():
        if revision is not None:
            raise ValueError(f"base model {name} is a folder: it has no `revision`")
        return folder, None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        found = Path(snapshot_download(name, revision=revision, allow_patterns=list(PATTERNS)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"base model {name} (revision {revision or 'newest'}): no folder {folder}, and not to "
            f"be had from the hub: {error}"
        ) from None
    return found, found.name


def files(folder: Path) -> list[Path]:
    """The files of a model folder that are taken."""
    return sorted({file for pattern in PATTERNS for file in folder.glob(pattern)})


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
