"""The trained host of another run, to start with (``host_from``).

Only the host: what has grown on it is not taken, and a run that has grown is refused, because without its seeds the host is
not what was trained. Not for: going on with a run; that is `kaslite resume`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.errors import StorageError, UsageError
from kaslite.experiment.run_directory import RunDirectory
from kaslite.lifecycle import ISOLATED, SeedState
from kaslite.training.checkpoints import Checkpoints
from kaslite.training.state import check_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import nn


def take_trained_host(host: nn.Module, run: Path) -> None:
    """Give a host the tensors of the one that another run has trained.

    Args:
        host: a fresh one; it stays as it is if anything is wrong.
        run: the folder of the other run; its newest checkpoint is read.

    Raises:
        UsageError: if there is no such run, if its host has other tensors, or if seeds have grown on it.
        StorageError: if it has no checkpoint that can be read.
    """
    training = _read_training(run)
    grown = ", ".join(_grown(training["grower"]["seeds"]))
    if grown:
        raise UsageError(
            f"host_from is {run}, where seeds have grown ({grown}): without them its host is not what was trained; "
            "take a run in which nothing has grown."
        )
    try:
        check_host(host, training["host"])
    except StorageError as error:
        raise UsageError(
            f"host_from is {run}, and its host does not fit: {error} Give both runs the same host, hidden_dim, num_layers and "
            "number of classes."
        ) from error
    host.load_state_dict(training["host"])


def _read_training(run: Path) -> Mapping[str, Any]:
    directory = RunDirectory(run)
    if not directory.events.is_file():
        raise UsageError(f"host_from is {run}, which is not the folder of a run; give one that `kaslite run` has made.")
    found = Checkpoints(directory.checkpoints).latest()
    if found is None:
        raise StorageError(f"host_from is {run}, a run without a checkpoint that reads well: finish it with `kaslite resume`.")
    path, state = found
    try:
        training: Mapping[str, Any] = state["experiment"]["training"]
    except (KeyError, TypeError) as error:
        raise StorageError(f"the checkpoint {path} is not one of a run.") from error
    return training


def _grown(seeds: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the seeds that the host has felt and that are still there."""
    for seed in seeds:
        if seed["module"] is not None and SeedState(seed["state"]) not in ISOLATED:
            yield f"{seed['layer']}:{seed['seed']} {seed['blueprint_id']}"
