"""Speed and errors: how long answers take, what fails and is tried again, and what a cache saves."""

from analytics import ui

page = ui.begin_page("Speed and errors", icon="⏱️", has_measure=False)
answers = ui.read_answers(page)

ui.show_freshness(answers)
if answers.value.facts.empty:
    ui.show_no_usage(page)
else:
    ui.show_answer_cards(answers.value)
    ui.show_speed(page, answers.value)
    ui.show_failures(page, answers.value)
    ui.show_failures_by_hour(page, answers.value)
    ui.show_cache(page, answers.value)
    ui.show_call_times(page)
