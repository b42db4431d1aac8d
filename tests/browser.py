"""Chromium, as Playwright drives it, and pages that tell what went wrong in them. Skipped where there is no Chromium."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

_QUIET = ("background-networking", "component-update", "gpu", "quic", "sync")
WIDTHS = (1280, 390)
"""A desk's screen and a phone's."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start one, and stop it."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    arguments = ["--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in _QUIET)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def clean_page(browser: Browser, address: str, width: int = 1280) -> Iterator[Page]:
    """Open a page that has to say nothing on the console, raise no error, and ask nobody but where it came from."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(15_000)
    faults: list[str] = []
    own = (
        ("data:", "blob:", "file:")
        if address.startswith("file:")
        else ("data:", "blob:", "/".join(address.split("/")[:3]) + "/")
    )
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", lambda request: None if request.url.startswith(own) else faults.append(f"request: {request.url}"))
    try:
        page.goto(address)
        page.wait_for_selector("section")
        yield page
        assert faults == []
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        page.close()
