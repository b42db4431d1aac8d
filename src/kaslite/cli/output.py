"""The options that every command shares, and what they mean for its output."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kaslite.dashboard.runs import Progress
    from kaslite.telemetry import Sink


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How much is said, and how."""

    json: bool = False
    "Print the result as JSON on stdout."
    quiet: Annotated[bool, Parameter(alias="-q")] = False
    "Say nothing but the result and errors."
    verbose: Annotated[bool, Parameter(alias="-v")] = False
    "Say every epoch, and why nothing was decided."

    def views(self) -> list[Sink]:
        """Return the view that suits stderr: live in a terminal, plain lines elsewhere."""
        from rich.console import Console

        from kaslite.dashboard.plain import PlainView
        from kaslite.dashboard.terminal import TerminalView

        console = Console(stderr=True)
        if self.quiet:
            return []
        if console.is_terminal and not self.verbose:
            return [TerminalView(console)]
        return [PlainView(sys.stderr, every=1 if self.verbose else 10, waits=self.verbose)]

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Yield how to say, of many runs, which is over and how long the rest will take."""
        from rich.console import Console

        from kaslite.dashboard.runs import RunsBar, print_run

        console = Console(stderr=True)
        if self.quiet:
            yield lambda *_: None
        elif console.is_terminal:
            with RunsBar(console) as bar:
                yield bar.tell
        else:
            yield partial(print_run, sys.stderr)

    def say(self, text: str, content: Mapping[str, Any]) -> None:
        """Print the result: as text, or its content as JSON."""
        print(json.dumps(content, indent=2, allow_nan=False) if self.json else text)

    def note(self, line: str) -> None:
        """Say on stderr what is worth knowing beside the result."""
        if not self.quiet:
            print(line, file=sys.stderr)

    def hear_warnings(self) -> None:
        """Let the library's warnings be seen on stderr."""
        logging.basicConfig(
            stream=sys.stderr, format="kaslite: %(message)s", level=logging.ERROR if self.quiet else logging.WARNING
        )
