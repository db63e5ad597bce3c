-- A long period is read from the weeks of conversations, of which there are a fifth as many as of their days.

-- One row per client, conversation as logged, and week from Monday: what lists are ordered by. last_date is
-- the last day of the week with use; -infinity where there is none left.
create table if not exists usage_conversation_weekly_rollup (
    client_id uuid not null,
    week_start date not null,
    last_date date not null,
    conversation_id uuid,
    total_tokens bigint not null,
    request_count bigint not null,
    cost_usd numeric not null,
    phone text,
    constraint usage_conversation_weekly_rollup_key
        unique nulls not distinct (week_start, client_id, conversation_id, phone)
);

insert into usage_conversation_weekly_rollup (
    client_id, week_start, last_date, conversation_id, total_tokens, request_count, cost_usd, phone
)
select
    client_id,
    date_trunc('week', usage_date::timestamp)::date as week_start,
    coalesce(max(usage_date) filter (where request_count > 0), '-infinity') as last_date,
    conversation_id,
    sum(total_tokens) as total_tokens,
    sum(request_count) as request_count,
    sum(cost_usd) as cost_usd,
    phone
from usage_conversation_daily_rollup
-- Not a second time.
where not exists (select from usage_conversation_weekly_rollup)
group by client_id, week_start, conversation_id, phone
order by week_start, client_id, conversation_id, phone;

call read_one_client_only('usage_conversation_weekly_rollup', 'client_id');

grant select on usage_conversation_weekly_rollup to analytics_reader;
