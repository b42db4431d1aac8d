import torch
from torch import nn

from kaslite.seeds.modes import PartlyAsleep, looking_at


class HalfAsleep(PartlyAsleep):
    def __init__(self):
        super().__init__()
        self.awake, self.asleep = nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2))

    def sleeping_parts(self):
        return (self.asleep,)


def modes(model):
    return {name: module.training for name, module in model.named_modules()}


def test_looking_is_in_eval_mode_and_without_gradients_and_leaves_every_mode_as_it_was():
    model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    before = modes(model)
    with looking_at(model):
        assert not any(modes(model).values())
        assert not torch.is_grad_enabled()
    assert modes(model) == before == {"": True, "0": True, "1": False}


def test_a_part_that_sleeps_stays_in_eval_mode_whatever_mode_the_whole_is_put_into():
    model = HalfAsleep().train()
    trained = {"": True, "awake": True, "asleep": False, "asleep.0": False}
    assert modes(model) == trained
    with looking_at(nn.Sequential(model)):
        assert not any(modes(model).values())
    assert modes(model) == trained
    assert not any(modes(model.eval()).values())
