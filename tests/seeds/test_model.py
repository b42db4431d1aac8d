from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import kaslite
from kaslite import Germinate, SeededModel, SeedState
from tests.growing import PATH, Growth
from tests.hosts import build, hooks, samples


def germinate_unseen(model: SeededModel, layer: str) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    grower = kaslite.Grower(model, optimizer, controller=kaslite.Plateau(), blueprints=["mlp"])
    grower.apply(Germinate(layer, 0, "mlp"))


def test_a_dormant_model_is_its_host() -> None:
    host, (inputs, _) = build(), samples()
    expected, keys = host(inputs), list(host.state_dict())
    model = SeededModel(host, "blocks.*", 2, example_input=inputs)
    assert torch.equal(model(inputs), expected)
    assert model.host is host
    assert list(host.state_dict()) == keys
    assert list(model.parameters()) == list(host.parameters())


@pytest.mark.parametrize("host", ["in_place", "batch_norm", "transformer"])
def test_the_keys_of_the_hosts_state_dict_never_change(host: str) -> None:
    growth = Growth(host)
    keys = list(growth.model.host.state_dict())
    for state in PATH:
        growth.reach(state)
        assert list(growth.model.host.state_dict()) == keys
    growth.cull()
    while growth.seed.state is not SeedState.EMBARGOED:
        assert list(growth.model.host.state_dict()) == keys
        growth.step()
    assert list(growth.model.host.state_dict()) == keys


def test_after_a_cull_the_model_is_its_host_again() -> None:
    growth = Growth().reach(SeedState.FOSSILIZED)
    keys = list(Growth().model.state_dict())
    growth.cull()
    while growth.seed.state is SeedState.CULLED:
        growth.step()
    twin = build()
    twin.load_state_dict(growth.model.host.state_dict())
    assert list(growth.model.state_dict()) == keys
    assert torch.equal(growth.model(growth.inputs), twin(growth.inputs))


class Named(nn.Module):
    """Its middle is called by any name that torch allows."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.box = nn.Module()
        self.box.add_module(name, nn.Linear(6, 6))
        self.head = nn.Linear(6, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        (middle,) = self.box.children()
        return self.head(middle(inputs).relu())


@pytest.mark.parametrize("name", ["keys", "values", "layers", "seeds", "a/b", "a%2Fb", "@x", "a b"])
def test_layers_may_be_called_anything(name: str) -> None:
    layer = f"box.{name}"
    growth = Growth(Named(name), layer, place=(layer, 0)).reach(SeedState.SHADOWING)
    assert list(growth.model.layers) == [layer]
    assert growth.seed.place == (layer, 0)
    assert hooks(growth.model.host.box) == 1


def test_names_that_differ_only_in_dots_and_slashes_are_two_layers() -> None:
    host = nn.Sequential()
    for outer, inner in (("a/", "b"), ("a", "/b")):
        host.add_module(outer, nn.Sequential())
        host[-1].add_module(inner, nn.Linear(6, 6))
    model = SeededModel(host, ["a/.b", "a./b"])
    assert list(model.layers) == ["a/.b", "a./b"]


def test_seeds_per_layer_is_at_least_one() -> None:
    with pytest.raises(kaslite.UsageError, match="seeds_per_layer is 0"):
        SeededModel(build(), "blocks.*", seeds_per_layer=0)


@pytest.mark.parametrize(("place", "message"), [(("blocks.7", 0), "blocks.0, blocks.1"), (("blocks.0", 2), "are 0 to 1")])
def test_an_unknown_place_is_refused_with_those_that_exist(place: tuple[str, int], message: str) -> None:
    with pytest.raises(kaslite.UsageError, match=message):
        SeededModel(build(), "blocks.*", 2).seed_at(*place)


class Noisy(nn.Module):
    """Draws from the global stream in every forward pass, in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(6, 2)])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.blocks[0](inputs + torch.randn_like(inputs))


def test_the_example_input_leaves_statistics_and_modes_as_they_were() -> None:
    host, (inputs, _) = build("batch_norm"), samples()
    host.norm.eval()  # frozen by the user
    modes = [part.training for part in host.modules()]
    state = {name: value.clone() for name, value in host.state_dict().items()}
    model = SeededModel(host, "blocks.*", example_input=inputs)
    assert [part.training for part in host.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in host.state_dict().items())
    assert model.training
    assert all(part.training for seed in model.seeds for part in seed.modules())


def test_the_example_input_draws_nothing_from_the_global_stream() -> None:
    host = Noisy()
    before = torch.get_rng_state()
    SeededModel(host, "blocks.*", example_input=samples()[0])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("looks", ["example_input", "first forward"])
def test_shapes_come_from_the_example_or_from_the_first_forward(looks: str) -> None:
    inputs, _ = samples()
    model = SeededModel(build("transformer"), "blocks.*", example_input=(inputs,) if looks == "example_input" else None)
    if looks == "first forward":
        model(inputs)
    germinate_unseen(model, "blocks.0")
    assert hooks(model) == 0
    assert model.seed_at("blocks.0", 0).shape == kaslite.blueprints.SeedShape(kaslite.blueprints.FeatureKind.SEQUENCE, 8, 8)


def test_germinating_before_any_forward_is_refused() -> None:
    with pytest.raises(kaslite.UsageError, match="run one eager forward pass first, or give SeededModel example_input="):
        germinate_unseen(SeededModel(build(), "blocks.*"), "blocks.0")


def test_a_submodule_that_is_never_called_is_refused_by_name() -> None:
    model = SeededModel(build("transformer"), "blocks.0.attention.out_proj")
    with pytest.raises(kaslite.UsageError, match=r"never called 'blocks.0.attention.out_proj'"):
        model(samples()[0])


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Linear(6, 6)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.block(self.block(inputs).relu())


def test_a_submodule_that_is_called_twice_is_refused_by_name_and_leaves_no_hook() -> None:
    host = Twice()
    with pytest.raises(kaslite.UsageError, match="called 'block' 2 times"):
        SeededModel(host, "block", example_input=samples()[0])
    assert hooks(host) == 0


class Answers(nn.Module):
    """Answers what it was made with."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, _inputs: torch.Tensor) -> object:
        return self.answer


REFUSED = {
    "output of '0.0' is a NoneType": lambda: nn.Sequential(Answers(None)),
    "output of '0.0' is a dict": lambda: nn.Sequential(Answers({"logits": torch.zeros(2)})),
    "output of '0.0' is a str": lambda: nn.Sequential(Answers("logits")),
    "output of '0.0' is a tuple without entries": lambda: nn.Sequential(Answers(())),
    "output of '0.0' is a tuple that starts with a NoneType": lambda: nn.Sequential(Answers((None, torch.zeros(2)))),
    "nothing can grow at '0.0': a feature of shape (2,)": lambda: nn.Sequential(Answers(torch.zeros(2))),
    "nothing can grow at '0.0': its feature is of torch.int64": lambda: nn.Sequential(Answers(torch.zeros(2, 3).long())),
}


@pytest.mark.parametrize("looks", ["example_input", "first forward"])
@pytest.mark.parametrize(("reason", "part"), REFUSED.items(), ids=REFUSED)
def test_a_point_where_nothing_can_grow_is_refused_by_name_and_leaves_no_hook(reason: str, part, looks: str) -> None:
    host, (inputs, _) = nn.Sequential(part()), samples()
    model = None if looks == "example_input" else SeededModel(host, "0.0")
    with pytest.raises(kaslite.UsageError, match=re.escape(reason)):
        SeededModel(host, "0.0", example_input=inputs) if model is None else model(inputs)
    assert hooks(host) == 0
    assert all(module.training for module in host.modules())


def test_an_interrupt_in_a_probed_pass_comes_out_as_itself_and_leaves_no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = Growth()

    def interrupted(_: torch.Tensor) -> torch.Tensor:
        raise KeyboardInterrupt

    monkeypatch.setattr("kaslite.signals.feature.health", interrupted)
    with pytest.raises(KeyboardInterrupt), growth.model.probing():
        growth.model(growth.inputs)
    assert hooks(growth.model) == 0


def test_probing_looks_only_at_the_layers_that_are_asked_for() -> None:
    growth = Growth()
    with growth.model.probing("blocks.1") as readings:
        growth.model(growth.inputs)
    assert list(readings) == ["blocks.1"]


def test_probing_measures_every_layer_and_leaves_no_hook() -> None:
    growth = Growth().reach(SeedState.SHADOWING)
    with growth.model.probing() as readings:
        for chunk in growth.inputs.split(100):
            growth.model(chunk)
    assert list(readings) == ["blocks.0", "blocks.1"]
    assert readings["blocks.0"].drifts[0].cosine > 0  # the seed turns the feature
    assert readings["blocks.1"].drifts == {}  # nothing grows there
    assert hooks(growth.model) == 1
