"""All conversations of the period, and of the one that is opened all its calls."""

from analytics import queries, ui

page = ui.begin_page("Conversations", icon="💬", has_measure=False)
opened = ui.conversation_in_link()

if opened is None:
    asked = ui.choose_conversations(page)
    found = page.read(
        queries.found_conversations,
        *page.days,
        **asked.query,
        sees_phones=page.sees_phones,
        finds_phones=page.viewer.may_see_phones(page.client),
    )
    ui.show_freshness(found)
    ui.show_conversation_list(page, asked, found.value)
else:
    shown = page.read(queries.conversation_timeline, *page.days, **opened.query, sees_phones=page.sees_phones)
    ui.show_freshness(shown)
    ui.show_conversation_heading(page, opened, shown.value)
    ui.show_conversation_cards(shown.value)
    ui.show_conversation_charts(page, shown.value)
    ui.show_conversation_calls(page, opened, shown.value)
