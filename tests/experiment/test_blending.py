"""The blending section of a run's config: in a file, in flags, in both, or nowhere."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from kaslite import UsageError
from kaslite.blending import ADAPTIVE, BlendingConfig, BlendTelemetry, choose_strategy
from kaslite.cli.main import call
from kaslite.experiment.assembly import assemble
from kaslite.experiment.blending import BlendingSection, blending_of
from kaslite.experiment.config import resolve

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = BlendingConfig(strategy="FIXED_RAMP", fixed_steps=100, tick="step")
SECTION = BlendingConfig(strategy=ADAPTIVE, fixed_steps=100, tick="step")


@pytest.fixture
def yaml(tmp_path: Path):
    def write(*lines: str) -> Path:
        file = tmp_path / "c.yaml"
        file.write_text("\n".join(lines))
        return file

    return write


def from_flags(capsys, *flags: str):
    """Return the blending that a command line asks for."""
    assert call(["run", *flags, "--dry_run", "--json"]) == 0
    return blending_of(resolve(json.loads(capsys.readouterr().out)))


def test_without_a_section_every_blend_takes_the_fixed_ramp() -> None:
    assert blending_of(resolve({})) == NOTHING
    assert blending_of(resolve({"blend_steps": 7})).fixed_steps == 7


@pytest.mark.parametrize("line", ["blending:", "blending: null", "# blending"])
def test_a_section_that_is_null_is_none(line: str, yaml) -> None:
    assert blending_of(resolve({}, yaml(line))) == NOTHING
    assert resolve({}, yaml(line)).blending is None


@pytest.mark.parametrize("section", ["blending: {}", "blending: {tick: null}"])
def test_an_empty_section_chooses_by_telemetry_with_the_documented_thresholds(section: str, yaml) -> None:
    assert blending_of(resolve({}, yaml(section))) == SECTION


def test_every_documented_setting_can_be_given_in_a_file(yaml) -> None:
    file = yaml(
        "blending:",
        "  strategy: DRIFT_CONTROLLED",
        "  fixed_steps: 12",
        "  high_drift_threshold: 0.2",
        "  low_health_threshold: 1e-4",
        "  performance_loss_factor: 0.5",
        "  grad_norm_lower: 0.2",
        "  grad_norm_upper: 2.0",
        "  max_blend_epochs: 9",
        "  tick: epoch",
    )
    expected = BlendingConfig(12, 0.2, 1e-4, 0.5, 0.2, 2.0, 9, "epoch", "DRIFT_CONTROLLED")
    assert blending_of(resolve({}, file)) == expected
    assert assemble(resolve({"n_samples": 40}, file)).grower._transitions.blending == expected


def test_every_setting_can_be_given_as_a_flag(capsys) -> None:
    flags = {
        "strategy": "GRAD_NORM_GATED",
        "high_drift_threshold": 0.2,
        "low_health_threshold": 1e-4,
        "performance_loss_factor": 0.5,
        "grad_norm_lower": 0.2,
        "grad_norm_upper": 2.0,
        "max_blend_epochs": 9,
        "tick": "epoch",
    }
    assert flags.keys() == BlendingSection.model_fields.keys()
    words = [word for name, value in flags.items() for word in (f"--blending.{name}", str(value))]
    assert from_flags(capsys, *words, "--blend_steps", "12") == BlendingConfig(fixed_steps=12, **flags)


def test_without_flags_of_blending_there_is_no_section(capsys) -> None:
    assert from_flags(capsys, "--blend_steps", "12") == BlendingConfig(fixed_steps=12, strategy="FIXED_RAMP", tick="step")


def test_a_flag_wins_over_the_file_setting_by_setting(capsys, yaml) -> None:
    file = yaml("blending:", "  strategy: DRIFT_CONTROLLED", "  high_drift_threshold: 0.2")
    blending = from_flags(capsys, "--config", str(file), "--blending.high_drift_threshold", "0.3")
    assert (blending.strategy, blending.high_drift_threshold) == ("DRIFT_CONTROLLED", 0.3)
    blending = from_flags(capsys, "--config", str(file), "--blending.strategy", ADAPTIVE)
    assert (blending.strategy, blending.high_drift_threshold) == (ADAPTIVE, 0.2)


def test_fixed_steps_is_the_blend_steps_of_the_run(yaml) -> None:
    config = resolve({}, yaml("blending:", "  fixed_steps: 7"))
    assert config.blend_steps == blending_of(config).fixed_steps == 7


def test_both_may_be_given_if_they_agree(yaml) -> None:
    assert resolve({}, yaml("blend_steps: 7", "blending:", "  fixed_steps: 7")).blend_steps == 7
    with pytest.raises(UsageError, match=r"blending.fixed_steps is 7, and blend_steps 8: they are the same; give one of them"):
        resolve({}, yaml("blend_steps: 8", "blending:", "  fixed_steps: 7"))


def test_the_flag_of_one_wins_over_the_other_in_the_file(yaml) -> None:
    assert resolve({"blend_steps": 8}, yaml("blending:", "  fixed_steps: 7")).blend_steps == 8
    assert resolve({"blending": {"fixed_steps": 8}}, yaml("blend_steps: 7")).blend_steps == 8


def test_a_resolved_config_resolves_to_itself(yaml) -> None:
    config = resolve({"blending": {"fixed_steps": 8, "tick": "epoch"}}, yaml("blending:", "  strategy: GRAD_NORM_GATED"))
    assert resolve(config.model_dump()) == resolve(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"strategy": "DRIFT_CONTROLED"}, "unknown blending strategy 'DRIFT_CONTROLED': did you mean 'DRIFT_CONTROLLED'"),
        ({"strategy": 3}, "blending.strategy is 3: input should be a valid string"),
        ({"high_drift": 0.2}, "unknown setting of blending 'high_drift': did you mean 'high_drift_threshold'"),
        ({"grad_norm_lower": 2.0}, "grad_norm_lower is 2.0 and grad_norm_upper 1.0; the lower bound has to be below"),
        ({"high_drift_threshold": -1}, "high_drift_threshold is -1.0"),
        ({"low_health_threshold": float("nan")}, "blending.low_health_threshold is nan"),
        ({"max_blend_epochs": 0}, "max_blend_epochs is 0; a blend needs at least 1 epoch"),
        ({"fixed_steps": 0}, "blend_steps is 0"),
        ({"tick": "steps"}, "blending.tick is 'steps'"),
        ("ADAPTIVE", "blending is 'ADAPTIVE'; it has to be a section of settings, such as 'strategy: ADAPTIVE'"),
    ],
)
def test_a_wrong_section_is_one_clear_sentence(section, complaint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)) as caught:
        resolve({"blending": section})
    assert "\n" not in str(caught.value)


BRANCHES = [
    (BlendTelemetry(drift=0.121, health_signal=0.0), "DRIFT_CONTROLLED", "high_drift_threshold: 0.13", "PERFORMANCE_LINKED"),
    (BlendTelemetry(drift=0.12, health_signal=9e-4), "PERFORMANCE_LINKED", "low_health_threshold: 1e-4", "FIXED_RAMP"),
    (
        BlendTelemetry(health_signal=1e-3, baseline_loss=1.0, current_loss=0.79),
        "GRAD_NORM_GATED",
        "performance_loss_factor: 0.7",
        "FIXED_RAMP",
    ),
    (
        BlendTelemetry(health_signal=1e-3, baseline_loss=1.0, current_loss=0.8),
        "FIXED_RAMP",
        "performance_loss_factor: 0.9",
        "GRAD_NORM_GATED",
    ),
]


@pytest.mark.parametrize(("telemetry", "before", "line", "after"), BRANCHES)
def test_each_branch_of_the_choice_flips_by_a_line_of_yaml(telemetry, before: str, line: str, after: str, yaml) -> None:
    chosen = [
        choose_strategy(telemetry, blending_of(resolve({}, yaml(*lines)))).strategy
        for lines in (["blending: {}"], ["blending:", f"  {line}"])
    ]
    assert chosen == [before, after]
