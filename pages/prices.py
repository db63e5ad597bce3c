"""Prices: what each model costs this client now and why, the price list, and changing it."""

from analytics import ui

page = ui.begin_page("Prices", icon="🏷️", has_measure=False, needs_calls=False)
shown = ui.read_prices(page)

ui.freshness(shown)
ui.unpriced_models(shown)
ui.used_models(page, shown)
ui.list_switch(page, shown)
ui.price_list(page, shown)
ui.new_price(page, shown)
ui.booked_and_repriced(page)
