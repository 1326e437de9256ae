"""The pages in a real browser."""

import re
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import HERE, Served, dalsegno, environment, serve, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect  # only where it is installed

expect.set_options(timeout=15_000)  # machines are busy, and reruns have a process to start

SCRIPT = "<script>window.broken = true</script>"
REGIONS = ("north", "south", "coast", "east", "west")
IMAGE = "<img src=x onerror=window.broken=1>"


def rows(page: "Page") -> "Locator":
    return page.get_by_test_id("run")


def actions(page: "Page") -> "Locator":
    return page.get_by_test_id("action")


def action(page: "Page", task: str) -> "Locator":
    """The first row of a task."""
    return actions(page).filter(has=page.get_by_text(task, exact=True)).first


def field(page: "Page", name: str) -> "Locator":
    return page.get_by_test_id(f"field-{name}")


def test_the_list_has_every_run_and_says_where_it_came_from(page: "Page") -> None:
    page.goto("/")
    row = rows(page).filter(has_text="winter-plan")
    expect(row).to_contain_text("Succeeded")
    expect(row).to_contain_text("recovered from")
    expect(row).to_contain_text("env=staging")
    expect(rows(page).filter(has_text="odd-one")).to_contain_text("Failed")
    row.get_by_role("link", name="weekly-plan").click()
    expect(page.get_by_test_id("run-name")).to_have_text("weekly-plan")


def test_search_and_filters(page: "Page") -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("winter")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=winter$"))
    page.goto("/?phase=failed")
    expect(rows(page).filter(has_text="Failed")).to_have_count(rows(page).count())
    page.goto("/?label=env%3Dstaging&since=1h&phase=nonsense")
    expect(rows(page)).to_have_text([re.compile("winter-plan")])
    page.goto("/?before=nonsense")
    expect(page.get_by_test_id("empty")).to_contain_text("nonsense")
    page.goto("/?q=nothing+like+this")
    expect(page.get_by_test_id("empty")).to_contain_text("No run matches")


def test_keys_lead_through_the_list(page: "Page") -> None:
    page.goto("/")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(rows(page).first).to_have_class(re.compile(r"\bat\b"))
    name = rows(page).first.locator(".run-name").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("run-name")).to_have_text(name)
    page.keyboard.press("r")
    expect(page.get_by_test_id("launch")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("rerun")


def test_a_run_is_a_tree_beside_its_details(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    expect(actions(page)).to_have_count(22)
    action(page, "load_sales").click()
    expect(page).to_have_url(re.compile(r"/action/load_sales-\w+"))
    page.keyboard.press("k")
    expect(page.get_by_test_id("action-name")).to_have_text(re.compile(r"forecast_region-\w+"))
    page.keyboard.press("j")
    page.get_by_test_id("tab-outputs").click()
    expect(page.get_by_test_id("value-o0")).to_contain_text("60 rows × 3 columns")
    expect(page.get_by_test_id("value-o0").get_by_role("cell", name="2026-09-01")).to_be_visible()
    page.get_by_test_id("tab-code").click()
    expect(page.get_by_test_id("code-file")).to_contain_text("def load_sales(")
    expect(page.get_by_test_id("code-file")).not_to_contain_text("def forecast(")
    page.get_by_test_id("whole-file").click()
    expect(page.get_by_test_id("code-file")).to_contain_text("async def forecast(")
    action(page, "forecast_region").get_by_role("button", name="Fold").click()
    expect(actions(page)).to_have_count(16)


def test_attempts_that_failed_have_their_tracebacks(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    actions(page).filter(has_text="2 attempts").click()
    attempts = page.get_by_test_id("attempts")
    attempts.get_by_text("Attempt 1").click()
    expect(attempts).to_contain_text("weather service did not answer")
    expect(attempts).to_contain_text("Traceback (most recent call last)")


def test_reused_actions_are_marked_and_explained(page: "Page") -> None:
    page.goto("/run/winter-plan")
    row = action(page, "clean")
    expect(row).to_contain_text("reused")
    row.click()
    expect(page.get_by_test_id("why")).to_contain_text("Reused")
    page.get_by_test_id("tab-lineage").click()
    expect(page.get_by_test_id("lineage")).to_contain_text("summer-plan")


def test_only_rows_in_sight_are_in_the_page(page: "Page") -> None:
    page.goto("/run/many")
    expect(page.get_by_text("300 calls")).to_be_visible()
    assert actions(page).count() < 150
    page.get_by_role("tree").evaluate("box => box.scrollTop = box.scrollHeight")
    last = actions(page).last
    expect(last).to_be_in_viewport()
    last.click()
    expect(page.get_by_test_id("action-name")).to_have_text(re.compile(r"square-\w+"))


def test_a_deep_link_opens_the_action_and_the_tab(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    action(page, "report").click()
    page.get_by_test_id("tab-outputs").click()
    expect(page.get_by_test_id("value-o1")).to_be_visible()
    link = page.url
    assert link.endswith("tab=outputs")
    page.goto("/")
    page.goto(link)
    expect(page.get_by_test_id("action-name")).to_have_text(re.compile(r"report-\w+"))
    expect(page.get_by_test_id("value-o0").get_by_role("img")).to_be_visible()
    frame = page.get_by_test_id("value-o1").locator("iframe")
    expect(frame).to_have_attribute("sandbox", "")
    expect(frame.content_frame.get_by_role("heading")).to_have_text("Forecast for north")


FIGURE = """
import dalsegno
import plotly.graph_objects as go

env = dalsegno.TaskEnvironment("figures")

@env.task
def bars() -> go.Figure:
    title = "Bars <img src=x onerror='parent.broken = 1'></script><script>parent.broken = 2</script>"
    return go.Figure([go.Bar(x=["a", "b"], y=[1, 3])], layout={"title": {"text": title}})
"""


def test_a_figure_of_plotly_is_drawn_where_it_reaches_nothing(
    page: "Page", served: Served, tmp_path: Path
) -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    (tmp_path / "figures.py").write_text(FIGURE)
    line = dalsegno(served.store, "run", "figures.py", "bars", "--name", "with-a-figure")
    subprocess.run(line, check=True, env=environment(), cwd=tmp_path, stdout=subprocess.DEVNULL)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/run/with-a-figure?tab=outputs")
    frame = page.get_by_test_id("value-o0").locator("iframe")
    expect(frame).to_have_attribute("sandbox", "allow-scripts")
    inside = frame.content_frame
    expect(inside.locator(".bars .point")).to_have_count(2)
    expect(inside.locator(".gtitle")).to_contain_text("Bars")
    assert inside.locator("body").evaluate("() => origin") == "null"
    reached = inside.locator("body").evaluate(
        "() => { try { return parent.document.title } catch (error) { return error.name } }"
    )
    assert reached == "SecurityError"
    assert (
        inside.locator("body").evaluate("() => fetch('/').then(() => 'loaded', () => 'refused')") == "refused"
    )
    assert all(each.startswith((served.address, "data:", "about:", "blob:")) for each in asked)


def test_names_are_copied(page: "Page") -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/run/weekly-plan")
    page.get_by_role("button", name="Copy the name", exact=True).click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text === 'weekly-plan')")


def test_a_log_is_read_while_it_is_written(page: "Page", served: Served, tmp_path: Path) -> None:
    line = dalsegno(
        served.store, "run", "shop.py", "slow", "--folder", str(tmp_path), "--name", tmp_path.name
    )
    with subprocess.Popen(line, env=environment(), cwd=HERE, stdout=subprocess.DEVNULL) as process:
        page.goto("/")
        rows(page).filter(has_text=tmp_path.name).locator(".run-name").click()
        expect(page.locator(".run-top")).to_contain_text("Running")
        page.get_by_test_id("tab-logs").click()
        log = page.get_by_test_id("log")
        expect(log).to_contain_text("waiting for files")
        (tmp_path / "first").touch()
        expect(log).to_contain_text("saw first")
        (tmp_path / "end").touch()
        expect(page.locator(".run-top")).to_contain_text("Succeeded")
        expect(log).to_contain_text("saw end")
        assert process.wait(20) == 0


def test_a_run_whose_process_was_killed_is_resumed(page: "Page", served: Served, tmp_path: Path) -> None:
    line = dalsegno(
        served.store, "run", "shop.py", "slow", "--folder", str(tmp_path), "--name", tmp_path.name
    )
    with subprocess.Popen(line, env=environment(), cwd=HERE, stdout=subprocess.DEVNULL) as process:
        page.goto("/")
        rows(page).filter(has_text=tmp_path.name).locator(".run-name").click()
        expect(page.locator(".run-top")).to_contain_text("Running")
        expect(page.get_by_test_id("resume")).to_be_hidden()
        process.kill()
    expect(page.locator(".run-top")).to_contain_text("Interrupted")
    (tmp_path / "first").touch()
    (tmp_path / "end").touch()
    page.get_by_test_id("resume").click()
    expect(page.locator(".run-top")).to_contain_text("Succeeded")
    expect(page.get_by_test_id("resume")).to_be_hidden()


def test_a_rerun_is_put_into_another_project(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    action(page, "season_factor").click()
    page.get_by_test_id("rerun-action").click()
    page.get_by_test_id("new-project").fill("trials")
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("relation")).to_contain_text("weekly-plan/season_factor-")
    expect(page.locator(".run-facts")).to_contain_text("In trials /")
    expect(page.locator(".run-top")).to_contain_text("Succeeded")


def test_rerun_unchanged(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    page.get_by_test_id("rerun").click()
    expect(page.get_by_text("No input is changed")).to_be_visible()
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("relation")).to_contain_text("rerun of")
    expect(page.locator(".run-top")).to_contain_text("Succeeded")


def test_a_double_click_launches_once(page: "Page") -> None:
    page.goto("/run/weekly-plan/rerun")
    page.get_by_test_id("new-project").fill("clicked")
    page.get_by_test_id("launch").dblclick()
    expect(page.locator(".run-facts")).to_contain_text("In clicked /")
    expect(page.locator(".run-top")).to_contain_text("Succeeded")
    page.goto("/?q=&project=clicked")
    found = page.request.get("/api/v1/runs?project=clicked").json()["runs"]
    assert len(found) == 1


def test_what_called_an_action_of_another_run_is_found_in_this_tree(page: "Page") -> None:
    asked = {"name": "as-before", "recover": True}
    assert page.request.post("/api/v1/runs/weekly-plan/actions/a0/rerun", data=asked).status == 201
    page.goto("/run/as-before")
    expect(page.locator(".run-top")).to_contain_text("Succeeded")
    inside = actions(page).filter(has_text="in source").first
    inside.click()
    expect(page.get_by_test_id("action-name")).not_to_have_text("a0")
    within = page.get_by_test_id("action-name").inner_text()
    page.locator("dd a[href^='#']").click()
    expect(page.get_by_test_id("action-name")).not_to_have_text(within)
    expect(page.locator(".tree-row.at")).to_have_count(1)
    expect(page.locator(".tree-row.at")).not_to_contain_text("in source")


def test_rerun_of_an_action_with_a_changed_input(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    action(page, "season_factor").click()
    page.get_by_test_id("rerun-action").click()
    field(page, "season").get_by_role("textbox").fill("summer")
    expect(field(page, "season")).to_contain_text("changed")
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("relation")).to_contain_text("weekly-plan/season_factor-")
    expect(page.locator(".run-top")).to_contain_text("Succeeded")
    expect(actions(page)).to_have_count(1)
    page.get_by_test_id("tab-outputs").click()
    expect(page.get_by_test_id("value-o0")).to_contain_text("1.3")


def test_what_is_wrong_is_said_on_its_field(page: "Page") -> None:
    page.goto("/run/weekly-plan/rerun")
    field(page, "days").get_by_role("textbox").fill("3")
    expect(page.get_by_test_id("problem-days")).to_contain_text("at least 7")
    expect(page.get_by_test_id("problem-season")).to_be_hidden()
    page.get_by_test_id("launch").click()
    expect(page.get_by_text("1 input must be mended first")).to_be_visible()
    expect(page.get_by_test_id("problem-days")).to_contain_text("greater than or equal to 7")
    field(page, "days").get_by_role("button", name="Reset").click()
    expect(field(page, "days").get_by_role("textbox")).to_have_value("60")
    expect(page.get_by_test_id("problem-days")).to_be_hidden()
    expect(page.get_by_text("No input is changed")).to_be_visible()


def test_what_was_typed_into_a_list_counts_without_a_key(page: "Page") -> None:
    page.goto("/run/weekly-plan/rerun")
    field(page, "regions").get_by_role("combobox").click()
    page.keyboard.type("east")
    page.keyboard.press("Enter")
    page.keyboard.type("west")
    field(page, "days").get_by_role("textbox").click()
    expect(field(page, "regions").locator(".q-chip")).to_have_text([re.compile(each) for each in REGIONS])
    expect(field(page, "regions")).to_contain_text("changed")


def test_json_that_is_none_is_not_sent(page: "Page") -> None:
    page.goto("/run/weekly-plan/rerun")
    editor = field(page, "model").get_by_role("textbox")
    editor.fill('{"window": ')
    expect(field(page, "model")).to_contain_text("Not JSON yet")
    editor.fill('{"window": "wide"}')
    expect(page.get_by_test_id("problem-model")).to_contain_text("window")


def test_what_was_typed_just_before_a_click_counts(page: "Page") -> None:
    page.goto("/run/weekly-plan/rerun")
    expect(field(page, "model").get_by_role("textbox")).to_be_visible()
    page.get_by_test_id("launch").wait_for()
    field(page, "model").get_by_role("textbox").evaluate(
        """each => {
            each.focus();
            each.value = "{";
            each.dispatchEvent(new Event("input"));
            each.blur();
            document.querySelector("[data-testid=launch]").click();
        }"""
    )
    expect(page.get_by_text("Some fields cannot be read yet.")).to_be_visible()


def test_what_has_no_text_form_is_kept(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    action(page, "clean").click()
    page.get_by_test_id("rerun-action").click()
    sales = field(page, "sales")
    expect(sales).to_contain_text("kept as it is stored")
    expect(sales).to_contain_text("60 rows × 3 columns")
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("relation")).to_contain_text("weekly-plan/clean-")
    expect(page.locator(".run-top")).to_contain_text("Succeeded")


def test_recover_with_a_preview(page: "Page") -> None:
    page.goto("/run/weekly-plan/rerun")
    field(page, "season").get_by_role("combobox").click()
    page.get_by_role("option", name="spring").click()
    page.get_by_test_id("recover").click()
    page.get_by_test_id("preview").click()
    plan = page.get_by_test_id("plan")
    expect(plan).to_contain_text("to take over")
    expect(plan.get_by_test_id("plan-row").first).to_contain_text("input season")
    expect(page).to_have_url(re.compile("/rerun"))
    page.get_by_test_id("new-name").fill("spring-plan")
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("run-name")).to_have_text("spring-plan")
    expect(page.get_by_test_id("relation")).to_contain_text("recovered from")
    expect(page.locator(".run-top")).to_contain_text("Succeeded")
    expect(action(page, "clean")).to_contain_text("reused")


def test_a_name_that_is_taken_is_refused_in_words(page: "Page") -> None:
    page.goto("/run/odd-one/rerun")
    page.get_by_test_id("new-name").fill("odd-one")
    page.get_by_test_id("launch").click()
    expect(page.get_by_text("odd-one").last).to_be_visible()
    expect(page.locator(".note.bad")).to_contain_text("odd-one")


def test_compare(page: "Page") -> None:
    page.goto("/run/weekly-plan")
    page.get_by_role("link", name="Compare").click()
    page.get_by_test_id("pick-new").fill("summer-plan")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("comparison")).to_contain_text("changed")
    first = page.get_by_test_id("difference").first
    expect(first).to_contain_text("season")
    expect(first).to_contain_text("summer")
    page.goto("/compare?old=weekly-plan&new=weekly-plan")
    expect(page.get_by_test_id("comparison")).to_contain_text("They did the same")


def test_what_looks_like_a_page_stays_text(page: "Page") -> None:
    page.goto("/run/odd-one")
    expect(page.get_by_test_id("error")).to_contain_text(SCRIPT)
    expect(page.get_by_test_id("traceback")).to_contain_text(SCRIPT)
    for tab, place in (("logs", "log"), ("inputs", "value-text")):
        page.get_by_test_id(f"tab-{tab}").click()
        expect(page.get_by_test_id(place)).to_contain_text(SCRIPT)
    page.goto("/run/odd-one/rerun")
    expect(field(page, "text").get_by_role("textbox")).to_have_value(re.compile("window.broken"))
    page.goto("/compare?old=odd-one&new=weekly-plan")
    expect(page.get_by_test_id("comparison")).to_be_visible()
    page.goto(f"/?q={SCRIPT}")
    expect(page.get_by_placeholder("Search runs")).to_have_value(SCRIPT)
    page.goto(f"/run/weekly-plan/action/{IMAGE}")
    expect(page.get_by_role("alert")).to_contain_text(IMAGE)
    page.goto(f"/run/{IMAGE}")
    expect(page.get_by_test_id("empty")).to_contain_text(IMAGE)


def test_dark_and_light_follow_the_system_and_the_choice(page: "Page") -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    theme = page.locator("html")
    expect(theme).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(theme).to_have_attribute("data-theme", "light")
    toggle = page.get_by_role("button", name="Theme")
    toggle.click()
    toggle.click()
    expect(theme).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(theme).to_have_attribute("data-theme", "dark")
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    toggle.click()
    expect(theme).to_have_attribute("data-chosen", "auto")


def test_read_only_pages_start_nothing(browser: "Browser", served: Served) -> None:
    with closing(serve(served.store, "--read-only")) as servers:
        context = visit(browser, next(servers))
        page = context.new_page()
        page.goto("/run/weekly-plan")
        expect(page.get_by_text("read-only")).to_be_visible()
        action(page, "clean").click()
        expect(page.get_by_test_id("action-name")).to_have_text(re.compile("clean-"))
        expect(page.get_by_test_id("rerun")).to_have_count(0)
        expect(page.get_by_test_id("rerun-action")).to_have_count(0)
        page.goto("/run/weekly-plan/rerun")
        expect(page.get_by_text("nothing can be launched")).to_be_visible()
        expect(page.get_by_test_id("launch")).to_have_count(0)
        context.close()


@pytest.mark.parametrize(
    "path", ["/", "/run/weekly-plan", "/run/weekly-plan/rerun", "/compare?old=weekly-plan&new=summer-plan"]
)
def test_nothing_sticks_out(page: "Page", path: str) -> None:
    page.goto(path)
    expect(page.locator(".page, .run-top").first).to_be_visible()
    for width in (1280, 800):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
