"""Small transformers written so that they can be differentiated twice and in forward mode.

What is avoided, each seen on PyTorch 2.13 (CPU) and guarded by a test: the library's layer norm,
whose reverse-over-forward derivative is silently wrong; fused attention, which has neither a second
derivative nor forward mode (it is used where only a first derivative is taken); `silu`, which lacks
forward mode under dual tensors.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of a transformer; `length` is the longest sequence in tokens."""

    vocab_size: int
    length: int
    width: int
    layers: int
    heads: int


class RmsNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.scale


class Block(nn.Module):
    """Attention and a feed-forward layer, each after a norm and beside a residual path."""

    def __init__(self, shape: Shape, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = shape.heads, causal
        self.norm_in, self.norm_mid = RmsNorm(shape.width), RmsNorm(shape.width)
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.up = nn.Linear(shape.width, 4 * shape.width, bias=False)
        self.down = nn.Linear(4 * shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, hidden: Tensor | None, fused: bool) -> Tensor:
        """`hidden` is true at keys that no query may see (rows, 1, 1, tokens)."""
        rows, tokens, width = x.shape
        q, k, v = (
            part.view(rows, tokens, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.norm_in(x)).split(width, dim=-1)
        )
        if fused:
            mask = None if hidden is None else ~hidden
            mixed = functional.scaled_dot_product_attention(q, k, v, mask, is_causal=self.causal)
        else:
            logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            if self.causal:
                after = torch.ones(tokens, tokens, dtype=torch.bool, device=x.device).triu(1)
                hidden = after if hidden is None else hidden | after
            if hidden is not None:
                logits = logits.masked_fill(hidden, float("-inf"))
            mixed = logits.softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, tokens, width))
        return x + self.down(functional.gelu(self.up(self.norm_mid(x)), approximate="tanh"))


class Neighbours(nn.Module):
    """Gated mixing of every token with the ones beside it: which pairs of tokens are usual.

    The product of two linear views lets one layer judge a pair. Without it models of this size
    learn the order of tokens some ten times later, and what they have not learnt they cannot value.
    """

    def __init__(self, width: int, causal: bool) -> None:
        super().__init__()
        self.offsets = (1, 0) if causal else (1, 0, -1)
        self.norm = RmsNorm(width)
        self.views = nn.Linear(len(self.offsets) * width, 2 * width, bias=False)

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        y = self.norm(x)
        if real is not None:
            y = y * real[..., None]
        tokens = x.shape[1]
        beside = functional.pad(y, (0, 0, 1, 1))
        shifted = [beside[:, 1 - offset : 1 - offset + tokens] for offset in self.offsets]
        one, other = self.views(torch.cat(shifted, -1)).chunk(2, -1)
        return x + one * other


class Trunk(nn.Module):
    """Embeddings of tokens and positions, neighbours, blocks, a last norm."""

    def __init__(self, shape: Shape, causal: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(shape.vocab_size, shape.width)
        self.positions = nn.Embedding(shape.length, shape.width)
        self.neighbours = Neighbours(shape.width, causal)
        self.blocks = nn.ModuleList(Block(shape, causal) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.width)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                # Paths that add to the residual stream start smaller the more there are of them.
                deep = name.endswith(("out.weight", "down.weight"))
                std = 0.02 / math.sqrt(2 * shape.layers if deep else 1)
                # Products of two small numbers would be too small to learn from: of views, and of
                # states with embeddings.
                product = name.startswith(("neighbours", "tokens"))
                nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5 if product else std)

    def forward(self, ids: Tensor, real: Tensor | None = None, fused: bool = False) -> Tensor:
        """States (rows, tokens, width); `real` is false at padding (rows, tokens)."""
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        x = self.neighbours(x, real)
        hidden = None if real is None else ~real[:, None, None, :]
        for block in self.blocks:
            x = block(x, hidden, fused)
        return self.norm(x)


class LanguageModel(nn.Module):
    """A causal language model: what the weighted steps train."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.trunk = Trunk(shape, causal=True)

    def forward(self, ids: Tensor, lengths: Tensor, fused: bool = False) -> Tensor:
        """Mean loss per predicted token of every row, in nats.

        A mean and not the paper's sum, so that a row's gradient does not grow with its length.

        Args:
            ids: token ids (rows, tokens), padded at the end with any id.
            lengths: tokens of each row, at least two.
            fused: allow attention kernels that have a first derivative only.
        """
        states = self.trunk(ids[:, :-1], fused=fused)
        logits = states @ self.trunk.tokens.weight.T
        picked = logits.gather(-1, ids[:, 1:, None]).squeeze(-1)
        losses = logits.logsumexp(-1) - picked
        counts = torch.arange(1, ids.shape[1], device=ids.device) < lengths[:, None]
        return (losses * counts).sum(1) / (lengths - 1)


class Rater(nn.Module):
    """A bidirectional transformer that gives a sequence one score.

    Source: DataRater (arXiv 2505.17895), section 3: a non-causal transformer; pooling (a mean) and
    head (linear, zero at first, so that all weights start equal) are ours.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.trunk = Trunk(shape, causal=False)
        self.head = nn.Linear(shape.width, 1, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Scores (rows)."""
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        states = self.trunk(ids, real, fused=True)
        pooled = (states * real[..., None]).sum(1) / lengths[:, None]
        return self.head(pooled).squeeze(-1)


def flatten(module: nn.Module) -> Tensor:
    """All parameters of a module as one vector."""
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()])


class Functional:
    """A module as a function of one vector of parameters: algebra on models is that of vectors."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.names = [name for name, _ in module.named_parameters()]
        self.shapes = [p.shape for _, p in module.named_parameters()]
        self.sizes = [shape.numel() for shape in self.shapes]

    def __call__(self, vector: Tensor, *args: Any, **options: Any) -> Tensor:
        # One split, not slices: the gradient of a slice is a vector as long as the whole.
        parts = vector.split(self.sizes)
        views = [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        parameters = dict(zip(self.names, views, strict=True))
        return torch.func.functional_call(self.module, parameters, args, options)
