"""One run, and all who tell of it: page, report, `kaslite analytics`, Prometheus and metrics.json give equal numbers."""

import json

import pytest

from kaslite.cli.main import call
from tests.browser import chromium, clean_page
from tests.live_page import served
from tests.servers import free_port, lingering_run, needs, prometheus, samples, until

FLAGS = (
    *("--problem_type", "spirals", "--n_samples", 300, "--warm_up_epochs", 5, "--adaptation_epochs", 60),
    *("--patience", 4, "--blend_steps", 20, "--no_mlflow", "--no_tensorboard"),
)
SCRAPED = {
    "best_accuracy": "kaslite_best_accuracy",
    "val_accuracy": "kaslite_validation_accuracy",
    "val_loss": "kaslite_validation_loss",
    "epochs": "sum(kaslite_epochs_total)",
    "germinated": "kaslite_germinations_total",
    "fossilized": "kaslite_fossilizations_total",
    "culled": "kaslite_culls_total",
    "final_params": "kaslite_model_parameters",
    "train_flops": "kaslite_train_flops_total",
    "wall_s": "kaslite_experiment_duration_seconds",
}
"""By the names of metrics.json; test results, and what a run is from its start, are no metrics of it."""
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs: [{{job_name: kaslite, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""

pytestmark = [pytest.mark.slow, needs("prometheus", "chromium")]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The run's folder, and the last values that Prometheus scraped of it."""
    folder, port = tmp_path_factory.mktemp("truth"), free_port()
    with lingering_run(folder, port, *FLAGS), prometheus(folder, CONFIG.format(port=port)) as url:
        until(lambda: [value for _, value in samples(url, "kaslite_run_running")] == [0])
        scraped = {name: [value for _, value in samples(url, expression)] for name, expression in SCRAPED.items()}
    (run,) = (folder / "results").iterdir()
    return run, scraped


def written(run):
    return json.loads((run / "metrics.json").read_text())


def shown(page):
    """What a page shows as totals, and the texts of its tables of analytics."""
    page.wait_for_selector("dd[data-name]")
    totals = page.eval_on_selector_all("dd[data-name]", "all => all.map((one) => [one.dataset.name, one.dataset.value])")
    rows = {part: page.locator(f"#{part} tbody tr").all_inner_texts() for part in ("blending", "blueprints")}
    return {name: json.loads(value) for name, value in totals}, {part: [row.split() for row in rows[part]] for part in rows}


def test_the_run_grew_something_to_tell_of(told):
    assert written(told[0])["germinated"] >= 1


def test_what_prometheus_scraped_last_is_what_the_run_wrote(told):
    run, scraped = told
    assert scraped == {name: [written(run)[name]] for name in SCRAPED}


def test_analytics_page_and_report_show_what_the_run_wrote(told, capsys):
    run, _ = told
    assert call(["analytics", str(run), "--json"]) == 0
    analytics = json.loads(capsys.readouterr().out)
    assert analytics["metrics"] == written(run)
    assert call(["analytics", str(run)]) == 0
    text = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert call(["report", str(run)]) == 0
    with chromium() as browser, served(run.parent) as address:
        for place in (f"http://127.0.0.1:{address.port}/run?run={run.name}", (run / "report.html").as_uri()):
            with clean_page(browser, place) as page:
                totals, tables = shown(page)
            assert totals == written(run), place
            assert len(tables["blueprints"]) == len(analytics["blueprints"]), place
            assert all(row in text for rows in tables.values() for row in rows), place
        (listed,) = address.json("/api/runs")["runs"]
    assert {name: listed[name] for name in listed.keys() & written(run).keys()} == {
        name: written(run)[name] for name in listed.keys() & written(run).keys()
    }
