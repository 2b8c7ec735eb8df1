"""The HTML report in a real browser: Chromium without a window."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.emitters.reports import fine_tune_report, hostile_report

from aibom.emitters import emit

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")

SCREENSHOTS = os.environ.get("AIBOM_SCREENSHOTS")  # a folder: the pictures of the docs are made by this test


def start(*, scripts: bool = True) -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,900"):
        options.add_argument(argument)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = start()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    for name, report in (("full", fine_tune_report()), ("hostile", hostile_report())):
        (folder / f"{name}.html").write_text(emit(report, "html"))
    return {path.stem: path.as_uri() for path in folder.iterdir()}


def shown(driver: Any, selector: str) -> list[Any]:
    return [element for element in driver.find_elements("css selector", selector) if element.is_displayed()]


def requested(driver: Any) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize("name", ["full", "hostile"])
def test_no_request_leaves_the_page_and_nothing_complains(browser: Any, pages: dict[str, str], name: str) -> None:
    """The page is all there is: one document, no error, no policy violation, no dialog of a hostile script."""
    browser.get_log("performance")
    browser.get(pages[name])
    assert [pages[name]] == requested(browser)
    assert [] == [entry["message"] for entry in browser.get_log("browser")]
    assert browser.title.endswith("AI bill of materials")


def test_filters_show_what_is_asked_for(browser: Any, pages: dict[str, str]) -> None:
    """Severity, rule and text narrow the findings; the count says how many are left."""
    browser.get(pages["full"])
    assert 4 == len(shown(browser, "article.finding"))
    browser.find_element("css selector", "input[value=critical]").click()
    assert 3 == len(shown(browser, "article.finding"))
    assert "3 of 4" == browser.find_element("css selector", "form[data-controls] output").text
    browser.find_element("css selector", "form[data-controls] input[type=search]").send_keys("LLAMA")
    (left,) = shown(browser, "article.finding")
    assert "license-conflict" in left.text
    browser.get(pages["full"])
    browser.execute_script(
        "const s = document.querySelector('select[name=rule]'); s.value = 'pickle-present';"
        "s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert 2 == len(shown(browser, "article.finding"))


def test_files_are_searched_and_sorted(browser: Any, pages: dict[str, str]) -> None:
    """A click on a heading sorts, a second one turns the order around, with the keyboard as well."""
    browser.get(pages["full"])
    size = browser.find_elements("css selector", "table.files thead button")[3]
    size.click()
    size.send_keys(webdriver.Keys.ENTER)
    first = shown(browser, "table.files tbody tr")[0].find_element("css selector", "th").text
    assert "model-00002-of-00002.safetensors" == first
    assert "descending" == browser.find_elements("css selector", "table.files thead th")[3].get_attribute("aria-sort")
    browser.find_element("css selector", "form[data-files] input").send_keys("license")
    assert 1 == len(shown(browser, "table.files tbody tr"))


def test_the_page_is_complete_without_its_script(pages: dict[str, str]) -> None:
    """Without JavaScript every finding and file is there, and no control that does nothing."""
    driver = start(scripts=False)
    try:
        driver.get(pages["full"])
        assert 4 == len(shown(driver, "article.finding"))
        assert 8 == len(shown(driver, "table.files tbody tr"))
        assert [] == shown(driver, "form.controls, thead button")
    finally:
        driver.quit()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(browser: Any, pages: dict[str, str], width: int) -> None:
    """Wide tables scroll in themselves."""
    for name in ("full", "hostile"):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(pages[name])
        assert width >= browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_prints_to_pdf(browser: Any, pages: dict[str, str]) -> None:
    """The explanations that are folded on the screen are open on paper."""
    browser.get(pages["full"])
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF-")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert [] == shown(browser, "form.controls")
    heights = browser.execute_script(
        "return [...document.querySelectorAll('article details > p')].map((p) => p.getBoundingClientRect().height)"
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert heights
    assert all(height > 0 for height in heights)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_follows_the_theme_of_the_reader(browser: Any, pages: dict[str, str], theme: str) -> None:
    """Dark where the reader's system is dark."""
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(pages["full"])
    color = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert {"light": "rgb(245, 246, 248)", "dark": "rgb(16, 20, 26)"}[theme] == color
    if SCREENSHOTS:
        picture = browser.execute_cdp_cmd("Page.captureScreenshot", {})["data"]
        Path(SCREENSHOTS, f"report-{theme}.png").write_bytes(base64.b64decode(picture))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
