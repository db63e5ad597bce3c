"""Budgets: what may be spent, what is, where it is going, and what was told of it."""

from analytics import ui

page = ui.begin_page("Budgets", icon="🎯", has_period=False, has_measure=False, needs_calls=False)
budgets = ui.read_budgets(page)

ui.show_freshness(budgets)
ui.show_budgets(page, budgets)
ui.show_budget(page, budgets)
ui.show_alerts(page)
ui.show_future(page)
ui.show_budget_forms(page, budgets)
ui.show_channels(page)
