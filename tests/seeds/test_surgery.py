import copy
import inspect
from functools import partial

import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from kaslite.errors import UsageError
from kaslite.randomness import generator, global_stream
from kaslite.seeds.surgery import add_parameters, check_can_grow, forget_moments, remove_parameters

REFUSED = {"LBFGS", "Muon", "SparseAdam"}
OPTIMIZERS = {
    name: cls
    for name, cls in inspect.getmembers(optim, inspect.isclass)
    if issubclass(cls, optim.Optimizer) and cls is not optim.Optimizer
}
CAN_GROW = {
    **{name: cls for name, cls in OPTIMIZERS.items() if name not in REFUSED},
    "SGD with momentum": partial(optim.SGD, momentum=0.9),
    "Adam with amsgrad": partial(optim.Adam, amsgrad=True),
    "fused AdamW": partial(optim.AdamW, fused=True),
    "foreach AdamW": partial(optim.AdamW, foreach=True),
}
SCHEDULERS = {
    "StepLR": partial(lr_scheduler.StepLR, step_size=3),
    "CosineAnnealingLR": partial(lr_scheduler.CosineAnnealingLR, T_max=20),
    "OneCycleLR": partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=30),
    "ReduceLROnPlateau": partial(lr_scheduler.ReduceLROnPlateau, patience=2),
    "SequentialLR": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, total_iters=5), lr_scheduler.CosineAnnealingLR(optimizer, T_max=15)],
        milestones=[5],
    ),
}
every_optimizer = pytest.mark.parametrize("make", CAN_GROW.values(), ids=CAN_GROW.keys())


def network(name, layers=2):
    with global_stream(torch.device("cpu"), 0, name):
        return nn.Sequential(*[nn.Linear(3, 3) for _ in range(layers)])


def named(module):
    return [(f"newborn.{name}", parameter) for name, parameter in module.named_parameters()]


def step(optimizer, *modules):
    """Take one step of the sum of what the modules do with one and the same input."""
    optimizer.zero_grad()
    x = torch.randn(4, 3, generator=generator(0, "x"))
    sum(module(x).square().sum() for module in modules).backward()
    optimizer.step()


def two_groups(host):
    return [{"params": host[0].parameters(), "lr": 0.1}, {"params": host[1].parameters(), "lr": 0.01}]


def same(one, other):
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def same_moments(state, others):
    return state.keys() == others.keys() and all(same(state[key], others[key]) for key in state)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_optimizer_that_cannot_grow_is_refused_by_name(name):
    parameters = [nn.Parameter(torch.zeros(2, 2))]
    with pytest.raises(UsageError, match=f"{name} cannot train a growing model: it .*; give the Grower"):
        check_can_grow(OPTIMIZERS[name](parameters))


@every_optimizer
def test_every_other_optimizer_trains_newborns(make):
    host, newborn = network("host"), network("newborn")
    optimizer = make(host.parameters(), lr=0.01)
    check_can_grow(optimizer)
    step(optimizer, host)
    add_parameters(optimizer, named(newborn), host.parameters())
    before = copy.deepcopy(newborn)
    step(optimizer, host, newborn)
    assert not any(map(torch.equal, newborn.parameters(), before.parameters()))


@every_optimizer
def test_moments_of_what_stays_survive_growth_and_removal(make):
    host, newborn = network("host"), network("newborn")
    optimizer = make(host.parameters(), lr=0.01)
    step(optimizer, host)
    before = {parameter: copy.deepcopy(optimizer.state[parameter]) for parameter in host.parameters()}
    add_parameters(optimizer, named(newborn), host.parameters())
    remove_parameters(optimizer, newborn.parameters())
    assert all(same_moments(optimizer.state[parameter], before[parameter]) for parameter in host.parameters())


@every_optimizer
def test_an_optimizer_whose_moments_are_forgotten_goes_on_as_a_new_one(make):
    host = network("host")
    optimizer = make(host.parameters(), lr=0.01)
    step(optimizer, host)
    twin = copy.deepcopy(host)
    forget_moments(optimizer)
    step(optimizer, host)
    step(make(twin.parameters(), lr=0.01), twin)
    assert all(map(torch.equal, host.parameters(), twin.parameters()))


@every_optimizer
def test_the_host_trains_as_if_no_newborn_had_come_and_gone(make):
    host, twin, newborn = network("host"), network("host"), network("newborn")
    optimizer, other = (make(module.parameters(), lr=0.01) for module in (host, twin))
    step(optimizer, host)
    add_parameters(optimizer, named(newborn), host.parameters())
    step(optimizer, host, newborn)
    remove_parameters(optimizer, newborn.parameters())
    step(optimizer, host)
    for _ in range(3):
        step(other, twin)
    assert all(map(torch.equal, host.parameters(), twin.parameters()))


def test_newborns_join_the_group_of_their_neighbour():
    host, newborn = network("host"), network("newborn")
    optimizer = optim.AdamW(two_groups(host))
    add_parameters(optimizer, named(newborn), host[1].parameters())
    first, second = (group["params"] for group in optimizer.param_groups)
    assert list(map(id, first)) == list(map(id, host[0].parameters()))
    assert list(map(id, second)) == list(map(id, [*host[1].parameters(), *newborn.parameters()]))


def test_where_the_neighbour_is_frozen_the_next_one_counts():
    host, newborn, frozen = network("host"), network("newborn"), network("frozen")
    optimizer = optim.AdamW(two_groups(host))
    add_parameters(optimizer, named(newborn), [*frozen.parameters(), *host[1].parameters(), *host[0].parameters()])
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 6]


def test_without_a_neighbour_newborns_join_the_first_group():
    host, newborn = network("host"), network("newborn")
    optimizer = optim.AdamW(two_groups(host))
    add_parameters(optimizer, named(newborn), network("frozen").parameters())
    assert [len(group["params"]) for group in optimizer.param_groups] == [6, 2]


def test_a_newborn_that_is_there_already_is_a_bug():
    host = network("host")
    with pytest.raises(AssertionError, match=r"newborn\.0\.weight is in the optimizer already"):
        add_parameters(optim.SGD(host.parameters(), lr=0.1), named(host), host.parameters())


def test_names_stay_beside_their_parameters():
    host, first, second = network("host"), network("first", 1), network("second", 1)
    optimizer = optim.AdamW(host.named_parameters())
    names = {id(parameter): name for name, parameter in host.named_parameters()}
    for label, module in (("first", first), ("second", second)):
        newborns = [(f"{label}.{name}", parameter) for name, parameter in module.named_parameters()]
        names |= {id(parameter): name for name, parameter in newborns}
        add_parameters(optimizer, newborns, host.parameters())
    remove_parameters(optimizer, first.parameters())
    (group,) = optimizer.param_groups
    assert group["param_names"] == [names[id(parameter)] for parameter in group["params"]]
    assert len(group["param_names"]) == 6


def test_what_is_removed_leaves_nothing_behind():
    host, newborn = network("host"), network("newborn")
    optimizer = optim.AdamW(host.parameters())
    add_parameters(optimizer, named(newborn), host.parameters())
    step(optimizer, host, newborn)
    remove_parameters(optimizer, newborn.parameters())
    assert list(map(id, optimizer.param_groups[0]["params"])) == list(map(id, host.parameters()))
    assert set(map(id, optimizer.state)) == set(map(id, host.parameters()))


def test_removing_what_was_never_there_changes_nothing():
    host = network("host")
    optimizer = optim.AdamW(host.parameters())
    remove_parameters(optimizer, network("stranger").parameters())
    assert list(map(id, optimizer.param_groups[0]["params"])) == list(map(id, host.parameters()))


@pytest.mark.parametrize("make_scheduler", SCHEDULERS.values(), ids=SCHEDULERS.keys())
def test_learning_rates_go_on_as_if_nothing_had_grown(make_scheduler):
    def rates(*, grow):
        host, newborn = network("host"), network("newborn")
        optimizer = optim.AdamW(two_groups(host))
        scheduler = make_scheduler(optimizer)
        for epoch in range(20):
            if grow and epoch == 4:
                add_parameters(optimizer, named(newborn), host[1].parameters())
            if grow and epoch == 12:
                remove_parameters(optimizer, newborn.parameters())
            step(optimizer, host, newborn)
            scheduler.step(*[1.0] * isinstance(scheduler, lr_scheduler.ReduceLROnPlateau))
            yield [group["lr"] for group in optimizer.param_groups]

    expected = list(rates(grow=False))
    assert list(rates(grow=True)) == expected
    assert len({tuple(pair) for pair in expected}) > 1
