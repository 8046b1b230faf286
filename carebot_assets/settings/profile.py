"""Reading a profile: its file, what it extends, overrides, and what is wrong with it."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from carebot_assets.settings.base import SettingsError
from carebot_assets.settings.root import Settings

PROFILE_VARIABLE = "CAREBOT_PROFILE"
OVERRIDE_PREFIX = "CAREBOT_SET__"
SOURCE_GROUPS = {"sources", "benchmarks", "consultations"}
# Mappings that stand for themselves: the parent profile's entries are not added to them.
REPLACED = {*SOURCE_GROUPS, "base", "backbones"}
FILE_SETTINGS = {"human_labels", "human_scores", "tokenizer"}
FILE_MAPS = {"lexicons", "unigrams"}
PROFILES_DIR = Path(__file__).parents[1] / "profiles"


def load_settings(profile: str | None = None, environ: dict[str, str] | None = None) -> Settings:
    """Load a profile by name or path, apply environment overrides and validate it.

    Raises:
        SettingsError: no such profile, not YAML, an unknown setting or a value out of range.
    """
    env = dict(os.environ) if environ is None else environ
    name = profile or env.get(PROFILE_VARIABLE) or "demo"
    values = _read_profile(name, seen=())
    for variable, text in env.items():
        if variable.startswith(OVERRIDE_PREFIX):
            keys = variable.removeprefix(OVERRIDE_PREFIX).lower().split("__")
            value = _parsed(text, f"environment variable {variable}")
            _set(values, keys, value, variable)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, item['loc'])) or '(profile)'}: {_explain(item)}"
            for item in error.errors()
        ]
        raise SettingsError(f"profile {name!r}: " + "; ".join(lines)) from None


@lru_cache(maxsize=1)
def current_settings() -> Settings:
    """Settings of this process: loaded once, from the environment."""
    return load_settings()


def fingerprint_of(settings: Settings, sections: tuple[str, ...]) -> dict[str, Any]:
    """The JSON values of the named settings (`"rules"`, `"pretraining.stable"`), for hashing."""
    picked = {}
    for dotted in sections:
        value: Any = settings
        for key in dotted.split("."):
            value = getattr(value, key)
        picked[dotted] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return picked


def _read_profile(name: str, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = PROFILES_DIR / f"{name}.yaml"
    if not path.is_file():
        # What a profile extends lies beside it, whatever the working directory.
        folder = seen[-1].parent if seen else Path.cwd()
        path = (folder / Path(name).expanduser()).absolute()
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES_DIR.glob("*.yaml")))
        raise SettingsError(f"profile {name!r} is neither one of {known} nor a file")
    if path in seen:
        raise SettingsError(f"profile {path}: `extends` goes round in a circle")
    values = _parsed(path.read_bytes(), f"profile {path}") or {}
    if not isinstance(values, dict):
        raise SettingsError(f"profile {path}: expected a mapping of settings")
    _anchor(values, path.parent)
    parent = values.pop("extends", None)
    if parent is not None:
        values = _merge(_read_profile(str(parent), (*seen, path)), values)
    values["profile"] = path.stem
    return values


def _parsed(text: bytes | str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise SettingsError(f"{where}: not readable as YAML: {error}") from None


class _Loader(yaml.CSafeLoader):
    """YAML in which no mapping says the same key twice: the last one would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value if isinstance(key.value, str) else id(key))
        return super().construct_mapping(node, deep)


def _merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        replace = key in REPLACED
        merged[key] = _merge(merged[key], value) if both and not replace else value
    return merged


def _anchor(values: dict[str, Any], folder: Path) -> None:
    """Make paths of sources and files absolute: they are relative to the file that gives them."""
    for key, value in values.items():
        if key in SOURCE_GROUPS and isinstance(value, dict):
            for source in value.values():
                path = source.get("path") if isinstance(source, dict) else None
                anchored = isinstance(path, str) and path.startswith(("{sample}", "~", "/"))
                if isinstance(path, str) and not anchored and "://" not in path:
                    source["path"] = str(folder / path)
        elif key in FILE_MAPS and isinstance(value, dict):
            for name, file in value.items():
                value[name] = str(folder / Path(str(file)).expanduser())
        elif isinstance(value, dict):
            _anchor(value, folder)
        elif key in FILE_SETTINGS and isinstance(value, str):
            values[key] = str(folder / Path(value).expanduser())
        elif key == "against" and isinstance(value, list):
            values[key] = [str(folder / Path(str(name)).expanduser()) for name in value]


def _set(values: dict[str, Any], keys: list[str], value: Any, variable: str) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise SettingsError(f"environment variable {variable}: {key!r} holds no settings")
    values[keys[-1]] = value


def _explain(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown setting"
    if isinstance(item["input"], (dict, BaseModel)):  # a whole section: the message says what in it
        return str(item["msg"])
    return f"{item['msg']} (got {item['input']!r})"
