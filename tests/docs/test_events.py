"""The table of events names every event and every field."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import pytest

from kaslite.events import Event, SeedReading

ROWS = {
    line.split("`")[1]: line
    for line in (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
}
OF_ALL = {"type", "epoch", "sequence", "timestamp"}
OF_SEEDS = {"layer", "seed", "blueprint_id"}


def type_of(event: type) -> str:
    return next(str(field.default) for field in dataclasses.fields(event) if field.name == "type")


def test_no_event_is_left_out_or_made_up() -> None:
    assert list(ROWS) == [type_of(event) for event in get_args(Event)]


@pytest.mark.parametrize("event", get_args(Event), ids=type_of)
def test_a_row_names_every_field(event: type) -> None:
    row = ROWS[type_of(event)]
    fields = {field.name for field in dataclasses.fields(event)} - OF_ALL
    if fields >= OF_SEEDS:
        fields -= OF_SEEDS
        assert " seed, " in row
    assert all(f"`{name}`" in row for name in fields)


def test_the_row_of_an_epoch_names_what_is_read_of_a_seed() -> None:
    row = ROWS["epoch_completed"]
    assert all(f"`{field.name}`" in row for field in dataclasses.fields(SeedReading) if field.name not in OF_SEEDS)
