"""The results page: what was claimed, what was found, and what every arm did and cost; losses included.

Everything follows from claims and rows, so the page can be made again from the rows alone. Not for: judging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from kaslite.proof.arm import Table
from kaslite.proof.finding import Verdict, overall
from kaslite.proof.rows import read_rows
from kaslite.proof.scale import SCALES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kaslite.proof.arm import Claim, Row, Scale, Trial
    from kaslite.proof.finding import Finding
    from kaslite.signals.interval import Interval

_COLUMNS = {
    "test_accuracy": ("test accuracy, %", 100.0, 2),
    "test_loss": ("test loss, nats", 1.0, 4),
    "final_params": ("parameters", 1.0, 0),
    "germinated": ("seeds grown", 1.0, 1),
    "fossilized": ("kept", 1.0, 1),
    "culled": ("culled", 1.0, 1),
    "train_flops": ("training GFLOP", 1e-9, 2),
    "eval_flops": ("evaluating GFLOP", 1e-9, 2),
    "wall_s": ("seconds", 1.0, 1),
    "peak_mib": ("peak MiB", 1.0, 0),
}
"""Of each arm: title, factor, decimals."""


@dataclass(frozen=True)
class Result:
    """A claim, its rows and what was found in them; ``None`` and nothing if it was not run."""

    claim: Claim
    table: Table | None
    findings: Sequence[Finding]
    scale: Scale

    @property
    def verdict(self) -> Verdict:
        """The verdict on the claim."""
        return overall(self.findings)

    @property
    def command(self) -> str:
        """What repeats it."""
        usual = SCALES.get(self.scale.name)
        count = len(self.scale.rng_seeds)
        more = "" if usual is None or count == len(usual.rng_seeds) else f" --rng_seeds {count}"
        return f"kaslite prove {self.claim.name} --{self.scale.name}{more}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data; value and interval are those of the first finding."""
        first = self.findings[0].as_json() if self.findings else {"value": None, "interval": None}
        return {
            "claim": self.claim.name,
            "verdict": self.verdict,
            "value": first["value"],
            "interval": first["interval"],
            "bar": self.claim.bar,
            "command": self.command,
            "findings": [finding.as_json() for finding in self.findings],
        }


def judged_rows(claim: Claim, scale: Scale, folder: Path) -> Result:
    """Judge what is there of a claim, however many rng seeds that is."""
    rows = [] if claim.trials is None else read_rows(folder / f"{claim.name}.csv")
    if not rows:
        return judged(claim, None, scale)
    return judged(claim, Table(rows), replace(scale, rng_seeds=sorted({row["rng_seed"] for row in rows})))


def judged(claim: Claim, table: Table | None, scale: Scale) -> Result:
    """Judge the rows of a claim."""
    findings = [] if table is None or claim.judge is None else claim.judge(table)
    return Result(claim, table, findings, scale)


def summary(results: Sequence[Result]) -> str:
    """Return a line for each claim, and one for each finding."""
    lines = []
    for result in results:
        lines.append(f"{result.claim.name:5} {result.verdict:14} {result.claim.says}")
        lines += [f"      {finding.verdict:14} {_says(finding)}: {_number(finding)}" for finding in result.findings]
    return "\n".join([*lines, *_caution(results)])


def page(results: Sequence[Result]) -> str:
    """Return the results as Markdown."""
    head = "| Claim | | Bar | Verdict |\n|---|---|---|---|\n"
    rows = (f"| {r.claim.name} | {r.claim.says} | {r.claim.bar} | **{r.verdict}** |\n" for r in results)
    sections = (_section(result) for result in results if result.table is not None)
    return "".join([*(f"{line}\n\n" for line in _caution(results)), head, *rows, *sections])


def _caution(results: Sequence[Result]) -> list[str]:
    if all(result.scale.effort == 1 for result in results):
        return []
    return ["These runs are short: they show that all of it works, and nothing else. Verdicts count with --full."]


def _says(finding: Finding) -> str:
    return finding.says if finding.decides else f"{finding.says} (beside the claim)"


def _section(result: Result) -> str:
    assert result.table is not None, "the caller looks"
    assert result.claim.trials is not None, "it was run"
    rows = result.table.rows
    codes = ", ".join(sorted({f"`{row['code']}`" for row in rows}))
    spent = f"`{result.command}`, {len({row['rng_seed'] for row in rows})} rng seeds, {len(rows)} runs, code {codes}"
    lines = [
        f"\n## {result.claim.name}: {result.claim.says}\n",
        f"Bar: {result.claim.bar}. **{result.verdict.capitalize()}**: {spent}.\n",
        "| Found (mean, 95 % interval) | Value | Bar | Verdict |",
        "|---|---|---|---|",
        *(_finding_row(finding) for finding in result.findings),
    ]
    for trial in result.claim.trials(result.scale):
        lines += ["", *_arms(trial, rows)]
    return "\n".join(lines) + "\n"


def _finding_row(finding: Finding) -> str:
    return f"| {_says(finding)} | {_number(finding)} | > {finding.bar:g} | {finding.verdict} |"


def _number(finding: Finding) -> str:
    return format_interval(finding.interval)


def format_interval(interval: Interval) -> str:
    """Return a mean and its bounds with as many decimals as their distance deserves.

    >>> from kaslite.signals.interval import Interval
    >>> format_interval(Interval(0.0312, 0.0251, 0.0401)), format_interval(Interval(1.5, -0.5, 3.5))
    ('+0.0312 (+0.0251 to +0.0401)', '+1.50 (-0.50 to +3.50)')
    """
    width = interval.upper - interval.lower
    if not math.isfinite(width):
        return "not yet run" if math.isnan(interval.mean) else f"{interval.mean:+.2f} (too few pairs)"
    decimals = 2 if width <= 0 else min(6, max(2, 1 - math.floor(math.log10(width / 2))))
    return f"{interval.mean:+.{decimals}f} ({interval.lower:+.{decimals}f} to {interval.upper:+.{decimals}f})"


def _arms(trial: Trial, rows: Sequence[Row]) -> list[str]:
    ours = [row for row in rows if row["trial"] == trial.name]
    measured = [name for name in _COLUMNS if any(row.get(name) is not None for row in ours)]
    extra = list(dict.fromkeys(name for row in ours for name in row if name.startswith("measured_")))
    titles = [_COLUMNS[name][0] for name in measured] + [name.removeprefix("measured_").replace("_", " ") for name in extra]
    arms = {arm.name: [row for row in ours if row["arm"] == arm.name] for arm in trial.arms}
    fewest = min(len(of_arm) for of_arm in arms.values())
    lines = [
        f"`{trial.name}`, mean of each arm over {fewest} rng seeds:\n",
        f"| Arm | | {' | '.join(titles)} |",
        "|---|---|" + "---|" * len(titles),
    ]
    for arm in trial.arms:
        of_arm = arms[arm.name]
        cells = [_mean(of_arm, name, *_COLUMNS[name][1:]) for name in measured] + [_mean(of_arm, name, 1, 4) for name in extra]
        lines.append(f"| {arm.name} | {arm.says} | {' | '.join(cells)} |")
    return lines


def _mean(rows: Sequence[Row], name: str, factor: float, decimals: int) -> str:
    values = [row[name] for row in rows if row.get(name) is not None]
    return f"{factor * fmean(values):,.{decimals}f}" if values else "-"
