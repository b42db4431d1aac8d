"""How often the gate is wrong: seeds of known worth go on trial, and the verdicts are counted.

A trial is one seed in one small host: it blends whatever it learns in the shadow, so that evidence and gate are judged and not
the shadow. Useless seeds are planted; what a seed that learns is worth is measured against a run that never grew.
Not for: running trials side by side, nor writing their rows.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import torch
from scipy.special import betaincinv

from kaslite.blueprints import registered
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import RunConfig, resolve
from kaslite.proof.planted import PLANTED
from kaslite.randomness import own_global_streams
from kaslite.signals.interval import Interval
from kaslite.training.evaluation import cross_entropies, evaluate_now, evaluate_on, paired_difference
from kaslite.training.loop import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kaslite.experiment.assembly import Experiment
    from kaslite.signals.evidence import Evidence, Measure
    from kaslite.training.evaluation import Evaluation

    Row = dict[str, str | int | float | None]

Verdict = Literal["fossilized", "culled", "undecided"]

USELESS = ("planted_random", "planted_identity", "planted_noise")
SEEDLESS = "planted_jolt"
USEFUL = "mlp"
KINDS = (*USELESS, SEEDLESS, USEFUL)
"""What goes on trial. The last is useful where its worth, measured, says so."""

_SPIRALS = {"problem_type": "spirals", "n_samples": 1000, "rotations": 2.0}
HOSTS: Mapping[str, Mapping[str, Any]] = {
    "digits_6": {"problem_type": "digits", "hidden_dim": 6, "warm_up_epochs": 30},
    "digits_16": {"problem_type": "digits", "hidden_dim": 16, "warm_up_epochs": 30},
    "digits_32": {"problem_type": "digits", "hidden_dim": 32, "warm_up_epochs": 30},
    "spirals_6": {**_SPIRALS, "hidden_dim": 6, "warm_up_epochs": 80},
    "spirals_8": {**_SPIRALS, "hidden_dim": 8, "warm_up_epochs": 80},
    "spirals_16": {**_SPIRALS, "hidden_dim": 16, "warm_up_epochs": 80, "rotations": 4.0},
}
"""Settings of small hosts, by name; the narrowest of each task are clearly too small for it."""

WAIT_EPOCHS = 3
"""Epochs from the end of the warm-up to germination, whatever the loss does."""

LIMIT_EPOCHS = 80
"""Epochs after the warm-up within which a trial is over: twice the longest trial, and the blend."""


@dataclass(frozen=True)
class Trial:
    """One seed, of one kind, in one host, judged by one kind of evidence."""

    host: str  # of `HOSTS`
    kind: str  # of `KINDS`
    evidence: Measure
    rng_seed: int


def trials(
    rng_seeds: Iterable[int],
    hosts: Iterable[str] = tuple(HOSTS),
    kinds: Iterable[str] = KINDS,
    evidence: Iterable[Measure] = ("removal", "twin"),
) -> list[Trial]:
    """Return the whole grid."""
    return [Trial(*each) for each in product(hosts, kinds, evidence, rng_seeds)]


def config_of(trial: Trial) -> RunConfig:
    """Return the settings of the run that is the trial."""
    flags = {
        "at": "blocks.1",
        "blueprints": (trial.kind,),
        "evidence": trial.evidence,
        "rng_seed": trial.rng_seed,
        "patience": WAIT_EPOCHS,
        "delta": 1e3,  # whatever the loss does counts as a plateau
        "acc_threshold": 1.0,
        "progress_thresh": 0.0,  # it blends after one epoch, whatever it has learned
        "adaptation_epochs": LIMIT_EPOCHS,
        "embargo_epochs": LIMIT_EPOCHS,  # one seed a trial
    }
    return resolve({**HOSTS[trial.host], **flags})


def run_trial(trial: Trial) -> Row:
    """Run one trial until its seed is settled; it needs nothing but what it is given.

    Returns:
        The trial's own fields; ``verdict``; ``epochs`` from germination on; of the last evidence ``mean``, ``lower``, ``upper``
        and ``margin``, in loss, null if there was none (a host that makes no mistake grows nothing); and ``val_loss``.
    """
    with registered(*PLANTED), own_global_streams(trial.rng_seed, "trial"):
        torch.set_num_threads(1)
        experiment = assemble(config_of(trial))
        evidence = _run_until_settled(experiment)
    return {
        **asdict(trial),
        "verdict": verdict_of(experiment.counts),
        "epochs": experiment.grower.epoch - experiment.config.warm_up_epochs - WAIT_EPOCHS,
        **(dict.fromkeys(("mean", "lower", "upper")) if evidence is None else asdict(evidence.interval)),
        "margin": None if evidence is None else evidence.margin,
        "val_loss": experiment.trainer.val_loss,
    }


def verdict_of(counts: Mapping[str, int]) -> Verdict:
    """Read what became of the one seed off the counts of events, by type."""
    if counts.get("seed_fossilized"):
        return "fossilized"
    return "culled" if counts.get("seed_culled") else "undecided"


def _run_until_settled(experiment: Experiment) -> Evidence | None:
    evidence, (seed,) = None, experiment.model.seeds
    for epochs in range(LIMIT_EPOCHS + 1):
        _train(experiment, Phase("phase_2", epochs, grows=True))
        evidence = seed.record.evidence or evidence
        if verdict_of(experiment.counts) != "undecided":
            break
    return evidence


def _train(experiment: Experiment, *phases: Phase) -> None:
    """Train on, to the end of the phases after the warm-up."""
    experiment.trainer.fit((Phase("phase_1", experiment.config.warm_up_epochs, grows=False), *phases))


def worth(host: str, kind: str, rng_seed: int, epochs: int = 40) -> Row:
    """Measure what a seed that nobody judges is worth: against a run that never grew, on the test split.

    Args:
        host: of `HOSTS`.
        kind: of `KINDS`.
        rng_seed: of both runs.
        epochs: after the warm-up.

    Returns:
        ``host``, ``kind``, ``rng_seed``; the gain in test loss as ``mean``, ``lower``, ``upper``; and ``share``, the mean gain
        as a share of the loss without the seed.
    """
    config = config_of(Trial(host, kind, "removal", rng_seed))
    with registered(*PLANTED):
        grown, alone = (_tested(config, epochs, grows=grows) for grows in (True, False))
    gain = paired_difference(alone, grown)
    return {"host": host, "kind": kind, "rng_seed": rng_seed, **asdict(gain), "share": gain.mean / alone.loss}


def _tested(config: RunConfig, epochs: int, *, grows: bool) -> Evaluation:
    """Train with a seed that nobody judges, or without; return the evaluation on the test split."""
    torch.set_num_threads(1)
    with own_global_streams(config.rng_seed, "trial"):
        experiment = assemble(config)
        # It germinates at the end of the first of the two phases, and blends by itself.
        _train(experiment, Phase("phase_2", WAIT_EPOCHS, grows=grows), Phase("unjudged", epochs - WAIT_EPOCHS, grows=False))
    test = experiment.task.test
    return evaluate_now(experiment.model, lambda: evaluate_on(experiment.model, test.inputs, test.targets, cross_entropies))


def rate(count: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return a share of trials with its interval (Clopper and Pearson: it covers ``confidence`` or more, however few they are).

    Args:
        count: how many of them.
        trials: of how many; with none nothing is known.
        confidence: of the interval.

    >>> rate(0, 100)
    Interval(mean=0.0, lower=0.0, upper=0.0362...)
    """
    if not trials:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1 - confidence) / 2
    lower = 0.0 if count == 0 else float(betaincinv(count, trials - count + 1, tail))
    upper = 1.0 if count == trials else float(betaincinv(count + 1, trials - count, 1 - tail))
    return Interval(count / trials, lower, upper)


def false_fossilizations(rows: Iterable[Mapping[str, Any]], evidence: Measure) -> Interval:
    """Return the share of planted useless seeds that were kept, over all kinds and hosts, of those that were ever judged."""
    verdicts = [row["verdict"] for row in _judged(rows, evidence) if row["kind"] in USELESS]
    return rate(verdicts.count("fossilized"), len(verdicts))


def false_culls(rows: Iterable[Mapping[str, Any]], worths: Iterable[Mapping[str, Any]], evidence: Measure) -> Interval:
    """Return the share of surely useful seeds that were not kept.

    Args:
        rows: of `run_trial`.
        worths: of `worth`; useful is a seed whose gain on the test split is surely positive, and at least a tenth of the loss.
        evidence: by which they were judged.
    """
    useful = {(w["host"], w["kind"], w["rng_seed"]) for w in worths if w["lower"] > 0 and w["share"] >= 0.1}
    verdicts = [row["verdict"] for row in _judged(rows, evidence) if (row["host"], row["kind"], row["rng_seed"]) in useful]
    return rate(len(verdicts) - verdicts.count("fossilized"), len(verdicts))


def _judged(rows: Iterable[Mapping[str, Any]], evidence: Measure) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["evidence"] == evidence and row["lower"] is not None]
