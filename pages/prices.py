"""Prices: what each model costs this client now and why, the price list, and changing it."""

from analytics import ui

page = ui.begin_page("Prices", icon="🏷️", has_measure=False, needs_calls=False)
shown = ui.read_prices(page)

ui.show_freshness(shown)
ui.show_unpriced_models(shown)
ui.show_used_models(page, shown)
ui.show_list_switch(page, shown)
ui.show_price_list(page, shown)
ui.show_price_forms(page, shown)
ui.show_repricing(page)
