import json

import pytest
import torch

from kaslite.errors import DivergedError, KasliteError
from kaslite.events import EpochCompleted, RunFinished
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.experiment.run_directory import slug
from kaslite.telemetry import read_log

SMALL = {"n_samples": 80, "warm_up_epochs": 1, "adaptation_epochs": 3}
KEYS = [
    "test_accuracy",
    "val_accuracy",
    "best_accuracy",
    "val_loss",
    "test_loss",
    "host_params",
    "final_params",
    "germinated",
    "fossilized",
    "culled",
    "epochs",
    "train_flops",
    "eval_flops",
    "wall_s",
    "rng_seed",
]


class Listener:
    def __init__(self, fail_at=None):
        self.events = []
        self.closed = False
        self.fail_at = fail_at

    def write(self, event):
        self.events.append(event)
        if self.fail_at is not None and isinstance(event, EpochCompleted):
            raise self.fail_at

    def close(self):
        self.closed = True


def events_of(run_dir):
    return list(read_log(run_dir / "events.jsonl"))


def test_a_run_leaves_config_events_and_metrics(tmp_path):
    result = run(resolve(SMALL), tmp_path)
    there = {path.name for path in result.run_dir.iterdir()}
    log = f"results_{slug(resolve(SMALL))}.log"
    assert there == {"checkpoints", "config.yaml", "events.jsonl", log, "metrics.json", "model"}
    assert json.loads((result.run_dir / "metrics.json").read_text()) == result.metrics


def test_the_metrics_have_the_documented_keys(tmp_path):
    assert list(run(resolve(SMALL), tmp_path).metrics) == KEYS


def test_the_log_begins_with_the_run_and_ends_with_its_result(tmp_path):
    result = run(resolve(SMALL), tmp_path)
    events = events_of(result.run_dir)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert (events[0].type, events[0].schema_version) == ("run_started", 1)
    assert events[-1].metrics == result.metrics
    assert sum(event.type == "epoch_completed" for event in events) == 4


def test_a_view_sees_what_the_log_says(tmp_path):
    listener = Listener()
    result = run(resolve(SMALL), tmp_path, [listener])
    assert listener.events == events_of(result.run_dir)
    assert listener.closed


def test_the_same_config_gives_the_same_run(tmp_path):
    first, second = (run(resolve(SMALL), tmp_path) for _ in range(2))
    assert first.run_dir != second.run_dir
    assert {**first.metrics, "wall_s": 0} == {**second.metrics, "wall_s": 0}


def test_another_rng_seed_gives_another_run(tmp_path):
    first, second = (run(resolve({**SMALL, "rng_seed": seed}), tmp_path) for seed in (0, 1))
    assert first.metrics["val_loss"] != second.metrics["val_loss"]


def test_runs_in_one_process_do_not_touch_one_another_or_the_process(tmp_path):
    torch.set_num_threads(2)
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(resolve(SMALL), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("count", [1, 2])
def test_the_thread_count_is_pinned_and_recorded(tmp_path, count):
    torch.set_num_threads(3 - count)
    result = run(resolve({**SMALL, "num_threads": count}), tmp_path)
    assert events_of(result.run_dir)[0].num_threads == count


@pytest.mark.parametrize(
    ("failure", "status"), [(KeyboardInterrupt(), "interrupted"), (RuntimeError("the disk is on fire"), "failed")]
)
def test_a_run_that_is_cut_off_says_so_and_leaves_no_result(tmp_path, failure, status):
    with pytest.raises(type(failure)):
        run(resolve(SMALL), tmp_path, [Listener(fail_at=failure)])
    (run_dir,) = tmp_path.iterdir()
    last = events_of(run_dir)[-1]
    assert isinstance(last, RunFinished)
    assert last.status == status
    assert not (run_dir / "metrics.json").exists()


def test_a_run_that_comes_apart_again_and_again_fails_and_says_why(tmp_path):
    with pytest.raises(DivergedError, match="lower the learning rate"):
        run(resolve({**SMALL, "lr": 1e30}), tmp_path)
    events = events_of(next(tmp_path.iterdir()))
    assert [event.to_epoch for event in events if event.type == "governor_rolled_back"] == [0, 0, 0, 0]
    assert events[-1].status == "failed"


@pytest.mark.parametrize("wrong", [{"at": "nothing.*"}, {"n_samples": 2}, {"blueprints": ("mpl",)}])
def test_a_run_that_cannot_start_makes_no_folder(tmp_path, wrong):
    with pytest.raises(KasliteError):
        run(resolve({**SMALL, **wrong}), tmp_path / "results")
    assert not (tmp_path / "results").exists()
