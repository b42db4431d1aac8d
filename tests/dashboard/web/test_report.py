import json
import re
from dataclasses import replace

import pytest

from kaslite.dashboard.web import report
from kaslite.dashboard.web.report import run_report, sweep_report
from kaslite.dashboard.web.story import Story
from kaslite.events import RunStarted, SeedGerminated, SeedStateChanged, Submodule
from kaslite.telemetry import read_log
from tests.blends import blending_run
from tests.browser import WIDTHS, chromium, clean_page
from tests.dashboard.test_fold import epoch, reading
from tests.hostile import AT, END, IMAGE, LAYER, SCRIPT, hostile_events

SECTIONS = ["totals", "curves", "architecture", "lifelines", "seeds", "blending", "blueprints", "decisions", "settings"]


def story_of(events):
    story = Story()
    for event in events:
        story.take(event)
    return story.whole()


def big_run(layers=64, parts=8, epochs=30):
    """Return a run of a host of hundreds of parts, with a seed on each layer, two of which germinate in each epoch."""
    names = [f"encoder.layers.{layer}" for layer in range(layers)]
    inside = [part for name in names for part in (name, *(f"{name}.part_{number}" for number in range(parts)))]
    yield RunStarted(
        epoch=0,
        run_name="big",
        config={},
        seeds=tuple((name, 0) for name in names),
        host_params=10**6,
        num_threads=1,
        versions={},
        submodules=tuple(
            Submodule(name=name, kind="Block", params=1800) for name in ("tokens", "encoder", "encoder.layers", *inside)
        ),
    )
    for number in range(1, epochs + 1):
        yield epoch(number, *(replace(reading(0.2), layer=name) for name in names[: 2 * number - 2]))
        for name in names[2 * number - 2 : 2 * number]:
            at = {"epoch": number, "layer": name, "seed": 0, "blueprint_id": "mlp"}
            yield SeedGerminated(**at, params=10**3)
            yield SeedStateChanged(**at, from_state="dormant", to_state="germinated", reason="the loss stands still")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return blending_run(tmp_path_factory.mktemp("results")).parent


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "report.html"
        path.write_text(text, encoding="utf-8")
        return path.as_uri()

    return write


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_of_a_run_shows_all_of_it_and_asks_nobody(run_dir, browser, write, width):
    story = story_of(read_log(run_dir / "events.jsonl"))
    with clean_page(browser, write(run_report(story)), width) as page:
        assert page.eval_on_selector_all("section", "all => all.map((one) => one.id)") == SECTIONS
        assert page.inner_text("h1") == run_dir.name
        told = page.eval_on_selector_all("dd[data-name]", "all => all.map((one) => [one.dataset.name, one.dataset.value])")
        assert {name: json.loads(value) for name, value in told} == json.loads((run_dir / "metrics.json").read_text())
        assert page.get_attribute("#curves .plot", "data-marks") == str(len(story["marks"]))
        assert page.get_attribute("#lifelines .plot", "data-seeds") == "3"
        assert page.get_attribute("[data-seed='blocks.2:0']", "data-state") == "blending"
        assert page.locator("#decisions tbody tr").count() == len(story["decisions"])
        for decision in story["decisions"]:
            assert page.locator("#decisions td", has_text=decision["reason"]).count()
        for row in story["blending"]["rows"] + story["blueprints"]["rows"]:
            assert page.locator("#blending td, #blueprints td", has_text=row[0]).count()


def test_names_and_reasons_are_shown_as_text_wherever_they_stand(browser, write):
    with clean_page(browser, write(run_report(story_of(hostile_events())))) as page:
        assert page.inner_text("h1") == f"run {SCRIPT}{IMAGE}"
        assert page.locator("#architecture .seed-text b").first.inner_text() == f":0 {AT['blueprint_id']}"
        assert page.locator("#decisions .reason").inner_text() == END
        assert page.locator("#decisions .refusal").inner_text() == f"refused: {IMAGE}"
        assert page.locator("#lifelines .ytick text").text_content() == "…" + f"{LAYER}:0"[-27:]
        page.evaluate("Plotly.Fx.hover(document.querySelector('#lifelines .plot'), [{curveNumber: 0, pointNumber: 0}])")
        assert IMAGE in page.locator("#lifelines .hoverlayer").text_content()
        page.evaluate("document.querySelector('#settings details').open = true")
        assert page.locator("#settings td", has_text=END).count()
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_a_host_of_hundreds_of_parts_and_64_seeds_stays_readable(browser, write, width):
    with clean_page(browser, write(run_report(story_of(big_run()))), width) as page:
        assert page.get_attribute("#lifelines .plot", "data-seeds") == "60"
        assert page.locator("#architecture .circle").count() == 60
        assert page.locator("#architecture .box.layer").count() == 60
        assert page.inner_text("#architecture summary") == "encoder.layers.60 … encoder.layers.63: 4 parts with 4 dormant seeds"
        page.click("#architecture summary")
        page.wait_for_selector("#architecture .sleeping")
        assert page.locator("#architecture .sleeping").count() == 4
        assert page.evaluate("document.querySelector('#architecture').offsetHeight") < (1400 if width > 640 else 2800)


CURVES_FIRST = """async () => {
  const root = document.querySelector("main");
  const isDrawn = () => ["curves", "lifelines"].map((name) => Boolean(root.querySelector(`#${name} .main-svg`)));
  const rest = kaslite.runView(root)(JSON.parse(document.getElementById("data").textContent).story);
  const first = isDrawn();
  await rest;
  return [first, isDrawn()];
}"""


def test_curves_are_there_before_the_lifelines_of_many_seeds_are_drawn(browser, write):
    with clean_page(browser, write(run_report(story_of(big_run())))) as page:
        page.wait_for_selector("#settings details", state="attached")
        assert page.evaluate(CURVES_FIRST) == [[True, False], [True, True]]


def transformer(blocks=24):
    """Return a run of a host of blocks of parts, with two seed layers in each block; of every second block one seed grows."""
    names = [f"blocks.{block}" for block in range(blocks)]
    layers = [f"{name}.{part}.out" for name in names for part in ("attn", "mlp")]
    inside = ("", ".norm", ".attn", ".attn.qkv", ".attn.out", ".mlp", ".mlp.up", ".mlp.out")
    parts = ("blocks", *(f"{name}{part}" for name in names for part in inside))
    yield RunStarted(
        epoch=0,
        run_name="transformer",
        config={},
        seeds=tuple((layer, 0) for layer in layers),
        host_params=10**8,
        num_threads=1,
        versions={},
        submodules=tuple(Submodule(name=part, kind="Block", params=10**7) for part in parts),
    )
    for layer in layers[::4]:
        at = {"epoch": 1, "layer": layer, "seed": 0, "blueprint_id": "mlp"}
        yield SeedStateChanged(**at, from_state="dormant", to_state="germinated", reason="the loss stands still")


@pytest.mark.parametrize("width", WIDTHS)
def test_of_many_blocks_what_sleeps_is_folded_though_its_neighbours_grow(browser, write, width):
    with clean_page(browser, write(run_report(story_of(transformer()))), width) as page:
        assert page.locator("#architecture .circle").count() == 12
        folded = page.locator("#architecture summary").all_inner_texts()
        assert {"blocks.0.mlp: 1 dormant seed", "blocks.1: 2 dormant seeds"} < set(folded)
        assert len(folded) == 24
        assert page.evaluate("document.querySelector('#architecture').offsetHeight") < (3000 if width > 640 else 5000)


def test_the_report_of_a_sweep_leads_to_its_runs_and_back(run_dir, browser, write):
    story = story_of(read_log(run_dir / "events.jsonl"))
    other = {**story, "run": {**story["run"], "name": "other", "config": {**story["run"]["config"], "lr": 0.5}}}
    with clean_page(
        browser, write(sweep_report("grid", {"a": story, "b": other}, {"broken": f"it is damaged {SCRIPT}"}))
    ) as page:
        assert page.inner_text("h1") == "Sweep grid"
        headings = page.locator("#runs th").all_inner_texts()
        assert headings[2] == "lr"
        assert "best accuracy" in headings
        assert page.locator("#unreadable td").all_inner_texts() == ["broken", f"it is damaged {SCRIPT}"]
        page.click("#runs a:text-is('other')")
        page.wait_for_selector("#decisions")
        assert page.inner_text("h1") == "other"
        page.click("a:has-text('sweep grid')")
        page.wait_for_selector("#runs")
        page.click("#runs th:has-text('lr') button")
        assert page.locator("#runs tbody tr td:first-child").all_inner_texts() == ["other", run_dir.name]


def test_of_a_sweep_without_room_the_best_are_whole_and_the_others_rows(monkeypatch):
    stories = {name: story_of(hostile_events(name)) for name in ("a", "b")}
    stories["b"]["totals"]["val_accuracy"] = 0.9
    monkeypatch.setattr(report, "MOST_BYTES", 1.5 * len(json.dumps(stories["b"])))
    data = data_of(sweep_report("grid", stories, {}))
    assert [row["id"] for row in data["runs"]] == ["b", "a"]
    assert list(data["stories"]) == ["b"]


def data_of(page):
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(data)


def test_no_text_can_leave_the_data_and_only_the_scripts_of_the_page_may_run():
    story = story_of(hostile_events())
    page = run_report(story)
    assert data_of(page)["story"] == json.loads(json.dumps(story))
    assert page.count("</script>") == page.count("<script>") + 1
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")


def test_totals_of_any_names_do_not_take_the_place_of_what_a_row_is_known_by():
    story = story_of(hostile_events("a run"))
    story["totals"] = {"id": 1, "name": 2, "config": 3, "val_accuracy": 0.5}
    row = data_of(sweep_report("grid", {"one": story}, {}))["runs"][0]
    assert (row["id"], row["name"], row["val_accuracy"]) == ("one", "a run", 0.5)


def test_what_is_no_number_is_not_measured():
    story = story_of(hostile_events())
    story["totals"] |= {"val_loss": float("nan"), "val_accuracy": float("inf")}
    totals = data_of(run_report(story))["story"]["totals"]
    assert (totals["val_loss"], totals["val_accuracy"]) == (None, None)


def test_runs_with_the_names_that_every_object_has_are_no_more_than_rows_without_room(monkeypatch, browser, write):
    monkeypatch.setattr(report, "MOST_BYTES", 0)
    story = story_of(hostile_events("a run"))
    address = write(sweep_report("grid", {"constructor": story, "toString": story}, {}))
    with clean_page(browser, f"{address}#constructor") as page:
        assert page.locator("#runs tbody tr").count() == 2
        assert page.locator("#runs a").count() == 0
