"""Settings of dialogues and of evaluation."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from carebot_assets.settings.base import Count, Lang, Positive, Ratio, Section
from carebot_assets.settings.training import SftSettings


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
    seed_rounds: Positive = 6000
    min_spearman: Annotated[float, Field(ge=-1, le=1)] = 0.3
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
