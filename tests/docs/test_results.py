"""The published results are what the published rows say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> Any:
    """Return the script that writes the results."""
    spec = importlib.util.spec_from_file_location("write_results", ROOT / "scripts" / "write_results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_rows_say(script: Any) -> None:
    assert script.PAGE.read_text(encoding="utf-8") == script.whole_page(script.results())


def test_the_readme_says_what_the_rows_say(script: Any) -> None:
    text = script.README.read_text(encoding="utf-8")
    assert script.BEGIN in text
    assert text == script.readme_with(script.results(), text)


def test_every_claim_that_is_built_was_run_with_ten_rng_seeds_or_more(script: Any) -> None:
    for result in script.results():
        if result.claim.trials is not None:
            assert result.table is not None
            assert len({row["rng_seed"] for row in result.table.rows}) >= 10
