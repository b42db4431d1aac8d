import json
import os
import threading

import pytest

from kaslite.dashboard.web.following import FollowedRun
from kaslite.dashboard.web.story import Story
from kaslite.events import RunResumed
from kaslite.telemetry import read_log
from tests.event_logs import epoch, lines, reading, small_run, started, write, write_big


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "events.jsonl"


def append(path, events, start):
    with path.open("ab") as log:
        log.writelines(lines(events, start))


def content(news):
    return json.loads(news[1])


def test_the_story_is_told_whole_first_and_then_what_is_new(path):
    write(path, small_run(epochs=2))
    run = FollowedRun(path)
    kind, _, told = first = run.news()
    assert (kind, content(first)["curves"]["epoch"]) == ("whole", [1, 2])
    assert run.news(told) is None
    append(path, [epoch(3)], start=5)
    kind, _, told = second = run.news(told)
    assert (kind, content(second)["append"]["curves"]["epoch"]) == ("more", [3])
    assert run.news(told) is None


def test_each_page_is_told_what_it_does_not_know(path):
    write(path, small_run(epochs=2))
    run = FollowedRun(path)
    _, _, quick = slow = run.news()
    for number in (3, 4, 5):
        append(path, [epoch(number)], start=number + 2)
        news = run.news(quick)
        assert content(news)["append"]["curves"]["epoch"] == [number]
        quick = news[2]
    assert content(run.news(slow[2]))["append"]["curves"]["epoch"] == [3, 4, 5]
    assert content(run.news())["curves"]["epoch"] == [1, 2, 3, 4, 5]


def test_a_resumed_run_is_told_whole_again_without_what_is_void(path):
    write(path, small_run(epochs=4))
    run = FollowedRun(path)
    _, _, told = run.news()
    append(path, [RunResumed(epoch=1, last_sequence=3), epoch(2)], start=3)
    kind, _, told = again = run.news(told)
    assert (kind, content(again)["curves"]["epoch"]) == ("whole", [1, 2])
    append(path, [epoch(3)], start=5)
    assert run.news(told)[0] == "more"


def test_a_run_whose_process_is_gone_is_told_as_interrupted_without_a_new_event(path):
    write(path, small_run())
    run = FollowedRun(path)
    first = run.news()
    assert content(first)["run"]["status"] == "running"
    os.utime(path, (0, 0))
    assert content(run.news(first[2]))["run"]["status"] == "interrupted"


def test_a_damaged_log_is_told_as_far_as_it_goes_with_the_trouble_once(path):
    write(path, small_run(epochs=2))
    run = FollowedRun(path)
    first = run.news()
    assert content(first)["run"]["trouble"] is None
    with path.open("ab") as log:
        log.write(b"junk\n")
    second = run.news(first[2])
    assert "line 5 of" in content(second)["run"]["trouble"]
    assert run.news(second[2]) is None
    third = run.news()
    assert content(third)["curves"]["epoch"] == [1, 2]


def test_a_log_that_does_not_exist_yet_is_an_empty_story(path):
    run = FollowedRun(path)
    _, _, told = first = run.news()
    assert content(first)["curves"]["epoch"] == []
    write(path, small_run())
    assert content(run.news(told))["run"]["name"] == "a run"


def test_what_is_told_of_a_long_run_is_its_story_though_most_readings_are_never_parsed(path):
    write_big(path, epochs=1_300, seeds=3)
    story = Story()
    for event in read_log(path):
        story.take(event)
    told = content(FollowedRun(path).news())
    expected = json.loads(json.dumps(story.whole()))
    told["run"] |= {"status": "running"}
    expected["run"] |= {"trouble": None}
    assert told == expected


def test_pages_may_ask_at_the_same_time(path):
    write(path, small_run(epochs=3))
    run = FollowedRun(path)
    told = []
    asking = [threading.Thread(target=lambda: told.append(content(run.news()))) for _ in range(8)]
    for thread in asking:
        thread.start()
    append(path, [epoch(4, [reading()])], start=6)
    for thread in asking:
        thread.join()
    assert {len(story["curves"]["epoch"]) for story in told} <= {3, 4}
    assert len(told) == 8


def test_of_epochs_that_do_not_count_by_one_an_even_choice_of_readings_is_told(path):
    write(path, [started(), *(epoch(10 * number, [reading()]) for number in range(1, 1001))])
    epochs = content(FollowedRun(path).news())["readings"]["blocks.0:0"]["epoch"]
    assert epochs == list(range(epochs[0], 10_001, epochs[0]))
