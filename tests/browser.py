"""Debian's chromium, driven headless."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Tab:
    """A page in the browser, and what it said and asked for since it was opened.

    Attributes:
        page: Playwright's page.
        console: Messages and uncaught errors.
        requests: Addresses, data URIs left out.
    """

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path, *, width: int, height: int = 900) -> None:
        """Opens a file in a window of this size in CSS pixels."""
        self.console.clear()
        self.requests.clear()
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(path.resolve().as_uri(), wait_until="load")

    def run(self, function: str) -> Any:
        """Calls a JavaScript function in the page and returns its result."""
        return self.page.evaluate(function)


@contextmanager
def headless_chromium() -> Iterator[Tab]:
    """Starts chromium; skips the test where there is none."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("needs chromium (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=binary, args=arguments)
        page = browser.new_page()
        tab = Tab(page)
        page.on("console", lambda message: tab.console.append(message.text))
        page.on("pageerror", lambda error: tab.console.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith("data:") else tab.requests.append(request.url)
            ),
        )
        yield tab
        browser.close()
