"""The table of metrics names every metric with its type, its labels and its sentence."""

from __future__ import annotations

from pathlib import Path

from kaslite.telemetry.metrics import METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n## Metrics\n")[1].split("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.startswith("| `kaslite_")
]


def test_the_table_and_what_is_exported_agree() -> None:
    exported = [[f"`{metric.name}`", metric.type, labels(metric.labels), metric.help] for metric in METRICS]
    assert exported == ROWS


def labels(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"
