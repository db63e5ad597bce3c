"""Clients: all that this viewer may see, side by side; a click on one opens its Overview."""

from analytics import ui

page = ui.begin_page("Clients", icon="🏢", has_client=False, has_measure=False, needs_calls=False)
clients = ui.read_clients(page)

ui.show_freshness(clients)
ui.show_clients_total(page, clients)
ui.show_clients(page, clients)
