-- Busy weeks of conversations are also kept by provider, model, operation and outcome, so that a filter of
-- these need not read their calls. The other weeks, nine of ten, have few calls.

-- One row per client, conversation, week from Monday, source, model, operation and outcome, of the weeks that
-- once had as many calls as calls_of_busy_week() says. Either all calls of a week are in, or none.
create table if not exists usage_conversation_kind_rollup (
    client_id uuid not null,
    conversation_id uuid not null,
    week_start date not null,
    source text not null,
    model text,
    operation text,
    outcome text,
    total_tokens bigint not null,
    request_count bigint not null,
    unpriced_count bigint not null,
    cost_usd numeric not null,
    constraint usage_conversation_kind_rollup_key
        unique nulls not distinct (
            client_id, conversation_id, week_start, source, model, operation, outcome
        )
)
-- Room for a row's next sums beside it: its index is then left as it is.
with (fillfactor = 70);

call read_one_client_only('usage_conversation_kind_rollup', 'client_id');

grant select on usage_conversation_kind_rollup to analytics_reader;

do $$
begin
    -- Not where the guide's original is: adopt_original.sql makes its usage_logs this one, without sums.
    if
        not exists (
            select from pg_attribute where attrelid = 'usage_logs'::regclass and attname = 'bucket_request_count'
        )
        or exists (select from usage_conversation_kind_rollup)
    then
        return;
    end if;
    insert into usage_conversation_kind_rollup (
        client_id, conversation_id, week_start, source, model, operation, outcome,
        total_tokens, request_count, unpriced_count, cost_usd
    )
    select
        client_id, conversation_id, week_start, source, model, operation, outcome,
        sum(total_tokens), sum(request_count), sum(unpriced_count), sum(cost_usd)
    from (
        select
            week.client_id, week.conversation_id, week.week_start,
            log.source, log.model, log.operation, log.outcome,
            log.total_tokens,
            coalesce(log.bucket_request_count, 1) as request_count,
            case when log.cost_basis = 'unpriced' then coalesce(log.bucket_request_count, 1) else 0 end
                as unpriced_count,
            log.cost_usd
        from usage_conversation_weekly_rollup as week
        inner join clients on clients.id = week.client_id
        cross join lateral (
            select source, model, operation, outcome, total_tokens, bucket_request_count, cost_basis, cost_usd
            from usage_logs
            where
                usage_logs.client_id = week.client_id
                and usage_logs.conversation_id = week.conversation_id
                and usage_logs.created_at
                >= (week.week_start - interval '1 second') at time zone clients.timezone + interval '1 second'
                and usage_logs.created_at
                < (week.week_start + 7 - interval '1 second') at time zone clients.timezone + interval '1 second'
        ) as log
        where week.request_count >= 100 and isfinite(week.week_start)
        union all
        -- What is not folded yet is no part of the sums.
        select
            pending.client_id, pending.conversation_id, week.week_start,
            pending.source, pending.model, pending.operation, pending.outcome,
            -pending.total_tokens, -pending.request_count, -pending.unpriced_count, -pending.cost_usd
        from usage_pending as pending
        inner join usage_conversation_weekly_rollup as week
            on week.client_id = pending.client_id
            and week.conversation_id = pending.conversation_id
            and week.week_start = date_trunc('week', pending.usage_date::timestamp)::date
        where week.request_count >= 100 and isfinite(week.week_start)
    ) as parts
    group by client_id, conversation_id, week_start, source, model, operation, outcome
    order by client_id, conversation_id, week_start;
end
$$;
