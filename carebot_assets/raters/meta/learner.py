"""The meta-learning loop: a population of models in training, and the rater that weighs their text.

Source: DataRater (arXiv 2505.17895), section 3 and algorithm 1: weights are a softmax of scores
over the batch; inner models persist over meta-steps with their own Adam; each has its own outer
optimiser, whose updates are averaged; inner models start anew from time to time, at different times
so that the population is of every age.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from carebot_assets.raters.meta import optimizers, pretraining, ranks
from carebot_assets.raters.meta.gradients import Adjoint, Batch, Engine, Unrolled
from carebot_assets.raters.meta.optimizers import Adam, State
from carebot_assets.raters.meta.rows import Rows
from carebot_assets.raters.meta.transformer import (
    Functional,
    LanguageModel,
    Rater,
    Shape,
    flatten,
)
from carebot_assets.settings.value import MetaModelSettings, ValueSettings

SCORING_ROWS = 256
NUMBERS = ("outer_loss", "inner_loss", "inner_loss_fall", "meta_gradient_norm", "score_std",
           "weight_evenness")  # fmt: skip
LAST_RATE = 0.1


@dataclass
class Inner:
    """A model of the population: its state, the rater's optimiser beside it, its random numbers."""

    number: int
    state: State
    first: Tensor
    second: Tensor
    steps: int
    age: int
    random: torch.Generator
    born_loss: float = math.nan
    is_new: bool = True


class Learner:
    """Everything that changes during meta-learning.

    Args:
        settings: sizes and rates.
        rows: training data with the column `split` (`inner`, `outer`).
        vocab_size: of the tokenizer.
        seed: of weights, batches and resets.
        numbers: which models of the population this process holds; all by default.
    """

    def __init__(
        self,
        settings: ValueSettings,
        rows: Rows,
        vocab_size: int,
        seed: int,
        device: torch.device | None = None,
        numbers: range | None = None,
    ) -> None:
        self.settings, self.seed = settings, seed
        self.device = device or torch.device("cpu")
        self.rows = rows
        split = rows.about["split"].to_numpy()
        self.parts = {
            name: torch.from_numpy(np.flatnonzero(split == name)) for name in ("inner", "outer")
        }
        # One id more: what stands for a masked token.
        self.shape = self._shape(settings.rater, vocab_size + 1)
        self._inner_shape = self._shape(settings.inner, vocab_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed(seed, 0))
            rater = Rater(self.shape)
        self.score = Functional(rater.to(self.device))
        self.eta = flatten(rater)
        self.losses = Functional(LanguageModel(self._inner_shape).to(self.device))
        self.inner_optimizer = Adam(
            settings.inner_learning_rate, weight_decay=settings.inner_weight_decay
        )
        self.engine: Engine = (
            Unrolled()
            if settings.engine == "unrolled"
            else Adjoint(settings.micro_batch, settings.kept_rows)
        )
        self.step_number = 0
        mine = range(settings.population) if numbers is None else numbers
        self.population = [self._born(i) for i in mine]

    def pretrain(self) -> list[float]:
        """Teach the rater to read, before the first meta-step; returns losses in nats."""
        plan, random = self.settings, torch.Generator().manual_seed(_seed(self.seed, 2))
        rater = Rater(self.shape).to(self.device)
        vector_to_parameters(self.eta, rater.parameters())
        rows = self.parts["inner"]
        size = plan.batch_size * plan.unroll
        batches = (
            self._batch(rows[torch.randint(len(rows), (size,), generator=random)])
            for _ in range(plan.pretrain_steps)
        )
        losses = pretraining.pretrain(rater, batches, plan.pretrain_learning_rate, random)
        self.eta = flatten(rater)
        return losses

    def step(self) -> tuple[Tensor, dict[str, float]]:
        """One meta-step of this process's models: their mean proposal for the rater, and numbers.

        The caller averages proposals over processes and hands the result to `accept`. A process
        without a model proposes zeros, which count for nothing.
        """
        if not self.population:
            return torch.zeros_like(self.eta), dict.fromkeys(NUMBERS, 0.0)
        proposals, found = [], []
        for inner in self.population:
            if inner.age >= self.settings.lifetime:
                self._reset(inner)
            if inner.is_new:
                self.settle(inner)
            numbers = self._differentiate(inner)
            proposals.append(numbers.pop("proposal"))
            found.append(numbers)
            inner.age += 1
        means = {name: float(np.mean([numbers[name] for numbers in found])) for name in NUMBERS}
        return torch.stack(proposals).mean(0), means

    def accept(self, eta: Tensor) -> None:
        """End the meta-step with the rater's new parameters."""
        self.eta = eta
        self.step_number += 1

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """The rater's scores of rows of the data."""
        with torch.no_grad():
            parts = np.array_split(rows, max(1, math.ceil(len(rows) / SCORING_ROWS)))
            found = [self.score(self.eta, *self._batch(torch.from_numpy(p))).cpu() for p in parts]
        return torch.cat(found).numpy()

    def _differentiate(self, inner: Inner) -> dict[str, Any]:
        plan = self.settings
        batches = [self._draw(inner, "inner", plan.batch_size) for _ in range(plan.unroll)]
        outer = self._draw(inner, "outer", plan.outer_batch_size)
        with torch.no_grad():
            scores = [self._score_all(self.eta, batch) for batch in batches]
        weights = [s.softmax(0) for s in scores]
        found = self.engine(self.losses, self.inner_optimizer, inner.state, batches, weights, outer)
        inner.state = found.state
        gradient = torch.zeros_like(self.eta)
        for batch, score, weight, by_weight in zip(
            batches, scores, weights, found.by_weight, strict=True
        ):
            by_score = weight * (by_weight - (weight * by_weight).sum())
            by_score += 2 * plan.score_penalty * score / len(score)
            gradient += self._rater_gradient(batch, by_score)
        norm = gradient.norm()
        gradient *= min(1.0, plan.max_grad_norm / max(float(norm), 1e-30))
        before = State(self.eta, inner.first, inner.second, inner.steps)
        after = self._outer_optimizer().step(before, gradient)
        inner.first, inner.second, inner.steps = after.first, after.second, after.steps
        loss = float(found.losses[-1].mean())
        if math.isnan(inner.born_loss):
            inner.born_loss = loss
        return {
            "proposal": after.parameters,
            "outer_loss": float(found.outer_loss),
            "inner_loss": loss,
            "inner_loss_fall": inner.born_loss - loss,
            "meta_gradient_norm": float(norm),
            "score_std": float(torch.cat(scores).std()),
            "weight_evenness": float(np.mean([ranks.evenness(w.cpu().numpy()) for w in weights])),
        }

    def _score_all(self, eta: Tensor, batch: Batch) -> Tensor:
        return torch.cat([self.score(eta, *batch.part(part)) for part in self._parts(batch)])

    def _rater_gradient(self, batch: Batch, by_score: Tensor) -> Tensor:
        leaf = self.eta.detach().requires_grad_()
        for part in self._parts(batch):
            (self.score(leaf, *batch.part(part)) @ by_score[part]).backward()
        assert leaf.grad is not None
        return leaf.grad

    def _parts(self, batch: Batch) -> Iterator[slice]:
        size = self.settings.micro_batch or len(batch.ids)
        return (slice(i, i + size) for i in range(0, len(batch.ids), size))

    def _outer_optimizer(self) -> Adam:
        return Adam(
            self.settings.learning_rate * self._schedule(), beta2=0.999, eps_root=0.0,
            weight_decay=self.settings.weight_decay,
        )  # fmt: skip

    def _schedule(self) -> float:
        """Linear warm-up, then a cosine to `LAST_RATE`: orders settle as steps get smaller."""
        plan, done = self.settings, self.step_number
        warm = min(1.0, (done + 1) / max(1, plan.warmup_steps))
        after = max(0, done - plan.warmup_steps) / max(1, plan.meta_steps - plan.warmup_steps)
        return warm * (LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * min(1, after))) / 2)

    def _born(self, number: int) -> Inner:
        zero = torch.zeros_like(self.eta)
        random = torch.Generator().manual_seed(_seed(self.seed, 1, number))
        inner = Inner(number, self._fresh(random), zero, zero, 0, 0, random)
        # The first generation dies at different ages, so that later resets never come together.
        inner.age = self.settings.lifetime * number // self.settings.population
        return inner

    def _reset(self, inner: Inner) -> None:
        inner.state, inner.age, inner.born_loss = self._fresh(inner.random), 0, math.nan
        inner.is_new = True

    def _fresh(self, random: torch.Generator) -> State:
        """New weights, other ones than any model had before."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=random)))
            return optimizers.start(flatten(LanguageModel(self._inner_shape)).to(self.device))

    def settle(self, inner: Inner) -> None:
        """Steps that nobody differentiates: Adam's first ones follow signs, not sizes."""
        inner.is_new = False
        for _ in range(self.settings.settle_steps):
            batch = self._draw(inner, "inner", self.settings.batch_size)
            leaf = inner.state.parameters.requires_grad_()
            losses = self.losses(leaf, *batch, fused=True)
            if math.isnan(inner.born_loss):
                inner.born_loss = float(losses.detach().mean())
            with torch.no_grad():
                weights = self._score_all(self.eta, batch).softmax(0)
            [gradient] = torch.autograd.grad(losses @ weights, [leaf])
            state = inner.state._replace(parameters=leaf.detach())
            inner.state = self.inner_optimizer.step(state, gradient)

    def _draw(self, inner: Inner, part: str, size: int) -> Batch:
        rows = self.parts[part]
        chosen = torch.randint(len(rows), (size,), generator=inner.random)
        return self._batch(rows[chosen])

    def _batch(self, rows: Tensor) -> Batch:
        ids = torch.from_numpy(self.rows.ids[rows.numpy()].astype(np.int64))
        lengths = torch.from_numpy(self.rows.lengths[rows.numpy()].astype(np.int64))
        return Batch(ids.to(self.device), lengths.to(self.device))

    def _shape(self, model: MetaModelSettings, vocab_size: int) -> Shape:
        sizes = dataclasses.asdict(Shape(vocab_size, self.rows.ids.shape[1], 1, 1, 1))
        return Shape(**(sizes | model.model_dump()))


def _seed(*parts: int) -> int:
    sequence = np.random.SeedSequence([part % 2**63 for part in parts])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
