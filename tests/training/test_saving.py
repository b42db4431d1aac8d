"""What is saved and loaded goes on, bit for bit, as if nothing had happened."""

from __future__ import annotations

import dataclasses
import logging
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

import kaslite
from kaslite import Cull, Germinate, Plateau, SeedState, Wait
from kaslite.blending import ADAPTIVE, STRATEGIES, BlendingConfig
from kaslite.errors import KasliteError, StorageError
from kaslite.training.checkpoint_file import read_tree, write_tree
from tests.growing import PATH, Growth
from tests.hosts import HOSTS, build

if TYPE_CHECKING:
    from pathlib import Path

EVERY_STATE = list(SeedState)
EPOCHS = 3


def reach(growth: Growth, state: SeedState) -> Growth:
    """Take the seed to any state, also those after a cull."""
    if state in PATH:
        return growth.reach(state)
    growth.epoch()
    if state is SeedState.DORMANT:
        return growth
    growth.reach(SeedState.SHADOWING).cull()
    while growth.seed.state is not state:
        growth.step() if state in (SeedState.CULLED, SeedState.EMBARGOED) else growth.epoch()
    return growth


def go_on(growth: Growth) -> list:
    """Train on, with growth in it; return all that happens and all that comes of it."""
    facts = []
    for _ in range(EPOCHS):
        events = growth.epoch()
        facts += [dataclasses.replace(event, timestamp=0.0) for event in events]
    tensors = growth.model.state_dict() | {f"{s.place}/{n}": p for s in growth.model.seeds for n, p in s.named_parameters()}
    facts += [(name, tensor.tolist()) for name, tensor in tensors.items()]
    moments = growth.optimizer.state_dict()
    facts += [(i, k, v.tolist()) for i, entry in moments["state"].items() for k, v in entry.items()]
    facts += [{k: v for k, v in group.items() if k != "params"} for group in moments["param_groups"]]
    facts += [
        (seed.place, seed.state, seed.ramp, seed.germinations, dataclasses.replace(seed.record)) for seed in growth.model.seeds
    ]
    return [*facts, torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()]  # noqa: NPY002


def training(**options) -> Growth:
    return Growth(**{"fixed_steps": 16, "seeds_per_layer": 2, "place": ("blocks.0", 1)} | options)


def save(growth: Growth, path: Path) -> None:
    growth.grower.apply(Wait())  # takes the events that are told already
    kaslite.save(path, growth.model, growth.optimizer, growth.grower)


def saved_and_loaded(growth: Growth, path: Path, **options) -> Growth:
    save(growth, path)
    fresh = training(**options)
    torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
    kaslite.load(path, fresh.model, fresh.optimizer, fresh.grower)
    return fresh


@pytest.mark.parametrize("state", EVERY_STATE)
def test_a_training_goes_on_bit_for_bit_from_every_state(state: SeedState, tmp_path: Path) -> None:
    growth = reach(training(), state)
    streams = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    save(growth, tmp_path / "it")
    expected = go_on(growth)
    fresh = training()
    torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
    kaslite.load(tmp_path / "it", fresh.model, fresh.optimizer, fresh.grower)
    assert torch.equal(torch.get_rng_state(), streams[0])
    assert fresh.seed.state is state
    assert go_on(fresh) == expected


@pytest.mark.parametrize("steps", [1, 5, 7])
@pytest.mark.parametrize("tick", ["step", "epoch"])
@pytest.mark.parametrize("strategy", [*STRATEGIES, ADAPTIVE])
def test_a_blend_goes_on_bit_for_bit_by_every_strategy(strategy: str, tick: str, steps: int, tmp_path: Path) -> None:
    blending = BlendingConfig(40, strategy=strategy, tick=tick, grad_norm_lower=0.0, high_drift_threshold=1.0)
    growth = reach(training(blending=blending), SeedState.TRAINING)
    growth.epoch()
    growth.reach(SeedState.BLENDING)
    growth.epoch()
    for _ in range(steps):
        growth.step()
    save(growth, tmp_path / "it")
    ramp, before = growth.seed.ramp, dataclasses.replace(growth.seed.record.blend)
    expected = go_on(growth)
    assert growth.seed.ramp > ramp
    fresh = training(blending=blending)
    kaslite.load(tmp_path / "it", fresh.model, fresh.optimizer, fresh.grower)
    assert (fresh.seed.ramp, fresh.seed.record.blend) == (ramp, before)
    assert go_on(fresh) == expected


@pytest.mark.parametrize(
    "options",
    [{"host": name} for name in HOSTS]
    + [
        {"chunked": True},
        {"tick": "epoch"},
        {"blueprint": "autoencoder", "blueprints": ["autoencoder"], "shadow_objective": "reconstruct"},
        {"shadow_objective": "gradient"},
        {"at": kaslite.Span(reads="stem", writes="blocks.0")},
    ],
    ids=str,
)
@pytest.mark.parametrize("state", [SeedState.TRAINING, SeedState.BLENDING])
def test_whatever_the_host_and_the_settings(state: SeedState, options, tmp_path: Path) -> None:
    growth = reach(training(**options), state)
    growth.step()
    growth.grower.after_epoch()
    save(growth, tmp_path / "it")
    expected = go_on(growth)
    fresh = training(**options)
    kaslite.load(tmp_path / "it", fresh.model, fresh.optimizer, fresh.grower)
    assert go_on(fresh) == expected


def test_in_the_middle_of_an_epoch_too(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.TRAINING)
    growth.step()
    save(growth, tmp_path / "it")
    expected = go_on(growth)
    fresh = training()
    kaslite.load(tmp_path / "it", fresh.model, fresh.optimizer, fresh.grower)
    assert go_on(fresh) == expected


def test_what_the_governor_would_go_back_to_is_loaded_too(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.SHADOWING)
    growth.epoch()
    fresh = saved_and_loaded(growth, tmp_path / "it")
    after = []
    for run in (growth, fresh):
        torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
        for _ in range(2):
            run.step()
        after.append([e.to_epoch for e in run.epoch(val_loss=float("nan")) if e.type == "governor_rolled_back"])
        after.append(go_on(run))
    assert after[0] == after[2] == [growth.grower.epoch - 1 - EPOCHS]
    assert after[1] == after[3]


@pytest.mark.parametrize("bad_epochs", [0, 1])
def test_a_state_to_go_back_to_that_is_not_the_present_one_is_in_the_file(bad_epochs: int, tmp_path: Path) -> None:
    growth = reach(training(), SeedState.SHADOWING)
    for _ in range(4):
        growth.epoch(val_loss=1.0)
    for _ in range(bad_epochs):
        growth.epoch(val_loss=13.0)
    growth.step()  # in the middle of an epoch
    fresh = saved_and_loaded(growth, tmp_path / "it")
    after = []
    for run in (growth, fresh):
        run.step()
        after.append([(e.epoch, e.to_epoch) for e in run.epoch(val_loss=float("nan")) if e.type == "governor_rolled_back"])
        torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
        after.append(go_on(run))
    assert after[:2] == after[2:]
    assert after[0][0][1] == growth.grower.epoch - EPOCHS - 1 - bad_epochs


def test_a_chunked_seed_goes_on_in_a_model_whose_shapes_nobody_has_seen(tmp_path: Path) -> None:
    growth = reach(training(chunked=True), SeedState.BLENDING)
    save(growth, tmp_path / "it")
    expected = go_on(growth)
    fresh = training(chunked=True)
    model = kaslite.SeededModel(build(), "blocks.*", 2, chunked=True)
    fresh.grower = kaslite.Grower(
        model,
        optimizer := torch.optim.AdamW(model.parameters(), lr=1e-2),
        controller=fresh.controller,
        blueprints=["mlp", "low_rank"],
        evaluate=fresh.evaluate,
        blending=kaslite.BlendingConfig(fixed_steps=16, tick="step", strategy="FIXED_RAMP"),
        progress_thresh=1.0,
        shadow_lr=1e-2,
    )
    fresh.model, fresh.optimizer = model, optimizer
    kaslite.load(tmp_path / "it", model, optimizer, fresh.grower)
    assert go_on(fresh) == expected


def test_what_grew_here_gives_way_to_what_grew_there(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.SHADOWING)
    save(growth, tmp_path / "it")
    other = reach(training(blueprint="low_rank"), SeedState.SHADOWING)
    kaslite.load(tmp_path / "it", other.model, other.optimizer, other.grower)
    assert other.seed.blueprint_id == "mlp"
    assert torch.equal(other.model(growth.inputs), growth.model(growth.inputs))


def test_a_controllers_memory_is_saved(tmp_path: Path) -> None:
    def plateau() -> tuple:
        model = kaslite.SeededModel(build(), "blocks.*", example_input=torch.zeros(1, 6))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return model, optimizer, kaslite.Grower(model, optimizer, controller=Plateau(patience=5), blueprints=["mlp", "norm"])

    one, other = plateau(), plateau()
    for _ in range(4):
        assert [event.decision for event in one[2].after_epoch(val_loss=1.0)] == ["wait"]
    kaslite.save(tmp_path / "it", *one)
    kaslite.load(tmp_path / "it", *other)
    assert other[2].after_epoch(val_loss=1.0)[0].decision == "germinate"


def test_moments_are_told_apart_by_name_and_not_by_place(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.BLENDING)
    growth.step()
    save(growth, tmp_path / "it")
    fresh = training()
    parameters = fresh.optimizer.param_groups[0]["params"]
    parameters.reverse()
    kaslite.load(tmp_path / "it", fresh.model, fresh.optimizer, fresh.grower)
    named = dict(growth.model.named_parameters())
    for name, parameter in fresh.model.named_parameters():
        theirs = growth.optimizer.state[named[name]]
        assert all(torch.equal(value, theirs[key]) for key, value in fresh.optimizer.state[parameter].items())


def test_a_model_whose_shapes_nobody_has_seen_can_be_loaded_into(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.SHADOWING)
    save(growth, tmp_path / "it")
    model = kaslite.SeededModel(build(), "blocks.*", seeds_per_layer=2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    grower = kaslite.Grower(model, optimizer, controller=growth.controller, blueprints=["mlp"])
    kaslite.load(tmp_path / "it", model, optimizer, grower)
    assert torch.equal(model(growth.inputs), growth.model(growth.inputs))


def everything(growth: Growth) -> list:
    return [
        *((name, tensor.tolist()) for name, tensor in growth.model.state_dict().items()),
        *(
            (seed.place, seed.state, seed.ramp, seed.germinations, dataclasses.replace(seed.record))
            for seed in growth.model.seeds
        ),
        *([id(p) for p in group["params"]] for group in growth.optimizer.param_groups),
        [(i, k, v.tolist()) for i, entry in growth.optimizer.state_dict()["state"].items() for k, v in entry.items()],
        growth.grower.epoch,
        growth.model.topology_changes,
        torch.get_rng_state().tolist(),
    ]


class OtherHost(nn.Module):
    def __init__(self, width: int = 8, name: str = "blocks") -> None:
        super().__init__()
        self.stem = nn.Linear(6, width)
        self.add_module(name, nn.ModuleList(nn.Linear(width, width) for _ in range(2)))
        self.head = nn.Linear(width, 2)

    def forward(self, inputs):
        hidden = self.stem(inputs)
        for block in self.get_submodule("blocks" if hasattr(self, "blocks") else "layers"):
            hidden = block(hidden)
        return self.head(hidden)


OTHERS = {
    "wider": (
        {"host": OtherHost(16)},
        r"'stem.weight' is torch.float32 of shape \(16, 6\) here, and torch.float32 of shape \(8, 6\) there",
    ),
    "other names": (
        {"host": OtherHost(name="layers"), "at": "layers.*", "place": ("layers.0", 0)},
        r"another host: 'layers.0.weight' is only in the model",
    ),
    "more seeds": ({"seeds_per_layer": 3}, r"another topology: it has 4 seeds and the model 6, .* blocks.0:2"),
    "other places": ({"at": ["stem", "blocks.0"]}, r"another topology: .* blocks.1:0"),
    "other objective": ({"shadow_objective": "gradient"}, "another shadow_objective=: 'task' there, and 'gradient' here"),
    "other width of chunks": ({"chunked": True}, "blocks.0:1 grows on"),
    "more schedulers": (
        {"schedulers": [torch.amp.GradScaler("cpu")]},
        "other schedulers=: Scripted there, and Scripted, GradScaler here",
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_belongs_to_another_training_is_refused_and_nothing_changes(other: str, tmp_path: Path) -> None:
    options, message = OTHERS[other]
    growth = reach(training(), SeedState.TRAINING)
    save(growth, tmp_path / "it")
    fresh = training(**options)
    fresh.epoch()
    fresh.grower.apply(Germinate(*fresh.place, "low_rank"))
    before = everything(fresh)
    with pytest.raises(KasliteError, match=message) as error:
        kaslite.load(tmp_path / "it", fresh.model, fresh.optimizer, fresh.grower)
    assert str(tmp_path / "it") in str(error.value)
    assert everything(fresh) == before
    fresh.epoch()


def test_another_optimizers_groups_are_refused(tmp_path: Path) -> None:
    growth = training()
    save(growth, tmp_path / "it")
    host = growth.model.host
    optimizer = torch.optim.AdamW([{"params": host.stem.parameters()}, {"params": host.blocks.parameters()}])
    grower = kaslite.Grower(growth.model, optimizer, controller=growth.controller, blueprints=["mlp"])
    with pytest.raises(StorageError, match="1 parameter groups there and 2 here"):
        kaslite.load(tmp_path / "it", growth.model, optimizer, grower)
    some = torch.optim.AdamW(host.stem.parameters())
    grower = kaslite.Grower(growth.model, some, controller=growth.controller, blueprints=["mlp"])
    with pytest.raises(StorageError, match=r"group 0 holds 'blocks.0.bias' only here or only there"):
        kaslite.load(tmp_path / "it", growth.model, some, grower)


def test_another_kind_of_optimizer_is_refused(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.BLENDING)
    save(growth, tmp_path / "it")
    fresh = training()
    sgd = torch.optim.SGD(fresh.model.parameters(), lr=0.1)
    grower = kaslite.Grower(fresh.model, sgd, controller=fresh.controller, blueprints=["mlp"])
    before = everything(fresh)
    with pytest.raises(StorageError, match="is AdamW there, and SGD here"):
        kaslite.load(tmp_path / "it", fresh.model, sgd, grower)
    assert everything(fresh) == before


def test_another_controller_is_refused(tmp_path: Path) -> None:
    growth = training()
    save(growth, tmp_path / "it")
    grower = kaslite.Grower(growth.model, growth.optimizer, controller=Plateau(), blueprints=["mlp"])
    with pytest.raises(StorageError, match=r"another controller=.*: Scripted there, and Plateau here"):
        kaslite.load(tmp_path / "it", growth.model, growth.optimizer, grower)


def test_a_blueprint_that_builds_something_else_now_is_named(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.BLENDING)
    save(growth, tmp_path / "it")
    tree = read_tree(tmp_path / "it")
    tree["grower"]["seeds"][1]["module"]["1.weight"] = torch.zeros(3, 3)
    write_tree(tmp_path / "it", tree)
    fresh = training()
    with pytest.raises(StorageError, match=r"blocks.0:1 does not fit its blueprint 'mlp' any more"):
        kaslite.load(tmp_path / "it", fresh.model, fresh.optimizer, fresh.grower)


def test_a_damaged_file_is_refused_by_its_name_and_nothing_changes(tmp_path: Path) -> None:
    growth = training()
    path = tmp_path / "it"
    save(growth, path)
    path.write_bytes(path.read_bytes()[:-1])
    before = everything(growth)
    with pytest.raises(StorageError, match=str(path)):
        kaslite.load(path, growth.model, growth.optimizer, growth.grower)
    assert everything(growth) == before


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    growth = training()
    write_tree(tmp_path / "it", {"a": 1})
    with pytest.raises(StorageError, match="it holds no training"):
        kaslite.load(tmp_path / "it", growth.model, growth.optimizer, growth.grower)


def test_other_threads_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    growth = training()
    save(growth, tmp_path / "it")
    tree = read_tree(tmp_path / "it")
    write_tree(tmp_path / "it", tree | {"num_threads": 7})
    with caplog.at_level(logging.WARNING, "kaslite"):
        kaslite.load(tmp_path / "it", growth.model, growth.optimizer, growth.grower)
    assert "trained with 7 threads, and goes on with 1" in caplog.text


def test_a_training_can_be_loaded_into_itself(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.BLENDING)
    save(growth, tmp_path / "it")
    expected = go_on(growth)
    growth.grower.apply(Cull(*growth.place))
    kaslite.load(tmp_path / "it", growth.model, growth.optimizer, growth.grower)
    assert go_on(growth) == expected


def test_what_is_loaded_after_an_unhealthy_epoch_is_what_is_gone_back_to(tmp_path: Path) -> None:
    growth = reach(training(), SeedState.FOSSILIZED)
    for _ in range(4):
        growth.epoch(val_loss=1.0)
    save(growth, tmp_path / "it")
    before = [tensor.detach().clone() for tensor in weights_and_moments(growth)]
    growth.epoch(val_loss=13.0)
    kaslite.load(tmp_path / "it", growth.model, growth.optimizer, growth.grower)
    growth.epoch(val_loss=float("nan"))
    assert all(map(torch.equal, weights_and_moments(growth), before))


def weights_and_moments(growth: Growth) -> list[torch.Tensor]:
    moments = (value for entry in growth.optimizer.state_dict()["state"].values() for value in entry.values())
    return [*growth.model.parameters(), *moments]
