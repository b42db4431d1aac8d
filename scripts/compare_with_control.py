"""Print the table in the README: runs that may grow beside the same hosts that never do, on the same data in the same order."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.signals.interval import mean_interval

ROWS = {
    "test accuracy, %": ("test_accuracy", 100.0),
    "parameters": ("final_params", 1.0),
    "training GFLOP": ("train_flops", 1e-9),
}


def main() -> None:
    """Run both arms for every problem and rng seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="+")
    parser.add_argument("--rng_seeds", type=int, default=10)
    options = parser.parse_args()
    print("| Problem | | Grown | Same host, never grown | Difference (95 % interval, paired) |\n|---|---|---|---|---|")
    for problem in options.problems:
        with tempfile.TemporaryDirectory() as results:
            pairs = [_pair(problem, rng_seed, Path(results)) for rng_seed in range(options.rng_seeds)]
        for title, (key, unit) in ROWS.items():
            grown, control = (torch.tensor([pair[arm][key] * unit for pair in pairs]).double() for arm in (0, 1))
            gain = mean_interval(grown - control)
            means = f"{grown.mean():,.2f} | {control.mean():,.2f}"
            print(
                f"| {problem} | {title} | {means} | {gain.mean:+,.2f} ({gain.lower:+,.2f} to {gain.upper:+,.2f}) |", flush=True
            )


def _pair(problem: str, rng_seed: int, results: Path) -> tuple[dict[str, float], dict[str, float]]:
    common = {"problem_type": problem, "rng_seed": rng_seed}
    return run(resolve(common), results).metrics, run(resolve({**common, "acc_threshold": 0}), results).metrics


if __name__ == "__main__":
    main()
