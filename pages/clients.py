"""Clients: all that this viewer may see, side by side; a click on one opens its Overview."""

from analytics import ui

page = ui.begin_page("Clients", icon="🏢", has_client=False, has_measure=False, needs_calls=False)
shown = ui.read_clients(page)

ui.show_freshness(shown)
ui.show_clients_total(page, shown)
ui.show_clients(page, shown)
