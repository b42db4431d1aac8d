import json
import shutil
from urllib.parse import quote

import pytest

from kaslite.events import PhaseStarted, RunFinished, to_line
from kaslite.telemetry.sink import Numbered
from kaslite.telemetry.sinks.jsonl import JsonlLog
from tests.blends import blending_run
from tests.browser import WIDTHS, chromium, clean_page
from tests.dashboard.test_fold import START, epoch, reading
from tests.event_logs import small_run, write
from tests.hostile import IMAGE, SCRIPT, hostile_events
from tests.live_page import served

NAME = f"run {SCRIPT}{IMAGE}"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder with a real run, one of hostile names, and both again as a sweep."""
    results = tmp_path_factory.mktemp("results")
    run = blending_run(results).parent
    for folder in (results / "hostile", results / "sweeps" / "grid" / "one"):
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_text("".join(to_line(event) + "\n" for event in hostile_events()))
    shutil.copytree(run, results / "sweeps" / "grid" / "two")
    return results


@pytest.fixture(scope="module")
def server(results):
    with served(results) as address:
        yield f"http://127.0.0.1:{address.port}"


@pytest.fixture
def log(tmp_path):
    """The log of a run that is going."""
    (tmp_path / "live").mkdir()
    log = Numbered(JsonlLog(tmp_path / "live" / "events.jsonl"))
    for event in (START, PhaseStarted(epoch=0, phase="phase_1", epochs=3), epoch(1)):
        log.write(event)
    yield log
    log.close()


def texts(page, selector):
    return page.locator(selector).all_inner_texts()


def test_a_run_is_followed_without_reload_until_its_end(browser, log, tmp_path):
    with served(tmp_path) as address, clean_page(browser, f"http://127.0.0.1:{address.port}/run?run=live") as page:
        page.wait_for_selector(".indicator[data-is='live']")
        page.wait_for_selector("#curves .plot[data-marks='1']")
        page.evaluate("window.isTheSamePage = true")
        for event in hostile_life():
            log.write(event)
        page.wait_for_selector("#curves .plot[data-marks='2']")
        page.wait_for_selector("#lifelines .plot[data-seeds='1']")
        assert page.locator("dd[data-name='epochs']").get_attribute("data-value") == "2"
        metrics = {"best_accuracy": 0.1 + 0.2, "test_accuracy": None, "epochs": 3, "wall_s": 12.5}
        log.write(RunFinished(epoch=3, status="completed", metrics=metrics))
        page.wait_for_selector(".indicator[data-is='ended']")
        page.wait_for_selector(".status[data-status='completed']")
        told = page.eval_on_selector_all("dd[data-name]", "all => all.map((one) => [one.dataset.name, one.dataset.value])")
        assert {name: json.loads(value) for name, value in told} == metrics
        assert texts(page, "dd[data-name='test_accuracy']") == ["-"]
        assert page.evaluate("window.isTheSamePage")


def hostile_life():
    """Return how a seed of a hostile blueprint came and went, in an epoch."""
    *_, germinated, moved, _, _ = hostile_events()
    return [germinated, moved, epoch(2, reading(0.3, "germinated"))]


HIDE_AND_SEEK = """async () => {
  const told = [];
  const become = (isHidden) => {
    Object.defineProperty(document, "hidden", {configurable: true, value: isHidden});
    document.dispatchEvent(new Event("visibilitychange"));
  };
  kaslite.whileSeen(() => told.push("open"), () => told.push("close"), 0);
  become(true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  become(false);
  return told;
}"""


def test_a_tab_that_is_hidden_lets_go_of_its_connection_until_it_is_seen(browser, server):
    with clean_page(browser, f"{server}/") as page:
        assert page.evaluate(HIDE_AND_SEEK) == ["close", "open"]


DRAWN_TWICE = """async () => {
  const told = [];
  const pause = (pause_ms) => new Promise((resolve) => setTimeout(resolve, pause_ms));
  const ask = kaslite.paced(async () => {
    told.push("begins");
    await pause(30);
    told.push("ends");
    if (told.length === 2) throw new Error("this one fails");
  }, 0);
  ask();
  while (!told.length) await pause(1);
  ask();
  ask();
  while (told.length < 4) await pause(1);
  await pause(60);
  return told;
}"""


def test_drawings_come_one_after_the_other_and_one_that_fails_is_told_and_is_not_the_last(browser, server):
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(server)
    assert page.evaluate(DRAWN_TWICE) == ["begins", "ends", "begins", "ends"]
    assert ["this one fails" in fault for fault in faults] == [True]
    page.close()


@pytest.mark.usefixtures("log")
def test_when_the_server_is_gone_the_page_says_so(browser, tmp_path):
    page = browser.new_page()
    with served(tmp_path) as address:
        page.goto(f"http://127.0.0.1:{address.port}/run?run=live")
        page.wait_for_selector(".indicator[data-is='live']")
        page.goto(f"http://127.0.0.1:{address.port}/run?run=nowhere")
        assert page.inner_text(".error").startswith("there is no run 'nowhere'")
        page.goto(f"http://127.0.0.1:{address.port}/run?run=live")
        page.wait_for_selector(".indicator[data-is='live']")
    page.wait_for_selector(".indicator[data-is='reconnecting']")
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_is_searched_and_sorted_and_leads_to_a_comparison(browser, server, results, width):
    with clean_page(browser, f"{server}/", width) as page:
        assert texts(page, "h1") == [f"Runs in {results.name}"]
        assert texts(page, "#sweeps td:first-child") == ["sweeps/grid"]
        assert sorted(texts(page, "#runs td:nth-child(2)")).count(NAME) == 2
        page.click("#runs th:has-text('best accuracy') button")
        accuracies = [float(text) for text in texts(page, "#runs td:nth-child(5)")]
        assert accuracies == sorted(accuracies, reverse=True)
        page.fill("input[type=search]", "SCRIPT  hostile")
        assert texts(page, "#runs td:nth-child(2)") == [NAME]
        page.check("#runs input")
        page.fill("input[type=search]", "")
        page.check("#runs tr:has-text('spirals') input >> nth=0")
        page.click("text=Compare 2 runs")
        page.wait_for_selector("#differences table")
        assert page.locator("#totals tbody tr").count() == 2
        assert page.locator("#curves .line").count() == 2
        assert "problem_type" in texts(page, "#differences td:first-child")


def test_a_hostile_run_is_shown_as_text(browser, server):
    with clean_page(browser, f"{server}/run?run=hostile") as page:
        assert page.inner_text("h1") == NAME
        page.evaluate("Plotly.Fx.hover(document.querySelector('#lifelines .plot'), [{curveNumber: 0, pointNumber: 0}])")
        assert SCRIPT in page.locator("#lifelines .hoverlayer").text_content()


def test_settings_and_results_may_have_the_names_and_parts_of_objects(browser, tmp_path):
    odd = {"constructor": 1, "__proto__": 2, "problem_type": {"show": {"toString": 1}}, "x": {"toString": 1, "valueOf": 1}}
    write(tmp_path / "odd" / "events.jsonl", small_run("odd", metrics={"toString": 5, "best_accuracy": 0.5}, **odd))
    write(tmp_path / "usual" / "events.jsonl", small_run("costs $5, $6", metrics={"best_accuracy": 0.5}))
    with served(tmp_path) as address:
        server = f"http://127.0.0.1:{address.port}"
        with clean_page(browser, f"{server}/compare?run=usual&run=odd") as page:
            assert texts(page, "#differences tr:has-text('constructor') td") == ["constructor", "-", "1"]
            assert texts(page, "#differences tr:has-text('__proto__') td") == ["__proto__", "-", "2"]
            assert page.locator("[data-name='toString']").all_inner_texts() == ["-", "5"]
        for path in ("/", "/sweep"):
            with clean_page(browser, f"{server}{path}") as page:
                assert page.locator("#runs tbody tr").count() == 2


def test_a_sweep_shows_what_varies_and_what_came_of_it(browser, server):
    with clean_page(browser, f"{server}/sweep?sweep={quote('sweeps/grid', safe='')}") as page:
        assert page.inner_text("h1") == "Sweep sweeps/grid"
        assert {"problem_type", "best accuracy"} < set(texts(page, "#runs th"))
        page.wait_for_selector("#curves .scatterlayer .trace", state="attached")
        assert page.locator("#curves .line").count() == 2
        page.click("#runs a:has-text('spirals')")
        page.wait_for_selector("#decisions tbody tr")


def test_a_comparison_goes_on_without_a_run_that_is_missing_and_names_it(browser, server):
    page = browser.new_page()  # the answer 404 is on its console
    page.goto(f"{server}/compare?run=hostile&run=nowhere")
    page.wait_for_selector("#totals table")
    assert page.inner_text("h1") == "1 run compared"
    assert page.locator("header .muted").inner_text().startswith("there is no run 'nowhere'")
    page.close()


def test_of_a_long_name_the_end_stays_in_sight(browser, server, results):
    (run,) = (path.name for path in results.iterdir() if path.name.startswith("spirals"))
    with clean_page(browser, f"{server}/", 390) as page:
        link = page.locator(f"#runs a:has-text('{run}')").first
        assert link.inner_text() == run
        begin = link.locator(".begin")
        assert begin.evaluate("it => it.scrollWidth > it.clientWidth")
        assert run.endswith(link.inner_text().removeprefix(begin.inner_text()))
