"""A report: one HTML file with a run or a sweep in it, its style and scripts, and nothing that is fetched from anywhere.

It is the live page with the data inside: the same markup, style and scripts. Texts of a log are untrusted, so they stand in
JSON, and only the scripts of the page itself may run. Not for: finding runs, nor how they look.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from kaslite.dashboard.web.files import PAGE, STATIC, static_file
from kaslite.dashboard.web.liveness import status_now
from kaslite.dashboard.web.story import Story
from kaslite.errors import StorageError
from kaslite.telemetry import read_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

MOST_BYTES = 16_000_000
"""Of the stories in the report of a sweep; of runs for which there is no room there is a row."""

_CLOSED = "base-uri 'none'; form-action 'none'"
_STYLE = re.compile(r'<link rel="stylesheet" href="/static/([\w.]+)">')
_SCRIPT = re.compile(r'<script src="/static/([\w.]+)"></script>')
_NAVIGATION = re.compile(r"<nav>.*?</nav>")


def report_of_run(log: Path) -> str:
    """Return the report of the run that a log tells of.

    Raises:
        StorageError: if the log cannot be read, or holds no event.
    """
    return run_report(_told(log))


def report_of_runs(name: str, logs: Sequence[Path]) -> str:
    """Return the report of several runs by their logs; those that cannot be read are named in it.

    Args:
        name: of the sweep.
        logs: each in a folder of its own, whose name tells the run from the others.
    """
    stories: dict[str, dict[str, Any]] = {}
    unreadable: dict[str, str] = {}
    for log in logs:
        try:
            stories[log.parent.name] = _told(log)
        except StorageError as error:
            unreadable[log.parent.name] = str(error)
    return sweep_report(name, stories, unreadable)


def _told(log: Path) -> dict[str, Any]:
    story, is_begun = Story(), False
    for event in read_log(log):
        story.take(event)
        is_begun = True
    if not is_begun:
        raise StorageError(f"no event was written to {log} yet.")
    whole = story.whole()
    whole["run"]["status"] = status_now(story.status, log)
    return whole


def run_report(story: Mapping[str, Any]) -> str:
    """Return the report of one run.

    Args:
        story: as `Story.whole` tells it.
    """
    return _page(_json({"kind": "run", "story": story}))


def sweep_report(name: str, stories: Mapping[str, Mapping[str, Any]], unreadable: Mapping[str, str]) -> str:
    """Return the report of several runs: a row for each, and the stories of the best as far as there is room for them.

    Args:
        name: of the sweep.
        stories: of its runs, by their ids.
        unreadable: why the log of a run cannot be read, by its id.
    """
    rows = sorted((_row(run, story) for run, story in stories.items()), key=_worth, reverse=True)
    texts: list[str] = []
    room = MOST_BYTES
    for run in (row["id"] for row in rows):
        text = f"{_json(run)}:{_json(stories[run])}"
        room -= len(text)
        if room < 0:
            break
        texts.append(text)
    about = {
        "kind": "sweep",
        "name": name,
        "runs": rows,
        "unreadable": [{"id": run, "why": unreadable[run]} for run in unreadable],
    }
    return _page(f'{_json(about)[:-1]},"stories":{{{",".join(texts)}}}}}')


def _row(run: str, story: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: story["run"][name] for name in ("name", "status", "problem", "started_s", "config")}
    return {**story["totals"], **about, "id": run, "group": ""}  # totals may have any names


def _worth(row: Mapping[str, Any]) -> tuple[float, float]:
    """By accuracy, or, where there is none, by the smallest loss."""
    accuracy, loss = row.get("val_accuracy"), row.get("val_loss")
    return (-1.0 if accuracy is None else accuracy, float("-inf") if loss is None else -loss)


def _json(content: object) -> str:
    """Return strict JSON that no markup can be read into: ASCII, and without the sign that every tag begins with."""
    try:
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    except ValueError:  # kaslite writes null for what is no number, but others write logs, too
        text = json.dumps(from_json(to_json(content, inf_nan_mode="null")), separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _page(data: str) -> str:
    """Return a page of the live server with everything in it, and what forbids it to reach out."""
    page = (STATIC / PAGE).read_text(encoding="utf-8")
    scripts = {name: _script(name) for name in _SCRIPT.findall(page)}
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts.values())}">'
    page = page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{policy}', 1)
    page = _NAVIGATION.sub("", page)
    page = _STYLE.sub(lambda link: f"<style>{(STATIC / link[1]).read_text(encoding='utf-8')}</style>", page)
    page = page.replace("</main>", f'</main>\n<script type="application/json" id="data">{data}</script>', 1)
    return _SCRIPT.sub(lambda tag: f"<script>{scripts[tag[1]]}</script>", page)


def _script(name: str) -> str:
    """Return a script such that nothing in it ends its element."""
    text = static_file(name).read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script").replace("<!--", "\\x3C!--")


def _policy(scripts: Iterable[str]) -> str:
    """Allow these scripts, known by their checksums, and no address."""
    sums = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{checksum}'" for checksum in sums)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; {_CLOSED}"
