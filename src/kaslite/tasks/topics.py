"""Topics: which character comes next in the help texts that ship with Python (``pydoc_data.topics``).

The text differs between versions of Python, and with it every number; it is the same on every machine with the same version.
Paragraphs that several topics share are kept once: else one window in eight of the validation split would stand in the
training text, word for word.
"""

from __future__ import annotations

from pydoc_data.topics import topics
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kaslite.errors import DataError
from kaslite.randomness import generator
from kaslite.tasks.task import Split, Task, split_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = 0
"""The token of every character that the training split does not hold."""


def read_text() -> str:
    """Return all topics, in the order of their names, each paragraph once."""
    paragraphs = (paragraph for name in sorted(topics) for paragraph in topics[name].split("\n\n"))
    return "\n\n".join(dict.fromkeys(paragraphs))


def draw_windows(
    characters: NDArray[np.uint32], n_samples: int, context: int, train_frac: float, rng_seed: int
) -> list[NDArray[np.uint32]]:
    """Draw windows that do not overlap from three regions of a text that do not overlap either.

    Args:
        characters: the text as code points.
        n_samples: windows in all.
        context: characters of a window; it also holds the one after them.
        train_frac: where the training region ends; the rest is halved into validation and test.
        rng_seed: of the run.

    Returns:
        For each split, (windows, context + 1).

    Raises:
        DataError: if the text has not so many.
    """
    regions = np.split(characters, np.cumsum(split_sizes(len(characters), train_frac))[:2])
    parts = []
    for number, (region, wanted) in enumerate(zip(regions, split_sizes(n_samples, train_frac), strict=True)):
        there = max(0, (len(region) - 1) // context)
        if wanted > there:
            raise DataError(
                f"topics: n_samples={n_samples} asks for {wanted} windows of {context} characters in a part of the text that "
                f"has {there}; make n_samples or context smaller."
            )
        rows = torch.randperm(there, generator=generator(rng_seed, "windows", number))[:wanted].numpy()
        parts.append(region[rows[:, None] * context + np.arange(context + 1)])
    return parts


def load(settings: Any, rng_seed: int) -> Task:
    """Load the text; reads ``n_samples``, ``context`` and ``train_frac``.

    A sample is a window: inputs are its tokens, targets the tokens after each. The vocabulary is the characters of the
    training split and `UNKNOWN`.
    """
    characters = np.frombuffer(read_text().encode("utf-32-le"), dtype=np.uint32)
    parts = draw_windows(characters, settings.n_samples, settings.context, settings.train_frac, rng_seed)
    vocabulary = np.unique(parts[0])
    tokens = [torch.from_numpy(_tokens(part, vocabulary)) for part in parts]
    train, validation, test = (Split(part[:, :-1].contiguous(), part[:, 1:].contiguous()) for part in tokens)
    return Task("topics", train, validation, test, num_classes=len(vocabulary) + 1)


def _tokens(characters: NDArray[np.uint32], vocabulary: NDArray[np.uint32]) -> NDArray[np.int64]:
    if not len(vocabulary):  # an empty training split, which `Task` refuses by name
        return np.full(characters.shape, UNKNOWN, dtype=np.int64)
    places = np.searchsorted(vocabulary, characters).clip(max=len(vocabulary) - 1)
    return np.where(vocabulary[places] == characters, places + 1, UNKNOWN)
