"""Event logs of any size, written from templates: ten thousand epochs in a second."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from kaslite.events import (
    DecisionMade,
    EpochCompleted,
    PhaseStarted,
    RunFinished,
    RunStarted,
    SeedGerminated,
    SeedReading,
    SeedStateChanged,
    Submodule,
    to_line,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kaslite.events import Event

CONFIG = {"problem_type": "spirals", "rng_seed": 7, "hidden_dim": 64, "warm_up_epochs": 1, "adaptation_epochs": 9_999}
BEGUN_S = 1_750_000_000.0
LIVES = ("germinated", "training", "blending", "shadowing", "probationary")


def started(name="a run", seeds=2, **config):
    places = tuple((f"blocks.{index // 4}", index % 4) for index in range(seeds))
    return RunStarted(
        epoch=0,
        timestamp=BEGUN_S,
        run_name=name,
        config={**CONFIG, **config},
        seeds=places,
        host_params=1_000,
        num_threads=1,
        versions={"kaslite": "0"},
    )


def epoch(number, readings=()):
    return EpochCompleted(
        epoch=number,
        timestamp=BEGUN_S + number,
        phase="phase_2",
        train_loss=2 / (number + 1),
        val_loss=3 / (number + 2),
        val_accuracy=1 - 1 / (number + 1),
        best_accuracy=1 - 1 / (number + 1),
        learning_rate=0.01,
        epoch_duration_s=1.0,
        seeds=tuple(readings),
        train_flops=number * 1_000_000,
    )


def reading(layer="blocks.0", seed=0, **measured):
    numbers = ("drift", "training_progress", "removal_cost", "scale_drift", "grad_norm", "grad_ratio", "health")
    given = {"state": "training", "alpha": 0.25, "blueprint_id": "mlp", "ramp": 0.5} | measured
    return SeedReading(layer=layer, seed=seed, **{**dict.fromkeys(numbers, 0.1234567890123456), **given})


def small_run(name="a run", epochs=3, metrics=None, **config) -> list[Event]:
    """Return a run of some epochs that is over, if it has metrics."""
    begin = [started(name, **config), PhaseStarted(epoch=0, timestamp=BEGUN_S, phase="phase_2", epochs=epochs)]
    end = [] if metrics is None else [RunFinished(epoch=epochs, timestamp=BEGUN_S + 99, status="completed", metrics=metrics)]
    return [*begin, *(epoch(number, [reading()]) for number in range(1, epochs + 1)), *end]


def large_run(epochs=3) -> list[Event]:
    """Return a run whose story is more than what is on its way to a page at any time."""
    begin, *rest = small_run(epochs=epochs)
    return [replace(begin, submodules=(Submodule(name="x" * 12_000_000, kind="Linear", params=1),)), *rest]


def write(path: Path, events) -> Path:
    """Write a log as `JsonlLog` does, numbered from 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines(events)))
    return path


def lines(events, start=1) -> Iterator[bytes]:
    for sequence, event in enumerate(events, start):
        yield to_line(event).encode().replace(b'"sequence":0,', b'"sequence":%d,' % sequence, 1) + b"\n"


def write_big(path: Path, epochs=10_000, seeds=64) -> Path:
    """Write the log of a long run with many seeds, all of them live from the tenth epoch on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    places = started(seeds=seeds).seeds
    readings = ",".join(to_line(epoch(1, [reading(*place)])).split('"seeds":[')[1].split("]")[0] for place in places)
    variants = [readings.replace('"alpha":0.25', f'"alpha":{alpha / 32}') for alpha in range(32)]
    before, after = to_line(epoch(4321)).split('"seeds":[]')
    wait = to_line(DecisionMade(epoch=4321, timestamp=BEGUN_S, decision="wait", reason="the loss falls", patience=15))
    number = count(1)
    with path.open("wb") as log:
        for event in (started("a long run", seeds), *_lives(places)):
            log.write(_numbered(to_line(event), next(number)))
        for at in range(1, epochs + 1):
            seen = variants[at % 32] if at >= 10 else ""
            head = before.replace('"epoch":4321', f'"epoch":{at}', 1)
            log.write(_numbered(f'{head}"seeds":[{seen}]{after}', next(number)))
            log.write(_numbered(wait.replace('"epoch":4321', f'"epoch":{at}', 1), next(number)))
    return path


def _lives(places) -> Iterator[Event]:
    yield PhaseStarted(epoch=0, timestamp=BEGUN_S, phase="phase_2", epochs=10_000)
    for layer, seed in places:
        at = {"layer": layer, "seed": seed, "blueprint_id": "mlp", "timestamp": BEGUN_S}
        yield SeedGerminated(epoch=1, params=100, **at)
        for day, (old, new) in enumerate(zip(("dormant", *LIVES), LIVES, strict=False), start=1):
            yield SeedStateChanged(epoch=day, from_state=old, to_state=new, reason="it was time", **at)


def _numbered(line: str, sequence: int) -> bytes:
    return line.replace('"sequence":0,', f'"sequence":{sequence},', 1).encode() + b"\n"
