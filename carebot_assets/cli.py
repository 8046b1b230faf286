"""The `carebot` command."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from carebot_assets.settings import Settings, SettingsError, load_settings
from carebot_assets.store import Store, StoreError

if TYPE_CHECKING:
    import dagster as dg

app = typer.Typer(
    help="Build a domain LLM from raw text: a Dagster asset graph with data-quality lineage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
WIDTH = 110  # of the summary where the output is no terminal
console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:
    console.width = WIDTH
DEFAULT_HOME = Path(".carebot/dagster")


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        raise _stop(str(error)) from None


def _store(settings: Settings) -> Store:
    return Store(settings.store.root, settings.store.compression)


def _stop(message: str) -> typer.Exit:
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"carebot: {message}", style="red", markup=False
    )
    return typer.Exit(1)


def _home() -> Path:
    """DAGSTER_HOME, made and initialised once: parallel first runs would race in the migration."""
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(DEFAULT_HOME.absolute())))
    if not home.is_absolute():
        raise _stop(f"DAGSTER_HOME must be an absolute path, not {str(home)!r}")
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copy(Path(__file__).with_name("dagster.yaml"), home / "dagster.yaml")
    return home


def _quiet_libraries() -> None:
    """No progress bars of libraries between our lines; the children inherit it."""
    for variable in ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(variable, "1")


def _instance() -> "dg.DagsterInstance":
    _home()
    import dagster as dg

    instance = dg.DagsterInstance.get()
    instance.get_run_records(limit=1)  # creates the databases
    return instance


@contextmanager
def _stderr_into(log_file: Path) -> Iterator[None]:
    """Send what libraries and their children write to stderr into the log, not on the screen."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    screen = os.dup(2)
    with log_file.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(screen, 2)
        os.close(screen)


@app.command()
def init() -> None:
    """Make and initialise DAGSTER_HOME (default .carebot/dagster)."""
    _instance().dispose()


@app.command()
def run(
    assets: Annotated[
        list[str] | None, typer.Argument(help="only these and what they are made from")
    ] = None,
) -> None:
    """Materialize the graph of the profile, or some assets of it, then print a summary."""
    settings = _settings()
    from carebot_assets.screen import Screen
    from carebot_assets.summary import print_summary

    _quiet_libraries()
    from carebot_assets.definitions import defs
    from carebot_assets.defs.recipe import RECIPES
    from carebot_assets.runner import needed_for, run_waves

    log_file = _home().parent / "logs" / f"{settings.profile}.log"
    store, definitions = _store(settings), defs()
    try:
        needed_for(assets or (), RECIPES)
    except ValueError as error:
        raise _stop(str(error)) from None
    instance = _instance()
    with Screen(console) as screen, _stderr_into(log_file):
        outcome = run_waves(definitions, store, instance, log_file, screen.update, assets or ())
    instance.dispose()
    for warning in outcome.warnings:
        console.print(f"  warning  {warning}", style="yellow", markup=False)
    if outcome.failures:
        for failure in outcome.failures:
            console.print(f"  failed   {failure}", style="red", markup=False)
        raise _stop(f"nothing that needs what failed has been run; every event is in {log_file}")
    console.print(
        f"{outcome.num_runs} runs, {outcome.num_current} artifacts were up to date", markup=False
    )
    print_summary(console, store, settings)


@app.command()
def summary() -> None:
    """Print the summary of what has been materialized."""
    settings = _settings()
    from carebot_assets.summary import print_summary

    print_summary(console, _store(settings), settings)


@app.command()
def labels(
    dry_run: Annotated[bool, typer.Option(help="price a run before it starts")] = False,
    failed: Annotated[bool, typer.Option(help="list the failed labels")] = False,
    forget: Annotated[str | None, typer.Option(help="give up a batch of this name")] = None,
) -> None:
    """Say what the teacher was asked, at what cost; or with an option, something else of it."""
    settings = _settings()
    from carebot_assets import labels as desk

    store = _store(settings)
    try:
        if forget is not None:
            if not desk.forget_batch(store, settings, forget):
                raise _stop(f"no batch {forget!r} is under way")
        elif dry_run:
            desk.print_bill(console, store, settings)
        elif failed:
            desk.print_failed(console, store, settings)
        else:
            desk.print_ledger(console, store, settings)
    except (StoreError, ValueError) as error:
        raise _stop(str(error)) from None


@app.command()
def why(doc_id: Annotated[str, typer.Argument(help="id of a document, or its start")]) -> None:
    """Print the life of a document: origin, every verdict, where it ended."""
    settings = _settings()
    from carebot_assets.lineage.why import why as life_of
    from carebot_assets.screen import print_life

    try:
        print_life(console, life_of(_store(settings), doc_id))
    except (LookupError, StoreError) as error:
        raise _stop(str(error)) from None


@app.command()
def report(
    out: Annotated[Path | None, typer.Option(help="copy the page here")] = None,
) -> None:
    """Say where the scorecard page is, or copy it."""
    settings = _settings()
    try:
        page = _store(settings).path("scorecard") / "scorecard.html"
    except StoreError as error:
        raise _stop(str(error)) from None
    if out is not None:
        shutil.copy(page, out)
        page = out
    console.print(str(page), markup=False)


@app.command()
def export(out: Annotated[Path, typer.Argument(help="folder, made when missing")]) -> None:
    """Collect the filtered corpus as JSON lines for dolma and datatrove in one folder."""
    settings = _settings()
    from carebot_assets.corpus.export import collect

    try:
        num_shards = collect(_store(settings), out)
    except (ValueError, StoreError) as error:
        raise _stop(str(error)) from None
    console.print(f"{num_shards} shards in {out}", markup=False)


def main() -> None:
    """Entry point that turns a settings error raised while loading definitions into one line."""
    try:
        app()
    except SettingsError as error:
        sys.exit(f"carebot: {error}")
