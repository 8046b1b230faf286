"""Typed settings of a profile.

A profile is one YAML file. It may start from another with `extends: demo`; mappings are merged key
by key, everything else is replaced. `CAREBOT_PROFILE` names the profile (a built-in name or the
path of a file) and single values are overridden by environment variables such as
`CAREBOT_SET__domain__threshold=0.6`.
"""

import glob
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PROFILE_VARIABLE = "CAREBOT_PROFILE"
OVERRIDE_PREFIX = "CAREBOT_SET__"
SOURCE_GROUPS = {"sources", "benchmarks", "consultations"}
PROFILES_DIR = Path(__file__).parent / "profiles"

Ratio = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Lang = Literal["zh", "en"]


class SettingsError(ValueError):
    """A profile that cannot be used; the message names the file and the setting."""


class Section(BaseModel):
    """A group of settings: unknown keys are errors, values cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(Section):
    root: Path = Path(".carebot/store")
    compression: Literal["zstd", "lz4", "uncompressed"] = "zstd"


class SampleWorldSettings(Section):
    """Size of the embedded sample world; see `carebot_assets.sample`."""

    documents: Positive
    dialogues: Positive
    questions: Positive


class CorpusSource(Section):
    """Where one source's files lie and how a record of it becomes a document.

    `path` is a glob; relative paths start at the profile file's folder and `{sample}` stands for
    the sample world. `text` names the columns (or the JSON path `a.b`, or `[]` steps as in
    `data[].paragraphs[].context`) joined by a blank line; `columns` names the fields of a file
    without header.
    """

    path: str
    text: str | list[str] = "text"
    columns: list[str] | None = None
    where: dict[str, str] | None = None
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet", "txt", "lines"] = "auto"
    encoding: str = "auto"
    license: str = "unknown"


class CorpusSettings(Section):
    sources: dict[str, CorpusSource] = {}
    shard_bytes: Positive = 1_000_000_000
    max_record_chars: Positive = 1_000_000
    max_bad_ratio: Ratio = 0.05


class RuleThresholds(Section):
    """Thresholds of one language; a rule fails a document when its measure is outside."""

    min_tokens: Count
    max_tokens: Count
    max_special_char_ratio: Ratio
    max_digit_ratio: Ratio
    min_letter_ratio: Ratio
    max_url_line_ratio: Ratio
    max_boilerplate_line_ratio: Ratio
    max_dup_line_ratio: Ratio
    max_dup_sentence_ratio: Ratio
    max_top_ngram_ratio: Ratio
    max_replacement_ratio: Ratio
    max_mojibake_ratio: Ratio
    max_advert_hits: Count
    max_toxic_hits: Count
    min_stop_words: Count
    min_unique_char_ratio: Ratio
    max_unterminated_ratio: Ratio


class RuleSettings(Section):
    zh: RuleThresholds
    en: RuleThresholds
    private_information: dict[str, Literal["drop", "mask", "keep"]]
    drop_band: tuple[Ratio, Ratio] = (0.0, 0.95)


class DuplicateSettings(Section):
    """MinHash LSH; `bands` x `rows` hashes over n-gram shingles (words in en, characters in zh)."""

    ngram: Positive = 5
    bands: Positive = 14
    rows: Positive = 8
    min_similarity: Ratio = 0.7
    max_removed_ratio: Ratio = 0.6
    max_cluster_ratio: Ratio = 0.1
    memory_limit_mb: Positive = 1024


class ContaminationSettings(Section):
    """`n` shared n-grams in a row are a passage of `ngram + n - 1` words or characters."""

    ngram_en: Positive = 13
    ngram_zh: Positive = 13
    min_hits_en: Positive = 2
    min_hits_zh: Positive = 6
    min_item_share: Ratio = 0.5
    min_item_units: Positive = 8
    max_items_per_ngram: Positive = 20


class EncoderSettings(Section):
    """Backend that turns text into vectors; `model` is a path or hub name where one is needed."""

    backend: Literal["char_ngram", "sentence_transformers"] = "char_ngram"
    model: str | None = None
    max_tokens: Positive = 256
    max_chars: Positive = 2000
    features: Positive = 65_536
    batch_size: Positive = 64


class DomainSettings(Section):
    labels: list[str]
    medical_labels: list[str]
    seed_documents: Positive
    threshold: Ratio = 0.5
    validation_ratio: Ratio = 0.2
    min_class_documents: Count = 5
    min_agreement: Ratio = 0.6
    min_coverage: Ratio = 0.95
    min_kappa: Annotated[float, Field(ge=-1, le=1)] = 0.6
    min_medical_f1: Ratio = 0.8
    keep_band: tuple[Ratio, Ratio] = (0.005, 1.0)

    @model_validator(mode="after")
    def _medical_labels_are_labels(self) -> "DomainSettings":
        unknown = sorted(set(self.medical_labels) - set(self.labels))
        if unknown:
            raise ValueError(f"medical_labels {unknown} are not among labels {self.labels}")
        return self


class QualitySettings(Section):
    seed_documents: Positive
    max_round_gap: Annotated[float, Field(gt=0)] = 2.0
    keep_score: Annotated[float, Field(ge=0, le=5)] = 3.0
    very_high_score: Annotated[float, Field(ge=0, le=5)] = 4.0
    validation_ratio: Ratio = 0.2
    min_coverage: Ratio = 0.95
    min_agreement: Ratio = 0.6
    min_kappa: Annotated[float, Field(ge=-1, le=1)] = 0.4
    min_spearman: Annotated[float, Field(ge=-1, le=1)] = 0.3
    keep_band: tuple[Ratio, Ratio] = (0.05, 1.0)


class OfflineTeacherSettings(Section):
    """Behaviour of the heuristic stand-in for a teacher model; port 0 means any free one."""

    disagreement_rate: Ratio = 0.08
    port: Annotated[int, Field(ge=0, le=65535)] = 0


class TeacherSettings(Section):
    """An OpenAI-compatible endpoint; without `base_url` the offline heuristic server is started.

    `budget_usd` is for everything in the store's call ledger. Without `temperature` the endpoint's
    own default holds, which is all that some reasoning models accept.
    """

    base_url: str | None = None
    model: str = "offline-heuristic-teacher"
    api_key_variable: str = "OPENAI_API_KEY"
    concurrency: Positive = 8
    timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    max_retries: Count = 5
    max_chars: Positive = 6000
    max_output_tokens: Positive = 2048
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    usd_per_million_input_tokens: Annotated[float, Field(ge=0)] = 0.0
    usd_per_million_output_tokens: Annotated[float, Field(ge=0)] = 0.0
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    offline: OfflineTeacherSettings = OfflineTeacherSettings()

    @property
    def is_offline(self) -> bool:
        return self.base_url is None


class TrainSettings(Section):
    """One training stage, whatever the launcher."""

    max_steps: Positive
    batch_size: Positive
    gradient_accumulation: Positive = 1
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_ratio: Ratio = 0.05
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    log_steps: Positive = 10
    eval_steps: Positive = 100
    save_steps: Positive = 100
    bf16: bool = False
    activation_checkpointing: bool = False


class DpoSettings(TrainSettings):
    beta: Annotated[float, Field(gt=0)] = 0.1
    prompts: Positive = 64
    max_new_tokens: Positive = 96
    max_length: Positive = 512
    min_order_consistency: Ratio = 0.5
    max_length_ratio: Annotated[float, Field(ge=1)] = 4.0


class SftSettings(TrainSettings):
    max_length: Positive = 512


class ScratchModel(Section):
    """A small Llama and byte-level BPE tokenizer trained from the general corpus."""

    vocab_size: Positive = 8192
    hidden_size: Positive = 128
    layers: Positive = 4
    heads: Positive = 4
    intermediate_size: Positive = 384
    tokens: Positive
    train: TrainSettings


class BaseModelSettings(Section):
    """Either `path` (hub name with `revision`, or a folder) or `scratch`."""

    path: str | None = None
    revision: str | None = None
    scratch: ScratchModel | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "BaseModelSettings":
        if (self.path is None) == (self.scratch is None):
            raise ValueError("give exactly one of `path` and `scratch`")
        return self


class MixSettings(Section):
    """Token shares of a mix. `primary_share` is of the first kind of text (medical), the rest of
    the second; `zh_share` holds inside each."""

    tokens: Positive
    primary_share: Ratio
    zh_share: Ratio
    max_epochs: Annotated[float, Field(ge=1)] = 4.0
    tolerance: Ratio = 0.01


class PretrainingSettings(Section):
    sequence_length: Positive
    held_out_share: Ratio = 0.02
    held_out_documents: Positive = 200
    base: BaseModelSettings
    stable_mix: MixSettings
    stable: TrainSettings
    boost_mix: MixSettings
    boost: TrainSettings
    max_general_loss_rise: Annotated[float, Field(ge=0)] = 0.5
    ignore_failed_checks: bool = False


class DialogueSource(Section):
    """Files of one instruction-tuning source and the adapter that reads its layout."""

    path: str
    adapter: str
    license: str = "unknown"
    limit: Positive | None = None


class InstructionSettings(Section):
    sources: dict[str, DialogueSource] = {}
    min_tokens: Count = 8
    min_deita_score: Annotated[float, Field(ge=1, le=36)] = 6.0
    confilter_band: tuple[float, float] = (0.3, 1.0)
    confilter_min_turn_tokens: Count = 10
    preference_share: Ratio = 0.1
    max_quarantine_ratio: Ratio = 0.05
    max_failed_ratio: Ratio = 0.05
    min_records_per_language: Count = 50
    sft: SftSettings


class SuiteSource(Section):
    """The publisher's files of one benchmark."""

    path: str
    adapter: str
    lang: Lang
    limit: Positive | None = None
    subjects: list[str] | None = None


class EvaluationSettings(Section):
    """Suites by name; a name is a folder of `suites_dir`, which is the project's `eval_suites`
    when not given. `min_judged_ratio` is of the answers of a consultation suite."""

    suites_dir: Path | None = None
    benchmarks: dict[str, SuiteSource] = {}
    consultations: dict[str, SuiteSource] = {}
    min_judged_ratio: Ratio = 0.95
    batch_size: Positive = 16
    max_new_tokens: Positive = 96
    bootstrap_samples: Positive = 1000


class LauncherSettings(Section):
    """How training processes are started: a file of `training/launch/` and the process count."""

    config: str = "cpu"
    num_processes: Positive = 1
    num_machines: Positive = 1
    machine_rank: Count = 0
    main_process_ip: str | None = None
    main_process_port: Positive | None = None


class Settings(Section):
    """Everything a profile says."""

    profile: str
    seed: int = 20241212
    store: StoreSettings = StoreSettings()
    sample_world: SampleWorldSettings | None = None
    corpus: CorpusSettings
    rules: RuleSettings
    duplicates: DuplicateSettings = DuplicateSettings()
    contamination: ContaminationSettings = ContaminationSettings()
    encoder: EncoderSettings = EncoderSettings()
    domain: DomainSettings
    quality: QualitySettings
    teacher: TeacherSettings = TeacherSettings()
    pretraining: PretrainingSettings
    instruction: InstructionSettings
    preference: DpoSettings
    evaluation: EvaluationSettings
    launcher: LauncherSettings = LauncherSettings()

    @model_validator(mode="after")
    def _sample_paths_need_the_sample_world(self) -> "Settings":
        groups: dict[str, Mapping[str, CorpusSource | DialogueSource | SuiteSource]] = {
            "corpus.sources": self.corpus.sources,
            "instruction.sources": self.instruction.sources,
            "evaluation.benchmarks": self.evaluation.benchmarks,
            "evaluation.consultations": self.evaluation.consultations,
        }
        orphans = [
            f"{group}.{name}"
            for group, sources in groups.items()
            for name, source in sources.items()
            if self.sample_world is None and "{sample}" in source.path
        ]
        if orphans:
            raise ValueError(
                f"{', '.join(orphans)} lie in the sample world but `sample_world` is null: "
                "give your own files or an empty mapping {}"
            )
        return self

    @property
    def sample_dir(self) -> Path:
        """Folder of the sample world inside the store (`{sample}` in source paths)."""
        return self.store.root.absolute() / "sample_world"

    def resolve(self, pattern: str) -> Path:
        """Absolute glob pattern of a source path."""
        return Path(pattern.replace("{sample}", str(self.sample_dir))).expanduser().absolute()

    def files(self, pattern: str) -> list[Path]:
        """Files of a source path, sorted."""
        found = glob.glob(str(self.resolve(pattern)), recursive=True)
        return [path for path in map(Path, sorted(found)) if path.is_file()]


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
            _set(values, keys, yaml.safe_load(text), variable)
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
        picked[dotted] = (
            json.loads(value.model_dump_json()) if isinstance(value, BaseModel) else value
        )
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
    try:
        values = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"profile {path}: not readable as YAML: {error}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"profile {path}: expected a mapping of settings")
    _anchor(values, path.parent)
    parent = values.pop("extends", None)
    if parent is not None:
        values = _merge(_read_profile(str(parent), (*seen, path)), values)
    values["profile"] = path.stem
    return values


def _merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        # The sources of a profile stand for themselves: the parent's are not added to them.
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        replace = key in SOURCE_GROUPS or key == "base"
        merged[key] = _merge(merged[key], value) if both and not replace else value
    return merged


def _anchor(values: dict[str, Any], folder: Path) -> None:
    """Make the paths of sources absolute: they are relative to the file that gives them."""
    for key, value in values.items():
        if key in SOURCE_GROUPS and isinstance(value, dict):
            for source in value.values():
                path = source.get("path") if isinstance(source, dict) else None
                if isinstance(path, str) and not path.startswith(("{sample}", "~", "/")):
                    source["path"] = str(folder / path)
        elif isinstance(value, dict):
            _anchor(value, folder)


def _set(values: dict[str, Any], keys: list[str], value: Any, variable: str) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise SettingsError(f"environment variable {variable}: {key!r} holds no settings")
    values[keys[-1]] = value


def _explain(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown setting"
    return f"{item['msg']} (got {item['input']!r})" if "input" in item else str(item["msg"])
