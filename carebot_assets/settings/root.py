"""Everything a profile says."""

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from carebot_assets.settings.base import Section
from carebot_assets.settings.corpus import (
    AuditSettings,
    ContaminationSettings,
    CorpusSettings,
    CorpusSource,
    DriftSettings,
    DuplicateSettings,
    RuleSettings,
    SampleWorldSettings,
)
from carebot_assets.settings.dialogue import (
    DialogueSource,
    EvaluationSettings,
    InstructionSettings,
    SuiteSource,
)
from carebot_assets.settings.raters import (
    DomainSettings,
    EncoderSettings,
    QualitySettings,
    TeacherSettings,
)
from carebot_assets.settings.training import DpoSettings, LauncherSettings, PretrainingSettings
from carebot_assets.settings.value import ValueSettings


class StoreSettings(Section):
    root: Path = Path(".carebot/store")
    compression: Literal["zstd", "lz4", "uncompressed"] = "zstd"


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
    audit: AuditSettings = AuditSettings()
    drift: DriftSettings = DriftSettings()
    encoder: EncoderSettings = EncoderSettings()
    domain: DomainSettings
    quality: QualitySettings
    teacher: TeacherSettings = TeacherSettings()
    pretraining: PretrainingSettings
    value: ValueSettings = ValueSettings()
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

    @model_validator(mode="after")
    def _preferred_sources_are_known(self) -> "Settings":
        unknown = sorted(set(self.duplicates.prefer_sources) - set(self.corpus.sources))
        if unknown:
            raise ValueError(
                f"duplicates.prefer_sources names {', '.join(unknown)}; there are"
                f" {', '.join(sorted(self.corpus.sources))}"
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
