from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler

from kaslite import Plateau
from kaslite.errors import StorageError
from kaslite.training.parts import capture_parts, load_parts


class Forgetful:
    def decide(self, _observation):
        raise AssertionError("not asked")


def schedule(kind=lr_scheduler.StepLR, **options):
    return kind(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0), **options or {"step_size": 2})


def test_parts_come_back_as_they_were() -> None:
    plateau, scheduler = Plateau(), schedule()
    captured = capture_parts([plateau, scheduler, Forgetful()])
    other = schedule(step_size=7)
    load_parts([Plateau(), other, Forgetful()], captured)
    assert other.step_size == 2


@pytest.mark.parametrize("others", [(), (lr_scheduler.ExponentialLR,)])
def test_other_parts_are_refused_by_their_kinds(others) -> None:
    captured = capture_parts([Plateau(), schedule()])
    with pytest.raises(StorageError, match="Plateau, StepLR there, and Plateau"):
        load_parts([Plateau(), *(schedule(kind, gamma=0.5) for kind in others)], captured)


def test_a_part_that_fails_to_load_leaves_all_of_them_as_they_were() -> None:
    captured = capture_parts([Plateau(), schedule()])
    captured[0]["state"] = {"nonsense": 1}
    plateau, scheduler = Plateau(), schedule(step_size=7)
    with pytest.raises(StorageError, match="cannot be loaded: KeyError"):
        load_parts([plateau, scheduler], captured)
    assert scheduler.step_size == 7
