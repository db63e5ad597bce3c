"""All conversations of the period, and all calls of the one that the link opens."""

from analytics import queries, ui

page = ui.begin_page("Conversations", icon="💬", has_measure=False)
link = ui.conversation_in_link()

if link is None:
    search = ui.choose_conversations(page)
    listed = page.read(
        queries.found_conversations,
        page.days,
        **search.query,
        sees_phones=page.sees_phones,
        finds_phones=page.viewer.may_see_phones(page.client),
        filters=page.filters,
    )
    ui.show_freshness(listed)
    ui.show_conversation_list(page, search, listed.value)
else:
    timeline = page.read(
        queries.conversation_timeline,
        page.days,
        **link.query,
        sees_phones=page.sees_phones,
        filters=page.filters,
    )
    ui.tell_summed_days(page, are_calls=True)
    ui.show_freshness(timeline)
    ui.show_conversation_heading(page, link, timeline.value)
    ui.show_conversation_cards(link, timeline.value)
    ui.show_conversation_charts(page, timeline.value)
    ui.show_conversation_calls(page, link, timeline.value)
