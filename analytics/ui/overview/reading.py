"""Reading the Overview's numbers."""

from dataclasses import replace

from analytics.budgets import BudgetStatus, load_budgets
from analytics.queries import Grouping, Overview, load_overview
from analytics.ui.frame import reads
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.parts.grain import grain_part
from analytics.ui.parts.grouping import chosen_group


def read_budgets_in_short(page: Page) -> Reading[list[BudgetStatus]]:
    """The budgets of the page's client, at most a minute old."""
    return reads.read(
        page.database,
        ("budgets in short", page.client.id),
        lambda moment: load_budgets(page.database, page.client.id, moment),
        page.now,
    )


def read_overview(page: Page) -> Reading[Overview]:
    """The Overview's numbers, by reads.read(). Folds in the background where much is pending."""
    database, client, period, order = page.database, page.client, page.period, page.measure.unit
    before = page.period.before(page.client.today(page.now))
    grouped = Grouping(days=page.days, before=before, group=chosen_group())
    grouped = replace(grouped, grain=grain_part(page.days, grouped.bucket).value())
    reading = reads.read(
        database,
        ("overview", client.id, period, order, page.sees_phones, page.filters, grouped),
        lambda moment: load_overview(
            database,
            client.id,
            period,
            moment,
            order,
            sees_phones=page.sees_phones,
            filters=page.filters,
            grouped=grouped,
        ),
        page.now,
    )
    if reading.value.has_many_pending and reading.failure is None:
        reads.fold(database, reading.loaded_at)
    return reading
