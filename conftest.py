"""Run the examples in the README, in docs/ and in the docstrings: what they print is what they say they print.

In Markdown a ``python`` block is run, and a ``text`` block is what the block before it printed.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import tempfile
from typing import Any
from unittest.mock import patch

import pytest
import torch
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import CodeBlockParser
from sybil.parsers.rest import DocTestParser

import kaslite


def _start(_namespace: dict[str, Any]) -> None:
    torch.set_num_threads(1)


def _enter_folder(namespace: dict[str, Any]) -> None:
    """Let the examples of a page write files, in a folder of their own, and register strategies of their own."""
    _start(namespace)
    namespace["folder"] = contextlib.ExitStack()
    namespace["folder"].enter_context(patch.dict(kaslite.STRATEGIES))
    namespace["folder"].enter_context(contextlib.chdir(namespace["folder"].enter_context(tempfile.TemporaryDirectory())))


def _leave_folder(namespace: dict[str, Any]) -> None:
    namespace["folder"].close()


def _run(example: Example) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        PythonEvaluator()(example)
    example.namespace["printed"] = printed.getvalue()


def _compare(example: Example) -> None:
    assert example.namespace.pop("printed").rstrip() == example.parsed.rstrip()


_pages = Sybil(
    parsers=[CodeBlockParser("python", _run), CodeBlockParser("text", _compare)],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=_enter_folder,
    teardown=_leave_folder,
)
_docstrings = Sybil(parsers=[DocTestParser(doctest.ELLIPSIS)], patterns=["src/kaslite/**/*.py"], setup=_start)

pytest_collect_file = (_pages + _docstrings).pytest()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the examples of a page in their order: later ones use what earlier ones made (tests are shuffled)."""
    tests = [item for item in items if not isinstance(item, SybilItem)]
    examples = [item for item in items if isinstance(item, SybilItem)]
    items[:] = tests + sorted(examples, key=lambda item: (str(item.path), item.example.start))
