"""Without a pointer: Tab reaches every control of each page and shows where it is; keys alone do the work."""

from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import CALL, LIVE, THREAD, Demo
from tests.browser.visits import PLACES, await_rest, open_place, visitor

VIEWS: list[tuple[str, dict[str, str]]] = [
    *((label, {"client": LIVE} if place.has_client else {}) for label, place in PLACES.items()),
    ("Conversations", {"client": LIVE, "timeline": str(THREAD)}),
    ("Calls", {"client": LIVE, "call": str(CALL)}),
]

# Marks what a visitor without a pointer must be able to reach. Of a group of choices one is on the way of
# Tab; arrows reach the others.
MARK = """() => {
    for (const mark of ["data-wanted", "data-reached"])
        document.querySelectorAll(`[${mark}]`).forEach(each => each.removeAttribute(mark));
    window.focused = null;
    const controls = [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")]
        .filter(each => each.tabIndex >= 0 && !each.disabled)
        .filter(each => each.checkVisibility({visibilityProperty: true}));
    for (const each of controls)
        (each.closest("[role=radiogroup]") ?? each).setAttribute("data-wanted", "");
    return controls.length;
}"""
# Moves on: tells whether the control that had the focus looks otherwise without it, and remembers the next.
STEP = """() => {
    const look = control => {
        const place = control.closest("label") ?? control.parentElement.parentElement;
        const parts = [...place.querySelectorAll("*")].slice(0, 40);
        const around = [control, place.parentElement, place, ...parts];
        return JSON.stringify(around.map(each => {
            const style = getComputedStyle(each);
            return [style.outline, style.boxShadow, style.borderColor, style.backgroundColor, style.opacity,
                style.color, style.transform, getComputedStyle(each, "::after").boxShadow];
        }));
    };
    const before = window.focused;
    const now = document.activeElement;
    const unseen = before && before.isConnected && before !== now && look(before) === before.focusedLook
        ? before.outerHTML.slice(0, 200) : null;
    window.focused = now === document.body ? null : now;
    if (window.focused) {
        now.focusedLook = look(now);
        (now.closest("[role=radiogroup]") ?? now).setAttribute("data-reached", "");
    }
    // What was drawn anew under the focus lets it go, and Tab goes on from its place.
    // So it does from lines of code, whose button to copy them hides as it gets the focus.
    const isLetGo = before && (!before.isConnected || before.matches("[data-testid=stCode]"));
    return {unseen, isOver: now === document.body && !isLetGo};
}"""
MISSED = """() => [...document.querySelectorAll("[data-wanted]:not([data-reached])")]
    .map(each => each.outerHTML.slice(0, 200))"""
# A table draws the mark of its chosen cell on its canvas, whichever of both has the focus; what holds the
# page or a table scrolls by keys.
NOT_BY_STYLE = ("<canvas", "<td", "<main", "<section", '<div class="dvn')


def walk(page: Page) -> list[str]:
    """Presses Tab from the top to the end; what was not reached, and where one does not see the focus."""
    page.add_style_tag(
        content="*, ::before, ::after { transition: none !important; animation: none !important }"
    )
    page.get_by_test_id("stSkipToContent").focus()
    page.keyboard.press("Shift+Tab")
    count = page.evaluate(MARK)
    unseen = []
    for _ in range(3 * count + 100):  # tables take a press for each column
        page.keyboard.press("Tab")
        step: dict[str, Any] = page.evaluate(STEP)
        if step["unseen"] and not step["unseen"].startswith(NOT_BY_STYLE):
            unseen.append(step["unseen"])
        if step["isOver"]:
            break
    else:
        raise AssertionError("Tab does not get out of the page")
    return [f"missed: {each}" for each in page.evaluate(MISSED)] + [f"unseen: {each}" for each in unseen]


def test_tab_reaches_every_control_of_each_page(browser: Browser, shown: Demo) -> None:
    found = []
    for label, link in VIEWS:
        # Each in a page of its own: Tab goes through the cells of tables, and who stays in one opens it.
        with visitor(browser) as page:
            open_place(page, shown.address, PLACES[label], **link)
            if label == "Live":
                # A list that moves takes the focus along.
                page.get_by_text("Pause", exact=True).click()
                expect(page.get_by_text("Paused · as of")).to_be_visible()
            found += [f"{label} {link}: {each}" for each in walk(page)]
    assert "\n".join(found) == ""


def press_until(page: Page, key: str, selector: str) -> None:
    """Presses the key until an element that fits has the focus."""
    for _ in range(100):
        page.keyboard.press(key)
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{key} does not lead to {selector}")


def test_a_period_is_chosen_and_a_conversation_opened_by_keys(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Conversations"], client=LIVE)
        press_until(page, "Tab", "[role=radiogroup][aria-label=Period] [role=radio]")
        press_until(page, "ArrowRight", "[role=radio]:last-of-type")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Conversations, last 90 days")).to_be_visible()
        await_rest(page)

        press_until(page, "Tab", "canvas")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Ada")).to_be_visible()
        assert f"timeline={THREAD}" in page.url
