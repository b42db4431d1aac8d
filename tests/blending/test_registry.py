import pytest

import kaslite
from kaslite.blending import STRATEGIES, BlendingConfig, BlendingStrategy, BlendSignals, FixedRampBlending, get_strategy
from kaslite.errors import UsageError
from tests.growing import Growth


class AtOnce(BlendingStrategy):
    reads = frozenset()

    def update(self, _signals):
        return 1.0


def test_the_documented_strategies_are_there_under_their_documented_names():
    assert {name: strategy.__name__ for name, strategy in kaslite.STRATEGIES.items()} == {
        "FIXED_RAMP": "FixedRampBlending",
        "PERFORMANCE_LINKED": "PerformanceLinkedBlending",
        "DRIFT_CONTROLLED": "DriftControlledBlending",
        "GRAD_NORM_GATED": "GradNormGatedBlending",
    }


def test_a_strategy_is_built_with_its_settings():
    strategy = get_strategy("FIXED_RAMP", BlendingConfig(fixed_steps=4))
    assert type(strategy) is FixedRampBlending
    assert strategy.update(BlendSignals(ramp=0.0)) == 0.25


@pytest.mark.parametrize(("name", "nearest"), [("FIXED_RAM", "FIXED_RAMP"), ("DRIFT_CONTROLED", "DRIFT_CONTROLLED")])
def test_an_unknown_name_is_an_error_with_the_nearest_one_and_no_silent_fallback(name, nearest):
    with pytest.raises(UsageError, match=f"unknown blending strategy '{name}': did you mean '{nearest}'"):
        get_strategy(name, BlendingConfig())


def test_one_of_your_own_registers_in_one_line_and_blends_by_its_name(monkeypatch):
    monkeypatch.setitem(STRATEGIES, "AT_ONCE", AtOnce)
    growth = Growth(strategy="AT_ONCE", fixed_steps=100).reach(kaslite.SeedState.BLENDING)
    growth.step()
    assert (growth.seed.state, growth.seed.ramp) == (kaslite.SeedState.SHADOWING, 1.0)
