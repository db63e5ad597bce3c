"""Who did what, as it is kept, and as it is shown to whom."""

from analytics.ui.frame.page import Page

NOBODY_SIGNED_IN = "an administrator at the dashboard's machine"
_SOMEBODY = "an administrator"


def who(page: Page) -> str:
    """The name that is kept with what this viewer does."""
    return page.viewer.email or NOBODY_SIGNED_IN


def named(page: Page, name: str) -> str:
    """The name of somebody who did something; visitors who did not sign in are told no addresses."""
    is_known = page.viewer.email is not None or page.viewer.administers(page.client)
    return name if is_known else _SOMEBODY
