"""What each rater's choice of text brings a small model: the graph up to `rater_showdown`.

    python -m benchmarks.rater_showdown [--data sample open] [--plots FOLDER]

The demo's profile over the sample world (with more documents), and over public files, with a value
rater and trainings of a size at which curves can differ: 200k tokens an arm, three seeds, four more
shares to drop with one. Prints the artifact's own figures as one JSON line; `--plots` keeps its
picture and table.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

OPEN = Path(__file__).parents[1] / "assets_tests" / "end_to_end" / "open_data.yaml"
VALUE = {
    "documents": 8000, "population": 3, "pretrain_steps": 500, "settle_steps": 200,
    "meta_steps": 120, "lifetime": 120,
    "showdown": {
        "seeds": 3, "tokens": 200_000, "discards": [0.1, 0.25, 0.75, 0.9],
        "train": {"max_steps": 200, "batch_size": 4, "learning_rate": 0.002, "eval_steps": 20,
                  "save_steps": 200, "log_steps": 100},
    },
}  # fmt: skip
PROFILES: dict[str, dict[str, Any]] = {
    "sample": {"extends": "demo", "sample_world": {"documents": 24_000}},
    "open": {"extends": str(OPEN)},
}
RATER = ("target_auc", "planted_auc", "planted_auc_by_kind", "length_correlation", "source_share",
         "rank_stability", "inner_loss_fall", "num_documents")  # fmt: skip
SHOWDOWN = ("num_tokens", "rater_cost", "compute", "compute_with_rater", "minus_random",
            "repeated_tokens")  # fmt: skip


def run(data: str, folder: Path, plots: Path | None) -> dict[str, Any]:
    """Figures of one run in a folder of its own."""
    from carebot_assets.store import Store

    profile = folder / "showdown.yaml"
    store = {"root": str(folder / "store")}
    profile.write_text(yaml.safe_dump(PROFILES[data] | {"store": store, "value": VALUE}), "utf-8")
    env = {"CAREBOT_PROFILE": str(profile), "DAGSTER_HOME": str(folder / "dagster")}
    started = time.monotonic()
    carebot = Path(sys.executable).with_name("carebot")
    # Its own words, and its summary, go beside the figures.
    subprocess.run(
        [carebot, "run", "rater_showdown"], env=os.environ | env, stdout=sys.stderr, check=True
    )
    seconds = time.monotonic() - started
    rater, found = (
        Store(folder / "store").require(name).metadata for name in ("value_rater", "rater_showdown")
    )
    if plots:
        plots.mkdir(parents=True, exist_ok=True)
        (plots / f"showdown_{data}.md").write_text(found["showdown"], "utf-8")
        picture = re.search(r"base64,([A-Za-z0-9+/=]+)", found["curves"])
        if picture:
            (plots / f"showdown_{data}.png").write_bytes(base64.b64decode(picture[1]))
    return {
        "seconds": round(seconds),
        "value_rater": {name: rater[name] for name in RATER},
        **{name: found[name] for name in SHOWDOWN},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=list(PROFILES), default=list(PROFILES))
    parser.add_argument("--plots", type=Path)
    arguments = parser.parse_args()
    found = {}
    for data in arguments.data:
        with tempfile.TemporaryDirectory(prefix="showdown-") as folder:
            found[data] = run(data, Path(folder), arguments.plots)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
