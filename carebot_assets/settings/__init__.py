"""Typed settings of a profile.

A profile is one YAML file. It may start from another with `extends: demo`; mappings are merged key
by key, everything else is replaced. `CAREBOT_PROFILE` names the profile (a built-in name or the
path of a file) and single values are overridden by environment variables such as
`CAREBOT_SET__domain__threshold=0.6`.
"""

from carebot_assets.settings.base import Section, SettingsError
from carebot_assets.settings.corpus import (
    AuditSettings,
    ContaminationSettings,
    CorpusSettings,
    CorpusSource,
    DriftSettings,
    DuplicateSettings,
    RuleSettings,
    RuleThresholds,
    SampleWorldSettings,
)
from carebot_assets.settings.dialogue import (
    DialogueSource,
    EvaluationSettings,
    InstructionSettings,
    SuiteSource,
)
from carebot_assets.settings.profile import (
    OVERRIDE_PREFIX,
    PROFILE_VARIABLE,
    PROFILES_DIR,
    current_settings,
    fingerprint_of,
    load_settings,
)
from carebot_assets.settings.raters import (
    BatchSettings,
    DomainSettings,
    EncoderSettings,
    FaultSettings,
    FineTuneSettings,
    OfflineTeacherSettings,
    PrefilterSettings,
    QualitySettings,
    TeacherSettings,
    TokenPrice,
)
from carebot_assets.settings.root import Settings, StoreSettings
from carebot_assets.settings.training import (
    BaseModelSettings,
    DpoSettings,
    LauncherSettings,
    MixSettings,
    PretrainingSettings,
    RatioSearchSettings,
    ScratchModel,
    SftSettings,
    TrainSettings,
)
from carebot_assets.settings.value import MetaModelSettings, ShowdownSettings, ValueSettings

__all__ = [
    "OVERRIDE_PREFIX",
    "PROFILES_DIR",
    "PROFILE_VARIABLE",
    "AuditSettings",
    "BaseModelSettings",
    "BatchSettings",
    "ContaminationSettings",
    "CorpusSettings",
    "CorpusSource",
    "DialogueSource",
    "DomainSettings",
    "DpoSettings",
    "DriftSettings",
    "DuplicateSettings",
    "EncoderSettings",
    "EvaluationSettings",
    "FaultSettings",
    "FineTuneSettings",
    "InstructionSettings",
    "LauncherSettings",
    "MetaModelSettings",
    "MixSettings",
    "OfflineTeacherSettings",
    "PrefilterSettings",
    "PretrainingSettings",
    "QualitySettings",
    "RatioSearchSettings",
    "RuleSettings",
    "RuleThresholds",
    "SampleWorldSettings",
    "ScratchModel",
    "Section",
    "Settings",
    "SettingsError",
    "SftSettings",
    "ShowdownSettings",
    "StoreSettings",
    "SuiteSource",
    "TeacherSettings",
    "TokenPrice",
    "TrainSettings",
    "ValueSettings",
    "current_settings",
    "fingerprint_of",
    "load_settings",
]
