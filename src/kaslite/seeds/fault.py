"""Faults: a seed that fails in the forward pass is left out of it, and the host goes on.

The first reason is kept in ``seed.fault`` until `Seed.clear_fault`; the seed is asked again in every pass. This holds in a
compiled graph too, but for operations that the compiler itself refuses while it traces the seed (shapes that do not fit):
that error is the compiler's, and is raised.
Not for: what becomes of the seed (training culls it), or numbers that are not finite (see ``Seed.delta_sum``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from kaslite.seeds.seed import Seed


def delta_or_fault(seed: Seed, read: Tensor, written: Tensor) -> Tensor | None:
    """Return the seed's delta, or ``None`` if it has none to give; then the seed knows why.

    Args:
        seed: one with a module.
        read: what it reads.
        written: what its delta is added to: it has to be of the same shape.
    """
    try:
        delta = seed.delta(read)
    except torch.OutOfMemoryError:  # not the seed's fault, and too late for the host as well
        raise
    except Exception as error:  # noqa: BLE001  whatever a user's module raises
        seed.note_fault(f"it raised {type(error).__name__}: {error}")
        return None
    complaint = _complaint(delta, written)
    if complaint is None:
        return delta
    seed.note_fault(complaint)
    return None


def _complaint(delta: Tensor, written: Tensor) -> str | None:
    if not isinstance(delta, Tensor):
        return f"it returned a {type(delta).__name__} instead of a tensor"
    if delta.shape != written.shape:
        return f"it returned a tensor of shape {tuple(delta.shape)} instead of {tuple(written.shape)}"
    if not delta.is_floating_point() or delta.device != written.device:
        return f"it returned a tensor of {delta.dtype} on {delta.device} for a feature of {written.dtype} on {written.device}"
    return None
