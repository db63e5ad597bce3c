"""What each number means, and where it comes from."""

import streamlit as st

from analytics import ui

ui.begin_text_page("About the numbers", icon="🧮")

st.markdown(
    """
## Days and weeks
A call counts on the day it was made **in its client's own time zone**, whoever looks and wherever they are.
*Last 30 days* is today and the 29 days before it. Weeks run from Monday to Sunday. Today and the current
week are not over, so they are usually lower.

## Tokens
*Total tokens* are what each call logged. Calls that log only a total, without prompt and completion (audio,
for instance), appear as *undivided*, so that the parts always add up. *Prompt* has all input, cached and
written to the cache, audio and pictures included; *completion* has all output, reasoning included.

## Other meters
Not everything is sold by tokens. A call may also tell seconds of audio, characters to be spoken, pictures,
web and file searches, and runs of code. **What a call does not tell is unknown, not zero**: a conversation
shows each call's meters as far as they are known. A field of the provider that this version does not know
is kept with the call and counted on Data health; the cost of such a call is an estimate.

## Outcomes and attempts
*ok* was answered, *error* failed, *refused* means that the provider or the model said no, and *cut* is a
stream that broke off. A call that failed and tells no use **costs nothing**, and is not a call without a
price. Retries and fallbacks of one operation are calls of their own, with the same operation id and the
number of the attempt.

## Latency
From the request to the end of the answer, as the application logs it. *p50* and *p95* say that half of the
answers, or 95 of 100, took no longer. They come from exact counts of all answers in steps of 4 percent, so
they are right within 2 percent for any days. Calls that failed are left out.

## Tags
A team tags its calls: *feature*, *team*, *environment*, whatever it groups by. A call has at most one value
per tag, so the values of a tag, with the calls without it, **always add up to the total**. A client that
has more than 1,000 new sets of tags on a day has the rest of that day's under *other*.

## OpenAI, Groq, Other
The provider is the one that was logged. On cards *Other* is everything else, Whisper included; charts and
tables name each. A chart names the seven with the most; *Other (12 more)* are all that are left.

## Change
The small percentage compares with **the same number of days just before**: the last 30 days with the 30
days before them. Days by name compare with those of the calendar that have their place: this month with the
last one, from its first day to the same day. While today is not over, the days before count up to the same
time of day. From 1,000 percent on it is a factor. Where two periods differ in length, it compares daily
averages.

No change is shown where it would mislead: where the client's data begin within the days before, and, for a
cost, where a call in either period has no price. The card says which.

## Filters
With filters, all numbers of a page are those of the calls that pass all of them, the days to compare with
included; parts still add up to the total. A call that does not tell something, such as its outcome, is
*not told*, and passes a filter that leaves out values.

## Cost
Each call keeps the cost that it was logged with; a later change of prices does not change it. Where no
price is known, the cost is **unknown, not zero**: the call counts under *No price*, cards mark sums without
it with ≥, and a row without any price shows a dash. How sure a cost is, its *basis* says:

| Basis | It says that the cost is |
|---|---|
| priced | exact: usage and price are known |
| estimated | a guess in part, such as the number of tokens or the price of a tier; the call says in what |
| given | what was logged with the call, or stated by the provider where no list has a price |
| plan | nothing by itself, as a subscription pays; what was stated is kept beside it, and in no sum |
| unpriced | not known; the call says why |

What the provider or a gateway states is kept beside our cost, and does not change it where a list has a
price.

## Prices
A call costs what its model cost **at the time of the call**. The first of these lists with a price for that
moment applies: the client's own prices, this installation's, then the public list of
[genai-prices](https://github.com/pydantic/genai-prices). A dated snapshot, such as *gpt-3.5-turbo-0125*,
costs as much as its base name where no list has it by its own name. A client's own price of the base name
covers its snapshots; the installation's covers only those without a price of their own in the public list.
Any other name that looks alike is another model. Audio sold by the minute is priced by its length, never by
tokens. A call that no list covers has no price, and never shows as free.

Each meter has its own price: cached input is cheaper, audio and pictures are dearer than text, and a search
costs a fee. A **tier** changes prices: *batch* and *flex* usually cost half, *priority* more. A
conversation says of each call which price decided.

A new installation has the original guide's prices, in which **Groq is free**, as on Groq's free plan. Where
a price is free or differs from the public one, cards also show the cost of the same usage **at list
prices**. Administrators switch to the public list on the page Prices; booked calls keep their cost.

## Conversations
Calls belong to the conversation that they name, or else to the one with their phone number. Calls with
neither share one line, *(calls without a conversation)*, so that nothing is missing.

## Budgets and what is foreseen
What is *spent* of a budget are its calls since its period began; a call without a price adds nothing to it,
and `≥` says so. What is *likely* is learned from the days before: how much each weekday uses, and where the
last weeks are heading. The range of 80 % holds eight of ten ways to go on, and below it stands how often
such ranges were right. Such numbers are made of no calls: they have not happened. *Without a forecast* are
those with too few days before.

## Data health
- *Rows to be folded*: each write adds a row of sums, and folding puts them together. Pages add both up.
- *Facts of earlier calls*: days whose hours and parts an update has still to bring over.
- *Database*, *tables*, *indexes*: what `migrate` has made, compared with what this version needs.
- *Slowest queries*: what PostgreSQL itself recorded of its queries, where it was told to.
- *Calls waiting*: kept on the disk of this machine until the database takes them.
- *Duplicates refused*: calls that were sent again, after an answer got lost, and are stored once.
- *Spans that are no calls*: parts of a trace without a model's use, which this server saw since it began.

## How fresh
Numbers are read at most once a minute, all of a page at one moment, so that its parts agree with each
other. If the database does not answer, the last good numbers stay, with their time and a warning.
"""
)
