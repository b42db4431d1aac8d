"""Shadow training: a seed learns beside the host, by an optimizer of its own, and the host cannot feel it.

From what it learns is its objective (`kaslite.seeds.objectives`). Not for: deciding when it has learned enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kaslite.errors import UsageError
from kaslite.seeds.alignment import Alignment
from kaslite.seeds.objectives import RECONSTRUCT, check_objective
from kaslite.seeds.reconstruction import Reconstruction, unmetered

if TYPE_CHECKING:
    from kaslite.seeds.reconstruction import Metering
    from kaslite.seeds.seed import Seed


class ShadowTrainer:
    """Trains one seed with an optimizer of its own: in TRAINING it is in no other.

    Args:
        seed: a germinated one.
        lr: learning rate of Adam.
        objective: one of `kaslite.seeds.objectives.OBJECTIVES`.
        rng_seed: the run's; what an objective draws comes from a stream derived from it.
    """

    def __init__(self, seed: Seed, lr: float, *, objective: str = "task", rng_seed: int = 0) -> None:
        assert seed.module is not None, "only a germinated seed can train"
        check_objective(objective)
        self.objective = seed.objective = objective
        self._progress = Reconstruction(seed, rng_seed) if objective == RECONSTRUCT else Alignment(seed)
        self._parameters = {
            name: parameter
            for name, parameter in seed.module.named_parameters()
            if parameter.requires_grad and name.startswith(self._progress.trains)
        }
        self._lr = lr
        self._start()

    def _start(self) -> None:
        self._started_as = self._kind()
        self._optimizer = torch.optim.Adam(self._parameters.values(), lr=self._lr)

    def _kind(self) -> tuple[torch.dtype, torch.device]:
        # When a model moves to another dtype or device, moments do not: they start anew.
        parameter = next(iter(self._parameters.values()))
        return parameter.dtype, parameter.device

    def step(self, metering: Metering = unmetered) -> None:
        """Take one step on the gradients that the host's backward pass or the objective left, and clear them.

        A gradient that is not finite counts as zero: asking first would wait for the device at every step.

        Args:
            metering: what a pass of the objective's own, beside the host's, is carried out in.
        """
        if self._kind() != self._started_as:
            self._start()
        self._progress.prepare_step(metering)
        for parameter in self._parameters.values():
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self._optimizer.step()
        self._optimizer.zero_grad()

    @property
    def is_finite(self) -> bool:
        """Whether all that the seed has computed since the last reading was finite."""
        return self._progress.is_finite

    def read_progress(self) -> float | None:
        """Return the training progress, in [0, 1]; not finite if the seed is not, ``None`` if there was no step.

        ``task``, ``gradient``: the cosine of delta and -g since the last reading. ``reconstruct``: 1 - smoothed / first loss.
        """
        return self._progress.read()

    def state_dict(self) -> dict[str, Any]:
        """Return what it takes to train on exactly, but for the seed's module: nested dicts of tensors, numbers, names."""
        moments = self._optimizer.state
        return {
            "objective": self.objective,
            "moments": {
                name: {key: _copied(value) for key, value in moments[parameter].items()}
                for name, parameter in self._parameters.items()
                if parameter in moments
            },
            "progress": self._progress.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Train on where another trainer, of an equal seed, stopped.

        Raises:
            UsageError: if that one had another objective or other parameters.
        """
        if state["objective"] != self.objective:
            raise UsageError(
                f"the seed was trained with the shadow objective {state['objective']!r} and is to go on with "
                f"{self.objective!r}; give the Grower shadow_objective={state['objective']!r}."
            )
        strangers = sorted(state["moments"].keys() - self._parameters.keys())
        if strangers:
            raise UsageError(f"the seed has no parameter {strangers[0]!r}; it was another blueprint whose training was saved.")
        self._start()
        for name, moments in state["moments"].items():
            parameter = self._parameters[name]
            # Adam counts its steps on the CPU, whatever it trains.
            self._optimizer.state[parameter] = {
                key: _copied(value, like=None if key == "step" else parameter) for key, value in moments.items()
            }
        self._progress.load_state_dict(state["progress"])


def _copied(value: Any, like: Tensor | None = None) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.clone() if like is None else value.to(like, copy=True)
