from __future__ import annotations

import json

import pytest

from kaslite.proof.arm import Arm, Claim, Scale, Table, Trial
from kaslite.proof.finding import Finding
from kaslite.proof.intervals import paired_interval
from kaslite.proof.report import format_interval, judged, page, summary
from kaslite.signals.interval import Interval

SCALE = Scale("full", rng_seeds=range(10))
ARMS = (Arm("grown", "it may grow"), Arm("static", "it may not"))


def row(arm: str, rng_seed: int, accuracy: float) -> dict[str, object]:
    return {
        "trial": "digits", "arm": arm, "rng_seed": rng_seed, "test_accuracy": accuracy, "final_params": 1234,
        "train_flops": 2.5e9, "measured_old_accuracy": 0.5 if arm == "grown" else None, "code": "abc",
        "wall_s": 3.0, "peak_mib": 300,
    }  # fmt: skip


TABLE = Table([row(arm, seed, 0.9 + (arm == "static") * seed / 100) for arm in ("grown", "static") for seed in range(10)])


def judge(table: Table) -> list[Finding]:
    gain = paired_interval([100 * gain for gain in table.differences("digits", "grown", "static", "test_accuracy")])
    return [Finding("points gained", gain), Finding("points gained elsewhere", gain, decides=False)]


CLAIM = Claim("C3", "It pays.", "interval excludes 0", lambda _: (Trial("digits", {}, ARMS),), judge)
RESULTS = [judged(CLAIM, TABLE, SCALE), judged(Claim("C9", "Later.", "high"), None, SCALE)]


def test_the_page_tells_every_arm_what_it_cost_and_the_losses_too() -> None:
    text = page(RESULTS)
    assert "| C3 | It pays. | interval excludes 0 | **shown against** |" in text
    assert "| C9 | Later. | high | **not yet run** |" in text
    assert "| static | it may not | 94.50 | 1,234 | 2.50 | 3.0 | 300 | - |" in text
    assert "| grown | it may grow | 90.00 | 1,234 | 2.50 | 3.0 | 300 | 0.5000 |" in text
    assert "`kaslite prove C3 --full`, 10 rng seeds, 20 runs, code `abc`" in text


def test_the_summary_has_a_line_for_each_claim_and_each_finding() -> None:
    assert [line[:20].strip() for line in summary(RESULTS).splitlines()] == [
        "C3    shown against",
        "shown against",
        "shown against",
        "C9    not yet run",
    ]


def test_as_json_a_claim_has_the_numbers_of_its_first_finding_and_the_command_that_repeats_it() -> None:
    first, later = (json.loads(json.dumps(result.as_json(), allow_nan=False)) for result in RESULTS)
    assert {name: first[name] for name in ("claim", "verdict", "bar", "command")} == {
        "claim": "C3", "verdict": "shown against", "bar": "interval excludes 0", "command": "kaslite prove C3 --full",
    }  # fmt: skip
    assert first["value"] == pytest.approx(-4.5)
    assert first["interval"][0] < -4.5 < first["interval"][1] < 0
    assert (later["verdict"], later["value"], later["interval"], later["findings"]) == ("not yet run", None, None, [])


def test_an_interval_is_written_as_precisely_as_it_is_known() -> None:
    assert format_interval(Interval(12.3456, -7.0, 31.0)) == "+12.35 (-7.00 to +31.00)"
    assert format_interval(Interval(0.0, float("-inf"), float("inf"))) == "+0.00 (too few pairs)"
