"""Where a teacher is asked, what that costs, and what a refusal means."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from carebot_assets.settings import TeacherSettings
from carebot_assets.teacher.answers import TeacherError
from carebot_assets.teacher.ledger import Ledger

OFFLINE_URL = "offline"


@dataclass(frozen=True)
class Endpoint:
    """Where and how a teacher is asked.

    Attributes:
        client: an `openai.AsyncOpenAI`; None where nothing is asked.
        seed: base of the sampling seed; each round adds its number.
    """

    settings: TeacherSettings
    client: Any
    ledger: Ledger
    seed: int

    @property
    def url(self) -> str:
        """Name of the endpoint in the log of batches."""
        return self.settings.base_url or OFFLINE_URL

    def price(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars of so many tokens; 0 where the profile has no price."""
        price = self.settings.price
        if price is None:
            return 0.0
        factor = price.batch_factor if self.settings.transport == "batch" else 1.0
        return factor * (input_tokens * price.input + output_tokens * price.output) / 1e6

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Errors that every further call would meet become a `TeacherError`."""
        import openai

        settings = self.settings
        try:
            yield
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            # The body of the refusal may repeat the key: only its status is passed on.
            raise TeacherError(
                f"the teacher at {settings.base_url} refuses access (HTTP {error.status_code}); "
                f"check the key in the environment variable {settings.api_key_variable}"
            ) from None
        except openai.NotFoundError:
            raise TeacherError(
                f"the teacher at {settings.base_url} knows no model {settings.model!r}; check "
                "teacher.base_url and teacher.model"
            ) from None
