"""The state of an optimizer whose parameters come and go.

Parameters are told apart by name, never by their place: a place that was swapped would load silently where the shapes agree.
Not for: adding and removing parameters while training (`kaslite.seeds.surgery`).
"""

from __future__ import annotations

import copy
from itertools import chain
from typing import TYPE_CHECKING, Any

from kaslite.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn
    from torch.optim import Optimizer

    from kaslite.seeds import SeededModel
    from kaslite.training.state import Tree


def optimizer_names(model: SeededModel, optimizer: Optimizer) -> list[list[str]]:
    """Return the names of the parameters of each group, in order; what is not the model's is called by its place."""
    names = {id(parameter): name for name, parameter in _named_parameters(model)}
    return [
        [names.get(id(parameter), f"#{group}.{place}") for place, parameter in enumerate(entry["params"])]
        for group, entry in enumerate(optimizer.param_groups)
    ]


def check_optimizer(model: SeededModel, optimizer: Optimizer, names: list[list[str]]) -> None:
    """Refuse an optimizer whose groups hold other parameters of the host than those named."""
    here = optimizer_names(model, optimizer)
    grown = tuple(f"{seed.layer_name}:{seed.index}/" for seed in model.seeds)
    if len(here) != len(names):
        raise StorageError(f"it is of another optimizer: it has {len(names)} parameter groups there and {len(here)} here.")
    for number, (own, other) in enumerate(zip(here, names, strict=True)):
        differ = sorted({n for n in own if not n.startswith(grown)} ^ {n for n in other if not n.startswith(grown)})
        if differ:
            raise StorageError(f"it is of another optimizer: group {number} holds {differ[0]!r} only here or only there.")


def put_parameters(model: SeededModel, optimizer: Optimizer, names: list[list[str]]) -> None:
    """Give each group the parameters of those names, in that order; moments are not touched."""
    known, titles = dict(_named_parameters(model)), {id(p): name for name, p in model.named_parameters()}
    for group, entry in enumerate(optimizer.param_groups):
        known |= {f"#{group}.{place}": parameter for place, parameter in enumerate(entry["params"])}
        titles = dict(zip(map(id, entry["params"]), entry.get("param_names", ()), strict=False)) | titles
    for entry, wanted in zip(optimizer.param_groups, names, strict=True):
        entry["params"][:] = [known[name] for name in wanted]
        if "param_names" in entry:  # an optimizer that was made from named parameters
            entry["param_names"][:] = [titles[id(parameter)] for parameter in entry["params"]]
    held = {id(parameter) for entry in optimizer.param_groups for parameter in entry["params"]}
    for parameter in [parameter for parameter in optimizer.state if id(parameter) not in held]:
        del optimizer.state[parameter]


def load_optimizer(optimizer: Optimizer, captured: Mapping[str, Any]) -> None:
    """Load an optimizer's own ``state_dict()``, whose parameters are in the order of its groups."""
    optimizer.load_state_dict(copy.deepcopy(dict(captured)))  # it would keep the tensors that it is given


def named_moments(optimizer: Optimizer, names: list[list[str]]) -> Tree:
    """Return what the optimizer remembers of each parameter, by the names that `optimizer_names` gave; not copied."""
    named = zip(chain(*names), chain(*(group["params"] for group in optimizer.param_groups)), strict=True)
    return {name: optimizer.state[parameter] for name, parameter in named if parameter in optimizer.state}


def load_named_moments(optimizer: Optimizer, names: list[list[str]], moments: Tree) -> None:
    """Load what `named_moments` returned; the options of the groups stay, because schedulers go on."""
    packed = optimizer.state_dict()
    state = {place: copy.deepcopy(moments[name]) for place, name in enumerate(chain(*names)) if name in moments}
    optimizer.load_state_dict({**packed, "state": state})


def _named_parameters(model: SeededModel) -> Iterator[tuple[str, nn.Parameter]]:
    for name, parameter in model.host.named_parameters():
        yield name, parameter
    for seed in model.seeds:
        if seed.module is not None:
            for name, parameter in seed.module.named_parameters():
                yield f"{seed.layer_name}:{seed.index}/{name}", parameter
