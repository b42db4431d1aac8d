"""Surgery on an optimizer: parameters come and go while it runs.

Newborns join an existing parameter group, so that learning-rate schedulers, which remember their groups, go on as before;
the moments of everything that stays are not touched. Not for: choosing which parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn
    from torch.optim import Optimizer

_CANNOT_GROW = {
    "LBFGS": "it fixes its parameters when it is made",
    "Muon": "it takes only matrices, and seeds have biases",
    "SparseAdam": "it takes only sparse gradients",
}


def check_can_grow(optimizer: Optimizer) -> None:
    """Refuse an optimizer that cannot take newborn parameters, by name and with the reason."""
    name = next((kind.__name__ for kind in type(optimizer).__mro__ if kind.__name__ in _CANNOT_GROW), None)
    if name is not None:
        raise UsageError(
            f"{name} cannot train a growing model: {_CANNOT_GROW[name]}; "
            "give the Grower an optimizer such as AdamW or SGD (where there are several, the one that trains biases)."
        )


def add_parameters(optimizer: Optimizer, newborns: Iterable[tuple[str, nn.Parameter]], beside: Iterable[nn.Parameter]) -> None:
    """Append named newborns to the group that holds the first parameter of ``beside`` that any group holds.

    Args:
        optimizer: edited in place.
        newborns: names and parameters, none of which it holds yet.
        beside: parameters of the host, the nearest to the newborns first.
    """
    home = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    group = next((home[id(parameter)] for parameter in beside if id(parameter) in home), optimizer.param_groups[0])
    for name, parameter in newborns:
        assert id(parameter) not in home, f"{name} is in the optimizer already"
        group["params"].append(parameter)
        if "param_names" in group:  # an optimizer that was made from named parameters
            group["param_names"].append(name)


def forget_moments(optimizer: Optimizer) -> None:
    """Forget what the optimizer remembers of every parameter, as if it were new; its options and groups stay."""
    optimizer.state.clear()


def remove_parameters(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Take parameters and their moments out of the optimizer; what it never held is passed over."""
    gone = {id(parameter): parameter for parameter in parameters}
    for group in optimizer.param_groups:
        keep = [place for place, parameter in enumerate(group["params"]) if id(parameter) not in gone]
        for key in {"params", "param_names"} & group.keys():
            group[key][:] = [group[key][place] for place in keep]
    for parameter in gone.values():
        optimizer.state.pop(parameter, None)
