import os

import pytest

from kaslite.dashboard.web.liveness import is_being_written, status_now
from kaslite.telemetry import JsonlLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def grow_old(path):
    os.utime(path, (0, 0))


def test_a_log_that_a_process_has_is_being_written_however_long_nothing_happens(path):
    log = JsonlLog(path)
    grow_old(path)
    assert is_being_written(path)
    assert status_now("running", path) == "running"
    log.close()
    assert not is_being_written(path)
    assert status_now("running", path) == "interrupted"


def test_a_copy_that_has_just_grown_is_being_written(path):
    path.write_text("as copied from another machine")
    assert is_being_written(path)
    grow_old(path)
    assert not is_being_written(path)


@pytest.mark.parametrize("status", ["completed", "interrupted", "failed"])
def test_a_run_that_told_its_end_has_ended_so(path, status):
    path.touch()
    assert status_now(status, path) == status
