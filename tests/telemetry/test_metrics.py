"""Names follow Prometheus, and every metric can be measured; the table in the docs is held to them by tests/docs."""

from dataclasses import replace
from functools import reduce

import pytest

from kaslite.telemetry.analytics import Monitored, fold_monitored
from kaslite.telemetry.metrics import METRICS
from tests.course import course, epoch, measured, started


def samples(events):
    """Return the samples of each metric after some events, by its name without what all names begin with."""
    seen = reduce(fold_monitored, events, Monitored())
    return {metric.name.removeprefix("kaslite_"): list(metric.samples(seen)) for metric in METRICS}


def test_names_are_unlike_and_those_of_counters_end_as_they_should():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all((metric.type == "counter") == metric.name.endswith("_total") for metric in METRICS)
    assert all(metric.help.endswith(".") and "\n" not in metric.help for metric in METRICS)


def test_every_metric_has_a_sample_where_all_is_measured():
    told = samples([*course()[:-2], *measured()])
    assert [name for name, there in told.items() if not there] == []
    assert told["seed_twin_gain"] == [(("blocks.1", "0"), 0.75)]
    assert told["seed_health_signal"] == [(("blocks.1", "0"), 2.0)]
    assert told["training_loss"] == [(("phase_2",), 0.25)]
    assert told["decisions_total"] == [(("wait", "carried_out"), 1)]
    assert told["seed_state"] == [(("blocks.0", "0"), 0), (("blocks.1", "0"), 4)]


def test_what_was_not_measured_has_no_sample():
    unmeasured = dict.fromkeys(("train_loss", "val_loss", "val_accuracy", "best_accuracy"))
    told = samples([started(), epoch(1, **unmeasured, seeds=(replace(measured()[0].seeds[0], drift=None, twin_gain=None),))])
    empty = {name for name, there in told.items() if not there}
    assert empty >= {"training_loss", "validation_loss", "validation_accuracy", "best_accuracy", "train_flops_total"}
    assert empty >= {"seed_drift", "seed_twin_gain", "kasmina_plateau_counter", "kasmina_patience", "decisions_total"}
    assert "seed_alpha" not in empty


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_as_the_log_has_it_not_measured(loss):
    assert samples([started(), epoch(1, train_loss=loss)])["training_loss"] == []


def test_a_gauge_of_a_phase_has_one_sample_and_a_counter_one_of_each_phase():
    told = samples(course())
    assert [labels for labels, _ in told["validation_loss"]] == [("phase_2",)]
    assert told["epochs_total"] == [(("phase_1",), 2), (("phase_2",), 2)]


def test_durations_add_up_over_the_bounds():
    ((labels, buckets, total),) = samples([started(), epoch(1), epoch(2, epoch_duration_s=4000.0)])["epoch_duration_seconds"]
    counts = dict(buckets)
    assert (labels, total) == (("phase_1",), 4000.1)
    assert (counts["0.05"], counts["0.1"], counts["1800.0"], counts["+Inf"]) == (0, 1, 1, 2)


def test_what_a_run_says_of_itself_at_its_end_counts():
    *events, end = course()
    told = samples([*events, replace(end, metrics={"val_loss": 0.125, "wall_s": 7.5, "final_params": 11, "germinated": 3})])
    ended = [told[name] for name in ("validation_loss", "experiment_duration_seconds", "model_parameters")]
    assert ended == [[(("phase_2",), 0.125)], [((), 7.5)], [((), 11)]]
    assert (told["germinations_total"], told["run_running"]) == ([((), 3)], [((), 0.0)])
