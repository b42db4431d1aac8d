"""The problems by name, without importing what loads them, so that ``kaslite run --help`` is quick.

Not for: data; each problem's own file loads it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.tasks.task import Task

HOST_PATTERN = "blocks.*"
"""Where seeds sit by default: every host of ours calls its hidden layers so."""


@dataclass(frozen=True)
class Problem:
    """A named data set."""

    module: str  # its ``load(config) -> Task`` is called with the settings of the run
    summary: str
    defaults: Mapping[str, Any] = field(default_factory=dict)  # settings that suit it; flags and files override them
    input_dim: int | None = None  # number of inputs where the data fixes it

    def load(self, settings: Any, rng_seed: int) -> Task:
        """Load or generate the data.

        Args:
            settings: an object with the fields of `kaslite.experiment.config.RunConfig` that the problem reads.
            rng_seed: generation and splits draw from streams derived from it.
        """
        task: Task = importlib.import_module(self.module).load(settings, rng_seed)
        return task


PROBLEMS: dict[str, Problem] = {
    "spirals": Problem("kaslite.tasks.spirals", "two interleaving spirals, generated"),
    "digits": Problem(
        "kaslite.tasks.digits",
        "1,797 real handwritten digits of 8 x 8 pixels, from scikit-learn",
        # Enough decay that the host does not memorise 1,257 images before anything has grown.
        defaults={"hidden_dim": 24, "lr": 1e-3, "weight_decay": 0.5, "acc_threshold": 0.99},
        input_dim=64,
    ),
}
