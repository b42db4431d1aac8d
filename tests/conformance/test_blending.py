import pytest

from kaslite import blending
from kaslite.blending import STRATEGIES, BlendingStrategy

EXPORTED = [getattr(blending, name) for name in blending.__all__]


def test_every_strategy_is_registered():
    shipped = {item for item in EXPORTED if isinstance(item, type) and issubclass(item, BlendingStrategy)}
    assert shipped - {BlendingStrategy} == set(STRATEGIES.values())


@pytest.mark.parametrize("strategy", STRATEGIES.values())
def test_a_strategy_is_final(strategy):
    assert strategy.__final__
