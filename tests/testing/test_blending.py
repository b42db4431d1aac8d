"""The kit of blending strategies, tried on strategies with one fault each."""

import subprocess
import sys

import pytest
import torch

from kaslite.blending import STRATEGIES, BlendingStrategy
from kaslite.errors import UsageError
from kaslite.testing import BlendingStrategyConformance, blending, blends_of, check_blending_strategy

INHERITED = """
import kaslite.testing

class TestMine(kaslite.testing.BlendingStrategyConformance):
    strategy = "DRIFT_CONTROLLED"
    fixed_steps = [3, 5]

    def test_of_my_own(self):
        pass
"""


class Sound(BlendingStrategy):
    """Waits while the loss is above where it began, and goes on by half of what is left."""

    reads = frozenset({"loss"})

    def update(self, signals):
        start, now = signals.initial_loss, signals.current_loss
        waits = start is not None and now is not None and now > start
        step = max(1 / self.cfg.fixed_steps, (1 - signals.ramp) / 2)
        return signals.ramp if waits else min(1.0, signals.ramp + step)


class Counting(Sound):
    """Rises further with every call."""

    calls = 0

    def update(self, signals):
        self.calls += 1
        return min(1.0, signals.ramp + self.calls / 1e6)


class Noting(Sound):
    """Remembers the ramp of whichever seed asked last, on the class."""

    last = 0.0

    def update(self, signals):
        Noting.last, last = signals.ramp, Noting.last
        return min(1.0, max(signals.ramp, last) + 1 / self.cfg.fixed_steps)


def faulty(update, reads=frozenset({"loss", "drift", "grad_norm"})):
    return type("Planted", (BlendingStrategy,), {"update": lambda self, signals: update(self.cfg, signals), "reads": reads})


FAULTS = {
    "falls": (faulty(lambda cfg, s: max(0.0, s.ramp - 1 / cfg.fixed_steps)), "a ramp never falls"),
    "falls with the loss": (
        faulty(lambda _, s: 1.0 if s.current_loss is None else min(1.0, abs(s.current_loss))),
        "a ramp never falls",
    ),
    "above one": (faulty(lambda cfg, s: s.ramp + 1 / cfg.fixed_steps), "and ends at 1"),
    "not a number": (faulty(lambda _, s: float("nan") if s.grad_norm == 0 else 1.0), "and ends at 1"),
    "infinite": (faulty(lambda _, __: float("inf")), "and ends at 1"),
    "nothing": (faulty(lambda _, __: None), "which is no number"),
    "a tensor": (faulty(lambda _, __: torch.ones(())), "which is no number"),
    "remembers": (Counting, "after it had seen others"),
    "remembers on the class": (Noting, "after it had seen others"),
    "reads undeclared": (
        faulty(lambda _, s: max(s.ramp, 0.5) if s.grad_norm else 1.0, frozenset({"loss"})),
        r"reads \['loss'\]",
    ),
    "reads the losses undeclared": (
        faulty(lambda _, s: s.ramp if s.initial_loss is None else 1.0, frozenset()),
        "reads nothing",
    ),
    "reads what there is not": (faulty(lambda _, __: 1.0, frozenset({"health"})), r"reads \['health'\]; the signals are loss"),
    "never ends": (faulty(lambda _, s: max(s.ramp, 0.98)), "after 3 ticks the ramp is at 0.98"),
    "never begins": (faulty(lambda _, s: s.ramp), r"after 3 ticks the ramp is at 0\.0"),
    "is too slow": (
        faulty(lambda cfg, s: min(1.0, s.ramp + 0.3 / cfg.fixed_steps)),
        "a blend not at 0.99 by then is culled",
    ),
    "fails": (faulty(lambda _, s: s.drifts[-1]), None),
}


@pytest.fixture
def planted(monkeypatch):
    return lambda strategy: monkeypatch.setitem(STRATEGIES, "PLANTED", strategy)


def test_no_check_is_left_out():
    assert set(blending.CHECKS) == {check for name, check in vars(blending).items() if name.startswith("check_")} - {
        check_blending_strategy
    }


def test_a_sound_strategy_passes(planted):
    planted(Sound)
    check_blending_strategy("PLANTED")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_fails_and_is_named(planted, fault):
    strategy, complaint = FAULTS[fault]
    planted(strategy)
    with pytest.raises(IndexError if complaint is None else AssertionError, match=complaint):
        check_blending_strategy("PLANTED")


def test_an_unknown_strategy_is_told_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean 'FIXED_RAMP'"):
        check_blending_strategy("FIXED_RAMPS")


def test_a_blend_that_completes_with_its_last_tick_is_in_time(planted):
    planted(faulty(lambda cfg, s: min(1.0, s.ramp + 0.9901 / 3 / cfg.fixed_steps)))
    check_blending_strategy("PLANTED")


def test_a_case_is_a_strategy_and_a_number_of_ticks():
    assert [str(case) for case in blends_of("FIXED_RAMP")] == [f"FIXED_RAMP-{steps}" for steps in (1, 7, 30, 100)]


def test_pytest_runs_what_a_user_inherits(tmp_path):
    (tmp_path / "test_mine.py").write_text(INHERITED)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=tmp_path)
    assert f"{2 * len(blending.CHECKS) + 1} passed" in done.stdout
    assert BlendingStrategyConformance.fixed_steps == (1, 7, 30, 100)
