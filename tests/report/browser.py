"""Chromium without a window, as a test asks it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--window-size=1400,900"),
)


@contextmanager
def browsing(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile that records its console and every request."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def opened(driver: webdriver.Chrome, page: Path) -> None:
    """Open a page and wait until its figures are drawn."""
    start = time.monotonic()
    driver.get(page.resolve().as_uri())
    while driver.execute_script("return document.documentElement.dataset.drawn") != "yes":
        assert time.monotonic() - start < 60, "the figures were not drawn within a minute"
        time.sleep(0.05)


def console(driver: webdriver.Chrome) -> list[str]:
    """What the page complained of: warnings, errors, and whatever its policy refused."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requested(driver: webdriver.Chrome) -> list[str]:
    """Every address that was asked for, but by the browser for its own empty tab."""
    messages: list[dict[str, Any]] = [json.loads(entry["message"]) for entry in driver.get_log("performance")]
    sent = [one["message"] for one in messages if one["message"]["method"] == "Network.requestWillBeSent"]
    asked = [one["params"]["request"]["url"] for one in sent]
    return [address for address in asked if not address.startswith(("chrome", "data:"))]
