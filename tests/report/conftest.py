"""Chromium for the tests of pages, and what holds for every page that is opened in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium():
    missing = None if CHROMIUM.exists() else f"no {CHROMIUM}: apt-get install chromium"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = missing or "no playwright: pip install playwright"
    if missing and os.environ.get("MISHRAN_BROWSER") == "1":
        pytest.fail(f"MISHRAN_BROWSER=1, but {missing}")
    if missing:
        pytest.skip(missing)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium) -> Iterator[Callable]:
    """Opens an address and checks at the end that nothing went wrong and nothing left."""
    opened = []

    def visit_(address: str, width: int = 1400, **options):
        page = chromium.new_page(viewport={"width": width, "height": 900}, **options)
        page.set_default_timeout(180_000)  # busy machines: what is tested is never speed
        troubles, requests = [], []
        page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        opened.append((page, address, troubles, requests))
        return page

    yield visit_
    for page, address, troubles, requests in opened:
        page.wait_for_timeout(50)
        assert troubles == []
        assert [url for url in requests if url != address and not url.startswith("data:")] == []
        page.close()
