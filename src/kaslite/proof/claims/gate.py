"""The gate: how often it keeps a seed that is useless, and how often it loses one that is useful.

A trial is one seed in one small host: it blends whatever it has learned in the shadow, so that evidence and gate are judged and
not the shadow. Useless seeds are planted; what a seed that learns is worth is measured against a run that never grew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaslite.proof.arm import Arm, Claim, Trial
from kaslite.proof.derivations import SCHEDULED
from kaslite.proof.finding import Finding
from kaslite.proof.intervals import share_interval
from kaslite.proof.planted import PLANTED
from kaslite.training.evaluation import cross_entropies, evaluate_now, evaluate_on, paired_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kaslite.experiment.assembly import Experiment
    from kaslite.proof.arm import Lane, Row, Scale, Settings, Table
    from kaslite.signals.evidence import Measure
    from kaslite.training.evaluation import Evaluation

USELESS = ("planted_random", "planted_identity", "planted_noise")
SEEDLESS = "planted_jolt"
USEFUL = "mlp"
"""Useful where its worth, measured, says so."""
EVIDENCE: tuple[Measure, ...] = ("twin", "removal")
MOST_FALSE = 0.05

_SPIRALS: Settings = {"problem_type": "spirals", "n_samples": 1000, "rotations": 2.0, "warm_up_epochs": 80}
_DIGITS: Settings = {"problem_type": "digits", "warm_up_epochs": 30}
HOSTS: Mapping[str, Settings] = {
    "digits_6": {**_DIGITS, "hidden_dim": 6},
    "digits_16": {**_DIGITS, "hidden_dim": 16},
    "spirals_8": {**_SPIRALS, "hidden_dim": 8},
    "spirals_16": {**_SPIRALS, "hidden_dim": 16, "rotations": 4.0},
}
"""Small hosts; the narrowest of each task are clearly too small for it."""
FEW_HOSTS = ("spirals_8",)
"""What does where little is spent."""

WAIT_EPOCHS = 3
"""Epochs from the end of the warm-up to germination, whatever the loss does."""

LIMIT_EPOCHS = 55
"""Epochs after the warm-up within which a trial is over: twice the longest trial, the blend, and some."""

_ONE_SEED: Settings = {
    "at": "blocks.1",
    "patience": WAIT_EPOCHS,
    "delta": 1e3,  # whatever the loss does counts as a plateau
    "acc_threshold": 1.0,
    "progress_thresh": 0.0,  # it blends at once, whatever it has learned
    "embargo_epochs": LIMIT_EPOCHS,  # one seed a trial
    "keep_checkpoints": 1,
}


def trials(scale: Scale) -> tuple[Trial, ...]:
    """Return a trial for each host, or for a few."""
    names = FEW_HOSTS if scale.effort < 1 else HOSTS
    return tuple(_trial(name, HOSTS[name], scale) for name in names)


def judge(table: Table) -> list[Finding]:
    """Count useless seeds that were kept, and useful ones that were not."""
    findings = []
    for evidence in EVIDENCE:
        wrong = _kept(table, (_title(kind, evidence) for kind in USELESS))
        says = f"useless seeds not kept, evidence `{evidence}`: share"
        findings.append(
            Finding(says, share_interval(wrong.count(False), len(wrong)), 1 - MOST_FALSE, decides=evidence == "twin")
        )
    for evidence in EVIDENCE:
        chance = _kept(table, [_title(SEEDLESS, evidence)])
        says = f"seeds that are gone, model and twin both seedless, not kept, evidence `{evidence}`: share"
        findings.append(Finding(says, share_interval(chance.count(False), len(chance)), 1 - MOST_FALSE, decides=False))
    for evidence in EVIDENCE:
        right = _kept(table, [_title(USEFUL, evidence)], _is_useful(table))
        says = f"surely useful seeds kept, evidence `{evidence}`: share"
        findings.append(Finding(says, share_interval(right.count(True), len(right)), 0.5, decides=False))
    return findings


def _trial(name: str, settings: Settings, scale: Scale) -> Trial:
    warm_up = scale.epochs(settings["warm_up_epochs"])
    adaptation = max(WAIT_EPOCHS + 4, scale.epochs(LIMIT_EPOCHS))
    planned = {**SCHEDULED, "schedule": [f"{warm_up + WAIT_EPOCHS} blocks.1:0 {USEFUL}"]}
    judged = (
        Arm(_title(kind, evidence), _SAYS[kind], {"blueprints": (kind,), "evidence": evidence})
        for evidence in EVIDENCE
        for kind in (*USELESS, SEEDLESS, USEFUL)
    )
    arms = (
        Arm("alone", "the host that never grows", SCHEDULED),
        Arm("unjudged", "an `mlp` that nobody judges", planned, measure=_worth),
        *judged,
    )
    length = {"warm_up_epochs": warm_up, "adaptation_epochs": adaptation, "trial_epochs": max(2, scale.epochs(20))}
    return Trial(name, {**_ONE_SEED, **settings, **length}, arms, blueprints=PLANTED)


_SAYS = {
    "planted_random": "a frozen random map at 5 % of the feature",
    "planted_identity": "5 % of the feature once more",
    "planted_noise": "an `mlp` that hears noise",
    SEEDLESS: "nothing, after a short disturbance",
    USEFUL: "a seed that learns",
}


def _title(kind: str, evidence: Measure) -> str:
    return f"{kind}, {evidence}"


def _worth(experiment: Experiment, lane: Lane) -> dict[str, float]:
    """Measure what the seed is worth: the gain in test loss against the run that never grew, paired over samples."""
    grown, alone = _tested(experiment), _tested(lane["alone"].reopen())
    gain = paired_difference(alone, grown)
    return {"measured_gain": gain.mean, "measured_gain_lower": gain.lower, "measured_share": gain.mean / alone.loss}


def _tested(experiment: Experiment) -> Evaluation:
    model, test = experiment.model, experiment.task.test
    return evaluate_now(model, lambda: evaluate_on(model, test.inputs, test.targets, cross_entropies))


def _is_useful(table: Table) -> Callable[[Row], bool]:
    """Return whether the seed of a row's host and rng seed is surely useful, and by a tenth of the loss or more."""
    worths = {(row["trial"], row["rng_seed"]): row for row in table.rows if row["arm"] == "unjudged"}

    def is_useful(row: Row) -> bool:
        worth = worths[row["trial"], row["rng_seed"]]
        return bool(worth["measured_gain_lower"] > 0 and worth["measured_share"] >= 0.1)

    return is_useful


def _kept(table: Table, arms: Iterable[str], counts: Callable[[Row], Any] = lambda _: True) -> list[bool]:
    """Return whether the seed was kept, of each run in which one germinated: a host without mistakes grows nothing."""
    wanted = set(arms)
    return [row["fossilized"] > 0 for row in table.rows if row["arm"] in wanted and row["germinated"] and counts(row)]


GATE = Claim(
    "gate",
    "The gate is not fooled by useless seeds.",
    "with evidence `twin`, <= 5 % of planted useless seeds are fossilized",
    trials,
    judge,
)
