"""What every registered blending strategy owes, by walking the registry through the public kit."""

import pytest

from kaslite import blending
from kaslite.blending import STRATEGIES, BlendingStrategy
from kaslite.testing import BlendingStrategyConformance, blends_of

EXPORTED = [getattr(blending, name) for name in blending.__all__]


class TestEveryStrategy(BlendingStrategyConformance):
    @classmethod
    def cases(cls):
        return [case for name in STRATEGIES for case in blends_of(name)]


def test_every_strategy_is_registered():
    shipped = {item for item in EXPORTED if isinstance(item, type) and issubclass(item, BlendingStrategy)}
    assert shipped - {BlendingStrategy} == set(STRATEGIES.values())


@pytest.mark.parametrize("strategy", STRATEGIES.values())
def test_a_strategy_is_final(strategy):
    assert strategy.__final__
