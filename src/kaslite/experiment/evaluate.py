"""What a completed run is worth, from its folder alone: its network on the test split, and its epochs as a table.

The split is the one that the run held back: its config makes it again, and a data file has to be what it was. Not for:
training; what is found here decides nothing.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import torch

from kaslite.events import EpochCompleted
from kaslite.experiment.network_file import read_network
from kaslite.tasks import PROBLEMS
from kaslite.telemetry import read_log
from kaslite.training.evaluation import cross_entropies, evaluate_on, r_squared, squared_errors

if TYPE_CHECKING:
    from kaslite.experiment.run_directory import RunDirectory

CURVE = ("epoch", "phase", "train_loss", "val_loss", "val_accuracy", "best_accuracy", "learning_rate", "live_seeds")
"""Columns of the learning curve."""


@torch.no_grad()
def evaluate(directory: RunDirectory) -> dict[str, float]:
    """Return what the network that a run has grown does on the test split; what does not apply is absent.

    Raises:
        KasliteError: if the run is not completed, if a file of it is damaged, or if its data was changed.
    """
    config = directory.read_config()
    task = PROBLEMS[config.problem_type].load(config, config.rng_seed)
    network = read_network(directory.model)
    losses = squared_errors if task.is_regression else cross_entropies
    found = evaluate_on(network.model, task.test.inputs, task.test.targets, losses)
    metrics = {
        "test_accuracy": found.accuracy,
        "test_loss": found.loss,
        "test_r2": r_squared(found.loss, task.test.targets) if task.is_regression else None,
        "test_samples": len(task.test),
        "final_params": sum(parameter.numel() for parameter in network.model.parameters()),
    }
    return {name: value for name, value in metrics.items() if value is not None}


def learning_curve(directory: RunDirectory) -> str:
    """Return the epochs of a run as CSV; what was not measured is an empty cell.

    Raises:
        StorageError: if its event log cannot be read.
    """
    text = io.StringIO()
    lines = csv.DictWriter(text, CURVE, lineterminator="\n", extrasaction="ignore")
    lines.writeheader()
    for event in read_log(directory.events):
        if isinstance(event, EpochCompleted):
            lines.writerow({**vars(event), "live_seeds": len(event.seeds)})
    return text.getvalue()
