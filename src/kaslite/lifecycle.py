"""The states of a seed and the one table of legal moves between them.

Everything that changes a state goes through `check_transition`; no other module knows which moves are legal.
Not for: deciding *when* a seed moves (controllers decide, ``training`` carries out).
"""

from __future__ import annotations

from enum import StrEnum

from kaslite.errors import IllegalTransitionError


class SeedState(StrEnum):
    """Where a seed stands in its life."""

    DORMANT = "dormant"  # nothing is built; costs nothing
    GERMINATED = "germinated"  # its module is built, and not yet run
    TRAINING = "training"  # runs beside the host, which cannot feel it
    BLENDING = "blending"  # joins the forward pass along a ramp
    SHADOWING = "shadowing"  # fully in; what it contributes is being measured
    PROBATIONARY = "probationary"  # the evidence held once; it has to keep holding
    FOSSILIZED = "fossilized"  # committed: part of the network
    CULLED = "culled"  # rejected; fading out of the forward pass
    EMBARGOED = "embargoed"  # gone; its place is closed for a while
    RESETTING = "resetting"  # its place is being made ready again


_CULLABLE = (
    SeedState.GERMINATED,
    SeedState.TRAINING,
    SeedState.BLENDING,
    SeedState.SHADOWING,
    SeedState.PROBATIONARY,
    SeedState.FOSSILIZED,
)

GROWING = frozenset(_CULLABLE[:-1])
"""States of a seed that has not yet proven itself."""

LIVE = frozenset(_CULLABLE)
"""States of a seed that holds a module and may be culled."""

ISOLATED = frozenset({SeedState.GERMINATED, SeedState.TRAINING})
"""States of a seed that holds a module which the host does not feel yet."""

TRANSITIONS: frozenset[tuple[SeedState, SeedState]] = frozenset(
    {
        (SeedState.DORMANT, SeedState.GERMINATED),
        (SeedState.GERMINATED, SeedState.TRAINING),
        (SeedState.TRAINING, SeedState.BLENDING),
        (SeedState.BLENDING, SeedState.SHADOWING),
        (SeedState.SHADOWING, SeedState.PROBATIONARY),
        (SeedState.PROBATIONARY, SeedState.FOSSILIZED),
        *((state, SeedState.CULLED) for state in _CULLABLE),
        (SeedState.CULLED, SeedState.EMBARGOED),
        (SeedState.EMBARGOED, SeedState.RESETTING),
        (SeedState.RESETTING, SeedState.DORMANT),
    }
)
"""Every legal move. What is not in here raises."""


def check_transition(from_state: SeedState, to_state: SeedState) -> None:
    """Raise `IllegalTransitionError` unless the move is in the table.

    >>> check_transition(SeedState.DORMANT, SeedState.GERMINATED)
    >>> check_transition(SeedState.DORMANT, SeedState.FOSSILIZED)
    Traceback (most recent call last):
        ...
    kaslite.errors.IllegalTransitionError: a dormant seed cannot become fossilized; from here it can become: germinated.
    """
    if (from_state, to_state) in TRANSITIONS:
        return
    legal = sorted(str(to) for start, to in TRANSITIONS if start is from_state)
    raise IllegalTransitionError(f"a {from_state} seed cannot become {to_state}; from here it can become: {', '.join(legal)}.")
