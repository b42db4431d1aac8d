"""A dormant seed costs nothing: no hook is installed, and a step costs what it costs without kaslite.

Both sides run the very same host, so that not even the place of its weights in memory differs.
"""

from torch import optim, randn

import kaslite
from benchmarks.paired import compare, timed
from kaslite.tasks.hosts.mlp import MLP

RATIO_BAR = 1.01
LAYER_BAR_US = 1.0
LAYERS = 64


def step(model, host, inputs):
    def work():
        host.zero_grad()
        model(inputs).sum().backward()

    return work


def assert_untouched(host):
    for module in host.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
        assert not any(hooks)
        assert "forward" not in vars(module)


def report_a_layer(name, seconds):
    cost_us = 1e6 * seconds / LAYERS
    verdict = "ok" if cost_us <= LAYER_BAR_US else "over"
    print(f"\n{name}: {cost_us:+.3f} us a layer, bar {LAYER_BAR_US} us, {verdict}")  # noqa: T201
    assert cost_us <= LAYER_BAR_US


def test_step_of_a_model_whose_seeds_are_dormant():
    host, inputs = MLP(512, 512, 4, 10), randn(256, 512)
    model = kaslite.SeededModel(host, at="blocks.*", seeds_per_layer=2, example_input=inputs)
    assert_untouched(host)
    paired = compare(timed(step(model, host, inputs)), timed(step(host, host, inputs)), rounds=300)
    paired.report("dormant seeds / plain host", RATIO_BAR)


def test_cost_of_a_dormant_layer_in_forward_and_backward():
    host, inputs = MLP(8, 8, LAYERS, 2), randn(4, 8)
    model = kaslite.SeededModel(host, at="blocks.*", example_input=inputs)
    assert_untouched(host)
    paired = compare(timed(step(model, host, inputs)), timed(step(host, host, inputs)), rounds=600)
    report_a_layer("dormant layer, forward and backward", paired.difference_s)


def test_cost_of_a_dormant_layer_in_a_tick():
    host, inputs = MLP(8, 8, LAYERS, 2), randn(4, 8)
    model = kaslite.SeededModel(host, at="blocks.*", example_input=inputs)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    grower = kaslite.Grower(model, optimizer, controller=kaslite.Plateau(), blueprints=["mlp"])
    step(model, host, inputs)()  # gradients are there: a tick is in order
    paired = compare(timed(grower.after_step, 20), timed(lambda: None, 20), rounds=100)
    report_a_layer("dormant layer, after_step()", paired.difference_s)
