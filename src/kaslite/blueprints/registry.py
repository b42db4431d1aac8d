"""The registry of blueprints: name -> recipe.

A recipe maps a `SeedShape` to an ``nn.Module`` that computes a seed's delta: it takes a feature of width
``shape.reads`` and returns one of width ``shape.writes``, and returns zeros at birth, so that germinating changes nothing.
It must not draw randomness in ``forward`` and must not keep statistics of what it sees (no dropout, no BatchNorm).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kaslite.blueprints.shape import FeatureKind, SeedShape
from kaslite.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import nn

    from kaslite.blueprints.cost import Cost

    Recipe: TypeAlias = Callable[[SeedShape], nn.Module]


COMPUTE_MULTIPLIER = 1.1
"""The documented relative compute cost of a host with a seed, for every blueprint that declares no other."""


@dataclass(frozen=True)
class Blueprint:
    """A registered recipe, and what it declares of itself."""

    name: str
    kinds: frozenset[FeatureKind]
    recipe: Callable[[SeedShape], nn.Module]
    compute_multiplier: float = COMPUTE_MULTIPLIER  # the documented constant; what was counted is in `cost`
    min_width: int = 1  # the narrowest feature that it reads or writes
    keeps_width: bool = False  # whether it has to write as many features as it reads
    without_gradient: frozenset[str] = frozenset()  # parameters whose gradient is zero by algebra
    has_child: bool = False  # whether its module has a ``child`` that can learn to reproduce what the seed reads

    def refusal(self, shape: SeedShape) -> str | None:
        """Return why it does not grow on a feature of this shape, or ``None`` if it does.

        >>> get("norm").refusal(SeedShape(FeatureKind.DENSE, reads=8, writes=4))
        'it writes as many features as it reads, here 8 and 4'
        """
        if shape.kind not in self.kinds:
            return f"it grows on features of kind {', '.join(sorted(self.kinds))}"
        if min(shape.reads, shape.writes) < self.min_width:
            return f"it needs a width of {self.min_width}, here {min(shape.reads, shape.writes)}"
        if self.keeps_width and shape.reads != shape.writes:
            return f"it writes as many features as it reads, here {shape.reads} and {shape.writes}"
        return None

    def build(self, shape: SeedShape) -> nn.Module:
        """Build the module; it draws from torch's global generator.

        Raises:
            UsageError: if it does not grow on a feature of this shape.
        """
        refusal = self.refusal(shape)
        if refusal is not None:
            widths = f"{shape.reads} to {shape.writes}"
            raise UsageError(
                f"blueprint {self.name!r} does not grow on a {shape.kind} feature, from width {widths}: {refusal}."
            )
        return self.recipe(shape)

    def cost(self, shape: SeedShape, positions: tuple[int, ...] = ()) -> Cost:
        """Return its parameters and the FLOPs of one forward pass over one sample; see `kaslite.blueprints.cost`.

        Args:
            shape: what it reads and writes.
            positions: ``()`` for dense, ``(tokens,)`` for a sequence, ``(height, width)`` for an image.

        >>> get("low_rank").cost(SeedShape(FeatureKind.DENSE, reads=8, writes=8))
        Cost(params=32, flops=64)
        """
        from kaslite.blueprints.cost import cost_of

        return cost_of(self, shape, positions)


_REGISTRY: dict[str, Blueprint] = {}


def blueprint(
    name: str,
    *,
    kinds: Iterable[str],
    compute_multiplier: float = COMPUTE_MULTIPLIER,
    min_width: int = 1,
    keeps_width: bool = False,
    without_gradient: Iterable[str] = (),
    has_child: bool = False,
) -> Callable[[Recipe], Recipe]:
    """Register the decorated function as the recipe called ``name``.

    Args:
        name: how it is called in configs and logs.
        kinds: the kinds of features that it grows on: ``dense``, ``sequence``, ``image``.
        compute_multiplier: relative compute cost of a host with such a seed.
        min_width: the narrowest feature that it reads or writes.
        keeps_width: whether it has to write as many features as it reads.
        without_gradient: names of parameters whose gradient is zero by algebra (the bias of an attention's keys).
        has_child: whether its module has a submodule ``child`` that maps a feature to one of the same shape: what the shadow
            objective ``reconstruct`` trains.

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
    accepted, exempt = frozenset(FeatureKind(kind) for kind in kinds), frozenset(without_gradient)

    def register(recipe: Recipe) -> Recipe:
        known = _REGISTRY.get(name)
        if known is not None and _origin(known.recipe) != _origin(recipe):
            raise UsageError(f"a blueprint {name!r} is registered already, by {known.recipe.__module__}; take another name.")
        _REGISTRY[name] = Blueprint(name, accepted, recipe, compute_multiplier, min_width, keeps_width, exempt, has_child)
        return recipe

    return register


@contextmanager
def registered(*blueprints: Blueprint) -> Iterator[None]:
    """Know these blueprints for a while, beside the others: for those that are no one's to choose.

    Raises:
        UsageError: if a name is taken.
    """
    for planted in blueprints:
        if planted.name in _REGISTRY:
            raise UsageError(f"a blueprint {planted.name!r} is registered already; take another name.")
    _REGISTRY.update({planted.name: planted for planted in blueprints})
    try:
        yield
    finally:
        for planted in blueprints:
            del _REGISTRY[planted.name]


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


def fitting(shape: SeedShape) -> list[str]:
    """Return the names of all blueprints that grow on a feature of this shape.

    >>> "norm" in fitting(SeedShape(FeatureKind.DENSE, reads=8, writes=4))
    False
    """
    return sorted(name for name, known in _REGISTRY.items() if known.refusal(shape) is None)
