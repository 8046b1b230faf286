"""What loading the graph's definitions costs beside `import dagster` alone.

    python -m benchmarks.definitions_load [rounds]

CPU seconds of processes of their own, in turn, with bytecode as any second start has it: the best
of each, since whatever else runs only adds. One JSON line.
"""

import json
import os
import subprocess
import sys
from statistics import median

LOADS = {
    "dagster": "import dagster",
    "definitions": "import carebot_assets.definitions as d; d.defs()",
}
CODE = "import time; start = time.process_time(); {}; print(time.process_time() - start)"


def main(rounds: int) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CAREBOT_")}
    env["PYTHONDONTWRITEBYTECODE"] = ""
    seconds: dict[str, list[float]] = {name: [] for name in LOADS}
    for _ in range(rounds + 1):
        for name, load in LOADS.items():
            command = [sys.executable, "-W", "ignore", "-c", CODE.format(load)]
            out = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
            seconds[name].append(float(out.stdout))
    measured = {name: values[1:] for name, values in seconds.items()}  # the first writes bytecode
    figures = {f"{name}_seconds": round(min(values), 3) for name, values in measured.items()}
    pairs = [ours / base for ours, base in zip(*reversed(measured.values()), strict=True)]
    figures["ratio_of_best"] = round(min(measured["definitions"]) / min(measured["dagster"]), 3)
    figures["median_ratio_of_pairs"] = round(median(pairs), 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
