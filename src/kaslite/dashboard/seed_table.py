"""The seed grid: a row for each seed, with as many of its numbers as the width allows.

Not for: where it stands in a view; that is `terminal`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from kaslite.telemetry.words import number, plain, signed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kaslite.dashboard.fold import Place, SeedView

STATE_STYLES = {
    "dormant": "dim",
    "germinated": "yellow",
    "training": "yellow",
    "blending": "cyan",
    "shadowing": "blue",
    "probationary": "magenta",
    "fossilized": "bold green",
    "culled": "red",
    "embargoed": "red dim",
    "resetting": "dim",
}

ALWAYS = ("Seed", "State", "Blueprint", "Blend Strategy", "Blend α")
IF_WIDE = ("Progress", "Removal cost", "Drift", "Scale drift", "Grad norm", "Grad ratio", "Twin gain")
GIVE_WAY = ("Blueprint", "Blend Strategy")  # shortened where even the first columns do not fit
MOST_SEEDS = 12  # rows; dormant seeds give way first


def seed_table(seeds: Mapping[Place, SeedView], width: int) -> Table:
    """Return the seeds as a table.

    Args:
        seeds: each seed of the run by its place.
        width: columns of the terminal that there are; the last numbers are left out where they do not fit.
    """
    places = sorted(seeds, key=lambda place: seeds[place].state == "dormant")[:MOST_SEEDS]
    rows = [
        [Text(plain(f"{layer}:{index}")), *_cells(seeds[layer, index])] for layer, index in seeds if (layer, index) in places
    ]
    names = (*ALWAYS, *IF_WIDE)[: _fitting(rows, width)]
    table = Table(title="Seed States")
    for name in names:
        is_text = name in ALWAYS[:-1]
        table.add_column(name, justify="left" if is_text else "right", no_wrap=name not in GIVE_WAY)
    for row in rows:
        table.add_row(*row[: len(names)])
    if len(seeds) > MOST_SEEDS:
        table.caption = f"and {len(seeds) - MOST_SEEDS} more"
    return table


def _fitting(rows: Sequence[Sequence[Text]], width: int) -> int:
    """Return how many columns fit; those that are always there need not."""
    frame = 3  # a column's padding and one line
    columns = zip((*ALWAYS, *IF_WIDE), *rows, strict=True)
    widths = [max(len(heading), *(cell.cell_len for cell in cells), 0) + frame for heading, *cells in columns]
    return max(len(ALWAYS), sum(1 + reach <= width for reach in accumulate(widths)))


def _cells(seed: SeedView) -> list[Text]:
    return [
        Text(plain(seed.state), style=STATE_STYLES.get(seed.state, "")),
        Text(plain(seed.blueprint_id or "-"), no_wrap=True, overflow="ellipsis"),
        Text(plain(seed.blend_strategy or "-"), no_wrap=True, overflow="ellipsis"),
        Text(f"{seed.alpha:.2f}"),
        Text(number(seed.training_progress, 3)),
        Text(signed(seed.removal_cost)),
        Text(number(seed.drift, 3)),
        Text(signed(seed.scale_drift)),
        Text(number(seed.grad_norm)),
        Text(number(seed.grad_ratio, 3)),
        Text(signed(seed.twin_gain)),
    ]
