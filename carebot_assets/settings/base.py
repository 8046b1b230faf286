"""What all sections of a profile share."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Ratio = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Lang = Literal["zh", "en"]


class SettingsError(ValueError):
    """A profile that cannot be used; the message names the file and the setting."""


class Section(BaseModel):
    """A group of settings: unknown keys are errors, values cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
