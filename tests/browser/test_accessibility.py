"""What axe-core finds on each page, light and dark: nothing."""

from collections.abc import Iterator
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import CALL, CLIENT, LIVE, QUIET, THREAD, Demo
from tests.browser.visits import PLACES, await_rest, open_place, visitor

# Violations in markup that is Streamlit's alone: a rule, and what the element must be.
STREAMLITS = [
    # Vega draws the sparkline of st.metric with an empty layer of points, which has a role and no name.
    ("svg-img-alt", "[data-testid=stMetric] [class*=highlighted_points_marks]"),
    # Vega draws what is selected on an axis with a role and no name; it has no option for one.
    ("svg-img-alt", "[class*=brushed_brush]"),
    # The same where there is nothing to draw.
    ("svg-img-alt", "g.role-mark:empty"),
    # An open calendar has a header, which makes two with that of the app; of moderate impact.
    ("landmark-banner-is-top-level", "[data-testid=stDateInputCalendar] header"),
    ("landmark-no-duplicate-banner", "header[data-testid=stHeader]"),
    ("landmark-unique", "header[data-testid=stHeader]"),
]
BACKGROUNDS: dict[Literal["light", "dark"], str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 23)"}
# Of small tables, as axe-core looks at each cell that is kept for readers of the screen.
VIEWS: list[tuple[str, dict[str, str]]] = [
    ("Overview", {"client": CLIENT}),
    ("Overview", {"client": QUIET}),
    ("Providers and models", {"client": LIVE}),
    ("Conversations", {"client": LIVE}),
    ("Conversations", {"client": LIVE, "timeline": str(THREAD)}),
    ("Calls", {"client": LIVE}),
    ("Calls", {"client": LIVE, "call": str(CALL)}),
    ("Live", {"client": LIVE}),
    ("Budgets", {"client": LIVE}),
    ("Connect", {"client": LIVE}),
    ("Prices", {"client": LIVE}),
    ("Data health", {"client": LIVE}),
    ("Data health", {"client": "nobody"}),
    ("Clients", {}),
    ("About the numbers", {}),
]
# Only what is in the window is looked at.
WHOLE = {"width": 1440, "height": 3_200}


def in_light_and_dark(page: Page) -> Iterator[str]:
    app = page.get_by_test_id("stApp")
    for scheme, background in BACKGROUNDS.items():
        # Streamlit follows the system's choice at once.
        page.emulate_media(color_scheme=scheme)
        expect(app).to_have_css("background-color", background)
        # It is the same document: nothing but its colours can be wrong only in the dark.
        rules = ["color-contrast"] if scheme == "dark" else []
        yield from (f"{scheme}: {violation}" for violation in violations(page, rules))


def violations(page: Page, rules: list[str]) -> Iterator[str]:
    """Each of the rules, or of all, with the element that breaks it, of whatever impact."""
    await_rest(page)
    options = {"resultTypes": ["violations"], "preload": False, **({"runOnly": rules} if rules else {})}
    for violation in Axe().run(page, options=options).response["violations"]:
        for node in violation["nodes"]:
            element = page.locator(node["target"][-1])
            if not any(
                violation["id"] == rule and element.and_(page.locator(allowed)).count()
                for rule, allowed in STREAMLITS
            ):
                yield f"{violation['impact']} {violation['id']}: {node['html'][:200]} {_contrast(node)}"


def _contrast(node: dict[str, Any]) -> str:
    data = next((check["data"] for check in node["any"]), None) or {}
    return " ".join(str(data[name]) for name in ("fgColor", "bgColor", "contrastRatio") if name in data)


def test_axe_finds_nothing_on_any_page(browser: Browser, shown: Demo) -> None:
    found: list[str] = []
    with visitor(browser, color_scheme="light", viewport=WHOLE) as page:
        for label, link in VIEWS:
            open_place(page, shown.address, PLACES[label], **link)
            found += [f"{label} {link}: {violation}" for violation in in_light_and_dark(page)]

        # What opens above a page.
        open_place(page, shown.address, PLACES["Clients"])
        page.get_by_role("button", name="Dates").click()
        page.get_by_label("First and last day").first.click()
        expect(page.get_by_role("grid").first).to_be_visible()
        found += [f"calendar: {violation}" for violation in in_light_and_dark(page)]
    assert "\n".join(found) == ""
