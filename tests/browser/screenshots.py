"""`make screenshots`: the README's pictures, from demo data in a database of their own."""

import tempfile
from pathlib import Path

from analytics.config import PROJECT_DIRECTORY
from tests.browser import dashboard

PICTURES = PROJECT_DIRECTORY / "docs" / "images"
VIEWS = {
    "overview-light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "overview-dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "overview-narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def main() -> None:
    """Takes each view whole, from its heading to its last row."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        dashboard.running_dashboard(Path(scratch) / "streamlit.log", USAGE_DATA_DIR=scratch) as address,
        dashboard.open_browser() as browser,
    ):
        for name, look in VIEWS.items():
            page = browser.new_page(**look)
            page.goto(address)
            dashboard.await_page(page)
            height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
            page.set_viewport_size({"width": look["viewport"]["width"], "height": height})
            dashboard.await_page(page)
            # The charts are drawn anew for the taller window.
            page.wait_for_timeout(2_000)
            page.screenshot(path=PICTURES / f"{name}.png")
            page.close()
            print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
