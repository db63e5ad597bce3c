"""Data health: whether the numbers of the other pages can be trusted, and what to do where they cannot."""

from analytics import ui

page = ui.begin_page("Data health", icon="🩺", has_measure=False, needs_calls=False)
calls = ui.read_client_checks(page)
installation = ui.read_installation_checks(page)

ui.freshness(calls)
ui.health_summary(calls, installation)
ui.checks(f"Calls of {page.client.name}, {page.period}", calls)
ui.checks("Installation", installation)
ui.sums_against_calls(page)
