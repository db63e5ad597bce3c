"""All calls of the period, and all that is known of the one that the link opens."""

from analytics import queries, ui

page = ui.begin_page("Calls", icon="🧾", has_measure=False, shows_calls=True)
asked = ui.call_in_link()

if not asked:
    listed = ui.read_calls(page)
    ui.show_freshness(listed)
    ui.show_call_list(page, listed.value)
else:
    known = page.read(queries.known_call, asked, days=page.days, sees_phones=page.sees_phones)
    ui.show_freshness(known)
    ui.show_call(page, asked, known.value)
