"""What the examples say of defaults is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from kaslite.experiment.blending import BlendingSection
from kaslite.experiment.config import RunConfig, resolve
from kaslite.sweeps.sweeping import plan_sweep

FILE = Path(__file__).parents[2] / "examples" / "runs" / "adaptive_blending.yaml"
SETTING = re.compile(r"^ *(\w+): .*# default: (\S+)$", re.MULTILINE)
DEFAULTS = {
    name: "null" if field.default is None else str(field.default)
    for name, field in (*BlendingSection.model_fields.items(), ("blend_steps", RunConfig.model_fields["blend_steps"]))
}


def test_the_blending_example_shows_every_setting_with_its_default() -> None:
    assert dict(SETTING.findall(FILE.read_text(encoding="utf-8"))) == DEFAULTS


def test_the_blending_example_sets_what_it_says() -> None:
    changed = {"grad_norm_lower": 0.01, "grad_norm_upper": 2.0}
    assert resolve({}, FILE).blending == BlendingSection(**changed)


def test_generation_1_is_one_run_as_a_config_and_as_a_sweep() -> None:
    file = FILE.parents[1] / "generation1.yaml"
    config = resolve({}, file)
    assert (config.n_samples, config.noise, config.rotations, config.input_dim) == (2000, 0.25, 4, 3)
    assert (config.num_layers, config.hidden_dim, config.batch_size) == (8, 128, 64)
    assert (config.warm_up_epochs, config.adaptation_epochs) == (50, 200)
    (planned,) = plan_sweep(file, {}).runs
    assert resolve(planned.settings) == config
