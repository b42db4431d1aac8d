"""Observations by hand: what controllers are tested on."""

from kaslite.controllers import Observation, SeedObservation
from kaslite.lifecycle import SeedState
from kaslite.signals.evidence import Evidence
from kaslite.signals.interval import Interval

MISSED = Interval(0.02, 0.01, 0.03)
UNSURE = Interval(0.01, -0.01, 0.03)
HARMFUL = Interval(-0.02, -0.03, -0.01)


def seed(state=SeedState.DORMANT, layer="a", index=0, **facts):
    usual = {
        "blueprint_id": None if state is SeedState.DORMANT else "mlp",
        "epochs_in_state": 1,
        "held_epochs": 0,
        "alpha": 0.0,
        "ramp": 0.0,
        "blend_strategy": None,
        "drift": None,
        "scale_drift": None,
        "training_progress": None,
        "removal_cost": None,
        "baseline_loss": None,
    }
    cost = facts.get("removal_cost")
    return SeedObservation(
        layer=layer,
        seed=index,
        state=state,
        twin_gain=None,
        evidence=None if cost is None else Evidence("removal", cost),
        grad_norm=None,
        grad_ratio=None,
        **usual | facts,
    )


def observe(*seeds, val_loss=1.0, val_accuracy=0.5, health=None, blueprints=("mlp", "low_rank")):
    layers = {s.layer for s in seeds}
    return Observation(
        epoch=1,
        train_loss=1.0,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        health=health or dict.fromkeys(layers, 1.0),
        blueprints=blueprints if isinstance(blueprints, dict) else dict.fromkeys(layers, blueprints),
        seeds=seeds,
    )


def place(decision):
    return decision.layer, decision.seed
