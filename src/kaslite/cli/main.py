"""The command ``kaslite``: its sub-commands, and how it ends.

Exit codes: 0 done, 1 failed, 2 the command line or the config is wrong, 130 interrupted.
Results go to stdout; everything else goes to stderr.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from kaslite import __version__
from kaslite.cli.analytics import analytics
from kaslite.cli.data import data
from kaslite.cli.evaluate import evaluate
from kaslite.cli.monitor import monitor
from kaslite.cli.prove import prove
from kaslite.cli.replay import replay
from kaslite.cli.report import report
from kaslite.cli.rerun import rerun
from kaslite.cli.resume import resume
from kaslite.cli.run import run
from kaslite.cli.sweep import sweep
from kaslite.cli.track import track
from kaslite.cli.ui import ui
from kaslite.errors import KasliteError, UsageError
from kaslite.experiment.config import first_complaint

if TYPE_CHECKING:
    from collections.abc import Sequence

app = App(
    name="kaslite",
    help="Grow, blend and prune modules inside a PyTorch network while it trains.",
    version=__version__,
    default_parameter=Parameter(name_transform=str, negative=(), negative_iterable=()),
    result_action="return_value",
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)
app.command(run)
app.command(sweep)
app.command(resume)
app.command(rerun)
app.command(replay)
app.command(analytics)
app.command(report)
app.command(track)
app.command(monitor)
app.command(data)
app.command(evaluate)
app.command(prove)
app.command(ui)


def call(tokens: Sequence[str]) -> int:
    """Carry out a command line and return the exit code."""
    try:
        app(tokens)
        sys.stdout.flush()
    except (CycloptsError, UsageError) as error:
        return _complain(_sentence(error), 2)
    except KasliteError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt as interrupt:
        return _complain(f"interrupted. {interrupt}".strip(), 130)
    except BrokenPipeError:
        # Whoever read stdout has gone; keep Python from complaining once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # stdout is a file on a full disk
        return _complain(f"cannot write the output: {error.strerror}.", 1)
    return 0


def main() -> None:
    """Entry point of the command."""
    sys.exit(call(sys.argv[1:]))


def _sentence(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, CycloptsError) else None
    return first_complaint(cause) if isinstance(cause, ValidationError) else " ".join(str(error).split())


def _complain(sentence: str, code: int) -> int:
    print(f"kaslite: {sentence}", file=sys.stderr)
    return code
