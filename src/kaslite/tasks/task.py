"""A task: three splits of one data set, checked before anything trains on them.

Train is learned from, validation controls growth, test is read once, at the end of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kaslite.errors import DataError
from kaslite.randomness import generator
from kaslite.tasks.units import Scaling, Units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SOFTENING = 1e-8
"""Added to the deviations of spirals and digits: published numbers rest on it. Inputs as small as this it would blur."""


@dataclass(frozen=True)
class Split:
    """Samples and what to say of them."""

    inputs: Tensor  # (samples, features), or (samples, tokens) of a text
    targets: Tensor  # (samples,) class indices, (samples, tokens): the next token after each, or (samples, 1) numbers

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> Split:
        """Return the split on a device."""
        return Split(self.inputs.to(device), self.targets.to(device))

    def batches(self, size: int, rng_seed: int, epoch: int, steps: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the samples in batches, in an order that depends on ``rng_seed`` and ``epoch`` alone.

        Args:
            size: samples in a batch; the last one may have fewer.
            rng_seed: of the run.
            epoch: each has an order of its own.
            steps: how many batches to yield, the first ones of that order; ``None``: all.
        """
        order = torch.randperm(len(self), generator=generator(rng_seed, "order", epoch))
        for rows in order[: None if steps is None else steps * size].to(self.targets.device).split(size):
            yield self.inputs[rows], self.targets[rows]


@dataclass(frozen=True)
class Task:
    """A classification, of samples or of tokens, or a regression."""

    name: str
    train: Split
    validation: Split
    test: Split
    num_classes: int | None  # None for a regression
    units: Units | None = None  # where inputs are scaled

    def __post_init__(self) -> None:
        """Refuse data that nothing can be learned from."""
        for name in ("train", "validation", "test"):
            if not len(getattr(self, name)):
                raise DataError(f"{self.name}: the {name} split is empty; give it more samples or another train_frac.")
        different = self.train.targets.unique().numel()
        if different < 2:
            there = "only one value to predict; a regression" if self.is_regression else f"{different} class; a classifier"
            raise DataError(
                f"{self.name}: the training split has {there} needs at least 2: give it more samples or other data."
            )

    @property
    def is_regression(self) -> bool:
        """Whether numbers are predicted, not classes."""
        return self.num_classes is None

    @property
    def outputs(self) -> int:
        """Number of outputs of a host: one logit a class, or the number itself."""
        return 1 if self.num_classes is None else self.num_classes

    @property
    def input_dim(self) -> int:
        """Number of features or tokens of a sample."""
        return self.train.inputs.shape[1]


def split_sizes(samples: int, train_frac: float) -> tuple[int, int, int]:
    """Return the sizes of train, validation and test: what does not train is halved.

    >>> split_sizes(500, 0.7)
    (350, 75, 75)
    """
    train = int(train_frac * samples)
    validation = (samples - train) // 2
    return train, validation, samples - train - validation


def split_task(
    name: str,
    inputs: NDArray[np.float64],
    targets: NDArray[np.int64] | NDArray[np.float64],
    *,
    train_frac: float,
    rng_seed: int,
    softening: float = 0.0,
    columns: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Task:
    """Shuffle, split and scale a data set.

    Args:
        name: of the task, for messages.
        inputs: (samples, features).
        targets: (samples,), class indices from 0, or floating-point numbers to predict, which are scaled too: a loss of 1 is
            that of predicting their mean.
        train_frac: fraction that trains; the rest is halved into validation and test.
        rng_seed: of the run.
        softening: added to the deviations of inputs.
        columns: names of the features.
        outputs: names of the classes, or of the number to predict.

    Mean and deviation are those of the training split alone. An input that never changes there becomes 0.
    """
    order = torch.randperm(len(targets), generator=generator(rng_seed, "split")).numpy()
    inputs, targets = inputs[order], targets[order]
    first, middle, _ = split_sizes(len(targets), train_frac)
    known = inputs[:first] if first else np.zeros((1, inputs.shape[1]))  # `Task` refuses an empty split by name
    is_regression = np.issubdtype(targets.dtype, np.floating)
    scaling = Scaling.fitted(targets[:first, None]) if is_regression and first else None
    units = Units(Scaling.fitted(known, softening), scaling, _names(columns), _names(outputs))
    if scaling is not None:
        targets = scaling.scaled(targets[:, None])
    rows, labels = units.as_inputs(inputs), torch.tensor(targets, dtype=torch.float32 if is_regression else torch.int64)
    parts = (slice(0, first), slice(first, first + middle), slice(first + middle, None))
    train, validation, test = (Split(rows[part], labels[part]) for part in parts)
    return Task(name, train, validation, test, None if is_regression else int(targets.max(initial=0)) + 1, units)


def _names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
