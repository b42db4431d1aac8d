"""Named streams of randomness, all derived from one ``rng_seed``.

A stream is known by its name, so that drawing from one never shifts another: growth does not change
the data order, and adding a seed does not change how the next one is initialised.
Not for: cryptography.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


def derive(rng_seed: int, *names: str | int) -> int:
    """Return the seed of the stream called ``names``: 63 bits, stable across processes and machines."""
    text = "/".join(map(str, (rng_seed, *names)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def generator(rng_seed: int, *names: str | int) -> torch.Generator:
    """Return a fresh CPU generator of the stream called ``names``."""
    return torch.Generator().manual_seed(derive(rng_seed, *names))


@contextmanager
def global_stream(device: torch.device, rng_seed: int, *names: str | int) -> Iterator[None]:
    """Let code that knows only torch's global generator draw from a named stream; put the old one back after.

    For the default initialisation of modules, which takes no generator.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(derive(rng_seed, *names))
        if device.type == "cuda":
            torch.cuda.manual_seed(derive(rng_seed, *names))
        yield
