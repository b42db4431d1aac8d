import json
import os

import pytest

from kaslite.cli.main import call
from kaslite.dashboard.web import files
from kaslite.events import to_line
from tests.hostile import hostile_events


@pytest.fixture
def results(tmp_path):
    """A results folder with a run in it, and a sweep of two runs, of which one log is damaged."""
    for name in ("a_run", "sweeps/grid/run_1", "sweeps/grid/run_2"):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_text("".join(to_line(event) + "\n" for event in hostile_events(folder.name)))
    (folder / "events.jsonl").write_text("no event\n{}\n")
    (tmp_path / "results/sweeps/grid/plan.json").write_text("{}")
    return tmp_path / "results"


def test_the_report_lies_in_the_folder_of_the_run_and_its_path_is_printed(results, capsys):
    assert call(["report", "a_run", "--results_dir", str(results)]) == 0
    path = results / "a_run" / "report.html"
    assert capsys.readouterr() == (f"{path}\n", "")
    assert '"kind":"run"' in path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".tmp"] == []


def test_it_is_written_where_one_says(results, tmp_path, capsys):
    path = tmp_path / "mailed.html"
    assert call(["report", str(results / "a_run"), "--output", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(path)}
    assert path.is_file()


@pytest.mark.parametrize("sweep", ["sweeps/grid", "grid"])
def test_a_folder_of_runs_is_a_sweep_and_a_damaged_log_is_named(results, sweep):
    assert call(["report", sweep, "--results_dir", str(results)]) == 0
    page = (results / "sweeps/grid/report.html").read_text(encoding="utf-8")
    assert '"kind":"sweep","name":"grid"' in page
    assert '"unreadable":[{"id":"run_2","why":' in page


@pytest.mark.parametrize(("written_s", "status"), [(0, "interrupted"), (None, "running")])
def test_a_run_that_nobody_writes_any_more_was_interrupted(results, written_s, status):
    log = results / "a_run" / "events.jsonl"
    os.utime(log, None if written_s is None else (written_s, written_s))
    assert call(["report", str(log.parent)]) == 0
    assert f'"status":"{status}"' in (log.parent / "report.html").read_text(encoding="utf-8")


def test_what_is_no_run_is_told_with_what_there_is(results, capsys):
    assert call(["report", "another", "--results_dir", str(results)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("kaslite: there is no run, and no folder that holds runs, 'another', neither as a folder")
    assert "a_run" in said


def test_where_it_cannot_be_written_nothing_is_left(results, capsys):
    assert call(["report", str(results / "a_run"), "--output", str(results / "nowhere" / "report.html")]) == 1
    assert "No such file or directory; choose another file with --output." in capsys.readouterr().err
    assert not (results / "nowhere").exists()


def test_without_plotly_it_is_said_how_to_get_it(results, monkeypatch, capsys):
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    assert call(["report", str(results / "a_run")]) == 2
    assert "install it with `pip install 'kaslite[web]'`" in capsys.readouterr().err
    assert not (results / "a_run" / "report.html").exists()


def test_a_log_without_events_is_no_report(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "events.jsonl").touch()
    assert call(["report", str(tmp_path / "empty")]) == 1
    assert "no event was written to" in capsys.readouterr().err
    assert not (tmp_path / "empty" / "report.html").exists()
