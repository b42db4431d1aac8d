from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from kaslite.cli.main import call
from kaslite.proof.claims import CLAIMS
from kaslite.proof.scale import SCALES
from tests.proving import SCALE, tiny_claim

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Know one quick claim only beside one that is not built, and return where its results go."""
    monkeypatch.setattr("kaslite.proof.claims.CLAIMS", {"X": tiny_claim(), "C9": CLAIMS["C9"]})
    monkeypatch.setitem(SCALES, "quick", dataclasses.replace(SCALE, name="quick"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results" / "proof" / "quick"


def test_the_verdict_on_every_claim_is_said_with_those_that_are_not_built(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["prove", "--workers", "0"]) == 0
    out, err = capsys.readouterr()
    assert "X     not shown      it pays" in out
    assert "C9    not yet run" in out
    assert "X 4/4: spirals, static, rng seed 1; about 0 s left" in err
    assert {path.name for path in folder.iterdir()} == {"X", "X.csv", "results.md"}


def test_json_goes_to_stdout_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["prove", "X", "--workers", "0", "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    (claim,) = json.loads(out)["claims"]
    assert {"claim", "verdict", "value", "interval", "bar", "command"} <= claim.keys()
    assert claim["command"] == "kaslite prove X --quick"
    assert err == ""
    assert (folder / "X.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["C33"], "unknown claim 'C33'"),
        (["--quick", "--full"], "both --quick and --full are given"),
        (["--rng_seeds", "0"], "rng_seeds is 0; it has to be 1 or more"),
        (["--workers", "-1"], "workers is -1; it has to be 0 or more"),
    ],
)
def test_bad_usage_is_one_sentence_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert call(["prove", *arguments]) == 2
    out, err = capsys.readouterr()
    assert complaint in err
    assert (err.count("\n"), out) == (1, "")
    assert not folder.exists()
