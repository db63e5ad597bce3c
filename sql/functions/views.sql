-- The sums of usage_logs as they are at every commit: the rollups and what is pending. A reader sees its one
-- client, as they run with the rights of who asks.


-- One row per client, day, source and model: exactly the sums of usage_logs, folded or not.
create or replace view usage_daily with (security_invoker = true) as
select
    client_id, usage_date, source, model,
    whole_sum(prompt_tokens) as prompt_tokens,
    whole_sum(completion_tokens) as completion_tokens,
    whole_sum(total_tokens) as total_tokens,
    sum(cost_usd) as cost_usd,
    whole_sum(request_count) as request_count,
    whole_sum(unpriced_count) as unpriced_count
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
having whole_sum(request_count) <> 0;

-- One row per client, day and conversation, or phone where calls name no conversation: exactly the sums of
-- usage_logs, folded or not.
create or replace view usage_conversation_daily with (security_invoker = true) as
select
    client_id, usage_date, conversation_id,
    case when conversation_id is null then phone end as phone,
    whole_sum(total_tokens) as total_tokens,
    whole_sum(openai_tokens) as openai_tokens,
    whole_sum(groq_tokens) as groq_tokens,
    sum(cost_usd) as cost_usd,
    whole_sum(request_count) as request_count,
    whole_sum(unpriced_count) as unpriced_count
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
group by client_id, usage_date, conversation_id, case when conversation_id is null then phone end
having whole_sum(request_count) <> 0;

-- One row per client and conversation, or phone where the calls name no conversation, over its lifetime. The
-- sums are exact; the dates enclose its days, and may be too wide after a delete.
create or replace view usage_conversation with (security_invoker = true) as
select
    client_id, conversation_id,
    case when conversation_id is null then phone end as phone,
    min(first_date) as first_date,
    max(last_date) as last_date,
    whole_sum(total_tokens) as total_tokens,
    whole_sum(openai_tokens) as openai_tokens,
    whole_sum(groq_tokens) as groq_tokens,
    sum(cost_usd) as cost_usd,
    whole_sum(request_count) as request_count,
    whole_sum(unpriced_count) as unpriced_count
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
group by client_id, conversation_id, case when conversation_id is null then phone end
having whole_sum(request_count) <> 0;

-- The views of many meters are made of their lists, in sums.sql; of the many sums null is 0 here.
do $views$
declare
    made record;
begin
    for made in
        select *
        from (
            values
            -- One row per client, day, source, model, operation and outcome.
            (
                'usage_facts_daily', 'client_id, usage_date, source, model, operation, outcome',
                usage_meters(), 'usage_daily_rollup', 'true'
            ),
            -- One row per client, hour of its clock, source, model, operation and outcome; rows of pending
            -- from before 022 have no hour.
            (
                'usage_hourly', 'client_id, usage_date, hour, utc_date, source, model, operation, outcome',
                hour_meters(), 'usage_hour_rollup', 'hour is not null'
            ),
            -- One row per client, day, tag set, source, model, operation and outcome, of calls with tags.
            (
                'usage_tagged_daily', 'client_id, usage_date, tag_set_id, source, model, operation, outcome',
                usage_meters(), 'usage_tag_rollup', 'tag_set_id is not null'
            )
        ) as listed (name, keys, meters, rollup, is_of_it)
    loop
        execute format(
            'create or replace view %1$I with (security_invoker = true) as
            select %2$s, %3$s
            from (
                select %2$s, %4$s from %5$I
                union all
                select %2$s, %4$s from usage_pending where %6$s
            ) as parts
            group by %2$s
            having whole_sum(request_count) <> 0',
            made.name,
            made.keys,
            (
                select string_agg(
                    format(
                        case when is_numeric_meter(meter) then 'coalesce(sum(%1$I), 0) as %1$I'
                            else 'coalesce(whole_sum(%1$I), 0) as %1$I' end,
                        meter
                    ),
                    ', ' order by place
                )
                from unnest(made.meters) with ordinality as listed (meter, place)
            ),
            array_to_string(made.meters, ', '),
            made.rollup,
            made.is_of_it
        );
    end loop;
end
$views$;

-- One row per client, day, source, model and bucket of latency_bucket(), of the calls that were answered: how
-- long the answer took, and its first token.
create or replace view usage_latency_daily with (security_invoker = true) as
select
    client_id, usage_date, source, model, is_first_token, bucket, whole_sum(request_count) as request_count
from (
    select client_id, usage_date, source, model, false as is_first_token, held.bucket, held.request_count
    from usage_latency_rollup
    cross join lateral unnest(buckets, counts) as held (bucket, request_count)
    union all
    select client_id, usage_date, source, model, true as is_first_token, held.bucket, held.request_count
    from usage_latency_rollup
    cross join lateral unnest(first_token_buckets, first_token_counts) as held (bucket, request_count)
    union all
    select
        client_id, usage_date, source, model, false as is_first_token,
        abs(signed.bucket)::smallint as bucket, sign(signed.bucket)::bigint as request_count
    from usage_pending
    cross join lateral unnest(latency_buckets) as signed (bucket)
    union all
    select
        client_id, usage_date, source, model, true as is_first_token,
        abs(signed.bucket)::smallint as bucket, sign(signed.bucket)::bigint as request_count
    from usage_pending
    cross join lateral unnest(first_token_buckets) as signed (bucket)
) as parts
group by client_id, usage_date, source, model, is_first_token, bucket
having whole_sum(request_count) <> 0;

grant select on
    usage_daily, usage_conversation_daily, usage_conversation, usage_facts_daily, usage_hourly,
    usage_tagged_daily, usage_latency_daily
    to analytics_reader;
