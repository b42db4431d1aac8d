"""A picture of a sweep: the objective of every run over each setting that was swept; none without matplotlib.

Not for: the numbers (`kaslite.sweeps.summary`).
"""

from __future__ import annotations

from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING, Any

from kaslite.errors import StorageError
from kaslite.sweeps.summary import cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kaslite.sweeps.summary import Comparison

MOST_PANELS, COLUMNS = 9, 3
LOG_FROM = 20.0
"""Ratio of the largest value to the smallest from which an axis is logarithmic."""


def draw(comparison: Comparison, path: Path) -> bool:
    """Draw a panel for each setting that differs between runs; return whether there was something to draw, and to draw with.

    Raises:
        StorageError: if the file cannot be written.
    """
    names, runs = comparison.varied[:MOST_PANELS], comparison.completed
    if not names or not runs or find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure

    objective = comparison.objectives[0]
    values = [(run.metrics or {}).get(objective) for run in runs]
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    for axes, name in zip(figure.subplots(rows, columns, squeeze=False).flat, names, strict=False):
        _panel(axes, name, [run.planned.parameters.get(name) for run in runs], values)
    for unused in figure.axes[len(names) :]:
        unused.set_axis_off()
    figure.supylabel(objective)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}.") from error
    return True


def _panel(axes: Any, name: str, settings: Sequence[Any], values: Sequence[float | None]) -> None:
    """Draw a dot for each run, and a line through the means."""
    pairs = [(setting, value) for setting, value in zip(settings, values, strict=True) if value is not None]
    numeric = all(isinstance(setting, int | float) and not isinstance(setting, bool) for setting, _ in pairs)
    groups: dict[Any, list[float]] = {}
    for setting, value in pairs:
        groups.setdefault(setting if numeric else cell(setting) or "-", []).append(value)
    places = sorted(groups) if numeric else list(groups)
    for place in places:
        axes.plot([place] * len(groups[place]), groups[place], "o", color="#4c72b0", alpha=0.5)
    axes.plot(places, [fmean(groups[place]) for place in places], "-", color="#c44e52", label="mean")
    if numeric and places and places[0] > 0 and places[-1] / places[0] >= LOG_FROM:
        axes.set_xscale("log")
    axes.set_xlabel(name)
    axes.grid(alpha=0.3)
