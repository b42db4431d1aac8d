"""The drift that a seed in TRAINING would cause if it were fully in: measured where nobody feels it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kaslite import Germinate, SeedState, Span
from kaslite.blueprints import Blueprint, FeatureKind, registry
from kaslite.seeds.layer import CANDIDATE_ROWS
from tests.growing import Growth
from tests.hosts import samples

DENSE = frozenset({FeatureKind.DENSE, FeatureKind.SEQUENCE})
CASES = {
    "in place": {},
    "batch norm": {"host": "batch_norm"},
    "tokens": {"host": "transformer"},
    "span": {"at": Span(reads="stem", writes="blocks.0")},
    "chunks": {"chunked": True, "seeds_per_layer": 2, "place": ("blocks.0", 1)},
}


class Odd(nn.Module):
    """Learns like any other, and does something of its own when it is evaluated."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.odd = "nothing"
        nn.init.zeros_(self.norm.weight)

    def forward(self, feature: Tensor) -> Tensor:
        delta = self.norm(self.linear(functional.dropout(feature, 0.5, self.training)))
        if self.odd == "raises" and not torch.is_grad_enabled():
            raise ValueError("no more")
        return delta if self.odd in ("nothing", "raises") or torch.is_grad_enabled() else delta + float(self.odd)


@pytest.fixture
def odd_seeds(monkeypatch) -> None:
    monkeypatch.setitem(registry._REGISTRY, "odd", Blueprint("odd", DENSE, lambda shape: Odd(shape.writes)))


def trained(**options) -> Growth:
    growth = Growth(**options).reach(SeedState.TRAINING)
    for _ in range(4):
        growth.step()
    return growth


def readings(growth: Growth, inputs: Tensor):
    """Return what a probe sees, and what the model answers meanwhile."""
    growth.model.eval()
    with growth.model.probing() as found, torch.no_grad():
        output = growth.model(inputs)
    return found, output


def features(growth: Growth, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the seed reads and what it writes to."""
    host, caught = growth.model.host, {}
    layer = growth.model.layers[growth.place[0]]
    for name in (layer.span.source, layer.span.writes):

        def keep(_module, _args, output, name=name) -> None:
            caught[name] = (output[0] if isinstance(output, tuple) else output).clone()

        host.get_submodule(name).register_forward_hook(keep, prepend=True)
    with torch.no_grad():
        host.eval()(inputs)
    return caught[layer.span.source], caught[layer.span.writes]


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_drift_of_the_feature_with_all_of_the_seed(case: str) -> None:
    growth = trained(**CASES[case])
    inputs, seed = samples(CANDIDATE_ROWS)[0], growth.seed
    found, _ = readings(growth, inputs)
    read, before = features(growth, inputs)
    with torch.no_grad():
        after = seed.writes.put(before, seed.writes.of(before) + seed.delta(seed.reads.of(read)))
    expected = 1 - functional.cosine_similarity(before.flatten(1), after.flatten(1)).mean().item()
    assert found[growth.place[0]].drifts[seed.index].cosine == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert expected > 1e-5
    assert seed.weight == 0.0


@pytest.mark.parametrize("case", CASES)
def test_measuring_it_changes_no_answer(case: str) -> None:
    growth = trained(**CASES[case])
    inputs = samples(100)[0]
    with torch.no_grad():
        alone = growth.model.eval()(inputs)
    assert torch.equal(readings(growth, inputs)[1], alone)


@pytest.mark.usefixtures("odd_seeds")
@pytest.mark.parametrize("odd", ["nothing", "inf", "nan", "3e38", "raises"])
@pytest.mark.parametrize("host", ["in_place", "batch_norm"])
def test_whatever_the_seed_computes_the_host_trains_as_without_it(odd: str, host: str) -> None:
    growth, alone = Growth(host, blueprint="odd", governor=None), Growth(host, governor=None)
    for run in (growth, alone):
        run.epoch()
    growth.grower.apply(Germinate(*growth.place, "odd"))
    for run in (growth, alone):
        run.step()
    growth.seed.module.odd = odd
    for _ in range(2):
        observed = []
        for run in (growth, alone):
            run.epoch()
            observed.append((run.controller.seen[-1].val_loss, run.controller.seen[-1].health))
            host_state = run.model.host.state_dict()
            gradients = [parameter.grad for parameter in run.model.host.parameters()]
            observed[-1] += ([*host_state.values(), *gradients],)
        (*one, ours), (*other, theirs) = observed
        assert one == other
        assert all(map(torch.equal, ours, theirs))
    assert growth.seed.state is (SeedState.EMBARGOED if odd == "raises" else SeedState.TRAINING)


@pytest.mark.usefixtures("odd_seeds")
def test_it_is_measured_in_evaluation_mode_and_leaves_the_seed_as_it_was() -> None:
    growth = trained(blueprint="odd")
    before = {name: tensor.clone() for name, tensor in growth.seed.state_dict().items()}
    stream = torch.get_rng_state()
    found, _ = readings(growth, samples(100)[0])
    assert found["blocks.0"].drifts[0].cosine >= 0
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(tensor, before[name]) for name, tensor in growth.seed.state_dict().items())
    assert growth.seed.module.training


def test_it_is_measured_at_the_weight_that_the_seed_would_come_to() -> None:
    growth = trained()
    inputs, seed = samples(CANDIDATE_ROWS)[0], growth.seed
    seed.blend_factor = 0.25
    found, _ = readings(growth, inputs)
    read, before = features(growth, inputs)
    with torch.no_grad():
        expected = 1 - functional.cosine_similarity(before, before + 0.25 * seed.delta(read)).mean().item()
    assert found[growth.place[0]].drifts[seed.index].cosine == pytest.approx(expected, rel=1e-2, abs=1e-6)


def test_it_is_measured_on_a_bounded_number_of_samples() -> None:
    growth = trained()
    sizes: list[int] = []
    growth.seed.module.register_forward_hook(lambda _module, args, _output: sizes.append(len(args[0])))
    inputs = samples(2 * CANDIDATE_ROWS)[0]
    found, _ = readings(growth, inputs)
    first, _ = readings(growth, inputs[:CANDIDATE_ROWS])
    assert sizes == [CANDIDATE_ROWS, CANDIDATE_ROWS]
    assert found["blocks.0"].drifts[0].cosine == pytest.approx(first["blocks.0"].drifts[0].cosine, rel=1e-4)
    growth.model.eval()
    with growth.model.probing(), torch.no_grad():
        for chunk in inputs.split(100):
            growth.model(chunk)
    assert sizes[2:] == [CANDIDATE_ROWS]


def test_the_health_of_the_layer_is_that_without_the_candidate() -> None:
    growth = trained()
    inputs = samples(100)[0]
    found, _ = readings(growth, inputs)
    _, feature = features(growth, inputs)
    assert found["blocks.0"].health == pytest.approx(feature.var(dim=0, correction=0).mean().item(), rel=1e-5)


@pytest.mark.parametrize("state", [SeedState.TRAINING, SeedState.BLENDING])
def test_beside_a_fossilized_seed_the_drift_of_another_is_its_own_alone(state: SeedState) -> None:
    growth = Growth(seeds_per_layer=2, fixed_steps=50).reach(SeedState.FOSSILIZED)
    growth.place = ("blocks.0", 1)
    growth.reach(state)
    for _ in range(8):
        growth.step()
    inputs = samples(100)[0]
    found, _ = readings(growth, inputs)
    old, new = growth.model.layers["blocks.0"].seeds
    _, before = features(growth, inputs)
    with torch.no_grad():
        without = before + old.weight * old.delta(before)
        share = new.weight if state is SeedState.BLENDING else 1.0
        with_it = without + share * new.delta(before)
    drifts = {index: reading.cosine for index, reading in found["blocks.0"].drifts.items()}
    pairs = {0: (before, without), 1: (without, with_it)}
    expected = {index: 1 - functional.cosine_similarity(*pair).mean().item() for index, pair in pairs.items()}
    assert drifts == pytest.approx(expected, rel=1e-2, abs=1e-6)
    assert drifts[1] < drifts[0]
    assert not math.isclose(drifts[0], drifts[1], rel_tol=0.1)
