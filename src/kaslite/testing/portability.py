"""Checks that a module goes where its host goes: other precisions and devices, checkpoints, exports."""

from __future__ import annotations

import io

import torch

from kaslite.testing.subject import TOLERANCE, Subject, distance, require


def check_moves_precision(subject: Subject) -> None:
    """In the subject's precision it computes about what it computes in float64."""
    module, read = subject.build_shaken(), subject.read()
    here = module(read)
    require(here.dtype is subject.dtype, f"{subject}: the delta is {here.dtype}")
    exact = module.double()(read.double())
    require(exact.dtype is torch.float64, f"{subject}: moved to float64, the delta is {exact.dtype}")
    apart = distance(here, exact)
    require(apart <= TOLERANCE[subject.dtype], f"{subject}: against float64 the delta is {apart:.3g} off")


def check_moves_device(subject: Subject) -> None:
    """It leaves nothing behind when it moves. Every machine has the meta device, which computes sizes only."""
    moved = subject.build_shaken().to("meta")
    delta = moved(subject.read().to("meta"))
    require(delta.device.type == "meta", f"{subject}: moved to another device, the delta is on {delta.device}")
    require(delta.shape == subject.written_size(), f"{subject}: moved to another device, the delta is {tuple(delta.shape)}")


def check_state_round_trip(subject: Subject) -> None:
    """What it has learned is in its ``state_dict``, goes through a file, and works in another newborn."""
    learned, read = subject.build_shaken("one"), subject.read()
    file = io.BytesIO()
    torch.save(learned.state_dict(), file)
    file.seek(0)
    newborn = subject.build("another")
    newborn.load_state_dict(torch.load(file, weights_only=True, map_location=subject.device))
    require(torch.equal(newborn(read), learned(read)), f"{subject}: loaded from its state_dict, it computes something else")


def check_exports(subject: Subject) -> None:
    """``torch.export`` takes it, for a batch of any size, and computes the same; tried in float32 only, as it is slow."""
    if subject.dtype is not torch.float32:
        return
    module, read = subject.build_shaken().eval(), subject.read()
    batch = torch.export.Dim("batch")
    try:
        exported = torch.export.export(module, (read,), dynamic_shapes=({0: batch},)).module()
    except Exception as error:
        raise AssertionError(f"{subject}: torch.export refused it: {error}") from error
    for samples in (read, subject.read(samples=3)):
        apart = distance(exported(samples), module(samples))
        require(apart <= TOLERANCE[subject.dtype], f"{subject}: exported, its delta is {apart:.3g} off")
