"""Against a real SQLite store, read back by MLflow's own client."""

from dataclasses import replace

import pytest

from kaslite.errors import StorageError, UsageError
from kaslite.events import DecisionMade, GitState, RunResumed
from kaslite.telemetry.mlflow_store import MlflowAddress, Point
from kaslite.telemetry.sinks.mlflow import MlflowSink, Plateaus
from tests.course import course, epoch, finished, moved, started

mlflow = pytest.importorskip("mlflow")


class Tracked:
    """What MLflow has of the one run of an experiment."""

    def __init__(self, uri, experiment="tests"):
        self.client = mlflow.MlflowClient(tracking_uri=uri)
        found = self.client.get_experiment_by_name(experiment)
        self.runs = self.client.search_runs([found.experiment_id])
        self.run = self.runs[0]

    def history(self, key):
        return [(p.step, p.value) for p in self.client.get_metric_history(self.run.info.run_id, key)]

    def files(self, folder=None):
        return {file.path for file in self.client.list_artifacts(self.run.info.run_id, folder)}


def track(uri, events, **options):
    sink = MlflowSink(MlflowAddress(uri, "tests"), **options)
    for event in events:
        sink.write(event)
        sink.flush()
    sink.close()
    return sink


def test_every_epoch_has_its_losses_and_accuracies(store):
    track(store, course())
    run = Tracked(store)
    assert run.history("train_loss") == [(n, pytest.approx(1 / n)) for n in (1, 2, 3, 4)]
    for key in ("train_loss", "val_loss", "val_acc", "best_acc"):
        assert [step for step, _ in run.history(key)] == [1, 2, 3, 4], key
    assert "learning_rate" in run.run.data.metrics


def test_every_seed_has_its_alpha_and_its_state_as_a_number(store):
    track(store, course())
    run = Tracked(store)
    assert run.history("seed/blocks.1:0/alpha") == [(1, 0.0), (3, 0.0), (4, 0.5)]
    assert run.history("seed/blocks.1:0/state") == [(1, 0), (2, 0), (3, 3), (4, 3)]
    assert run.history("seed/blocks.0:0/alpha") == [(1, 0.0), (4, 0.0)]


def test_what_was_not_measured_is_absent(store):
    track(store, [started(), epoch(1, val_loss=None), moved(1, "blending", "culled"), epoch(2), finished(number=2)])
    run = Tracked(store)
    assert [step for step, _ in run.history("val_loss")] == [2]
    assert [step for step, _ in run.history("seed/blocks.1:0/alpha")] == [1]
    assert "test_r2" not in run.run.data.metrics


def test_every_setting_is_a_parameter_also_those_of_a_section(store):
    track(store, [started(blending={"patience": 3, "deep": {"er": None}})])
    params = Tracked(store).run.data.params
    assert params["lr"] == "0.003"
    assert params["problem_type"] == "spirals"
    assert params["classes"] == "null"
    assert params["blueprints"] == '["mlp", "lora"]'
    assert (params["blending.patience"], params["blending.deep.er"]) == ("3", "null")


def test_tags_tell_phases_versions_and_how_seeds_blend(store):
    track(store, course(), tags={"mine": "yes"})
    tags = Tracked(store).run.data.tags
    assert (tags["phase"], tags["phase_1"], tags["phase_2"]) == ("phase_2", "from epoch 1", "from epoch 3")
    assert tags["version.torch"] == "2.13"
    assert tags["blending/blocks.1:0"] == "FIXED_RAMP"
    assert tags["mine"] == "yes"


def test_the_result_is_there_and_the_run_is_over(store):
    track(store, course())
    run = Tracked(store).run
    assert (run.data.metrics["test_accuracy"], run.info.status, run.info.end_time) == (0.75, "FINISHED", 1_100_000)


@pytest.mark.parametrize(("status", "theirs"), [("interrupted", "KILLED"), ("failed", "FAILED")])
def test_a_run_that_did_not_get_to_its_end_says_so(store, status, theirs):
    track(store, [started(), epoch(1), finished(status, 1)])
    assert Tracked(store).run.info.status == theirs


def test_a_log_that_just_stops_leaves_the_run_open(store):
    track(store, [started(), epoch(1)])
    assert Tracked(store).run.info.status == "RUNNING"


def test_the_files_of_a_run_that_has_ended_are_kept(store, tmp_path):
    folder = tmp_path / "results" / "spirals_s0"
    folder.mkdir(parents=True)
    for name in ("config.yaml", "events.jsonl", "metrics.json", "results_x.log", "other.txt"):
        (folder / name).write_text(name)
    more = {"tensorboard": lambda _: [folder / "other.txt"]}
    track(store, course(), folder=lambda name: tmp_path / "results" / name, more_files=more)
    run = Tracked(store)
    assert run.files() == {"config.yaml", "events.jsonl", "metrics.json", "results_x.log", "tensorboard"}
    assert run.files("tensorboard") == {"tensorboard/other.txt"}


def test_a_run_without_a_network_is_uploaded_with_the_rest_and_that_is_said_once(store, tmp_path, caplog):
    (tmp_path / "config.yaml").touch()

    def save(folder, _):
        raise StorageError(f"there is no network in {folder}.")

    track(store, course(), folder=lambda _: tmp_path, save_model=save)
    run = Tracked(store)
    assert (run.run.info.status, run.files()) == ("FINISHED", {"config.yaml"})
    assert not run.client.search_logged_models([run.run.info.experiment_id])
    assert [record.message for record in caplog.records] == [
        f"MLflow: there is no network in {tmp_path}. The run is there without its network."
    ]


def test_a_run_of_which_something_could_not_be_uploaded_is_not_left_running(store, tmp_path):
    with pytest.raises(StorageError, match="nowhere"):
        track(store, course(), folder=lambda _: tmp_path, more_files={"more": lambda _: [tmp_path / "nowhere"]})
    assert Tracked(store).run.info.status == "KILLED"


def test_a_run_can_be_nested_under_another(store):
    parent = track(store, [started(name="a sweep")]).run_id
    child = track(store, [started(timestamp=2.0)], parent_run_id=parent)
    found = Tracked(store).client.search_runs([child.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert [run.info.run_id for run in found] == [child.run_id]


def test_a_resumed_run_goes_on_in_the_same_run_without_double_points(store):
    events = course()
    first = track(store, events[:9])  # killed in epoch 4, and its last checkpoint is that of epoch 2
    again = MlflowSink(MlflowAddress(store, "tests"))
    again.recall(events[:5])
    for event in [RunResumed(epoch=2, last_sequence=5), *events[5:]]:
        again.write(event)
    again.close()
    assert again.run_id == first.run_id
    run = Tracked(store)
    assert [step for step, _ in run.history("train_loss")] == [1, 2, 3, 4]
    assert [step for step, _ in run.history("seed/blocks.1:0/alpha")] == [1, 3, 4]
    assert run.run.info.status == "FINISHED"


def test_a_log_that_is_uploaded_twice_is_there_once(store):
    assert track(store, course()).run_id == track(store, course()).run_id
    run = Tracked(store)
    assert len(run.runs) == 1
    assert len(run.history("val_acc")) == 4


def test_two_runs_at_the_same_time_do_not_meet(store):
    sinks = [MlflowSink(MlflowAddress(store, name)) for name in ("one", "two")]
    logs = [course(lr=0.1), [started(2000.0, "other", lr=0.2), epoch(1), finished(number=1)]]
    for sink, log in zip(sinks, logs, strict=True):
        sink.write(log[0])
    for sink, log in zip(sinks, logs, strict=True):
        sink.recall(log[1:])
    for sink in sinks:
        sink.close()
    one, two = Tracked(store, "one"), Tracked(store, "two")
    assert (one.run.data.params["lr"], two.run.data.params["lr"]) == ("0.1", "0.2")
    assert (len(one.history("val_acc")), len(two.history("val_acc"))) == (4, 1)


def test_events_that_begin_in_the_middle_are_refused(store):
    sink = MlflowSink(MlflowAddress(store, "tests"))
    sink.write(epoch(1))
    with pytest.raises(UsageError, match="begin without run_started"):
        sink.flush()


def test_a_stretch_without_change_is_known_by_its_ends():
    plateaus, values = Plateaus(), [0, 0, 0, 1, 2, 2]
    points = [Point("a", value, step, 0) for step, value in enumerate(values)]
    taken = [point.step for point in points for point in plateaus.take([point])]
    assert taken == [0, 2, 3, 4]
    assert [point.step for point in plateaus.ends()] == [5]


def test_where_the_numbers_come_from_and_why_the_training_stopped_are_tags(store):
    git = GitState(commit="1f0e", changes=2, changed=("a.py", "b.py"), diff_sha256="ab")
    begun = replace(started(), git=git, kaslite_git=replace(git, changes=0, diff_sha256=None), data_sha256="cd")
    track(store, [begun, epoch(1), DecisionMade(epoch=1, decision="stop", reason="it is solved"), finished(number=1)])
    expected = {
        "version.torch": "2.13",
        "git.commit": "1f0e",
        "git.changes": "2",
        "git.diff_sha256": "ab",
        "mlflow.source.git.commit": "1f0e",
        "kaslite_git.commit": "1f0e",
        "kaslite_git.changes": "0",
        "data.sha256": "cd",
        "stopped": "it is solved",
    }
    tags = Tracked(store).run.data.tags
    assert {name: tags[name] for name in expected} == expected
    assert not {"kaslite_git.diff_sha256", "host.sha256"} & set(tags)
