"""Prices: what each model costs this client now and why, the price list, and changing it."""

from analytics import ui

page = ui.begin_page("Prices", icon="🏷️", has_measure=False, needs_calls=False)
prices = ui.read_prices(page)

ui.show_freshness(prices)
ui.show_unpriced_models(prices)
ui.show_used_models(page, prices)
ui.show_stated_costs(page, prices)
ui.show_list_switch(page, prices)
ui.show_price_list(page, prices)
ui.show_price_forms(page, prices)
ui.show_repricing(page)
