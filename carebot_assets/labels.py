"""What the teacher will cost, has cost, and failed at: behind `carebot labels`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from carebot_assets.dialogue import deita, preference, selection
from carebot_assets.evaluation import consultations
from carebot_assets.raters import long_tail, seed_items
from carebot_assets.settings import Settings
from carebot_assets.store import Store, StoreError
from carebot_assets.teacher.client import Teacher, read_ledger
from carebot_assets.teacher.consensus import ROUNDS
from carebot_assets.teacher.roles import role_named

Items = list[dict[str, str]]
# Chat checkpoints that a judge grades: after SFT and after DPO.
NUM_JUDGED_CHECKPOINTS = 2
SEED_TABLES = ("domain_seed_sample", "quality_seed_sample")


@dataclass(frozen=True)
class Line:
    """One entry of the bill; without costs where nothing is known yet."""

    asset: str
    basis: str
    costs: Mapping[str, float] | None = None


def print_bill(console: Console, store: Store, settings: Settings) -> None:
    """What a run of the profile will cost before it starts, step by step."""
    with read_ledger(settings.teacher, store.ledger_path(), settings.seed) as teacher:
        lines = list(bill(teacher, store, settings))
        spent = teacher.ledger.spent()
    table = _table("asset", "calls", "known", "input tokens", "expected USD", "at most USD", "from")
    for line in lines:
        costs = line.costs
        table.add_row(line.asset, *(_cells(costs) if costs else ["?"] * 5), line.basis)
    known = [line.costs for line in lines if line.costs]
    total = {name: sum(costs[name] for costs in known) for name in known[0]}
    table.add_row("total of what is known", *_cells(total), "")
    console.print(f"{teacher.description}, transport {settings.teacher.transport}", markup=False)
    console.print(table)
    if settings.teacher.price is None:
        console.print(
            f"teacher.prices has no price for {settings.teacher.model!r}: costs are unknown, not 0",
            markup=False,
        )
    budget = settings.teacher.budget_usd
    console.print(
        f"spent so far {spent:.2f} US dollars; "
        + ("no teacher.budget_usd" if budget is None else f"teacher.budget_usd {budget:.2f}")
        + (
            ", which the expected cost would exceed: the run will stop there"
            if budget is not None and spent + total["expected_usd"] > budget
            else ""
        ),
        markup=False,
    )


def bill(teacher: Teacher, store: Store, settings: Settings) -> Iterator[Line]:
    """Every asset that asks a teacher: priced by its items where they are there, else by bounds.

    A bound takes texts of `teacher.max_chars` Chinese characters and as many of them as settings
    allow.
    """
    domain, quality = settings.domain, settings.quality

    def line(
        asset: str, role: str, items: Callable[[], Items], most: int | None, rounds: Sequence[int]
    ) -> Line:
        try:
            return Line(asset, "its items", teacher.estimate(role, items(), rounds))
        except StoreError as error:
            missing = str(error).split(" has not been")[0]
        if most is None:
            return Line(asset, f"not known before {missing}")
        costs = _bound(teacher, role, most * len(rounds), settings)
        return Line(asset, f"upper bound, before {missing}", costs)

    yield line(
        "domain_seed_labels",
        "domain_label",
        lambda: seed_items.domain(store.scan("domain_seed_sample"), domain),
        domain.seed_documents,
        ROUNDS,
    )
    yield line(
        "domain_long_tail",
        long_tail.ROLE,
        lambda: long_tail.items(
            store.scan("domain_seed_labels"), domain.labels, domain.long_tail_documents
        ),
        len(domain.labels) * domain.long_tail_documents,
        (1,),
    )
    yield line(
        "quality_seed_scores",
        "quality_score",
        lambda: seed_items.quality(store.scan("quality_seed_sample"), domain),
        quality.seed_documents,
        ROUNDS,
    )
    yield line(
        "instruction_seed_scores",
        deita.ROLE,
        lambda: _instructions(store, settings),
        settings.instruction.seed_rounds,
        (0,),
    )
    num_prompts = settings.preference.prompts
    yield line(
        "dpo_pairs: answers", preference.ANSWER_ROLE, lambda: _prompts(store), num_prompts, (0,)
    )
    # Judged in both orders; the texts are written in the same run.
    judged = _bound(teacher, preference.JUDGE_ROLE, 2 * num_prompts, settings)
    yield Line("dpo_pairs: judgements", "upper bound", judged)
    try:
        items = store.scan("benchmark_items").filter(
            pl.col("suite").is_in(sorted(settings.evaluation.consultations))
        )
        num = consultations.rounds_of(items).height * NUM_JUDGED_CHECKPOINTS
        costs = _bound(teacher, "judge_consultation", num, settings)
        yield Line("consultation_scores", "upper bound of the texts", costs)
    except StoreError:
        yield Line("consultation_scores", "not known before benchmark_items")


def _instructions(store: Store, settings: Settings) -> Items:
    if not store.partitions("sft_verdicts"):
        raise StoreError("sft_verdicts has not been materialized")
    fit = selection.fit(store.scan("sft_dialogues"), store.scan("sft_verdicts"))
    rounds = deita.rounds(fit.filter(pl.col("kind") != "choice"))
    return deita.items(deita.sample(rounds, settings.instruction.seed_rounds, settings.seed))


def _prompts(store: Store) -> Items:
    prompts = store.scan("preference_prompts").filter(pl.col("kind") != "choice")
    return preference.answer_items(prompts.collect())


def _bound(teacher: Teacher, role: str, num: int, settings: Settings) -> dict[str, float]:
    """So many calls with texts as long as they may be."""
    spec = role_named(role)
    text = "\u6587" * settings.teacher.max_chars
    item = dict.fromkeys(spec.untrusted, text) | dict.fromkeys(spec.trusted, "x")
    if "labels" in item:
        item["labels"] = " | ".join(settings.domain.labels)
    one = teacher.estimate(role, [item], rounds=(-1,))  # a round that nobody asks for
    return {name: num * value for name, value in one.items()}


def failed_calls(teacher: Teacher, store: Store, settings: Settings) -> Iterator[dict[str, Any]]:
    """Failed calls about seeds that are there: document, round, attempts and what went wrong."""
    makers = {"domain_label": seed_items.domain, "quality_score": seed_items.quality}
    for name, (role, maker) in zip(SEED_TABLES, makers.items(), strict=True):
        if store.manifest(name) is None:
            continue
        sample = store.scan(name)
        ids = sample.select("doc_id", "source").collect()
        failures = teacher.failures(role, maker(sample, settings.domain), ROUNDS)
        for number, calls in zip(ROUNDS, failures, strict=True):
            for (doc_id, source), call in zip(ids.iter_rows(), calls, strict=True):
                if call is not None:
                    yield {
                        "role": role,
                        "doc_id": doc_id,
                        "source": source,
                        "round": number,
                        "attempts": call.attempts,
                        "error": call.error,
                    }


def print_failed(console: Console, store: Store, settings: Settings) -> None:
    """Every failed label; the next run asks these again and nothing else."""
    with read_ledger(settings.teacher, store.ledger_path(), settings.seed) as teacher:
        found = list(failed_calls(teacher, store, settings))
    if not found:
        console.print("no failed labels", markup=False)
        return
    table = _table("role", "doc_id", "source", "round", "attempts", "error")
    for row in found:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
    console.print(
        f"{len(found)} failed calls; they are never used, and the next run asks them again",
        markup=False,
    )


def print_ledger(console: Console, store: Store, settings: Settings) -> None:
    """Calls, failures, tokens and costs by role, and the batches under way."""
    with read_ledger(settings.teacher, store.ledger_path(), settings.seed) as teacher:
        ledger = teacher.ledger
        table = _table("role", "calls", "failed", "input tokens", "output tokens", "USD")
        for role in (*ledger.roles(), None):
            counts = ledger.totals(role)
            cells = [f"{int(value):,}" for value in list(counts.values())[:-1]]
            table.add_row(role or "all", *cells, f"{counts['cost_usd']:.2f}")
        console.print(table)
        for batch in ledger.open_batches():
            console.print(
                f"batch {batch.name} ({batch.remote_id or 'not handed in'}): {batch.role}, "
                f"{len(batch.keys)} calls under way, {batch.reserved_usd:.2f} US dollars reserved",
                markup=False,
            )


def forget_batch(store: Store, settings: Settings, name: str) -> bool:
    """Give up a batch: its calls are open again; False if there is none of that name."""
    with read_ledger(settings.teacher, store.ledger_path(), settings.seed) as teacher:
        known = any(batch.name == name for batch in teacher.ledger.open_batches())
        if known:
            teacher.ledger.batch_closed(name, "lost")
    return known


def _cells(costs: Mapping[str, float]) -> list[str]:
    counts = (costs[name] for name in ("num_calls", "num_cached", "num_input_tokens"))
    money = (costs[name] for name in ("expected_usd", "cost_usd"))
    return [*(f"{int(value):,}" for value in counts), *(f"{value:,.2f}" for value in money)]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    numbers = {"calls", "known", "failed", "round", "attempts"}
    for column in columns:
        right = column in numbers or column.endswith(("tokens", "USD"))
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table
