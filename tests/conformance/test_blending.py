import math
from itertools import product

import pytest

from kaslite import blending
from kaslite.blending import BlendingConfig, BlendingStrategy, BlendSignals

EXPORTED = [getattr(blending, name) for name in blending.__all__]
STRATEGIES = [
    item for item in EXPORTED if isinstance(item, type) and issubclass(item, BlendingStrategy) and item is not BlendingStrategy
]
RAMPS = [0.0, 1e-9, 0.3, 0.5, 0.985, 0.99, 1 - 1e-12, 1.0]


def test_there_is_a_strategy_to_test():
    assert STRATEGIES


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_is_final(strategy):
    assert strategy.__final__


@pytest.mark.parametrize(("strategy", "fixed_steps", "ramp"), list(product(STRATEGIES, [1, 7, 1000], RAMPS)))
def test_a_ramp_never_falls_and_never_exceeds_one(strategy, fixed_steps, ramp):
    risen = strategy(BlendingConfig(fixed_steps=fixed_steps)).update(BlendSignals(ramp=ramp))
    assert math.isfinite(risen)
    assert ramp <= risen <= 1.0
