"""The house rules, as tests: sizes, docstrings, a test and a sentence for everything, quick imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kaslite
from kaslite.experiment.controllers import CONTROLLERS
from kaslite.tasks import HOSTS, PROBLEMS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "kaslite"
MODULES = sorted(SOURCE.rglob("*.py"))
TESTED_ELSEWHERE = {
    "__main__.py": "tests/cli/test_main.py starts it",
    "seeds/modes.py": "tests/seeds/test_model.py: an example input leaves every mode as it was",
}
HEAVY = ["torch", "mlflow", "tensorboard", "prometheus_client", "rich", "plotly", "sklearn", "scipy", "numpy", "pydantic"]


def name(path):
    return path.relative_to(SOURCE).as_posix()


def tree(path):
    return ast.parse(path.read_text())


def body_lengths(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield f"{name(path)}:{node.name}", body[-1].end_lineno - body[0].lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_has_one_idea_and_says_which(path):
    assert len(path.read_text().splitlines()) <= 400
    assert ast.get_docstring(tree(path))


def test_functions_are_short():
    lengths = [length for path in MODULES for _, length in body_lengths(path)]
    too_long = [(place, length) for path in MODULES for place, length in body_lengths(path) if length > 60]
    assert too_long == []
    assert sum(length < 20 for length in lengths) / len(lengths) >= 0.8


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=name)
def test_every_module_has_a_test_of_its_name(path):
    if name(path) in TESTED_ELSEWHERE:
        return
    mirrored = ROOT / "tests" / path.relative_to(SOURCE).parent / f"test_{path.name}"
    assert mirrored.exists()


def test_every_test_file_mirrors_a_module_or_is_about_the_whole():
    own = {"conformance", "end_to_end", "docs", "monitoring"}
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    stray = [
        path
        for path in tests
        if path.parts[0] not in own
        and path.name != "test_architecture.py"
        and not (SOURCE / path.parent / path.name.removeprefix("test_")).exists()
        and not any(path.name.startswith(f"test_{module.stem}_") for module in (SOURCE / path.parent).glob("*.py"))
    ]
    assert stray == []


@pytest.mark.parametrize("blueprint", kaslite.blueprints.names())
def test_every_blueprint_has_a_sentence_in_the_docs(blueprint):
    assert f"| `{blueprint}` |" in (ROOT / "docs" / "extending.md").read_text()


@pytest.mark.parametrize("strategy", kaslite.STRATEGIES)
def test_every_blending_strategy_has_a_sentence_in_the_docs(strategy):
    assert f"| `{strategy}` |" in (ROOT / "docs" / "extending.md").read_text()


@pytest.mark.parametrize("name", [*PROBLEMS, *HOSTS, *CONTROLLERS])
def test_every_problem_host_and_controller_has_a_sentence_in_the_docs(name):
    assert f"| `{name}` |" in (ROOT / "docs" / "extending.md").read_text()


def test_importing_kaslite_is_quick_and_loads_nothing_heavy():
    code = f"import sys, kaslite; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert all(getattr(kaslite, public) is not None for public in kaslite.__all__)
    assert set(kaslite.__all__) <= set(dir(kaslite))
    with pytest.raises(AttributeError, match="no attribute 'Grover'"):
        kaslite.Grover  # noqa: B018


def test_nothing_in_the_repository_is_a_stub():
    marks = ("TODO", "FIXME", "XXX", "NotImplementedError", "for now")
    assert [name(path) for path in MODULES for mark in marks if mark in path.read_text()] == []
