"""`python -m carebot_assets.sample OUT`: writes a sample world to a folder."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from carebot_assets.sample.world import write_world


def main() -> None:
    """Parses the command line, writes the world and prints what was written."""
    parser = argparse.ArgumentParser(prog="python -m carebot_assets.sample", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--documents", type=int, default=4_000)
    parser.add_argument("--dialogues", type=int, default=2_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    counts = write_world(
        args.out,
        documents=args.documents,
        dialogues=args.dialogues,
        questions=args.questions,
        seed=args.seed,
    )
    for name, number in counts.items():
        print(f"{name:32}{number:>10,}")
    print(f"{time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
