"""Pictures of the pages, to be looked at.

    python -m tests.ui.screenshots FOLDER

The list, a run, the form and a comparison, light and dark, 1280 and 800 pixels wide.
"""

import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright
from tests.ui.conftest import CHROMIUM, Served, record, serve, visit

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1280, 800)


def show_list(page: Page) -> None:
    """The list of runs."""
    page.goto("/")
    page.get_by_test_id("run").first.wait_for()


def show_run(page: Page) -> None:
    """A run of which much was taken over, with a table that one of its actions gave."""
    page.goto("/run/winter-plan")
    page.get_by_test_id("action").filter(has_text="forecast").nth(1).click()
    page.get_by_test_id("tab-inputs").click()
    page.get_by_role("table").wait_for()


def show_failure(page: Page) -> None:
    """A run that failed."""
    page.goto("/run/unpublished")
    page.get_by_test_id("traceback").wait_for()


def show_form(page: Page) -> None:
    """A form with a changed field, a wrong one, and a preview of what was right before."""
    page.goto("/run/weekly-plan/rerun")
    page.get_by_test_id("field-season").get_by_role("combobox").click()
    page.get_by_role("option", name="spring").click()
    page.get_by_test_id("recover").click()
    page.get_by_test_id("preview").click()
    page.get_by_test_id("plan").wait_for()
    page.get_by_test_id("field-days").get_by_role("textbox").fill("3")
    page.get_by_test_id("problem-days").get_by_text("expected").wait_for()
    page.evaluate("scrollTo(0, 0)")


def show_comparison(page: Page) -> None:
    """How two runs differ."""
    page.goto("/compare?old=weekly-plan&new=winter-plan")
    page.get_by_test_id("comparison").wait_for()


PICTURES = {
    "list": show_list,
    "run": show_run,
    "failure": show_failure,
    "form": show_form,
    "compare": show_comparison,
}


def take(browser: Browser, served: Served, folder: Path) -> None:
    """Every page in every form."""
    for scheme in SCHEMES:
        for width in WIDTHS:
            context = visit(browser, served, viewport={"width": width, "height": 800}, color_scheme=scheme)
            for name, show in PICTURES.items():
                page = context.new_page()
                show(page)
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"{name}-{scheme}-{width}.png")
                page.close()
            context.close()


def main(folder: Path) -> None:
    """Record, serve, look."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place, sync_playwright() as playwright:
        store = str(Path(place) / "store")
        record(store)
        with closing(serve(store)) as servers:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            take(browser, next(servers), folder)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
