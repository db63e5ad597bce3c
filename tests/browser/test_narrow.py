"""Small screens: on a phone nothing scrolls sideways but tables, and no control is cut off; a laptop."""

from playwright.sync_api import Browser, expect

from tests.browser.demo import CALL, CLIENT, LIVE, THREAD, Demo
from tests.browser.visits import PLACES, await_place, await_rest, open_place, visitor

PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1366, "height": 768}
VIEWS: list[tuple[str, dict[str, str]]] = [
    *((label, {"client": CLIENT} if place.has_client else {}) for label, place in PLACES.items()),
    ("Conversations", {"client": LIVE, "timeline": str(THREAD)}),
    ("Calls", {"client": LIVE, "call": str(CALL)}),
]
# Controls, and what shows numbers; the columns of a table that is wider scroll inside of it.
CUT_OFF = """() => {
    const shown = "[data-testid=stMain] :is(a, button, input, label, h1, h2, canvas, [role=radiogroup],"
        + "[data-testid=stMetric], [data-testid=stVegaLiteChart], [data-testid=stDataFrame],"
        + "[data-testid=stTable])";
    return [...document.querySelectorAll(shown)]
        .filter(each => each.checkVisibility({visibilityProperty: true, opacityProperty: true}))
        .filter(each => !each.closest("[data-testid=stElementToolbar], [data-testid=stTable] table"))
        .filter(each => !each.matches("input[tabindex='-1']"))  // the hidden one of a field for days
        .filter(each => {
            const {left, right, width} = each.getBoundingClientRect();
            return width && (left < 0 || right > innerWidth);
        })
        .map(each => each.outerHTML.slice(0, 150));
}"""
SIDEWAYS = """() => [document.documentElement, document.querySelector("[data-testid=stMain]")]
    .some(each => each.scrollWidth > each.clientWidth)"""


def test_nothing_is_cut_off_on_any_page(browser: Browser, shown: Demo) -> None:
    found = []
    with visitor(browser, viewport=PHONE) as page:
        for label, link in VIEWS:
            open_place(page, shown.address, PLACES[label], **link)
            assert not page.evaluate(SIDEWAYS), label
            found += [f"{label} {link}: {each}" for each in page.evaluate(CUT_OFF)]
    assert "\n".join(found) == ""


def test_pages_are_chosen_in_the_sidebar_that_a_button_opens(browser: Browser, shown: Demo) -> None:
    with visitor(browser, viewport=PHONE) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT)
        for label in ("Prices", "Live"):
            page.get_by_test_id("stExpandSidebarButton").click()
            link = page.get_by_test_id("stSidebar").get_by_role("link", name=label)
            expect(link).to_be_in_viewport()
            link.click()
            await_place(page, PLACES[label])
            # It makes room for the page again.
            expect(link).not_to_be_in_viewport()
            expect(page.get_by_role("combobox", name="Client")).to_have_value(CLIENT)
        await_rest(page)


def test_the_first_screen_of_a_laptop_has_cards_and_the_top_of_both_charts(
    browser: Browser, shown: Demo
) -> None:
    with visitor(browser, viewport=LAPTOP) as page:
        for label in ("Providers and models", "Conversations", "Overview"):
            open_place(page, shown.address, PLACES[label], client=CLIENT)
            heading = page.get_by_role("heading", level=1).bounding_box()
            controls = page.locator(".st-key-controls").bounding_box()
            assert heading is not None
            assert controls is not None
            # In one line.
            assert controls["y"] < heading["y"] + heading["height"] / 2 < controls["y"] + controls["height"]
            assert controls["height"] < 2 * heading["height"]
        for key in ("weekly-chart", "daily-chart"):
            chart = page.locator(f".st-key-{key}").bounding_box()
            assert chart is not None
            assert chart["y"] < LAPTOP["height"] - 100
