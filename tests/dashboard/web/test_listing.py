import json
import os
import time

import pytest

from kaslite.dashboard.web.listing import Listing
from kaslite.errors import UsageError
from kaslite.events import DecisionMade, RunFinished, RunResumed, from_line
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.telemetry import JsonlLog
from tests.event_logs import epoch, lines, reading, small_run, started, write, write_big

METRICS = {"test_accuracy": 0.75, "best_accuracy": 0.8, "germinated": 3, "epochs": 3, "wall_s": 12.5, "test_loss": None}


def write_run(results, name, events=None):
    log = write(results / name / "events.jsonl", small_run(name) if events is None else events)
    os.utime(log, (0, 0))
    return log


def rows(results, group=None):
    return {row["id"]: row for row in Listing(results).rows(group)["runs"]}


def test_a_folder_that_does_not_exist_yet_has_no_runs(tmp_path):
    assert Listing(tmp_path / "results").rows() == {"results": "results", "runs": [], "unreadable": []}


def test_runs_are_found_in_the_folder_in_sweeps_and_deeper_but_not_inside_of_runs(tmp_path):
    there = ["a_run", "sweeps/20250616_143022/run_0001", "sweeps/20250616_143022/run_0002", "proof/quick/C1/grown/s0"]
    for name in there:
        write_run(tmp_path, name)
    for name in ("a_run/checkpoints", "a_run/model", ".hidden/run", "1/2/3/4/5/6"):
        write_run(tmp_path, name)
    assert set(rows(tmp_path)) == set(there)
    groups = {row["group"] for row in rows(tmp_path).values()}
    assert groups == {"", "sweeps/20250616_143022", "proof/quick/C1/grown"}


def test_a_run_given_as_the_folder_is_listed_too(tmp_path):
    write_run(tmp_path, "a_run")
    listing = Listing(tmp_path / "a_run")
    (row,) = listing.rows()["runs"]
    assert row["name"] == "a_run"
    assert listing.log_of(row["id"]) == tmp_path / "a_run" / "events.jsonl"


def test_the_newest_run_comes_first(tmp_path):
    for day in (2, 3, 1):
        begun, *rest = [json.loads(line) for line in lines(small_run(f"day_{day}"))]
        begun["timestamp"] = day * 86_400.0
        write_run(tmp_path, f"day_{day}", [from_line(json.dumps(event)) for event in (begun, *rest)])
    assert list(rows(tmp_path)) == ["day_3", "day_2", "day_1"]


def test_a_finished_run_tells_its_result(tmp_path):
    write_run(tmp_path, "a_run", small_run("its name", metrics=METRICS, problem_type="digits"))
    row = rows(tmp_path)["a_run"]
    assert row | METRICS == row
    assert (row["name"], row["problem"], row["status"], row["error"]) == ("its name", "digits", "completed", None)
    assert "config" not in row


def test_a_real_run_tells_what_its_metrics_tell(tmp_path):
    small = {"n_samples": 60, "warm_up_epochs": 1, "adaptation_epochs": 2}
    result = run(resolve(small), tmp_path, [])
    row = rows(tmp_path)[result.run_dir.name]
    assert row | result.metrics == row


def test_of_a_run_without_an_end_is_told_what_its_last_epoch_tells_and_no_guess(tmp_path):
    write_run(tmp_path, "a_run", small_run(epochs=5))
    row = rows(tmp_path)["a_run"]
    assert (row["epochs"], row["best_accuracy"], row["host_params"], row["rng_seed"]) == (5, 1 - 1 / 6, 1_000, 7)
    assert [row[name] for name in ("germinated", "fossilized", "culled", "final_params", "wall_s")] == [None] * 5
    assert row["status"] == "interrupted"


def test_a_run_is_running_as_long_as_its_process_has_the_log(tmp_path):
    (tmp_path / "a_run").mkdir()
    log = JsonlLog(tmp_path / "a_run" / "events.jsonl")
    for event in small_run():
        log.write(event)
    listing = Listing(tmp_path)
    os.utime(tmp_path / "a_run" / "events.jsonl", (0, 0))
    assert listing.rows()["runs"][0]["status"] == "running"
    log.close()
    assert listing.rows()["runs"][0]["status"] == "interrupted"


def test_a_failed_run_tells_why(tmp_path):
    failed = RunFinished(epoch=3, status="failed", metrics=None, error="training came apart.")
    write_run(tmp_path, "a_run", [*small_run(), failed])
    row = rows(tmp_path)["a_run"]
    assert (row["status"], row["error"], row["epochs"]) == ("failed", "training came apart.", 3)


def test_what_a_resumption_makes_void_is_not_told(tmp_path):
    log = write_run(tmp_path, "a_run", [*small_run(epochs=5), RunFinished(epoch=5, status="interrupted", metrics=None)])
    assert rows(tmp_path)["a_run"]["status"] == "interrupted"
    resumed = RunResumed(epoch=2, sequence=4, last_sequence=4)
    with log.open("ab") as file:
        file.writelines(lines([resumed], start=4))
    row = rows(tmp_path)["a_run"]
    assert (row["epochs"], row["status"]) == (2, "running")  # it has just grown
    with log.open("ab") as file:
        file.writelines(lines([epoch(3)], start=5))
    assert rows(tmp_path)["a_run"]["epochs"] == 3


def test_the_last_epoch_is_found_however_far_from_the_end_it_is(tmp_path):
    waits = [DecisionMade(epoch=4, decision="wait", reason="x" * 1_000)] * 2_000
    write_run(tmp_path, "a_run", [*small_run(epochs=4), *waits])
    assert rows(tmp_path)["a_run"]["epochs"] == 4


def test_a_log_that_grew_is_read_again(tmp_path):
    log = write_run(tmp_path, "a_run", small_run(epochs=2))
    listing = Listing(tmp_path)
    assert listing.rows()["runs"][0]["epochs"] == 2
    with log.open("ab") as file:
        file.writelines(lines([epoch(3, [reading()])], start=5))
    assert listing.rows()["runs"][0]["epochs"] == 3


def test_the_runs_of_a_group_come_with_their_configs(tmp_path):
    for name in ("sweeps/one/run_1", "sweeps/one/run_2", "sweeps/two/run_1", "sweeps/one/deeper/run"):
        write_run(tmp_path, name, [started(name, hidden_dim=len(name)), epoch(1)])
    of_one = rows(tmp_path, "sweeps/one")
    assert set(of_one) == {"sweeps/one/run_1", "sweeps/one/run_2"}
    assert of_one["sweeps/one/run_1"]["config"]["hidden_dim"] == len("sweeps/one/run_1")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no event was written"),
        (b'{"type": "run_st', "no event was written"),
        (b"junk\n", "damaged"),
        (b"\xff\n", "damaged"),
    ],
)
def test_a_log_that_cannot_be_read_is_listed_with_why_beside_the_others(tmp_path, content, why):
    write_run(tmp_path, "a_run")
    write_run(tmp_path, "broken").write_bytes(content)
    (tmp_path / "odd" / "events.jsonl").mkdir(parents=True)
    told = Listing(tmp_path).rows()
    assert [row["id"] for row in told["runs"]] == ["a_run"]
    assert [row["id"] for row in told["unreadable"]] == ["broken", "odd"]
    assert why in told["unreadable"][0]["why"]


def test_a_damaged_end_is_told_though_the_beginning_is_well(tmp_path):
    log = write_run(tmp_path, "a_run")
    with log.open("ab") as file:
        file.write(b"{}\n")
    assert "damaged" in Listing(tmp_path).rows()["unreadable"][0]["why"]


def test_links_neither_lead_in_circles_nor_out_of_the_folder(tmp_path):
    results, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    write_run(results, "a_run")
    write_run(elsewhere, "secret")
    (results / "loop").symlink_to(results)
    (results / "out").symlink_to(elsewhere)
    (results / "linked").mkdir()
    (results / "linked" / "events.jsonl").symlink_to(elsewhere / "secret" / "events.jsonl")
    told = Listing(results).rows()
    assert [row["id"] for row in told["runs"]] == ["a_run"]
    assert [row["id"] for row in told["unreadable"]] == ["linked"]
    for outside in ("out/secret", "linked"):
        with pytest.raises(UsageError, match="links that lead out of it"):
            Listing(results).log_of(outside)


def test_a_results_folder_that_is_itself_a_link_is_followed(tmp_path):
    write_run(tmp_path / "disk", "a_run")
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    assert set(rows(tmp_path / "results")) == {"a_run"}


@pytest.mark.parametrize(
    "run", ["", "nope", "../elsewhere/secret", "/etc", "a_run/../../elsewhere/secret", "a\0b", "x" * 5_000]
)
def test_only_runs_of_the_folder_are_found(tmp_path, run):
    write_run(tmp_path / "results", "a_run")
    write_run(tmp_path / "elsewhere", "secret")
    with pytest.raises(UsageError, match="there is no run"):
        Listing(tmp_path / "results").log_of(run)


def test_500_runs_are_listed_in_less_than_a_second(tmp_path):
    long = write_big(tmp_path / "long" / "events.jsonl", epochs=20).read_bytes()
    for number in range(500):
        folder = tmp_path / f"run_{number:03}"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "events.jsonl").write_bytes(long)
    begun = time.perf_counter()
    assert len(Listing(tmp_path).rows()["runs"]) == 501
    assert time.perf_counter() - begun < 1


def test_a_folder_whose_name_is_no_text_is_named_and_does_not_hide_the_others(tmp_path):
    write_run(tmp_path, "caf\udce9", small_run("a run"))
    write_run(tmp_path, "b")
    told = Listing(tmp_path).rows()
    assert [row["id"] for row in told["runs"]] == ["b"]
    assert [(row["id"], row["why"].partition(",")[0]) for row in told["unreadable"]] == [
        ("caf\\udce9", "the name of this folder is no text in UTF-8")
    ]
    json.dumps(told, ensure_ascii=False).encode()
