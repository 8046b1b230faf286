"""What the command line draws: the progress of a run and the life of a document."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from carebot_assets.corpus import private
from carebot_assets.lineage.why import Life

if TYPE_CHECKING:
    from carebot_assets.runner import Progress


class Screen:
    """One line per wave: what runs, which shard of how many, how long.

    On a terminal the current line is redrawn; elsewhere a line is printed as a wave ends.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._title: str | None = None
        self._latest = ""
        self._started = time.monotonic()
        self._wave_started = self._started

    def __enter__(self) -> "Screen":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish_wave()
        self._live.stop()

    def update(self, progress: "Progress") -> None:
        """Show what happens now."""
        title = progress.wave.title
        if title != self._title:
            self._finish_wave()
            self._title, self._wave_started = title, time.monotonic()
        where = f" {progress.number}/{progress.total}" if progress.partition else ""
        self._latest = where
        if self._console.is_terminal:
            self._live.update(
                Text(
                    f"{_clock(self._started)}  {title}{where}  {progress.message}",
                    "cyan",
                    no_wrap=True,
                )
            )

    def _finish_wave(self) -> None:
        if self._title is None:
            return
        seconds = time.monotonic() - self._wave_started
        self._console.print(
            f"{_clock(self._started)}  {seconds:6.1f} s  {self._title}{self._latest}", markup=False
        )
        self._title = None


def _clock(started: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    return f"{minutes:02d}:{seconds:02d}"


def print_life(console: Console, life: Life) -> None:
    """Print the life of one document."""
    document = life.document
    console.print(f"document {document['doc_id']}", style="bold", markup=False)
    for key in ("origin", "source", "license", "lang", "n_chars", "n_tokens", "shard"):
        console.print(f"  {key:10} {document[key]}", markup=False)
    # What is printed may be kept where the raw shard is not: masked like any text that is shown.
    start = private.mask_all(pl.Series([document["text"]])).item()[:160].replace("\n", " ")
    console.print(f"  {'text':10} {start}...", markup=False)
    table = Table("judge", "verdict", "reasons", "what decided", "run", box=None, pad_edge=False)
    for judgement in life.judgements:
        table.add_row(
            judgement.judge,
            Text(judgement.verdict, style=_VERDICT_STYLE.get(judgement.verdict, "")),
            Text(", ".join(judgement.reasons)),
            Text("\n".join(f"{k} {_show(v)}" for k, v in judgement.details.items())),
            Text((judgement.run_id or "")[:8]),
        )
    console.print(table)
    if life.duplicates:
        console.print(f"  kept in place of duplicates: {', '.join(life.duplicates)}", markup=False)
    for line in _ending(life):
        console.print(f"  {line}", markup=False)


_VERDICT_STYLE = {"keep": "green", "drop": "red", "failed": "red", "skip": "dim"}
_MAX_SEQUENCES = 12


def _ending(life: Life) -> list[str]:
    lines = [f"ended in {life.corpus}" if life.corpus else "ended in no corpus"]
    if life.held_out:
        lines.append(f"held out of every mix to measure the loss on {life.held_out}")
    for use in life.uses:
        shown = ", ".join(map(str, use.sequences[:_MAX_SEQUENCES]))
        more = len(use.sequences) - _MAX_SEQUENCES
        lines.append(
            f"in {use.mix}: {use.num_tokens} tokens over {use.num_epochs} epoch(s), sequences "
            f"{shown}{f' and {more} more' if more > 0 else ''}"
            + (f"; trained into {use.checkpoint}" if use.checkpoint else "")
        )
    if life.corpus and not life.uses and not life.held_out:
        lines.append("in no mix: the token budgets were full before its turn")
    return lines


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "; ".join(_show(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{k}={_show(v)}" for k, v in value.items())
    return str(value)
