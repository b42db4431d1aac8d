from __future__ import annotations

import pytest
import torch
from torch import nn

from kaslite import SeededModel
from kaslite.errors import UsageError
from kaslite.training.step_order import StepOrder


class Loop:
    def __init__(self) -> None:
        self.model = SeededModel(nn.Sequential(nn.Linear(2, 1)), at="0")
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.scaler = torch.amp.GradScaler("cpu")
        self.order = StepOrder(self.optimizer, self.model.watch)

    def forward(self) -> None:
        self.loss = self.model(torch.ones(1, 2)).sum()

    def backward(self) -> None:
        self.loss.backward()

    def overflow(self) -> None:
        self.scaler.scale(self.loss * float("inf")).backward()

    def step(self) -> None:
        self.optimizer.step()

    def scaled_step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def zero_grad(self) -> None:
        self.optimizer.zero_grad()

    def zero_grad_in_place(self) -> None:
        self.optimizer.zero_grad(set_to_none=False)

    def look(self) -> None:
        with torch.no_grad():
            self.model(torch.ones(1, 2))

    def tick(self) -> None:
        self.order.check()

    def run(self, calls: str) -> None:
        for call in calls.split():
            getattr(self, call)()


@pytest.mark.parametrize(
    "calls",
    [
        "zero_grad forward backward step tick",
        "forward backward step zero_grad tick",
        "zero_grad forward backward forward backward step tick",
        "zero_grad forward overflow scaled_step tick",
        "forward overflow scaled_step zero_grad tick",
        "zero_grad_in_place forward backward step tick",
        "forward backward step look tick",
    ],
)
def test_a_tick_after_the_optimizer_is_in_order_every_time(calls: str) -> None:
    loop = Loop()
    loop.run(calls)
    loop.run(calls)


@pytest.mark.parametrize(
    "calls",
    [
        "forward tick",
        "zero_grad forward tick",
        "zero_grad_in_place forward tick",
        "zero_grad forward backward forward tick",
        "forward backward step tick forward tick",
        "forward backward step forward tick",
        "forward zero_grad tick",
    ],
)
def test_a_tick_between_forward_and_backward_is_refused(calls: str) -> None:
    with pytest.raises(UsageError, match="still waiting for its backward pass"):
        Loop().run(calls)


def test_a_tick_without_any_step_is_refused() -> None:
    with pytest.raises(UsageError, match=r"call it once a step, after optimizer\.step"):
        Loop().tick()


def test_an_epoch_may_end_with_a_batch_that_was_skipped_after_its_forward_pass() -> None:
    loop = Loop()
    loop.run("forward backward step tick forward")
    loop.order.check_epoch()
    loop.run("forward backward step tick")


def test_an_epoch_of_steps_without_ticks_is_refused() -> None:
    loop = Loop()
    loop.run("forward backward step")
    with pytest.raises(UsageError, match="without it no seed trains"):
        loop.order.check_epoch()
    loop.tick()
    loop.order.check_epoch()


def test_a_second_tick_in_one_step_is_refused() -> None:
    loop = Loop()
    loop.run("forward backward step zero_grad tick")
    with pytest.raises(UsageError, match="call it once a step"):
        loop.tick()
