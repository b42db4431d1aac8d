from __future__ import annotations

import torch
from torch import nn

from kaslite import SeedState
from kaslite.training.optimizer_state import load_named_moments, named_moments, optimizer_names, put_parameters
from tests.growing import Growth


def test_parameters_are_named_by_host_seed_and_place() -> None:
    growth = Growth().reach(SeedState.BLENDING)
    stranger = nn.Parameter(torch.ones(1))
    growth.optimizer.param_groups[0]["params"].insert(0, stranger)
    names = optimizer_names(growth.model, growth.optimizer)[0]
    assert names[0] == "#0.0"
    assert names[1] == "stem.weight"
    assert names[-1] == "blocks.0:0/3.bias"


def test_parameters_are_put_in_the_order_of_their_names_with_their_titles() -> None:
    growth = Growth().reach(SeedState.BLENDING)
    optimizer = torch.optim.SGD(list(growth.model.named_parameters()), lr=0.1)
    (names,) = optimizer_names(growth.model, optimizer)
    put_parameters(growth.model, optimizer, [names[::-1]])
    (group,) = optimizer.param_groups
    named = dict(growth.model.named_parameters())
    assert [named[title] for title in group["param_names"]] == group["params"]
    assert optimizer_names(growth.model, optimizer) == [names[::-1]]


def test_moments_are_loaded_by_name_and_learning_rates_stay() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    growth.step()
    (names,) = optimizer_names(growth.model, growth.optimizer)
    kept = {n: {k: v.clone() for k, v in m.items()} for n, m in named_moments(growth.optimizer, [names]).items()}
    growth.step()
    growth.optimizer.param_groups[0]["lr"] = 0.125
    put_parameters(growth.model, growth.optimizer, [names[::-1]])
    load_named_moments(growth.optimizer, [names[::-1]], kept)
    loaded = named_moments(growth.optimizer, [names[::-1]])
    assert loaded.keys() == kept.keys() == set(names)
    assert all(torch.equal(value, kept[name][key]) for name, entry in loaded.items() for key, value in entry.items())
    assert growth.optimizer.param_groups[0]["lr"] == 0.125
