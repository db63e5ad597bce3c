"""Data health: whether the numbers of the other pages can be trusted, and what to do where they cannot."""

from analytics import ui

page = ui.begin_page("Data health", icon="🩺", has_measure=False, has_filters=False, needs_calls=False)
calls = ui.read_client_checks(page)
installation = ui.read_installation_checks(page)

ui.show_freshness(calls)
ui.show_health_summary(calls, installation)
ui.show_checks(f"Calls of {page.client.name}, {page.period}", calls)
ui.show_checks("Installation", installation)
ui.show_sums_check(page)
