"""All conversations of the period, and of the one that is opened all its calls."""

from analytics import queries, ui

page = ui.begin_page("Conversations", icon="💬", has_measure=False)
opened = ui.opened_conversation()

if opened is None:
    asked = ui.asked_conversations(page)
    found = page.read(
        queries.found_conversations,
        *page.days,
        **asked.query,
        sees_phones=page.sees_phones,
        finds_phones=page.viewer.may_see_phones(page.client),
    )
    ui.freshness(found)
    ui.found_conversations(page, asked, found.value)
else:
    shown = page.read(queries.conversation_timeline, *page.days, **opened.query, sees_phones=page.sees_phones)
    ui.freshness(shown)
    ui.conversation_heading(page, opened, shown.value)
    ui.conversation_numbers(shown.value)
    ui.conversation_course(page, shown.value)
    ui.conversation_calls(page, opened, shown.value)
