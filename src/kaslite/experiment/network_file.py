"""The network that a run has grown, as one file in its folder: what it takes to build it again, tensors and plain data.

Host and seeds as they were at the end, with their alphas, and the units of the task; neither data nor optimizer is needed to
use it. Not for: going on with a run; checkpoints hold what that takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from kaslite.errors import StorageError
from kaslite.experiment.assembly import build_model
from kaslite.experiment.config import RunConfig, first_complaint
from kaslite.tasks.units import Scaling, Units
from kaslite.training.checkpoint_file import read_tree, write_tree
from kaslite.training.state import capture_seeds, check_host, prepare_seeds, put_seeds

if TYPE_CHECKING:
    from pathlib import Path

    from kaslite.experiment.assembly import Experiment
    from kaslite.seeds import SeededModel

NETWORK = "network.safetensors"


@dataclass(frozen=True)
class Network:
    """A network that has grown."""

    model: SeededModel
    example: torch.Tensor  # one batch of what it takes: zeros of the right shape and type
    units: Units | None  # what its inputs and outputs mean, where the task scales its inputs


def write_network(folder: Path, experiment: Experiment) -> None:
    """Write the network of an experiment into a folder, which is made.

    Raises:
        StorageError: if it cannot be written to.
    """
    task, model = experiment.task, experiment.model
    tree = {
        "config": experiment.config.model_dump(mode="json"),
        "input_dim": task.input_dim,
        "outputs": task.outputs,
        "units": None if task.units is None else _as_plain(task.units),
        "example": torch.zeros_like(task.train.inputs[:2], device="cpu"),
        "host": dict(model.host.state_dict()),
        "seeds": capture_seeds(model),
    }
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}.") from error
    write_tree(folder / NETWORK, tree)


def read_network(folder: Path) -> Network:
    """Build the network that is in a folder, on the CPU and in eval mode; no code that is in the file is run.

    Raises:
        StorageError: if there is none, if it is damaged or of another kaslite, or if a blueprint has changed since.
        UsageError: if it has grown a blueprint that is not registered here.
    """
    path = folder / NETWORK
    if not path.is_file():
        raise StorageError(f"there is no network in {folder}; a run writes it when it is completed.")
    tree = read_tree(path)
    try:
        return _built(tree)
    except (StorageError, KeyError) as error:
        why = f"it does not hold {error}." if isinstance(error, KeyError) else error
        raise StorageError(f"the network {path} does not fit this kaslite: {why}") from error
    except ValidationError as error:
        raise StorageError(f"the network {path} does not fit this kaslite: {first_complaint(error)}") from error


def _built(tree: dict[str, Any]) -> Network:
    config = RunConfig(**tree["config"]).model_copy(update={"device": "cpu"})
    example, units = tree["example"], tree.get("units")  # earlier kaslites did not keep units
    model = build_model(config, tree["input_dim"], tree["outputs"], example)
    check_host(model.host, tree["host"])
    prepared = prepare_seeds(model, tree["seeds"])
    model.host.load_state_dict(tree["host"])
    put_seeds(model, prepared)
    return Network(model.eval(), example, None if units is None else _from_plain(units))


def _as_plain(units: Units) -> dict[str, Any]:
    return {
        "inputs": _scaling_as_plain(units.inputs),
        "target": None if units.target is None else _scaling_as_plain(units.target),
        "columns": units.columns,
        "outputs": units.outputs,
    }


def _from_plain(plain: dict[str, Any]) -> Units:
    target = plain["target"]
    return Units(
        Scaling(**{name: tensor.numpy() for name, tensor in plain["inputs"].items()}),
        None if target is None else Scaling(**{name: tensor.numpy() for name, tensor in target.items()}),
        plain["columns"],
        plain["outputs"],
    )


def _scaling_as_plain(scaling: Scaling) -> dict[str, torch.Tensor]:
    return {"mean": torch.from_numpy(scaling.mean), "deviation": torch.from_numpy(scaling.deviation)}
