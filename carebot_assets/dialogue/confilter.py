"""ConFilter: how much the history of a dialogue helps to predict each of its turns.

For turn t with history H, `CF(t) = L(t|H) / L(t)`: the mean negative log-likelihood of the turn's
tokens after everything said before, over the same after nothing. Above 1 the history misleads (the
turns do not belong together); far below 1 the turn repeats what was said.

Example: a turn of two tokens with losses 1.0 and 2.0 after its history and 2.0 and 3.0 alone has
L(t|H) = 1.5, L(t) = 2.5 and CF = 0.6.

Both losses are over the same token ids, tokenised once, after the turn's own role header. Left out
are the first turn, which has no history, turns of a few tokens ("thank you"), whose ratio is noise,
and the end-of-turn tokens, which are always easy. The paper does not say whose turns count nor how
they are combined: here both speakers' and the mean over turns.
Source: CareBot 1.4, equation 3.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.dialogue.frame import Frame, frame_of, load_tokenizer, tokenise

TOKEN_BUDGET = 2048


@dataclass(frozen=True)
class Span:
    """Tokens `first` .. `last` (exclusive) of a sequence that are one turn's content."""

    turn: int
    first: int
    last: int


@dataclass(frozen=True)
class Sequence:
    """Token ids of one forward and the turns whose losses it gives."""

    ids: list[int]
    spans: list[Span]


@dataclass(frozen=True)
class Turn:
    """A turn as it was tokenised: header, content and footer ids stay apart."""

    record: int
    role: str
    content: list[int]
    counts: bool


def score(
    dialogues: pl.LazyFrame,
    model_dir: Path,
    model_hash: str,
    min_turn_tokens: int,
    token_budget: int = TOKEN_BUDGET,
) -> pl.DataFrame:
    """Table `confilter_scores` of multi-turn dialogues.

    Args:
        dialogues: `record_id`, `source` and `turns`, alternating.
        model_dir: the scoring checkpoint, with its tokenizer and chat template.
        model_hash: what the rows name as their model.
        min_turn_tokens: shorter turns do not count.
        token_budget: padded tokens of one batch.
    """
    import torch
    from transformers import AutoModelForCausalLM

    records = dialogues.select("record_id", "source", "turns").collect()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        model_dir, dtype=torch.float32, local_files_only=True
    )
    model.to(device).eval()
    tokenizer = load_tokenizer(model_dir)
    frame = frame_of(tokenizer)
    turns = _tokenise_turns(records, tokenizer, min_turn_tokens)
    limit = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
    conditioned = turn_losses(model, conditioned_sequences(turns, frame, limit), token_budget)
    direct = turn_losses(model, direct_sequences(turns, frame, limit), token_budget)
    return _table(records, turns, conditioned, direct, model_hash)


def conditioned_sequences(turns: list[Turn], frame: Frame, limit: int) -> list[Sequence]:
    """One sequence a dialogue, with a span for each turn that counts.

    A dialogue longer than `limit` becomes several: each begins at a turn's border, as early as its
    last turn allows, so that every turn keeps as much history as fits.
    """
    sequences = []
    begin = 0
    while begin < len(turns):
        end = begin
        while end < len(turns) and turns[end].record == turns[begin].record:
            end += 1
        sequences += _windows(turns, begin, end, frame, limit)
        begin = end
    return sequences


def direct_sequences(turns: list[Turn], frame: Frame, limit: int) -> list[Sequence]:
    """One sequence a turn that counts: the turn alone, after its role header."""
    sequences = []
    for number, turn in enumerate(turns):
        head = [*frame.start, *frame.header[turn.role]]
        if turn.counts and len(head) + len(turn.content) <= limit:
            span = Span(number, len(head), len(head) + len(turn.content))
            sequences.append(Sequence([*head, *turn.content], [span]))
    return sequences


def turn_losses(model: Any, sequences: list[Sequence], token_budget: int) -> dict[int, float]:
    """Mean loss of every span, by turn number.

    Sequences of like length share a batch, padded on the right: under causal attention no token
    sees the padding. Logits are made only from the first needed position on.
    """
    import torch
    from torch.nn.functional import cross_entropy

    losses: dict[int, float] = {}
    with torch.inference_mode():
        for batch in _batches(sequences, token_budget):
            longest = len(batch[0].ids)
            ids = torch.zeros(len(batch), longest, dtype=torch.long)
            for row, sequence in enumerate(batch):
                ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
            # The token at position p is predicted at p - 1.
            first = min(sequence.spans[0].first for sequence in batch) - 1
            ids = ids.to(model.device)
            logits = model(input_ids=ids, logits_to_keep=longest - first, use_cache=False).logits
            token_losses = cross_entropy(
                logits[:, :-1].float().flatten(0, 1),
                ids[:, first + 1 :].flatten(),
                reduction="none",
            ).view(len(batch), -1)
            table = token_losses.double().cpu().numpy()
            for row, sequence in enumerate(batch):
                for span in sequence.spans:
                    part = table[row, span.first - first - 1 : span.last - first - 1]
                    losses[span.turn] = float(np.mean(part))
    return losses


def _tokenise_turns(records: pl.DataFrame, tokenizer: Any, min_turn_tokens: int) -> list[Turn]:
    flat = (
        records.with_row_index("record")
        .select("record", "turns")
        .explode("turns", empty_as_null=False)
        .select("record", pl.col("turns").struct.unnest())
        .with_columns(position=pl.int_range(pl.len()).over("record"))
    )
    contents = tokenise(tokenizer, flat["text"].to_list())
    return [
        Turn(record, role, content, position > 0 and len(content) >= max(min_turn_tokens, 1))
        for record, role, position, content in zip(
            flat["record"], flat["role"], flat["position"], contents, strict=True
        )
    ]


def _windows(turns: list[Turn], begin: int, end: int, frame: Frame, limit: int) -> list[Sequence]:
    sizes = [
        len(frame.header[t.role]) + len(t.content) + len(frame.footer[t.role])
        for t in turns[begin:end]
    ]
    windows, done = [], begin
    while done < end:
        # As far as fits from the start of the window, which reaches back as far as fits too.
        low = done
        total = len(frame.start) + sizes[low - begin]
        while low > begin and total + sizes[low - 1 - begin] <= limit:
            low -= 1
            total += sizes[low - begin]
        high = done + 1
        while high < end and total + sizes[high - begin] <= limit:
            total += sizes[high - begin]
            high += 1
        # A turn that is too long by itself, or that cannot keep any history, has no score.
        if total <= limit:
            window = _sequence(turns, low, high, done, frame)
            if window.spans:
                windows.append(window)
        done = high
    return windows


def _sequence(turns: list[Turn], low: int, high: int, done: int, frame: Frame) -> Sequence:
    """Turns `low` .. `high` in one sequence, with spans from turn `done` on; what follows the last
    span is of no use and left out."""
    ids, spans = list(frame.start), []
    needed = 0
    for number in range(low, high):
        turn = turns[number]
        ids += frame.header[turn.role]
        if turn.counts and number >= done and number > low:
            spans.append(Span(number, len(ids), len(ids) + len(turn.content)))
            needed = len(ids) + len(turn.content)
        ids += turn.content + frame.footer[turn.role]
    return Sequence(ids[:needed], spans)


def _batches(sequences: list[Sequence], token_budget: int) -> list[list[Sequence]]:
    """Sequences from long to short, as many in a batch as the budget of padded tokens allows."""
    batches: list[list[Sequence]] = []
    for sequence in sorted(sequences, key=lambda s: (-len(s.ids), s.spans[0].turn)):
        batch = batches[-1] if batches else []
        if batch and len(batch[0].ids) * (len(batch) + 1) <= token_budget:
            batch.append(sequence)
        else:
            batches.append([sequence])
    return batches


def _table(
    records: pl.DataFrame,
    turns: list[Turn],
    conditioned: dict[int, float],
    direct: dict[int, float],
    model_hash: str,
) -> pl.DataFrame:
    scored = sorted(conditioned.keys() & direct.keys())
    long = pl.DataFrame(
        {
            "record": [turns[number].record for number in scored],
            "conditioned_loss": [conditioned[number] for number in scored],
            "direct_loss": [direct[number] for number in scored],
            "num_tokens": [len(turns[number].content) for number in scored],
        },
        schema={
            "record": pl.UInt32,
            "conditioned_loss": pl.Float64,
            "direct_loss": pl.Float64,
            "num_tokens": pl.Int64,
        },
    )
    ratio = pl.col("conditioned_loss") / pl.col("direct_loss")
    by_record = long.group_by("record").agg(
        "conditioned_loss",
        "direct_loss",
        "num_tokens",
        cf=ratio.mean(),
        cf_min=ratio.min(),
        cf_max=ratio.max(),
    )
    lists = pl.col("conditioned_loss", "direct_loss", "num_tokens").fill_null([])
    return (
        records.select("record_id", "source")
        .with_row_index("record")
        .join(by_record, on="record", how="left", maintain_order="left")
        .with_columns(lists, model=pl.lit(model_hash))
        .drop("record")
    )


def summarize(scores: pl.LazyFrame, band: tuple[float, float]) -> dict[str, Any]:
    """Counts and quantiles of CF, for metadata."""
    cf = scores.select("cf").collect()["cf"]
    low, high = band
    quantiles = {f"cf_p{int(100 * q)}": cf.quantile(q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
    return {
        "num_dialogues": cf.len(),
        "num_undefined": cf.null_count(),
        "num_unrelated": int((cf > high).sum()),
        "num_redundant": int((cf < low).sum()),
        "in_band_ratio": float(cf.is_between(low, high).sum() / max(cf.len(), 1)),
        "mean_cf": cf.mean(),
        **quantiles,
    }
