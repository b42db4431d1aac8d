"""C5: a second task on a trained host that is not touched: seeds learn it, and the first task stays what it was.

Digits 0 to 4 first, digits 5 to 9 second, on one MLP with one head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from kaslite.proof.arm import Arm, Claim, Trial
from kaslite.proof.derivations import SCHEDULED
from kaslite.proof.finding import Finding
from kaslite.proof.intervals import paired_interval
from kaslite.training.evaluation import cross_entropies, evaluate_now, evaluate_on

if TYPE_CHECKING:
    from kaslite.experiment.assembly import Experiment
    from kaslite.proof.arm import Lane, Scale, Settings, Table
    from kaslite.training.evaluation import Evaluation

MOST_POINTS_LOST = 0.5
MOST_NEW_PARAMS = 0.1

_HOST: Settings = {"problem_type": "digits", "hidden_dim": 128, "num_layers": 3, "keep_checkpoints": 1, "warm_up_epochs": 0}
_FIRST: Settings = {**SCHEDULED, "classes": (0, 1, 2, 3, 4)}
_SECOND: Settings = {"classes": (5, 6, 7, 8, 9)}
_GROWING: Settings = {
    **_SECOND,
    "freeze_host": True,
    "blueprints": ("lora",),
    "lr": 1e-2,
    "weight_decay": 0.01,
    "lr_decay": 0.5,
    "shadow_lr": 1e-2,
    "patience": 3,
    "delta": 1.0,
    "acc_threshold": 1.0,
    "shadow_epochs": 2,
    "blend_steps": 20,
    "trial_epochs": 60,
}


def trials(scale: Scale) -> tuple[Trial, ...]:
    """Return the one trial."""
    first = {**_FIRST, "adaptation_epochs": scale.epochs(41)}
    return (
        Trial(
            "digits",
            {**_HOST, "adaptation_epochs": scale.epochs(60)},
            (
                Arm("first", "the first task; its host is where `fine_tuned` and `grown` start", first),
                Arm("fine_tuned", "the second task, all parameters", {**SCHEDULED, **_SECOND}, _trained_host, _forgetting),
                Arm("scratch", "the second task, from scratch", {**SCHEDULED, **_SECOND}),
                Arm("grown", "the second task, the host frozen, seeds `lora`", _GROWING, _trained_host, _remembering),
            ),
        ),
    )


def judge(table: Table) -> list[Finding]:
    """Compare what is learned, what is kept, and what it takes."""
    lost = [100 * gain for gain in table.differences("digits", "grown", "fine_tuned", "test_accuracy")]
    changes = [-change for change in table.column("digits", "grown", "measured_output_change").values()]
    sizes = zip(*(table.column("digits", "grown", name).values() for name in ("final_params", "host_params")), strict=True)
    room = [MOST_NEW_PARAMS - (final / host - 1) for final, host in sizes]
    forgotten = table.differences("digits", "grown", "fine_tuned", "measured_first_task_accuracy")
    says = "second task: test accuracy above full fine-tuning, points"
    return [
        Finding(says, paired_interval(lost), bar=-MOST_POINTS_LOST),
        Finding("first task: largest change of an output, negative; 0 is bit for bit", paired_interval(changes), bar=-1e-12),
        Finding("room left of the 10 % of parameters that may be new, share of the host's", paired_interval(room)),
        Finding(
            "first task: test accuracy above full fine-tuning, points",
            paired_interval([100 * gain for gain in forgotten]),
            decides=False,
        ),
    ]


def _trained_host(_: Settings, lane: Lane) -> Settings:
    return {"host_from": lane["first"].run_dir.path}


def _forgetting(experiment: Experiment, lane: Lane) -> dict[str, float]:
    """Measure what the fine-tuned network still knows of the first task."""
    return {"measured_first_task_accuracy": _accuracy(_on_first_task(experiment, lane))}


def _remembering(experiment: Experiment, lane: Lane) -> dict[str, float]:
    """Measure the host, with its seeds switched off, on the first task: against the one that learned it."""
    inputs = lane["first"].reopen().task.test.inputs
    with torch.no_grad():
        before, after = (e.model.eval().host(inputs) for e in (lane["first"].reopen(), _without_seeds(experiment)))
    change = (before - after).abs().max().item()
    return {"measured_output_change": change, **_forgetting(_without_seeds(experiment), lane)}


def _without_seeds(experiment: Experiment) -> Experiment:
    """Switch all seeds off."""
    for seed in experiment.model.seeds:
        seed.set_ramp(0.0)
    return experiment


def _on_first_task(experiment: Experiment, lane: Lane) -> Evaluation:
    model, test = experiment.model, lane["first"].reopen().task.test
    return evaluate_now(model, lambda: evaluate_on(model, test.inputs, test.targets, cross_entropies))


def _accuracy(evaluation: Evaluation) -> float:
    assert evaluation.accuracy is not None, "it is a classification"
    return evaluation.accuracy


SECOND_TASK = Claim(
    "C5",
    "A second task on a frozen host: grown seeds learn it, and the first task stays exactly what it was.",
    "within .5 points of full fine-tuning, <= 10 % new parameters, outputs of the first task bit for bit",
    trials,
    judge,
)
