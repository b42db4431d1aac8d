"""Read back by TensorBoard's own reader."""

import sys
from subprocess import run

import pytest

from kaslite.errors import StorageError, UsageError
from kaslite.events import DecisionMade, RunResumed
from kaslite.telemetry.sinks.tensorboard import TensorBoardSink, event_files
from tests.course import METRICS, NAME, course, epoch, moved, started

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

DOCUMENTED = ["train/loss", "validation/loss", "validation/accuracy", "validation/best_acc", "seed/blocks.1:0/alpha"]


def write(runs, events):
    sink = TensorBoardSink(runs)
    for event in events:
        sink.write(event)
    sink.flush()
    sink.close()


def read(folder):
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    return reader


def scalars(folder, tag):
    return [(point.step, round(point.value, 6), point.wall_time) for point in read(folder).Scalars(tag)]


def texts(folder, tag):
    return [(point.step, point.tensor_proto.string_val[0].decode()) for point in read(folder).Tensors(tag)]


def test_every_documented_number_has_a_point_an_epoch_at_its_time(tmp_path):
    write(tmp_path, course())
    for tag in DOCUMENTED:
        assert [step for step, _, _ in scalars(tmp_path / NAME, tag)] == [1, 2, 3, 4]
    assert scalars(tmp_path / NAME, "train/loss")[1] == (2, 0.5, 1002.0)
    assert [alpha for _, alpha, _ in scalars(tmp_path / NAME, "seed/blocks.1:0/alpha")] == [0, 0, 0, 0.5]


def test_phases_and_what_happens_to_seeds_are_texts_one_a_step(tmp_path):
    write(tmp_path, course())
    assert texts(tmp_path / NAME, "phase/transitions") == [
        (0, "- 1970-01-01 00:16:40+00:00 phase_1 begins, 2 epochs"),
        (2, "- 1970-01-01 00:16:42+00:00 phase_2 begins, 2 epochs"),
    ]
    assert texts(tmp_path / NAME, "seed/blocks.1:0/events") == [
        (2, "- dormant -> germinated (mlp): it is time\n- germinated -> training (mlp): it is time"),
        (3, "- training -> blending (mlp): it is time\n- blends by FIXED_RAMP: drift 0.125, health_signal -"),
    ]


def test_the_texts_of_the_last_epoch_are_there_too(tmp_path):
    write(tmp_path, [started(), epoch(1), moved(1, "dormant", "germinated")])
    assert len(texts(tmp_path / NAME, "seed/blocks.1:0/events")) == 1


def test_what_was_not_measured_is_absent_and_not_0(tmp_path):
    events = [started(), epoch(1, val_loss=None), moved(1, "blending", "culled"), epoch(2, val_loss=0.0)]
    write(tmp_path, events)
    assert [step for step, _, _ in scalars(tmp_path / NAME, "validation/loss")] == [2]
    assert [step for step, _, _ in scalars(tmp_path / NAME, "seed/blocks.1:0/alpha")] == [1]


def test_settings_stand_beside_the_result(tmp_path):
    write(tmp_path, course())
    plugin = read(tmp_path / NAME).PluginTagToContent("hparams")
    begun = metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG])
    settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in begun.hparams.items()}
    assert settings["lr"] == 3e-3
    assert (settings["problem_type"], settings["blueprints"]) == ("spirals", '["mlp", "lora"]')
    metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG])
    for name, value in METRICS.items():
        found = f"hparam/{name}" in read(tmp_path / NAME).Tags()["scalars"]
        assert found == (value is not None)
    assert scalars(tmp_path / NAME, "hparam/test_accuracy") == [(4, 0.75, 1100.0)]


def test_a_resumed_run_goes_on_in_its_folder_without_double_points(tmp_path):
    events = course()
    write(tmp_path, events[:9])  # killed in epoch 4, and its last checkpoint is that of epoch 2
    again = TensorBoardSink(tmp_path)
    again.recall(events[:5])
    for event in [RunResumed(epoch=2, last_sequence=5), *events[5:]]:
        again.write(event)
    again.flush()
    again.close()
    assert [step for step, _, _ in scalars(tmp_path / NAME, "train/loss")] == [1, 2, 3, 4]
    assert len(texts(tmp_path / NAME, "seed/blocks.1:0/events")) == 2
    assert len(event_files(tmp_path, started())) == 1


def test_another_run_of_the_same_name_has_a_folder_of_its_own(tmp_path):
    write(tmp_path, course())
    other = [started(timestamp=2000.0), epoch(1)]
    write(tmp_path, other)
    assert [step for step, _, _ in scalars(tmp_path / NAME, "train/loss")] == [1, 2, 3, 4]
    assert [step for step, _, _ in scalars(tmp_path / f"{NAME}_2", "train/loss")] == [1]
    assert event_files(tmp_path, other[0])[0].parent.name == f"{NAME}_2"


def test_it_can_be_followed_while_it_is_written(tmp_path):
    sink = TensorBoardSink(tmp_path)
    sink.write(started())
    sink.write(epoch(1))
    sink.flush()
    assert len(scalars(tmp_path / NAME, "train/loss")) == 1
    sink.close()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(StorageError, match=r"cannot write to the folder .*runs"):
        TensorBoardSink(tmp_path / "runs").write(started())


def test_events_that_begin_in_the_middle_are_refused(tmp_path):
    with pytest.raises(UsageError, match="begin without run_started"):
        TensorBoardSink(tmp_path).write(epoch(1))


def test_it_is_written_without_torch(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from kaslite.telemetry.sinks.tensorboard import TensorBoardSink\n"
        "from tests.course import course\n"
        f"sink = TensorBoardSink(pathlib.Path({str(tmp_path)!r}))\n"
        "[sink.write(event) for event in course()]\n"
        "sink.close()\n"
        "print('torch' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "False"


def test_the_end_of_the_training_is_a_transition_too(tmp_path):
    *events, end = course()
    stop = DecisionMade(epoch=4, decision="stop", reason="it is solved")
    write(tmp_path, [*events, stop, end])
    assert texts(tmp_path / NAME, "phase/transitions")[-1] == (4, "- training stops: it is solved")
