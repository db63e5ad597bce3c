"""The Overview: how much is used, by whom, what it costs, and where it is going.

`streamlit run` also looks here for a server, which is the dashboard behind its walls.
"""

import streamlit as st

if __name__ == "__main__":
    from analytics import ui

    page = ui.begin_page("Usage overview", icon="📈")
    overview = ui.read_overview(page)

    ui.show_freshness(overview, also=lambda: ui.show_tools(page, overview))
    if not overview.value.summary["request_count"].any():
        ui.show_no_usage(page)

    ui.show_summary_cards(overview)
    ui.show_budget_line(ui.read_budgets_in_short(page).value)
    ui.offer_repricing(page, overview.value)

    weekly, daily = st.columns(2, gap="small")
    with weekly:
        ui.show_weekly_evolution(page, overview)
    with daily:
        ui.show_daily_usage(page, overview)
        ui.show_unusual_days(page)

    ui.show_model_comparison(page, overview)
    ui.show_top_conversations(page, overview)
else:
    import sys
    from contextlib import asynccontextmanager
    from pathlib import Path

    from starlette.middleware import Middleware

    from analytics import news, serving
    from analytics.alerts import EveryMinute
    from analytics.migrations import open_ready_database

    def secrets():  # type: ignore[no-untyped-def]
        # Imported here: what pages share needs Streamlit to be running already.
        from analytics.ui.frame.reads import secrets

        return secrets()

    @asynccontextmanager
    async def lifespan(_: st.App):  # type: ignore[no-untyped-def]
        alerts = EveryMinute(lambda: open_ready_database(secrets()), secrets)
        async with serving.prepared():
            alerts.start()
            # Under `streamlit run`, which opens a browser for a script, but not for an app of one's own.
            if Path(sys.argv[0]).name == Path(__file__).name and not st.get_option("server.headless"):
                serving.open_browser(f"http://localhost:{st.get_option('server.port')}")
            yield None
            alerts.stop()

    app = st.App(
        __file__,
        lifespan=lifespan,
        middleware=[Middleware(serving.Walls), Middleware(serving.Ours, routes=[news.ROUTE])],
    )
