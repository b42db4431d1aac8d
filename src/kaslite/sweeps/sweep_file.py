"""Sweep files: YAML with the values that each setting takes, as an array, as text with commas, or as one value.

Every key is checked here, and no value: what a value has to be, the config of its run knows. Not for: combining them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from kaslite.errors import StorageError, UsageError, unknown_name
from kaslite.experiment.blending import BlendingSection
from kaslite.experiment.config import RunConfig, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SECTION, SEARCH = "blending", "search"
KNOWN = {*RunConfig.model_fields, *(f"{SECTION}.{name}" for name in (*BlendingSection.model_fields, "fixed_steps"))}
"""Every setting that can be swept; those of the section with its name before them."""

Values = tuple[Any, ...]


@dataclass(frozen=True)
class SweepFile:
    """What one file says."""

    path: Path
    grid: Mapping[str, Values]  # of each setting, in the order of the file
    search: Mapping[str, Any] | None  # its section of ranges, unchecked


def read_sweep_files(source: Path) -> list[SweepFile]:
    """Read a sweep file, or every one in a folder (``.yaml`` and ``.yml``; not in folders inside it), by name.

    Raises:
        StorageError: if it cannot be read.
        UsageError: if there is none, or with the first thing that is wrong in one.
    """
    if not source.is_dir():
        return [_read(source)]
    try:
        files = sorted(path for path in source.iterdir() if path.suffix in {".yaml", ".yml"} and path.is_file())
    except OSError as error:
        raise StorageError(f"cannot read the folder {source}: {error.strerror}.") from error
    if not files:
        raise UsageError(f"the folder {source} holds no sweep files; they end on .yaml or .yml.")
    return [_read(path) for path in files]


def values_of(name: str, given: Any) -> Values:
    """Return the values that a setting takes.

    A setting that is a list itself takes one list for each element of an array; an element that is no list is a list of one.

    >>> values_of("lr", "0.001, 0.003"), values_of("lr", [0.001, 0.003]), values_of("batch_size", 64)
    (('0.001', '0.003'), (0.001, 0.003), (64,))
    >>> values_of("blueprints", ["mlp", ["mlp", "low_rank"]])
    (['mlp'], ['mlp', 'low_rank'])

    Raises:
        UsageError: if there is none, or something that is no value.
    """
    if isinstance(given, str) and "," in given:
        pieces = [piece.strip() for piece in given.split(",")]
        if "" in pieces:
            raise UsageError(f"{name} is {given!r}: there is nothing between two commas; give values like '0.001,0.003'.")
        given = pieces
    elements = given if isinstance(given, list) else [given]
    if not elements:
        raise UsageError(f"{name} is an empty list; give at least one value, or leave it out.")
    return tuple(_value(name, element) for element in elements)


def _read(path: Path) -> SweepFile:
    content = read_settings(path, "sweep file")
    if not content:
        raise UsageError(
            f"the sweep file {path} is empty; it has to hold 'setting: values' lines, such as 'lr: [0.001, 0.003]'."
        )
    searches = SEARCH in content
    search = content.pop(SEARCH, None)
    if searches and not isinstance(search, dict):
        raise UsageError(f"the sweep file {path} is wrong: search is {search!r}; it has to be a section with ranges.")
    try:
        return SweepFile(path, {name: values_of(name, given) for name, given in _flat(content)}, search)
    except UsageError as error:
        raise UsageError(f"the sweep file {path} is wrong: {error}") from error


def _flat(content: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of a file, those of its section with dots in their names."""
    seen = set[str]()
    for key, given in content.items():
        inner = given if key == SECTION and isinstance(given, dict) and given else None
        for name, value in [(key, given)] if inner is None else [(f"{SECTION}.{name}", value) for name, value in inner.items()]:
            if name not in KNOWN:
                raise unknown_name("setting", str(name), KNOWN | {SEARCH})
            if name in seen:
                raise UsageError(f"{name} stands there twice; give it once.")
            seen.add(name)
            yield name, value


def _value(name: str, element: Any) -> Any:
    if name == SECTION and element == {}:
        return element  # an empty section switches its defaults on
    if _is_list(name):
        element = element if isinstance(element, list) or element is None else [element]
        inner = element or []
    else:
        inner = [element]
    for part in inner:
        if isinstance(part, list | dict | set):
            raise UsageError(f"{name} has the value {part!r}; a value is a number, a text, or true or false.")
    return None if element == "null" else element


def _is_list(name: str) -> bool:
    if name not in RunConfig.model_fields:
        return False
    annotation = RunConfig.model_fields[name].annotation
    return tuple in (get_origin(annotation), *map(get_origin, get_args(annotation)))
