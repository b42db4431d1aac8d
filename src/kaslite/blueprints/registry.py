"""The registry of blueprints: name -> recipe.

A recipe maps a `SeedShape` to an ``nn.Module`` that computes a seed's delta: it takes a feature of width
``shape.reads`` and returns one of width ``shape.writes``, and returns zeros at birth, so that germinating changes nothing.
It must not draw randomness in ``forward`` and must not keep statistics of what it sees (no dropout, no BatchNorm).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kaslite.blueprints.shape import FeatureKind, SeedShape
from kaslite.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    Recipe: TypeAlias = Callable[[SeedShape], nn.Module]


@dataclass(frozen=True)
class Blueprint:
    """A registered recipe."""

    name: str
    kinds: frozenset[FeatureKind]
    build: Callable[[SeedShape], nn.Module]


_REGISTRY: dict[str, Blueprint] = {}


def blueprint(name: str, *, kinds: Iterable[str]) -> Callable[[Recipe], Recipe]:
    """Register the decorated function as the recipe called ``name``.

    Args:
        name: how it is called in configs and logs.
        kinds: the kinds of features that it grows on: ``dense``, ``sequence``, ``image``.

    Raises:
        UsageError: if the name is taken by another recipe.

    >>> import kaslite
    >>> from torch import nn
    >>> @kaslite.blueprint("bias", kinds=["dense"])
    ... def bias(shape: kaslite.blueprints.SeedShape) -> nn.Module:
    ...     linear = nn.Linear(shape.reads, shape.writes)
    ...     nn.init.zeros_(linear.weight)
    ...     nn.init.zeros_(linear.bias)
    ...     return linear
    """
    accepted = frozenset(FeatureKind(kind) for kind in kinds)

    def register(recipe: Recipe) -> Recipe:
        known = _REGISTRY.get(name)
        if known is not None and _origin(known.build) != _origin(recipe):
            raise UsageError(f"a blueprint {name!r} is registered already, by {known.build.__module__}; take another name.")
        _REGISTRY[name] = Blueprint(name, accepted, recipe)
        return recipe

    return register


def _origin(recipe: Recipe) -> tuple[str, str]:
    # Not the function itself: a module or a notebook cell that is run again defines it again.
    return recipe.__module__, recipe.__qualname__


def get(name: str) -> Blueprint:
    """Return the blueprint called ``name``; an unknown name is a `UsageError` that suggests the nearest."""
    if name not in _REGISTRY:
        raise unknown_name("blueprint", name, _REGISTRY)
    return _REGISTRY[name]


def names(kind: str | None = None) -> list[str]:
    """Return the names of all blueprints, or of those that grow on one kind of feature.

    >>> "low_rank" in names("dense")
    True
    """
    return sorted(name for name, known in _REGISTRY.items() if kind is None or FeatureKind(kind) in known.kinds)
