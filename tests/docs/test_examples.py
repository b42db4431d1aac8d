"""What the examples say of defaults is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from kaslite.experiment.blending import BlendingSection
from kaslite.experiment.config import RunConfig, resolve

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
