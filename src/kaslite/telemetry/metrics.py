"""The metrics of a run as Prometheus knows them: name, type, labels, one sentence, and what a sample of each is made of.

Samples are plain data; what was not measured has none. Every metric bears ``experiment_id``, the name of the run, before the
labels that are listed here. Not for: how samples are written and served.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from kaslite.events import finite_or_none
from kaslite.telemetry.analytics.monitored import BOUNDS_S
from kaslite.telemetry.analytics.seed_states import STATE_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kaslite.telemetry.analytics.blending import StrategyStats
    from kaslite.telemetry.analytics.monitored import Monitored, PhaseEpochs

    Labels = tuple[str, ...]
    Read = Callable[[Monitored], Iterable[tuple[Labels, float | None]]]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        name: as it is documented.
        type: as Prometheus has it.
        labels: after ``experiment_id``.
        help: what it is, in one sentence.
        read: from what is known of a run, the values of these labels and the number for each; ``None`` = not measured.
    """

    name: str
    type: Literal["counter", "gauge"]
    labels: Labels
    help: str
    read: Read

    def samples(self, seen: Monitored) -> Iterator[tuple[Labels, float]]:
        """Yield what was measured of a run: values of the labels, and the number."""
        for labels, value in self.read(seen):
            number = finite_or_none(value)
            if number is not None:
                yield labels, number


@dataclass(frozen=True)
class Histogram:
    """One metric that counts durations."""

    name: str
    type: Literal["histogram"]
    labels: Labels
    help: str
    read: Callable[[Monitored], Iterable[tuple[Labels, PhaseEpochs]]]

    def samples(self, seen: Monitored) -> Iterator[tuple[Labels, list[tuple[str, float]], float]]:
        """Yield values of the labels, how many were up to each bound, and the sum in seconds."""
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        for labels, epochs in self.read(seen):
            yield labels, list(zip(bounds, accumulate(epochs.by_duration), strict=True)), epochs.took_s


def _total(name: str) -> Read:
    """Read a number of the run as a whole, under its name in metrics.json."""
    return lambda seen: [((), seen.totals.as_dict().get(name))]


def _in_phase(name: str) -> Read:
    """Likewise, of the last epoch and its phase."""
    return lambda seen: [] if seen.phase is None else [((seen.phase,), seen.totals.as_dict().get(name))]


def _of_seeds(name: str) -> Read:
    """Read what was measured of each live seed, under its name in a reading."""
    return lambda seen: [((layer, str(seed)), getattr(reading, name, None)) for (layer, seed), reading in seen.readings.items()]


def _decisions(seen: Monitored) -> Iterator[tuple[Labels, float]]:
    for (decision, refused), count in seen.decisions.items():
        yield (decision, "refused" if refused else "carried_out"), count


def _blends(seen: Monitored) -> Iterator[tuple[Labels, float]]:
    for name, stats in seen.blending.strategies.items():
        yield (name, "completed"), stats.completed
        yield (name, "failed"), stats.failed


def _states(seen: Monitored) -> Iterator[tuple[Labels, float | None]]:
    for (layer, seed), state in seen.states.items():
        yield (layer, str(seed)), STATE_NUMBERS.get(state)


def _by_strategy(read: Callable[[StrategyStats], float]) -> Read:
    return lambda seen: [((name,), read(stats)) for name, stats in seen.blending.strategies.items()]


_SEED = ("layer", "seed")

METRICS: tuple[Metric | Histogram, ...] = (
    Metric(
        "kaslite_epochs_total",
        "counter",
        ("phase",),
        "Epochs completed.",
        lambda seen: [((phase,), epochs.count) for phase, epochs in seen.epochs.items()],
    ),
    Metric(
        "kaslite_training_loss",
        "gauge",
        ("phase",),
        "Training loss of the last epoch.",
        lambda seen: [] if seen.phase is None else [((seen.phase,), seen.totals.train_loss)],
    ),
    Metric("kaslite_validation_loss", "gauge", ("phase",), "Validation loss after the last epoch.", _in_phase("val_loss")),
    Metric(
        "kaslite_validation_accuracy",
        "gauge",
        ("phase",),
        "Validation accuracy after the last epoch, from 0 to 1; regressions have none.",
        _in_phase("val_accuracy"),
    ),
    Metric(
        "kaslite_best_accuracy",
        "gauge",
        (),
        "Best validation accuracy so far, from 0 to 1; regressions have none.",
        _total("best_accuracy"),
    ),
    Histogram(
        "kaslite_epoch_duration_seconds",
        "histogram",
        ("phase",),
        "How long the epochs took, in seconds.",
        lambda seen: [((phase,), epochs) for phase, epochs in seen.epochs.items()],
    ),
    Metric(
        "kaslite_experiment_duration_seconds",
        "gauge",
        (),
        "How long the run has gone, in seconds, without the time in which it was interrupted.",
        _total("wall_s"),
    ),
    Metric(
        "kaslite_phase_transitions_total",
        "counter",
        ("phase",),
        "How often the phase began.",
        lambda seen: [((phase,), count) for phase, count in seen.transitions.items()],
    ),
    Metric("kaslite_germinations_total", "counter", (), "Seeds germinated.", _total("germinated")),
    Metric("kaslite_fossilizations_total", "counter", (), "Seeds fossilized, that is kept for good.", _total("fossilized")),
    Metric("kaslite_culls_total", "counter", (), "Seeds culled, that is rejected.", _total("culled")),
    Metric(
        "kaslite_governor_rollbacks_total",
        "counter",
        (),
        "How often training went wrong and was set back to an earlier epoch.",
        lambda seen: [((), seen.rollbacks)],
    ),
    Metric(
        "kaslite_decisions_total",
        "counter",
        ("decision", "outcome"),
        "Decisions of the controller, by whether they were carried out or refused by a gate.",
        _decisions,
    ),
    Metric(
        "kaslite_kasmina_plateau_counter",
        "gauge",
        (),
        "Epochs over which the loss has not surely fallen, as the controller counts them.",
        lambda seen: [((), seen.plateau_counter)],
    ),
    Metric(
        "kaslite_kasmina_patience",
        "gauge",
        (),
        "How many such epochs are a plateau.",
        lambda seen: [((), seen.patience)],
    ),
    Metric(
        "kaslite_seed_state",
        "gauge",
        _SEED,
        f"State of the seed: {', '.join(f'{number} {state}' for state, number in STATE_NUMBERS.items())}.",
        _states,
    ),
    Metric("kaslite_seed_alpha", "gauge", _SEED, "Weight of the seed in the forward pass, from 0 to 1.", _of_seeds("alpha")),
    Metric(
        "kaslite_seed_drift",
        "gauge",
        _SEED,
        "How far the seed turns the feature of its layer: 1 - cosine.",
        _of_seeds("drift"),
    ),
    Metric(
        "kaslite_seed_health_signal",
        "gauge",
        _SEED,
        "Variance of the feature of the seed's layer over the validation samples.",
        _of_seeds("health"),
    ),
    Metric(
        "kaslite_seed_training_progress",
        "gauge",
        _SEED,
        "How well the seed follows the descent direction in shadow training: their cosine, from 0 to 1.",
        _of_seeds("training_progress"),
    ),
    Metric(
        "kaslite_seed_removal_cost",
        "gauge",
        _SEED,
        "By how much the validation loss rises when the seed is switched off.",
        _of_seeds("removal_cost"),
    ),
    Metric(
        "kaslite_seed_twin_gain",
        "gauge",
        _SEED,
        "By how much the validation loss is below that of a twin without the seed.",
        _of_seeds("twin_gain"),
    ),
    Metric(
        "kaslite_blends_total",
        "counter",
        ("strategy", "outcome"),
        "Blends that are over, by whether they were completed or failed.",
        _blends,
    ),
    Metric(
        "kaslite_blends_open",
        "gauge",
        ("strategy",),
        "Blends on their way.",
        _by_strategy(lambda stats: stats.open),
    ),
    Metric("kaslite_model_parameters", "gauge", (), "Parameters of the network, with its seeds.", _total("final_params")),
    Metric(
        "kaslite_train_flops_total",
        "counter",
        (),
        "FLOPs spent on training.",
        _total("train_flops"),
    ),
    Metric(
        "kaslite_run_running",
        "gauge",
        (),
        "1 while the run goes, 0 once it has ended.",
        lambda seen: [((), float(seen.totals.status == "running"))],
    ),
    Metric(
        "kaslite_last_epoch_timestamp_seconds",
        "gauge",
        (),
        "When the last epoch was over, in seconds since 1970.",
        lambda seen: [((), seen.last_epoch_s)],
    ),
)
"""All of them, in the order in which they are exported."""
