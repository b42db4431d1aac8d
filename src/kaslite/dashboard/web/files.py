"""The files of the pages: markup, style and scripts of kaslite, and the one script of plotly, which its Python package brings.

Not for: what is served at which address.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from kaslite.errors import UsageError

STATIC = Path(__file__).parent / "static"
PAGE = "page.html"
PLOTLY = "plotly.min.js"


def plotly_file() -> Path:
    """Return where plotly's script is; plotly itself is not imported.

    Raises:
        UsageError: if plotly is not installed.
    """
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "package_data" / PLOTLY
        if path.is_file():
            return path
    raise UsageError("pages in a browser need plotly; install it with `pip install 'kaslite[web]'`.")


def static_file(name: str) -> Path:
    """Return the file of a page by its name; the one of plotly is not among kaslite's own.

    >>> static_file("page.css").name
    'page.css'
    """
    return plotly_file() if name == PLOTLY else STATIC / name
