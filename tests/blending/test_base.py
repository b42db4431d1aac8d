import dataclasses

import pytest

from kaslite.blending import BlendingConfig, BlendingStrategy
from kaslite.errors import UsageError


def test_a_strategy_has_to_say_how_the_ramp_rises():
    with pytest.raises(TypeError, match="update"):
        BlendingStrategy(BlendingConfig())


@pytest.mark.parametrize("fixed_steps", [0, -1])
def test_a_blend_without_ticks_is_refused(fixed_steps):
    with pytest.raises(UsageError, match=f"fixed_steps is {fixed_steps}; a blend needs at least 1 tick"):
        BlendingConfig(fixed_steps=fixed_steps)


def test_where_nothing_is_said_a_blend_takes_thirty_epochs():
    config = BlendingConfig()
    assert (config.fixed_steps, config.tick) == (30, "epoch")


def test_the_settings_of_a_blend_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BlendingConfig().fixed_steps = 5
