import re

import pytest

from kaslite.dashboard.web import files
from kaslite.dashboard.web.files import PAGE, PLOTLY, STATIC, plotly_file, static_file
from kaslite.errors import UsageError

OWN = sorted(path for path in STATIC.iterdir() if path.is_file())


def test_plotly_brings_its_script():
    assert static_file(PLOTLY) == plotly_file()
    assert "plotly.js v" in plotly_file().read_text(encoding="utf-8")[:200]


def test_without_plotly_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"install it with `pip install 'kaslite\[web\]'`"):
        plotly_file()


def test_a_page_is_a_shell_around_files_that_there_are():
    text = (STATIC / PAGE).read_text(encoding="utf-8")
    names = re.findall(r'"/static/([^"]+)"', text)
    assert all(static_file(name).is_file() for name in names)
    scripts = [path.name for path in OWN if path.suffix == ".js"]
    assert sorted(name for name in names if name.endswith(".js") and name != PLOTLY) == scripts
    assert re.findall(r"<script(?! src)|<style|\son\w+=", text) == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_no_file_reaches_out_or_reads_text_as_markup(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"https?:|//\w+\.\w|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text) == []
