"""The events of a short run, as its log would have them, for tests of what is tracked."""

from kaslite.events import (
    BlendStrategyChosen,
    DecisionMade,
    EpochCompleted,
    PhaseStarted,
    RunFinished,
    RunStarted,
    SeedReading,
    SeedStateChanged,
)

NAME = "spirals_s0"
CONFIG = {"problem_type": "spirals", "lr": 3e-3, "classes": None, "chunked": False, "blueprints": ["mlp", "lora"]}
METRICS = {"test_accuracy": 0.75, "val_loss": 0.5, "epochs": 4, "test_r2": None}


def started(timestamp=1000.0, name=NAME, **config):
    return RunStarted(
        epoch=0,
        timestamp=timestamp,
        run_name=name,
        config=CONFIG | config,
        seeds=(("blocks.0", 0), ("blocks.1", 0)),
        host_params=10,
        num_threads=1,
        versions={"kaslite": "0.1", "torch": "2.13"},
    )


def epoch(number, alpha=None, **changes):
    """One epoch; with ``alpha``, the seed blocks.1:0 blends."""
    unmeasured = dict.fromkeys(("drift", "health", "training_progress", "removal_cost"))
    at = {"layer": "blocks.1", "seed": 0, "blueprint_id": "mlp", "state": "blending"}
    seed = SeedReading(**at, alpha=alpha or 0.0, ramp=alpha or 0.0, **unmeasured)
    values = {
        "phase": "phase_1" if number < 3 else "phase_2",
        "train_loss": 1 / number,
        "val_loss": 2 / number,
        "val_accuracy": number / 10,
        "best_accuracy": number / 10,
        "learning_rate": 3e-3,
        "epoch_duration_s": 0.1,
        "seeds": () if alpha is None else (seed,),
    }
    return EpochCompleted(epoch=number, timestamp=1000.0 + number, **values | changes)


def moved(number, from_state, to_state, reason="it is time"):
    at = {"epoch": number, "timestamp": 1000.5 + number, "layer": "blocks.1", "seed": 0, "blueprint_id": "mlp"}
    return SeedStateChanged(**at, from_state=from_state, to_state=to_state, reason=reason)


def finished(status="completed", number=4):
    metrics = METRICS if status == "completed" else None
    return RunFinished(epoch=number, timestamp=1100.0, status=status, metrics=metrics)


def course(**config):
    """Four epochs: two of warm-up, and two in which a seed germinates and blends."""
    chosen = BlendStrategyChosen(
        epoch=3,
        timestamp=1003.5,
        layer="blocks.1",
        seed=0,
        blueprint_id="mlp",
        seed_id=("blocks.1", 0),
        strategy_name="FIXED_RAMP",
        telemetry={"drift": 0.125, "health_signal": None},
    )
    return [
        started(**config),
        PhaseStarted(epoch=0, timestamp=1000.5, phase="phase_1", epochs=2),
        epoch(1),
        epoch(2),
        PhaseStarted(epoch=2, timestamp=1002.5, phase="phase_2", epochs=2),
        moved(2, "dormant", "germinated"),
        moved(2, "germinated", "training"),
        epoch(3, alpha=0.0),
        moved(3, "training", "blending"),
        chosen,
        epoch(4, alpha=0.5),
        finished(),
    ]


def measured():
    """An epoch after which all that there is was measured, and the decision that follows."""
    seed = SeedReading(
        layer="blocks.1",
        seed=0,
        blueprint_id="mlp",
        state="shadowing",
        alpha=0.5,
        ramp=0.5,
        drift=0.125,
        health=2.0,
        training_progress=0.25,
        removal_cost=-0.5,
        twin_gain=0.75,
    )
    decided = DecisionMade(epoch=4, timestamp=1004.5, decision="wait", reason="it is early", plateau_counter=2, patience=15)
    return [epoch(4, seeds=(seed,), train_flops=1000), decided]
