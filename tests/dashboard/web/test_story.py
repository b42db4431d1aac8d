import copy
import json
from dataclasses import replace
from functools import reduce
from itertools import pairwise

import pytest

from kaslite.dashboard.fold import RunView, fold
from kaslite.dashboard.web import story as module
from kaslite.dashboard.web.story import Story
from kaslite.events import DecisionMade, RunStarted, Submodule, from_line, to_line
from kaslite.telemetry import read_log
from tests.blends import blending_run
from tests.course import course, epoch, moved, started


def story_of(*events):
    story = Story()
    for event in events:
        story.take(event)
    return story


def told(page, news):
    """What a page knows once it has taken the news in, as its script does it."""
    if "whole" in news:
        return news["whole"]
    page, more = copy.deepcopy(page), copy.deepcopy(news["more"])
    append, lifelines = more.pop("append"), more.pop("lifelines")
    page |= more
    page["marks"] += append["marks"]
    page["decisions"] += append["decisions"]
    for name, tail in append["curves"].items():
        page["curves"][name] += tail
    for seed, columns in append["readings"].items():
        known = page["readings"].setdefault(seed, {name: [] for name in columns})
        for name, tail in columns.items():
            known[name] += tail
    news_of = {line["seed"]: line for line in lifelines}
    there = [line["seed"] for line in page["lifelines"]]
    page["lifelines"] = [news_of.get(line["seed"], line) for line in page["lifelines"]]
    page["lifelines"] += [line for seed, line in news_of.items() if seed not in there]
    return page


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return list(read_log(blending_run(tmp_path_factory.mktemp("results"))))


def test_it_tells_what_the_terminal_shows(events):
    whole, view = story_of(*events).whole(), reduce(fold, events, RunView())
    assert whole["totals"] == view.totals.metrics
    assert [seed["state"] for seed in whole["seeds"]] == [seed.state for seed in view.seeds.values()]
    assert [seed["alpha"] for seed in whole["seeds"]] == [seed.alpha for seed in view.seeds.values()]
    assert whole["run"]["thought"] == view.thought
    assert [row[0] for row in whole["blending"]["rows"]] == list(view.blending.strategies)
    assert [row[0] for row in whole["blueprints"]["rows"]] == list(view.blueprints)


def test_every_epoch_is_a_point_of_the_curves_and_every_live_seed_has_curves_of_its_own(events):
    whole = story_of(*events).whole()
    epochs = [event for event in events if event.type == "epoch_completed"]
    assert whole["curves"]["epoch"] == [event.epoch for event in epochs]
    assert whole["curves"]["val_loss"] == [event.val_loss for event in epochs]
    alphas = [reading.alpha for event in epochs for reading in event.seeds if reading.layer == "blocks.0"]
    assert whole["readings"]["blocks.0:0"]["alpha"] == alphas


def test_each_turn_of_the_run_is_a_mark_in_words(events):
    marks = story_of(*events).whole()["marks"]
    assert {"phase", "germinated", "blending", "blended"} <= {mark["kind"] for mark in marks}
    germinated = next(mark for mark in marks if mark["kind"] == "germinated")
    assert germinated["seed"] == "blocks.0:0"
    assert germinated["text"].startswith("blocks.0:0 germinated: mlp")


def test_decisions_have_their_reasons_and_waiting_is_only_the_last_thought():
    refused = DecisionMade(epoch=4, decision="fossilize", reason="sure", layer="blocks.1", seed=0, refusal="not proven")
    whole = story_of(*course()[:-1], refused, DecisionMade(epoch=4, decision="wait", reason="on trial")).whole()
    assert whole["decisions"] == [
        {
            "epoch": 4,
            "decision": "fossilize",
            "seed": "blocks.1:0",
            "blueprint": None,
            "reason": "sure",
            "refusal": "not proven",
        }
    ]
    assert whole["run"]["thought"] == "on trial"


def test_the_end_that_a_controller_decided_is_a_mark():
    marks = story_of(started(), DecisionMade(epoch=9, decision="stop", reason="solved")).whole()["marks"]
    assert marks == [{"epoch": 9, "kind": "stopped", "seed": None, "text": "training stops: solved"}]


def test_the_hosts_parts_are_told():
    parts = (Submodule(name="stem", kind="Linear", params=9),)
    whole = story_of(replace(started(), submodules=parts)).whole()
    assert whole["submodules"] == [{"name": "stem", "kind": "Linear", "params": 9}]


def test_a_log_from_before_parts_were_told_has_none():
    line = json.loads(to_line(started()))
    del line["submodules"]
    old = from_line(json.dumps(line))
    assert isinstance(old, RunStarted)
    assert story_of(old).whole()["submodules"] == []


@pytest.mark.parametrize("step", [1, 2, 7])
def test_whole_once_and_then_the_news_is_the_whole_story(events, step):
    story, cursor, page = Story(), None, None
    for number, event in enumerate(events):
        story.take(event)
        if number % step == 0 or number == len(events) - 1:
            page = json.loads(json.dumps(story.whole() if cursor is None else told(page, story.since(cursor))))
            cursor = story.cursor()
    assert page == json.loads(json.dumps(story.whole()))


def test_where_nothing_happened_there_is_nothing_to_append(events):
    story = story_of(*events)
    more = story.since(story.cursor())["more"]
    assert more["lifelines"] == more["append"]["marks"] == more["append"]["decisions"] == []
    assert not any(more["append"]["curves"].values())


def test_long_runs_keep_an_even_choice_of_points_and_pages_are_told_anew(monkeypatch):
    monkeypatch.setattr(module, "MOST_EPOCHS", 40)
    monkeypatch.setattr(module, "MOST_READINGS", 10)
    story = story_of(started(), moved(0, "dormant", "germinated"))
    wholes = 0
    for number in range(1, 201):
        cursor, wanted = story.cursor(), story.wants_readings(number)
        kept = len(story.whole()["readings"].get("blocks.1:0", {"epoch": []})["epoch"])
        story.take(epoch(number, alpha=number / 1000))
        now = story.whole()["readings"].get("blocks.1:0", {"epoch": []})["epoch"]
        assert wanted or len(now) == kept, "what it said it does not want it does not keep"
        wholes += "whole" in story.since(cursor)
    whole = story.whole()
    curve, readings = whole["curves"]["epoch"], whole["readings"]["blocks.1:0"]["epoch"]
    assert len({b - a for a, b in pairwise(curve)}) == 1
    assert (len(curve) <= 40, len(readings) <= 10, wholes > 0) == (True, True, True)
    assert whole["totals"]["epochs"] == 200
    assert next(seed["alpha"] for seed in whole["seeds"] if seed["seed"] == "blocks.1:0") == 0.2
