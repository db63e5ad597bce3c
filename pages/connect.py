"""Connect: the lines by which a tool sends its calls here, with a key, until the first call has come."""

from analytics import ui

page = ui.begin_page(
    "Connect", icon="🔌", has_period=False, has_measure=False, has_filters=False, needs_calls=False
)
tool = ui.choose_tool()

ui.show_api_state()
key = ui.offer_key(page, tool) if tool.has_key else None
ui.show_lines(page, tool, key)
ui.show_arrival(page, tool, key)
