import subprocess
import sys

import pytest
import torch

from kaslite.blueprints import Blueprint, FeatureKind, registry
from kaslite.testing import (
    CHECKS,
    BlueprintConformance,
    behaviour,
    check_blueprint,
    hosting,
    learning,
    portability,
    subjects_of,
)
from tests.testing.planted import KAPUT, DeadUnits, WithBatchNorm, faulty, sound

SHIPPED = """
import torch
import kaslite.testing

torch.set_num_threads(1)

class TestNorm(kaslite.testing.BlueprintConformance):
    blueprint = "norm"
    dtypes = [torch.float32]
    widths = [(6, 6), (1, 1)]

    def test_of_my_own(self):
        pass
"""


@pytest.fixture(autouse=True)
def registry_of_this_test(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


def register(recipe, **declared):
    registry._REGISTRY["planted"] = Blueprint("planted", frozenset({FeatureKind.DENSE}), recipe, **declared)


def test_no_check_is_left_out():
    rooms = (learning, behaviour, portability, hosting)
    written = {check for room in rooms for name, check in vars(room).items() if name.startswith("check_")}
    assert set(CHECKS) == written


def test_a_sound_blueprint_passes():
    register(sound)
    check_blueprint("planted")


@pytest.mark.parametrize(
    "recipe",
    [
        *(pytest.param(faulty(KAPUT[name]), id=name) for name in KAPUT),
        pytest.param(DeadUnits, id="dead"),
        pytest.param(WithBatchNorm, id="batch norm"),
    ],
)
def test_every_planted_fault_fails(recipe):
    register(recipe)
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        check_blueprint("planted", widths=[(6, 6)], dtypes=[torch.float32])


def test_cases_are_kinds_widths_and_precisions():
    assert [str(case) for case in subjects_of("norm", widths=[(6, 6), (3, 3), (6, 3)])] == [
        "norm-dense-6-6-float32-cpu",
        "norm-dense-6-6-bfloat16-cpu",
        "norm-dense-3-3-float32-cpu",
        "norm-sequence-6-6-float32-cpu",
        "norm-sequence-6-6-bfloat16-cpu",
        "norm-sequence-3-3-float32-cpu",
        "norm-sequence-causal-6-6-float32-cpu",
        "norm-sequence-causal-6-6-bfloat16-cpu",
        "norm-image-6-6-float32-cpu",
        "norm-image-6-6-bfloat16-cpu",
        "norm-image-3-3-float32-cpu",
    ]


def test_refusing_everything_is_a_failure():
    register(sound, min_width=100)
    with pytest.raises(AssertionError, match="planted declares the kind dense, and refuses every width"):
        subjects_of("planted")


def test_the_base_class_names_its_cases():
    class Inherited(BlueprintConformance):
        blueprint = "low_rank"
        widths = ((8, 4),)
        dtypes = (torch.float64,)

    assert [case.dtype for case in Inherited.subjects()] == [torch.float64] * 4
    Inherited().test_it_conforms(learning.check_identity_at_birth, Inherited.subjects()[0])


def test_pytest_runs_what_a_user_inherits(tmp_path):
    (tmp_path / "test_mine.py").write_text(SHIPPED)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "learns or of_my_own",
        "--rootdir",
        tmp_path,
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=tmp_path)
    cases = 3 + 1  # one width on three kinds, and a causal sequence; a single feature is refused
    assert f"{cases + 1} passed, {cases * (len(CHECKS) - 1)} deselected" in done.stdout


def test_the_kit_needs_no_test_framework():
    code = "import sys, kaslite.testing; print('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "False"
