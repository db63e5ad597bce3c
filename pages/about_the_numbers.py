"""What each number means, and how it comes about."""

import streamlit as st

from analytics import ui

ui.begin_text_page("About the numbers", icon="🧮")

st.markdown(
    """
## Days and weeks
A call counts on the day it was made **in its client's own time zone**, whoever looks and wherever they are.
*Last 30 days* is today and the 29 days before it. Weeks run from Monday to Sunday. Today and the current week
are not over, so they are usually lower.

## Tokens
*Total tokens* is what the log of each call says. Calls that log a total without dividing it into prompt and
completion (audio, for instance) appear as *undivided*, so that the parts always add up.

## OpenAI, Groq, Other
The provider is the one that was logged. On cards and charts *Other* is everything else, Whisper included; the
table of models names each.

## Change
The small percentage compares with **as long a time just before**: the last 30 days with the 30 days before
those. While today runs, the days before count up to the same time of day. From 1,000 percent on it says
how many times as much it is. Where the two are not equally long, it is the change of the mean of a day.

No change is shown where it would mislead: where the client's data begin only within the days before, and, for
a cost, where a call of either time has no price. The card says which.

## Cost
Each call keeps the cost that was put on it when it was logged; a price that changes later does not change it.
Where no price is known the cost is **unknown, not zero**: the call is counted under *No price*, cards mark
sums that miss it with ≥, and a row of which no call has a price shows a dash.

## Prices
A call costs what its model cost **at the time of the call**. The first of these lists that has a price for
that moment decides: the client's own prices, this installation's, then the public list of
[genai-prices](https://github.com/pydantic/genai-prices). A dated snapshot, such as
*gpt-3.5-turbo-0125*, costs what its base name does where no list has it by its own name. A client's own price
of the base name covers its snapshots; the installation's covers only those that the public list has no price
of their own for. Any other name that merely looks alike is another model. Audio sold by the minute goes by
its length, never by tokens. A call that no list covers has no price, and is never shown as free.

A new installation has the original guide's prices, in which **Groq is free**: that is its free plan. Where a
price is free or another than the public one, cards also say what the same usage costs **at list prices**.
Administrators switch to the public list on the page Prices; calls that are booked keep their cost.

## Conversations
Calls belong to the conversation that they name, or else to the one with their phone number. All that name
neither are one line, *(calls without a conversation)*, so that nothing goes missing.

## How fresh
Numbers are read at most once a minute, all of a page in one moment, so that its parts agree with each other.
If the database goes away, the last good numbers stay, with their time and a warning.
"""
)
