"""With ``chunked=True`` each seed of a layer reads and writes channels of its own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kaslite import Germinate, SeededModel, SeedState, Span, UsageError
from kaslite.blueprints import FeatureKind, SeedShape
from kaslite.blueprints.shape import FeatureShape
from kaslite.seeds.chunk import WHOLE, Chunk, cut
from tests.growing import Growth, both_modes
from tests.hosts import InPlaceMLP, build

SIZES = {FeatureKind.DENSE: (2, 7), FeatureKind.SEQUENCE: (2, 3, 7), FeatureKind.IMAGE: (2, 7, 3, 4)}


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
@pytest.mark.parametrize("kind", FeatureKind)
def test_a_feature_is_cut_as_tensor_split_does(kind: FeatureKind, parts: int) -> None:
    feature = torch.arange(float(torch.Size(SIZES[kind]).numel())).reshape(SIZES[kind])
    chunks = cut(FeatureShape.of(feature), parts)
    expected = feature.tensor_split(parts, dim=1 if kind is FeatureKind.IMAGE else -1)
    assert all(map(torch.equal, (chunk.of(feature) for chunk in chunks), expected))


def test_putting_a_chunk_leaves_the_other_channels_as_they_were() -> None:
    feature, part = torch.tensor([[-0.0, 1.0, torch.inf, torch.nan]]), torch.tensor([[5.0, 6.0]])
    assert str(Chunk(-1, 1, 2).put(feature, part)) == "tensor([[-0., 5., 6., nan]])"
    assert WHOLE.put(feature, part) is part
    assert WHOLE.of(feature) is feature


class Convolutions(nn.Module):
    """Reads the six numbers as an image of 2 x 3."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))
        self.head = nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = functional.relu(self.stem(inputs.unflatten(1, (1, 2, 3))), inplace=True)
        for block in self.blocks:
            hidden = functional.relu(block(hidden), inplace=True)
        return self.head(hidden.mean((2, 3)))


KINDS = {"dense": "in_place", "sequence": "transformer", "image": Convolutions}
every_kind = pytest.mark.parametrize("kind", KINDS)
SPAN = Span("blocks.1", reads="stem")


def chunked(kind: str = "dense", at: str | Span = "blocks.*", seeds: int = 3, **kwargs) -> Growth:
    torch.manual_seed(0)
    host = KINDS[kind] if isinstance(KINDS[kind], str) else KINDS[kind]()
    layer = at.writes if isinstance(at, Span) else "blocks.0"
    return Growth(
        host,
        at,
        place=(layer, 0),
        seeds_per_layer=seeds,
        chunked=True,
        measured=False,
        **{"fixed_steps": 1, "lr": 0.0} | kwargs,
    )


def written(growth: Growth, layer: str) -> Tensor:
    """Return the feature that the layer writes, before the host does anything to it."""
    caught = []
    handle = growth.model.host.get_submodule(layer).register_forward_hook(
        lambda *args: caught.append((args[2][0] if isinstance(args[2], tuple) else args[2]).clone())
    )
    growth.model(growth.inputs)
    handle.remove()
    return caught[0].detach()


@every_kind
@pytest.mark.parametrize("at", ["blocks.*", SPAN], ids=["in place", "span"])
def test_each_seed_changes_its_own_channels_and_no_other(kind: str, at: str | Span) -> None:
    growth = chunked(kind, at)
    layer = growth.place[0]
    for index, blueprint in enumerate(("mlp", "low_rank", "mlp")):
        growth.place, growth.blueprint = (layer, index), blueprint
        growth.reach(SeedState.SHADOWING)
        for parameter in growth.seed.parameters():
            nn.init.normal_(parameter)
    growth.model.eval()
    axis = 1 if kind == "image" else -1
    everything = written(growth, layer)
    for index in range(3):
        with growth.model.seed_at(layer, index).switched_off():
            without = written(growth, layer)
        changed = [not torch.equal(*pair) for pair in zip(everything.unbind(axis), without.unbind(axis), strict=True)]
        assert changed == [channel in torch.arange(8).tensor_split(3)[index] for channel in range(8)]


@every_kind
@pytest.mark.parametrize("at", ["blocks.*", SPAN], ids=["in place", "span"])
def test_each_seed_reads_its_own_channels(kind: str, at: str | Span) -> None:
    growth = chunked(kind, at, seeds=2)
    layer = growth.place[0]
    growth.place = (layer, 1)
    growth.reach(SeedState.SHADOWING)
    caught = []
    growth.seed.module.register_forward_hook(lambda _module, args, _output: caught.append(args[0]))
    growth.model.eval()
    source = written(growth, "stem") if isinstance(at, Span) else None
    with growth.seed.switched_off():
        whole = written(growth, layer) if source is None else source
    assert torch.equal(caught[-1], whole.tensor_split(2, dim=1 if kind == "image" else -1)[1])


@every_kind
def test_every_change_of_state_is_invisible(kind: str) -> None:
    growth = chunked(kind, lr=1e-2)
    for _ in range(3):
        growth.prepare()
        before = both_modes(growth.model, growth.inputs)
        growth.move_on()
        assert (both_modes(growth.model, growth.inputs) - before).abs().max() < 1e-6
    assert growth.seed.state is SeedState.BLENDING


def trace(growth: Growth) -> list[Tensor]:
    tensors = []
    for _ in range(10):
        growth.step()
        gradients = [parameter.grad for parameter in growth.model.host.parameters()]
        tensors += [tensor.clone() for tensor in (*gradients, *growth.model.host.state_dict().values())]
    return tensors


@every_kind
@pytest.mark.parametrize("sick", [False, True])
def test_the_host_cannot_feel_chunked_seeds_in_training(kind: str, sick: bool) -> None:  # noqa: FBT001
    grown, twin = chunked(kind, lr=1e-2), chunked(kind, lr=1e-2)
    for index in range(3):
        grown.grower.apply(Germinate("blocks.0", index, "mlp"))
    if sick:
        for seed in grown.model.layers["blocks.0"].seeds:
            seed.module.register_forward_hook(lambda _module, _args, delta: delta * torch.inf)
    assert all(map(torch.equal, trace(grown), trace(twin)))
    assert grown.seed.state is SeedState.TRAINING


class Ends(InPlaceMLP):
    """Ends with the layer that carries the seeds."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.blocks[0](self.stem(inputs))


def test_a_seed_in_training_learns_from_the_gradient_of_its_chunk() -> None:
    torch.manual_seed(0)
    growth = Growth(Ends(), "blocks.0", seeds_per_layer=2, chunked=True, measured=False, lr=0.0).reach(SeedState.TRAINING)
    for _ in range(3):
        growth.step()
    growth.grower.after_epoch()  # forgets the steps so far
    growth.optimizer.zero_grad()
    outputs = growth.model(growth.inputs)
    wanted = torch.ones_like(outputs).index_fill(1, torch.arange(4, 8), 1e6)  # the other seed's half shouts
    (outputs * wanted).sum().backward()
    delta = growth.seed.delta(outputs[:, :4].detach()).detach()
    growth.optimizer.step()
    growth.grower.after_step()
    growth.grower.after_epoch()
    expected = functional.cosine_similarity(delta.flatten(), -torch.ones(delta.numel()), dim=0).clamp(0).item()
    assert growth.seed.record.training_progress == pytest.approx(expected, abs=1e-5)


def test_a_copy_has_the_chunks_of_the_original() -> None:
    growth = chunked().reach(SeedState.SHADOWING)
    twin = copy.deepcopy(growth.model)
    assert [(seed.shape, seed.reads, seed.writes) for seed in twin.seeds] == [
        (seed.shape, seed.reads, seed.writes) for seed in growth.model.seeds
    ]
    assert torch.equal(twin(growth.inputs), growth.model(growth.inputs))


def test_the_shape_of_a_seed_is_that_of_its_chunk() -> None:
    model = chunked(at=Span("head", reads="stem"), seeds=2).model
    assert [seed.shape for seed in model.seeds] == [SeedShape(FeatureKind.DENSE, reads=4, writes=1)] * 2
    assert [seed.shape.reads for seed in chunked().model.layers["blocks.1"].seeds] == [3, 3, 2]


def test_a_blueprint_is_asked_about_the_chunk() -> None:
    growth = chunked(seeds=8)
    with pytest.raises(
        UsageError, match=r"'norm' does not grow on the dense feature of 'blocks.0': it needs a width of 2, here 1"
    ):
        growth.grower.apply(Germinate("blocks.0", 0, "norm"))


@pytest.mark.parametrize(
    ("at", "seeds", "message"),
    [
        ("blocks.0", 9, "layer 'blocks.0' has 9 seeds, and the feature at 'blocks.0' only 8 channels"),
        (Span("head", reads="stem"), 3, "layer 'head' has 3 seeds, and the feature at 'head' only 2 channels"),
    ],
)
def test_more_seeds_than_channels_are_refused_by_name(at: str | Span, seeds: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SeededModel(build(), at, seeds, chunked=True, example_input=torch.zeros(2, 6))
