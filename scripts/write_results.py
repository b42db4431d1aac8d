"""Write docs/results.md, its picture and the README's table, all from the raw rows in docs/results/.

`make results` first takes over the rows that ``kaslite prove --full`` has left in results/proof/full; nothing is run here.
"""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import pyplot as plt

from kaslite.proof.arm import Table
from kaslite.proof.claims import CLAIMS
from kaslite.proof.intervals import paired_interval
from kaslite.proof.report import Result, format_interval, judged_rows, page
from kaslite.proof.rows import read_rows
from kaslite.proof.scale import SCALES

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
NEW_ROWS = ROOT / "results" / "proof" / "full"
ROWS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"
PICTURE = ROOT / "docs" / "results.svg"
README = ROOT / "README.md"

HEAD = """# Does growing pay?

Written by `make results` from the raw rows beside this page ([docs/results](results)), which `kaslite prove --full` has left;
do not edit. The data, their order and the rng seeds are the same in all arms of a trial; one thread each; intervals are paired
bootstraps over rng seeds. FLOPs are everything spent, forward and backward: shadow training, twins, culled seeds; a network
under control pays for its evaluations, too. Seconds and memory are those of one noisy machine.

"""
BEGIN, END = "<!-- results: written by make results -->", "<!-- end of results -->"


def results(folder: Path = ROWS) -> list[Result]:
    """Judge the rows of each claim that has any."""
    return [judged_rows(claim, SCALES["full"], folder) for claim in CLAIMS.values()]


def whole_page(found: Sequence[Result]) -> str:
    """Return docs/results.md."""
    return HEAD + page(found)


def readme_with(judged_claims: Sequence[Result], text: str) -> str:
    """Return the README with what each verdict rests on between its two marks."""
    lines = ["| Claim | Found (mean, 95 % interval) | Verdict |", "|---|---|---|"]
    for result in (result for result in judged_claims if result.findings):
        lines.append(f"| **{result.claim.name}** {result.claim.says} | bar: {result.claim.bar} | **{result.verdict}** |")
        deciding = (finding for finding in result.findings if finding.decides)
        lines += [f"| | {found.says}: {format_interval(found.interval)} | {found.verdict} |" for found in deciding]
    table = "\n".join(lines)
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.DOTALL)


def draw(table: Table) -> None:
    """Draw the test loss of C1's arms over what they spent."""
    mpl.rcParams.update({"svg.hashsalt": "kaslite", "font.size": 9})
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    names = {"grown": "grown, 1 -> 2 -> 4 blocks", "scratch": "4 blocks from scratch", "host": "1 block"}
    for arm, title in names.items():
        points = []
        for trial in table.trials:
            losses = list(table.column(trial, arm, "test_loss").values())
            interval = paired_interval(losses)
            if math.isfinite(interval.lower):  # enough rng seeds
                spent = fmean(table.column(trial, arm, "train_flops").values()) / 1e12
                points.append((spent, interval.mean, interval.mean - interval.lower, interval.upper - interval.mean))
        flops, means, below, above = zip(*sorted(points), strict=True)
        axes.errorbar(flops, means, yerr=(below, above), marker="o", capsize=3, label=title)
    axes.set(xlabel="training TFLOP", ylabel="test loss, nats per character", xscale="log")
    axes.set_xticks([1.5, 3, 6], ["1.5", "3", "6"])
    axes.minorticks_off()
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    """Take over new rows, and write all that follows from them."""
    ROWS.mkdir(exist_ok=True)
    for path in sorted(NEW_ROWS.glob("*.csv")):
        shutil.copyfile(path, ROWS / path.name)
    found = results()
    PAGE.write_text(whole_page(found), encoding="utf-8")
    README.write_text(readme_with(found, README.read_text(encoding="utf-8")), encoding="utf-8")
    draw(Table(read_rows(ROWS / "C1.csv")))


if __name__ == "__main__":
    main()
