"""Print the table in the README: runs that may grow beside the same hosts that never do, on the same data in the same order."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.signals.interval import mean_interval

if TYPE_CHECKING:
    from kaslite.experiment.run_directory import Metrics

ROWS = {
    "test accuracy, %": ("test_accuracy", 100.0),
    "parameters": ("final_params", 1.0),
    "training GFLOP": ("train_flops", 1e-9),
}


def main() -> None:
    """Run both arms for every config and rng seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="+", type=Path, help="config files of runs")
    parser.add_argument("--rng_seeds", type=int, default=10)
    options = parser.parse_args()
    print("| Config | | Grown | Same host, never grown | Difference (95 % interval, paired) |\n|---|---|---|---|---|")
    for config in options.configs:
        with tempfile.TemporaryDirectory() as results:
            pairs = [_pair(config, rng_seed, Path(results)) for rng_seed in range(options.rng_seeds)]
        for title, (key, unit) in ROWS.items():
            grown, control = (torch.tensor([pair[arm][key] for pair in pairs]).double() * unit for arm in (0, 1))
            gain = mean_interval(grown - control)
            difference = f"{gain.mean:+,.2f} ({gain.lower:+,.2f} to {gain.upper:+,.2f})"
            print(f"| `{config}` | {title} | {grown.mean():,.2f} | {control.mean():,.2f} | {difference} |", flush=True)


def _pair(config: Path, rng_seed: int, results: Path) -> tuple[Metrics, Metrics]:
    grown = run(resolve({"rng_seed": rng_seed}, config), results)
    control = run(resolve({"rng_seed": rng_seed, "acc_threshold": 0}, config), results)
    return grown.metrics, control.metrics


if __name__ == "__main__":
    main()
