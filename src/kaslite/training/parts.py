"""What a Grower is made of beside the model: controller, schedulers, scaler; saved and loaded together.

Not for: seeds and optimizers; those are the state of the network itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from kaslite.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaslite.training.state import Tree


@runtime_checkable
class Stateful(Protocol):
    """A scheduler, a gradient scaler, a controller with a memory: what has to be saved along with a run."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Take a state over."""
        ...


def capture_parts(parts: Sequence[object]) -> list[Tree]:
    """Return kind and state of each part; the state of one that has none is ``None``."""
    return [{"kind": type(p).__name__, "state": p.state_dict() if isinstance(p, Stateful) else None} for p in parts]


def load_parts(parts: Sequence[object], captured: list[Tree]) -> None:
    """Load what `capture_parts` returned: all of it or nothing.

    Raises:
        StorageError: if it is of other parts.
    """
    there, here = [state["kind"] for state in captured], [type(part).__name__ for part in parts]
    if there != here:
        raise StorageError(
            f"its Grower was made with another controller= or other schedulers=: {', '.join(there)} there, and "
            f"{', '.join(here)} here."
        )
    before = capture_parts(parts)
    try:
        _load(parts, captured)
    except Exception as error:
        _load(parts, before)
        raise StorageError(f"its controller or schedulers cannot be loaded: {error!r}.") from error


def _load(parts: Sequence[object], captured: list[Tree]) -> None:
    for part, state in zip(parts, captured, strict=True):
        if isinstance(part, Stateful) and state["state"] is not None:
            part.load_state_dict(state["state"])
