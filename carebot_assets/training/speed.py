"""How fast a training is and how much memory it takes, on whatever it runs."""

import time
from typing import Any

import torch

from carebot_assets.memory import peak_mb

# Peak of dense bf16 arithmetic by the makers' data sheets, FLOP/s.
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
MB = 2**20


class Speed:
    """Tokens a second between two looks, without the time that was spent on other things.

    Attributes:
        measuring: seconds spent on held-out losses.
        saving: seconds spent on checkpoints.
        first_step: seconds to the end of the first step, compiling and warming up included.
    """

    def __init__(self, num_parameters: int) -> None:
        self.num_parameters = num_parameters
        self.measuring = self.saving = self.first_step = 0.0
        on_card = torch.cuda.is_available()
        self.device = torch.cuda.get_device_name() if on_card else "cpu"
        self._begun = self._looked = (0.0, 0, 0.0)
        self._last = self._begun

    def begin(self, tokens: int) -> None:
        """The first step is about to be made."""
        self._begun = self._looked = self._last = (
            time.monotonic(),
            tokens,
            self.measuring + self.saving,
        )

    def step(self) -> None:
        """A step has been made."""
        self.first_step = self.first_step or time.monotonic() - self._begun[0]

    def look(self, tokens: int) -> dict[str, float]:
        """Tokens a second since the last look, and the process's peak memory so far."""
        self._last = (time.monotonic(), tokens, self.measuring + self.saving)
        rate = _rate(self._looked, self._last)
        self._looked = self._last
        return {"tokens_per_second": round(rate, 1), "memory_mb": round(peak_memory_mb(), 1)}

    def summary(self) -> dict[str, Any]:
        """Over the whole training (since it was last resumed).

        Model FLOPs are the usual 6 a parameter and token (arXiv 2001.08361), without attention's;
        their share of the card's peak is given where that is known.
        """
        rate = _rate(self._begun, self._last)
        flops = 6 * self.num_parameters * rate
        processes = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        peak = next((v for name, v in PEAK_FLOPS.items() if name in self.device), None)
        return {
            "tokens_per_second": round(rate, 1),
            "memory_mb": round(peak_memory_mb(), 1),
            "model_flops_per_second": round(flops),
            "model_flops_utilization": round(flops / processes / peak, 4) if peak else None,
        }


def peak_memory_mb() -> float:
    """Peak of the card's memory where there is one, else of this process's resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / MB
    return peak_mb()


def _rate(start: tuple[float, int, float], end: tuple[float, int, float]) -> float:
    seconds = end[0] - start[0] - (end[2] - start[2])
    return (end[1] - start[1]) / max(seconds, 1e-9)
