"""The state of host and seeds as plain data: nested dicts and lists of tensors, numbers and texts.

What a governor goes back to and what a checkpoint holds are made of the same parts. Everything that can fail is tried before
anything is changed. Not for: files, nor the optimizer (`kaslite.training.optimizer_state`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kaslite import blueprints as catalogue
from kaslite.blending import STRATEGIES
from kaslite.blueprints import FeatureKind, SeedShape
from kaslite.errors import StorageError, unknown_name
from kaslite.lifecycle import SeedState
from kaslite.randomness import global_stream
from kaslite.seeds.chunk import Chunk
from kaslite.seeds.record import Blend, SeedRecord
from kaslite.signals.evidence import Evidence
from kaslite.signals.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaslite.seeds import Seed, SeededModel

Tree = dict[str, Any]


_NESTED = (Tensor, dict, list, tuple)
_FACTS = (Interval, Evidence, Blend)  # a tuple: a union would be built anew for every value of every seed, every epoch


def snapshot_of(value: Any, onto: Any = None) -> Any:
    """Return a copy of nested dicts and lists whose tensors are the caller's own, on the CPU.

    Args:
        value: what to copy.
        onto: an earlier copy, whose memory is taken for tensors that have the same place, size and type.
    """
    pairs: list[tuple[Tensor, Tensor]] = []
    copied = _copied(value, onto, pairs)
    if pairs:
        into, sources = zip(*pairs, strict=True)
        torch._foreach_copy_(into, sources)
    return copied


def _copied(value: Any, onto: Any, pairs: list[tuple[Tensor, Tensor]]) -> Any:
    if isinstance(value, Tensor):
        source = value.detach() if value.requires_grad else value
        if isinstance(onto, Tensor) and onto.shape == source.shape and onto.dtype == source.dtype:
            pairs.append((onto, source))
            return onto
        return source.to("cpu", copy=True)
    if isinstance(value, dict):
        earlier = onto if isinstance(onto, dict) else {}
        return {k: _copied(v, earlier.get(k), pairs) if isinstance(v, _NESTED) else v for k, v in value.items()}
    before = onto if isinstance(onto, list | tuple) else ()
    places = zip_longest(value, before[: len(value)])
    return type(value)(_copied(v, b, pairs) if isinstance(v, _NESTED) else v for v, b in places)


def capture_seeds(model: SeededModel) -> list[Tree]:
    """Return identity, state, history and module of every seed, the dormant ones too."""
    return [_capture_seed(seed) for seed in model.seeds]


def _capture_seed(seed: Seed) -> Tree:
    return {
        "layer": seed.layer_name,
        "seed": seed.index,
        "state": seed.state.value,
        "blueprint_id": seed.blueprint_id,
        "germinations": seed.germinations,
        "ramp": seed.ramp,
        "blend_factor": seed.blend_factor,
        "shape": None if seed.shape is None else dict(vars(seed.shape)),
        "reads": dict(vars(seed.reads)),
        "writes": dict(vars(seed.writes)),
        # Not asdict(), which is slow: this is taken of every seed after every epoch.
        "record": {name: _plain(value) for name, value in vars(seed.record).items()},
        "module": None if seed.module is None else dict(seed.module.state_dict()),
    }


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, _FACTS) else value


@dataclass(frozen=True)
class PreparedSeed:
    """A seed as it will be, built and filled, beside the one that it will replace."""

    seed: Seed
    captured: Tree
    module: nn.Module | None


def prepare_seeds(model: SeededModel, captured: list[Tree]) -> list[PreparedSeed]:
    """Build what `capture_seeds` described, and change nothing yet.

    Raises:
        StorageError: if it describes another topology, naming the seed.
    """
    there, here = [(c["layer"], c["seed"]) for c in captured], [seed.place for seed in model.seeds]
    if there != here:
        missing = sorted(set(there) ^ set(here))
        raise StorageError(
            f"it is of another topology: it has {len(there)} seeds and the model {len(here)}"
            + (f", and only one of the two has {missing[0][0]}:{missing[0][1]}" if missing else "")
            + "; wrap the same host with the same at=, seeds_per_layer= and chunked=."
        )
    return [_prepare_seed(model, seed, state) for seed, state in zip(model.seeds, captured, strict=True)]


def _prepare_seed(model: SeededModel, seed: Seed, captured: Tree) -> PreparedSeed:
    if captured["module"] is None:
        return PreparedSeed(seed, captured, None)
    place = f"{seed.layer_name}:{seed.index}"
    blend = captured["record"].get("blend")
    if blend is not None and captured["state"] == SeedState.BLENDING.value and blend["strategy"] not in STRATEGIES:
        raise unknown_name("blending strategy", blend["strategy"], STRATEGIES)
    shape = _shape(captured)
    if seed.shape is not None and seed.shape != shape:
        raise StorageError(f"it is of another topology: {place} grows on {seed.shape} here, and on {shape} there.")
    beside = next(model.parameters_near(seed.layer_name))
    blueprint = catalogue.get(captured["blueprint_id"])
    with global_stream(beside.device, 0, "restored"):  # whatever it draws is overwritten
        module = blueprint.build(shape).to(device=beside.device, dtype=beside.dtype)
    try:
        module.load_state_dict(captured["module"])
    except RuntimeError as error:
        raise StorageError(f"{place} does not fit its blueprint {blueprint.name!r} any more: {error}") from error
    return PreparedSeed(seed, captured, module)


def _shape(captured: Tree) -> SeedShape:
    return SeedShape(**{**captured["shape"], "kind": FeatureKind(captured["shape"]["kind"])})


def put_seeds(model: SeededModel, prepared: list[PreparedSeed], *, back: bool = False) -> None:
    """Make every seed what was prepared for it.

    Args:
        model: whose seeds they are.
        prepared: one entry for each of them.
        back: whether this goes back in the same run: then a module that is still the same one keeps its identity, and a
            number of germinations is never taken back, because a stream that was drawn from is not drawn from again.
    """
    for new in prepared:
        seed, captured = new.seed, new.captured
        kept = seed.module if back and seed.germinations == captured["germinations"] else None
        if kept is not None and new.module is not None:
            kept.load_state_dict(new.module.state_dict())
        elif new.module is None:
            seed.clear()
        else:
            seed.clear()
            seed.module = new.module
        seed.state = SeedState(captured["state"])
        seed.blueprint_id = captured["blueprint_id"]
        seed.germinations = max(seed.germinations if back else 0, captured["germinations"])
        seed.record = _record(captured["record"])
        if seed.state is SeedState.BLENDING and seed.record.blend is None:  # of a checkpoint from before there was a choice
            seed.record.blend = Blend("FIXED_RAMP", initial_loss=None, initial_drift=None)
        seed.blend_factor = captured["blend_factor"]
        if new.module is not None:
            seed.learn_shape(_shape(captured), Chunk(**captured["reads"]), Chunk(**captured["writes"]))
            seed.move_numbers(next(model.parameters_near(seed.layer_name)).device)
        seed.set_ramp(captured["ramp"])
    model.update_topology()


def _record(captured: Tree) -> SeedRecord:
    record = SeedRecord(**captured)
    for name in ("removal_cost", "twin_gain"):
        if captured[name] is not None:
            setattr(record, name, Interval(**captured[name]))
    if captured["evidence"] is not None:
        evidence = captured["evidence"]
        record.evidence = Evidence(**{**evidence, "interval": Interval(**evidence["interval"])})
    if record.blend is not None:
        record.blend = Blend(**captured["blend"])
    return record


def check_host(host: nn.Module, captured: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not those of this host, naming the first that differs."""
    own = host.state_dict()
    for name in [*own, *captured]:
        if name not in captured or name not in own:
            raise StorageError(
                f"it is of another host: {name!r} is only in the {'checkpoint' if name in captured else 'model'}."
            )
        here, there = _kind(own[name]), _kind(captured[name])
        if here != there:
            raise StorageError(f"it is of another host: {name!r} is {here} here, and {there} there.")


def _kind(value: Any) -> str:
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
