"""Turn a publisher's benchmark files into the JSONL that `eval_suites` reads.

python -m carebot_assets.evaluation medqa --adapter medqa --lang en --files 'test.jsonl' --out DATA
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from carebot_assets.evaluation import items, suites
from carebot_assets.evaluation.adapters import ADAPTERS
from carebot_assets.settings import SuiteSource


def main(arguments: list[str] | None = None) -> Path:
    """Read a suite and write its `test.jsonl` (or, with --sample, its `sample.jsonl`)."""
    parser = argparse.ArgumentParser(prog="python -m carebot_assets.evaluation")
    parser.add_argument("suite")
    parser.add_argument("--adapter", required=True, choices=sorted(ADAPTERS))
    parser.add_argument("--lang", required=True, choices=["en", "zh"])
    parser.add_argument("--files", required=True, help="glob of the publisher's files")
    parser.add_argument("--subjects", nargs="*")
    parser.add_argument("--limit", type=int)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="folder for <suite>/test.jsonl")
    target.add_argument(
        "--sample", action="store_true", help="write eval_suites/<suite>/sample.jsonl"
    )
    options = parser.parse_args(arguments)
    source = SuiteSource(
        path=options.files,
        adapter=options.adapter,
        lang=options.lang,
        limit=options.limit,
        subjects=options.subjects,
    )
    rows = items.load_suite(options.suite, source, Path(options.files).absolute()).lazy()
    if options.out:
        return items.export(rows, options.out)
    with tempfile.TemporaryDirectory() as folder:
        sample = suites.DEFAULT_DIR / options.suite / "sample.jsonl"
        return Path(shutil.copy(items.export(rows, Path(folder)), sample))


if __name__ == "__main__":
    try:
        print(main())
    except ValueError as error:
        sys.exit(f"error: {error}")
