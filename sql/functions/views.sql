-- The sums of usage_logs as they are at every commit: the rollups and what is pending. A reader sees its one
-- client, as they run with the rights of who asks.


-- One row per client, day, source and model: exactly the sums of usage_logs, folded or not.
create or replace view usage_daily with (security_invoker = true) as
select
    client_id, usage_date, source, model,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    sum(total_tokens)::bigint as total_tokens,
    sum(cost_usd) as cost_usd,
    sum(request_count)::bigint as request_count,
    sum(unpriced_count)::bigint as unpriced_count
from (
    select
        client_id, usage_date, source, model,
        prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
    from usage_daily_rollup
    union all
    select
        client_id, usage_date, source, model,
        prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
    from usage_pending
) as parts
group by client_id, usage_date, source, model
having sum(request_count) <> 0;

-- One row per client, day and conversation as logged: exactly the sums of usage_logs, folded or not.
create or replace view usage_conversation_daily with (security_invoker = true) as
select
    client_id, usage_date, conversation_id, phone,
    sum(total_tokens)::bigint as total_tokens,
    sum(openai_tokens)::bigint as openai_tokens,
    sum(groq_tokens)::bigint as groq_tokens,
    sum(cost_usd) as cost_usd,
    sum(request_count)::bigint as request_count,
    sum(unpriced_count)::bigint as unpriced_count
from (
    select
        client_id, usage_date, conversation_id, phone,
        total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
    from usage_conversation_daily_rollup
    union all
    select
        client_id, usage_date, conversation_id, phone,
        total_tokens,
        case when source = 'openai' then total_tokens else 0 end as openai_tokens,
        case when source = 'groq' then total_tokens else 0 end as groq_tokens,
        cost_usd, request_count, unpriced_count
    from usage_pending
) as parts
group by client_id, usage_date, conversation_id, phone
having sum(request_count) <> 0;

-- One row per client and conversation as logged, over its lifetime. The sums are exact; the dates enclose
-- its days, and may be too wide after a delete.
create or replace view usage_conversation with (security_invoker = true) as
select
    client_id, conversation_id, phone,
    min(first_date) as first_date,
    max(last_date) as last_date,
    sum(total_tokens)::bigint as total_tokens,
    sum(openai_tokens)::bigint as openai_tokens,
    sum(groq_tokens)::bigint as groq_tokens,
    sum(cost_usd) as cost_usd,
    sum(request_count)::bigint as request_count,
    sum(unpriced_count)::bigint as unpriced_count
from (
    select
        client_id, conversation_id, phone, first_date, last_date,
        total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
    from usage_conversation_rollup
    union all
    select
        client_id, conversation_id, phone, usage_date as first_date, usage_date as last_date,
        total_tokens,
        case when source = 'openai' then total_tokens else 0 end as openai_tokens,
        case when source = 'groq' then total_tokens else 0 end as groq_tokens,
        cost_usd, request_count, unpriced_count
    from usage_pending
) as parts
group by client_id, conversation_id, phone
having sum(request_count) <> 0;

grant select on usage_daily, usage_conversation_daily, usage_conversation to analytics_reader;
