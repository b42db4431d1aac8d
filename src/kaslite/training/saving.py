"""`kaslite.save` and `kaslite.load`: a whole training in one file, and back, bit for bit.

The file holds tensors and JSON, and no code. Not for: the policy of when to save; `kaslite run` has one of its own.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from kaslite.errors import StorageError
from kaslite.randomness import global_state, set_global_state
from kaslite.training.checkpoint_file import read_tree, write_tree
from kaslite.training.optimizer_state import load_optimizer
from kaslite.training.state import Tree, check_host

if TYPE_CHECKING:
    import os

    from torch.optim import Optimizer

    from kaslite.seeds import SeededModel
    from kaslite.training.grower import Grower

_log = logging.getLogger("kaslite")


def save(path: str | os.PathLike[str], model: SeededModel, optimizer: Optimizer, grower: Grower) -> None:
    """Write a training to a file: whole, or not at all.

    Args:
        path: of the file.
        model: the seeded host.
        optimizer: its optimizer.
        grower: its Grower, with the schedulers that were given to it.

    Raises:
        StorageError: if the file cannot be written.
    """
    write_tree(Path(path), capture(model, optimizer, grower))


def load(path: str | os.PathLike[str], model: SeededModel, optimizer: Optimizer, grower: Grower) -> None:
    """Take a training over from a file; the three are made as they were made for the one that was saved.

    Raises:
        StorageError: if the file is damaged, of a newer format, or of another host, topology, optimizer or controller; then
            nothing has changed.

    >>> import kaslite, torch, tempfile
    >>> def training():
    ...     host = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    ...     model = kaslite.SeededModel(host, at="0", example_input=torch.zeros(1, 4))
    ...     optimizer = torch.optim.AdamW(model.parameters())
    ...     return model, optimizer, kaslite.Grower(model, optimizer, controller=kaslite.Plateau(), blueprints=["mlp"])
    >>> one, other = training(), training()
    >>> events = one[2].apply(kaslite.Germinate("0", 0, "mlp"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kaslite.save(f"{folder}/one.safetensors", *one)
    ...     kaslite.load(f"{folder}/one.safetensors", *other)
    >>> other[0].layers["0"].seeds[0].state
    <SeedState.GERMINATED: 'germinated'>
    """
    try:
        restore(read_tree(Path(path)), model, optimizer, grower)
    except StorageError as error:
        sentence = str(error)
        raise StorageError(sentence if str(path) in sentence else f"cannot load {path}: {sentence}") from error


def capture(model: SeededModel, optimizer: Optimizer, grower: Grower) -> Tree:
    """Return the whole state of a training; its tensors are those in use."""
    return {
        "host": dict(model.host.state_dict()),
        "grower": grower.state_dict(),
        "optimizer_kind": type(optimizer).__name__,
        "optimizer": optimizer.state_dict(),
        "streams": global_state(),
        "num_threads": torch.get_num_threads(),
    }


def restore(tree: Tree, model: SeededModel, optimizer: Optimizer, grower: Grower) -> None:
    """Put a training where `capture` found another."""
    if not isinstance(tree, dict) or not {"host", "grower", "optimizer", "streams"} <= tree.keys():
        raise StorageError("it holds no training.")
    check_host(model.host, tree["host"])
    if tree["optimizer_kind"] != type(optimizer).__name__:
        raise StorageError(f"its optimizer is {tree['optimizer_kind']} there, and {type(optimizer).__name__} here.")
    grower.load_state_dict(tree["grower"])
    model.host.load_state_dict(tree["host"])
    load_optimizer(optimizer, tree["optimizer"])
    set_global_state(tree["streams"])
    grower.settle_loaded()
    if tree["num_threads"] != torch.get_num_threads():
        _log.warning(
            "this was trained with %d threads, and goes on with %d: sums round differently, so the two will differ.",
            tree["num_threads"],
            torch.get_num_threads(),
        )
