from __future__ import annotations

import pytest

from kaslite.blueprints import names
from kaslite.experiment.config import resolve
from kaslite.proof.arm import Arm, Scale, Table
from kaslite.proof.claims.gate import EVIDENCE, HOSTS, SEEDLESS, USEFUL, USELESS, judge, trials
from kaslite.proof.finding import overall
from tests.proving import SCALE, prove_tiny
from tests.proving import tiny_claim as tiny

FULL = Scale("full", rng_seeds=range(10))


def table(kept: dict[str, int], useful: int = 10) -> Table:
    """Return rows on one host in which so many of ten seeds of an arm are kept; so many of ten are worth something."""
    rows = []
    for seed in range(10):
        worth, row = 0.2 if seed < useful else 0.0, {"trial": "h", "rng_seed": seed}
        rows.append({**row, "arm": "unjudged", "measured_gain_lower": worth - 0.1, "measured_share": worth})
        arms = [f"{kind}, {evidence}" for evidence in EVIDENCE for kind in (*USELESS, SEEDLESS, USEFUL)]
        rows += [{**row, "arm": arm, "germinated": 1, "fossilized": int(seed < kept.get(arm, 0))} for arm in arms]
    return Table(rows)


def many(rows: Table) -> Table:
    """Return the same rows once more for each of ten hosts."""
    return Table([{**row, "trial": f"host {host}"} for host in range(10) for row in rows.rows])


def test_a_gate_that_keeps_none_of_300_useless_seeds_is_not_fooled() -> None:
    assert overall(judge(many(table({})))) == "shown"


def test_a_tenth_of_them_kept_is_too_much() -> None:
    assert overall(judge(many(table({f"{kind}, twin": 1 for kind in USELESS})))) == "shown against"


def test_what_removal_keeps_is_told_and_decides_nothing() -> None:
    findings = judge(many(table({f"{kind}, removal": 5 for kind in USELESS})))
    assert overall(findings) == "shown"
    assert [(finding.value, finding.decides) for finding in findings[:2]] == [(1.0, True), (0.5, False)]


def test_only_seeds_that_are_surely_worth_something_can_be_lost() -> None:
    findings = judge(table({f"{USEFUL}, twin": 3}, useful=4))
    assert [finding.value for finding in findings if finding.says.startswith("surely useful")] == [0.75, 0.0]


def test_a_host_on_which_nothing_germinated_counts_for_nothing() -> None:
    rows = table({})
    for row in rows.rows:
        row["germinated"] = 0
    assert overall(judge(rows)) == "not shown"


@pytest.mark.parametrize("name", HOSTS)
def test_a_trial_lasts_longer_than_any_seed_can_stay_on_it(name: str) -> None:
    (trial,) = (each for each in trials(FULL) if each.name == name)
    config = resolve({**trial.settings, "rng_seed": 0})
    steps = (700 if config.problem_type == "spirals" else 1257) / config.batch_size
    assert config.patience + config.blend_steps / steps + 2 * config.trial_epochs < config.adaptation_epochs
    assert config.embargo_epochs >= config.adaptation_epochs  # one seed a trial


def test_planted_seeds_are_known_in_these_runs_only(tmp_path) -> None:
    with pytest.raises(Exception, match="planted_noise"):
        prove_tiny(tiny(Arm("planted", "", {"blueprints": ("planted_noise",)})), tmp_path, scale=SCALE)
    assert not {*USELESS, SEEDLESS} & set(names())
