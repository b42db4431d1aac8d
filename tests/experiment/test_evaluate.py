import csv
import io

import pytest

from kaslite.errors import DataError, StorageError
from kaslite.experiment.config import resolve
from kaslite.experiment.evaluate import CURVE, evaluate, learning_curve
from kaslite.experiment.run import run
from kaslite.experiment.run_directory import RunDirectory
from kaslite.telemetry import read_log

SMALL = {"n_samples": 80, "warm_up_epochs": 1, "adaptation_epochs": 4}
GROWING = SMALL | {"controller": "schedule", "schedule": ["0 blocks.0:0 mlp"], "shadow_epochs": 1, "blend_steps": 4}


def carried_out(settings, results):
    return RunDirectory(run(resolve(settings), results).run_dir)


@pytest.mark.parametrize("settings", [SMALL, GROWING, {"problem_type": "diabetes", "adaptation_epochs": 1}], ids=str)
def test_the_network_does_on_the_test_split_what_it_did_at_the_end_of_the_run(tmp_path, settings):
    directory = carried_out(settings, tmp_path)
    there = directory.read_metrics()
    found = evaluate(directory)
    same = {name for name in ("test_accuracy", "test_loss", "test_r2", "final_params") if there.get(name) is not None}
    assert {name: found[name] for name in same} == pytest.approx({name: there[name] for name in same}, rel=1e-5)
    assert set(found) == same | {"test_samples"}


def test_the_learning_curve_has_a_row_for_each_epoch(tmp_path):
    directory = carried_out(GROWING, tmp_path)
    rows = list(csv.DictReader(io.StringIO(learning_curve(directory))))
    epochs = [event for event in read_log(directory.events) if event.type == "epoch_completed"]
    assert tuple(rows[0]) == CURVE
    assert [float(row["val_loss"]) for row in rows] == [event.val_loss for event in epochs]
    assert [row["phase"] for row in rows] == ["phase_1"] + ["phase_2"] * 4
    assert {row["live_seeds"] for row in rows} == {"1"}


def test_what_was_not_measured_is_an_empty_cell(tmp_path):
    directory = carried_out({"problem_type": "diabetes", "warm_up_epochs": 0, "adaptation_epochs": 1}, tmp_path)
    (row,) = csv.DictReader(io.StringIO(learning_curve(directory)))
    assert row["val_accuracy"] == ""


def test_data_that_was_changed_since_is_refused(tmp_path):
    file = tmp_path / "it.csv"
    file.write_text("x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(60)))
    directory = carried_out({"data": str(file), "target": "y", "adaptation_epochs": 1}, tmp_path / "results")
    file.write_text(file.read_text() + "60,1\n")
    with pytest.raises(DataError, match="is not what it was"):
        evaluate(directory)


def test_a_run_that_was_not_completed_has_nothing_to_evaluate(tmp_path):
    directory = carried_out(SMALL, tmp_path)
    (directory.model / "network.safetensors").unlink()
    with pytest.raises(StorageError, match="a run writes it when it is completed"):
        evaluate(directory)
