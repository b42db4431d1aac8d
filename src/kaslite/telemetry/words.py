"""Events in words: one line each, for logs and panels.

Texts of a log are untrusted: what could steer a terminal is taken out. Not for: colours.
"""

from __future__ import annotations

from kaslite.events import (
    BlendCompleted,
    BlendStrategyChosen,
    DecisionMade,
    DriftWarned,
    EpochCompleted,
    Event,
    GovernorRolledBack,
    PhaseStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    SeedCulled,
    SeedFossilized,
    SeedGerminated,
    SeedStateChanged,
)

PHASE_TITLES = {"phase_1": "Warm-up Training", "phase_2": "Adaptation"}

_TOLD_BY_OTHERS = {"germinated", "fossilized", "culled"}  # entering these states has an event of its own

_SeedEvent = SeedGerminated | SeedStateChanged | BlendStrategyChosen | BlendCompleted | SeedFossilized | SeedCulled


def describe(event: Event) -> str | None:
    """Return the event as one line, or ``None`` if it is not worth one.

    >>> describe(PhaseStarted(epoch=0, phase="phase_1", epochs=20))
    'phase_1: Warm-up Training, 20 epochs'
    """
    line = _describe(event)
    return None if line is None else plain(line)


def is_stop(event: Event) -> bool:
    """Say whether it ends the training before its planned end.

    >>> is_stop(DecisionMade(epoch=40, decision="stop", reason="solved"))
    True
    """
    return isinstance(event, DecisionMade) and event.decision == "stop"


def plain(text: str) -> str:
    r"""Return the text without control characters.

    >>> plain("a\x1b[31mb")
    'a[31mb'
    """
    return text if text.isprintable() else "".join(letter for letter in text if letter.isprintable())


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as it stands in tables: ``-`` where nothing was measured."""
    return "-" if value is None else f"{value:.{digits}f}"


def exact(value: float | None) -> str:
    """Return a number as it is, with its thousands set apart: ``-`` where nothing was measured.

    >>> exact(1234), exact(0.5), exact(None)
    ('1,234', '0.5', '-')
    """
    return "-" if value is None else f"{value:,}"


def signed(value: float | None) -> str:
    """Return a difference as it stands in tables, always with its sign: ``-`` where nothing was measured."""
    return "-" if value is None else f"{value:+.4f}"


def _describe(event: Event) -> str | None:
    match event:
        case RunStarted():
            return f"{event.run_name}: a host of {event.host_params:,} parameters, {len(event.seeds)} seeds"
        case PhaseStarted():
            return f"{event.phase}: {PHASE_TITLES.get(event.phase, event.phase)}, {event.epochs} epochs"
        case EpochCompleted():
            return _epoch(event)
        case DecisionMade():
            return _decision(event)
        case DriftWarned():
            how = " in scale" if event.measure == "scale" else ""
            return f"{_place(event)} drifts{how}: {event.drift:.3f} > {event.threshold:g}"
        case GovernorRolledBack():
            return f"rolled back to epoch {event.to_epoch}: {event.reason}"
        case RunResumed():
            return f"resumed after epoch {event.epoch}"
        case RunFinished():
            return f"run {event.status}" + (f": {event.error}" if event.error else "")
        case _:
            return _seed(event)


def _seed(event: _SeedEvent) -> str | None:
    match event:
        case BlendStrategyChosen():
            readings = ", ".join(f"{name.replace('_', ' ')} {_reading(value)}" for name, value in event.telemetry.items())
            return f"{_place(event)} blends by {event.strategy_name}" + (f": {readings}" if readings else "")
        case BlendCompleted():
            return _blended(event)
        case SeedGerminated():
            return f"{_place(event)} germinated: {event.blueprint_id}, {event.params:,} parameters"
        case SeedFossilized():
            cost = "" if event.removal_cost is None else f", removing it would cost {event.removal_cost:+.4f}"
            return f"{_place(event)} fossilized: {event.params_added:,} parameters stay{cost}"
        case SeedCulled():
            return f"{_place(event)} culled: {event.reason}"
        case SeedStateChanged():
            if event.to_state in _TOLD_BY_OTHERS:
                return None
            return f"{_place(event)} {event.from_state} -> {event.to_state}: {event.reason}"


def _blended(event: BlendCompleted) -> str:
    epochs = "1 epoch" if event.duration_epochs == 1 else f"{event.duration_epochs} epochs"
    loss = f"held-out loss {number(event.initial_loss)} -> {number(event.final_loss)}"
    drift = f"drift {number(event.initial_drift, 3)} -> {number(event.final_drift, 3)}"
    return f"{_place(event)} blended by {event.strategy_name} in {epochs}: {loss}, {drift}"


def _epoch(event: EpochCompleted) -> str:
    return (
        f"epoch {event.epoch}: train loss {number(event.train_loss)}, val loss {number(event.val_loss)}, "
        f"val accuracy {number(event.val_accuracy)}, best {number(event.best_accuracy)}"
    )


def _decision(event: DecisionMade) -> str | None:
    if event.refusal is not None:
        return f"{event.decision} {event.layer}:{event.seed} refused: {event.refusal}"
    if event.decision == "wait":
        return None
    if event.decision == "stop":
        return f"training stops: {event.reason}"
    what = f" as {event.blueprint_id}" if event.blueprint_id else ""
    return f"decision: {event.decision} {event.layer}:{event.seed}{what}, because {event.reason}"


def _reading(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _place(event: _SeedEvent | DriftWarned) -> str:
    return f"{event.layer}:{event.seed}"
