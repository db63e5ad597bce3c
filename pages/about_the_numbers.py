"""What each number means, and how it comes about."""

import streamlit as st

from analytics import pricing, ui

ui.begin_text_page("About the numbers", icon="🧮")

st.markdown(
    """
##### Days and weeks
A call counts on the day it was made **in its client's own time zone**, whoever looks and wherever they are.
*Last 30 days* is today and the 29 days before it. Weeks run from Monday to Sunday. Today and the current week
are not over, so they are usually lower.

##### Tokens
*Total tokens* is what the log of each call says. Calls that log a total without dividing it into prompt and
completion (audio, for instance) appear as *undivided*, so that the parts always add up.

##### OpenAI, Groq, Other
The provider is the one that was logged. On cards and charts *Other* is everything else, Whisper included; the
table of models names each.

##### Change
The small percentage compares with **as many days just before**: the last 30 days with the 30 days before
those.

##### Cost
Each call keeps the cost that was put on it when it was logged; a price that changes later does not change it.
Where no price is known the cost is **unknown, not zero**: the call is counted under *No price*, cards mark
sums that miss it with ≥, and a row of which no call has a price shows a dash.

##### Conversations
Calls belong to the conversation that they name, or else to the one with their phone number. All that name
neither are one line, *(calls without a conversation)*, so that nothing goes missing.

##### How fresh
Numbers are read at most once a minute, all of a page in one moment, so that its parts agree with each other.
If the database goes away, the last good numbers stay, with their time and a warning.
"""
)

st.markdown("##### Prices of this installation")
st.dataframe(
    {
        "Source": [source for source, _ in pricing.INSTALLATION_PRICES] + ["whisper", "groq"],
        "Model": [model for _, model in pricing.INSTALLATION_PRICES] + ["whisper-1", "all"],
        "Price (USD)": [
            f"{price.prompt_usd} prompt, {price.completion_usd} completion, per 1,000 tokens"
            for price in pricing.INSTALLATION_PRICES.values()
        ]
        + [f"{pricing.WHISPER_USD_PER_MINUTE} per minute of audio", "free"],
    },
    hide_index=True,
)
st.caption(
    "A dated snapshot such as gpt-4-0613 has the price of its base name. Every other model is priced by the "
    "public list of genai-prices, as it was on the day of the call."
)
