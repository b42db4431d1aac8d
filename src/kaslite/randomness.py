"""Named streams of randomness, all derived from one ``rng_seed``.

A stream is known by its name, so that drawing from one never shifts another: growth does not change
the data order, and adding a seed does not change how the next one is initialised.
Not for: cryptography.
"""

from __future__ import annotations

import hashlib
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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


def global_state() -> dict[str, Any]:
    """Return the state of every global stream: torch's on each device, NumPy's and Python's; tensors and plain numbers."""
    version, words, gauss = random.getstate()
    numpy_state: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002  the global stream is what is meant
    return {
        "torch": torch_streams(),
        "numpy": {
            "key": torch.from_numpy(numpy_state["state"]["key"].astype(np.int64)),
            "pos": int(numpy_state["state"]["pos"]),
            "has_gauss": int(numpy_state["has_gauss"]),
            "gauss": float(numpy_state["gauss"]),
        },
        "python": {"version": version, "words": torch.from_numpy(np.array(words)), "gauss": gauss},
    }


def set_global_state(state: Mapping[str, Any]) -> None:
    """Put every global stream where `global_state` found it; devices that are not here are passed over."""
    set_torch_streams(state["torch"])
    words = state["numpy"]
    legacy = ("MT19937", words["key"].numpy().astype(np.uint32), words["pos"], words["has_gauss"], words["gauss"])
    np.random.set_state(legacy)  # noqa: NPY002  as above
    python = state["python"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))


@contextmanager
def global_streams_kept() -> Iterator[None]:
    """Let code draw what it likes from the global streams, which go on afterwards as if it had drawn nothing."""
    words, numbers, states = random.getstate(), np.random.get_state(), torch_streams()  # noqa: NPY002  as above
    try:
        yield
    finally:
        random.setstate(words)
        np.random.set_state(numbers)  # noqa: NPY002  as above
        set_torch_streams(states)


@contextmanager
def own_global_streams(rng_seed: int, *names: str | int) -> Iterator[None]:
    """Start every global stream from a named one, and put them all back after: what is inside is the same each time."""
    with global_streams_kept():
        seed = derive(rng_seed, *names)
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  as above
        random.seed(seed)
        yield


def torch_streams() -> list[torch.Tensor]:
    """Return the states of torch's global streams: the CPU's, then each GPU's that is in use."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]


def set_torch_streams(states: list[torch.Tensor]) -> None:
    """Put torch's global streams where `torch_streams` found them."""
    cpu, *gpus = states
    torch.set_rng_state(cpu)
    for device, state in zip(range(torch.cuda.device_count()), gpus, strict=False):
        torch.cuda.set_rng_state(state, device)
