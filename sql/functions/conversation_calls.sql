-- One conversation, call by call. cost_usd and running_cost are US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- The days on which one conversation (its id, or the phone of calls that have none, or neither) was used.
create or replace function conversation_days(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date
)
    returns setof date
    language sql stable
    set search_path = public, pg_temp
as $$
    select usage_date
    from usage_conversation_daily
    where
        client_id = p_client_id
        and usage_date between p_first_date and p_last_date
        and (
            conversation_id = p_conversation_id
            or conversation_id is null and phone = p_phone
            or conversation_id is null and phone is null and p_conversation_id is null and p_phone is null
        )
    group by usage_date
    order by usage_date
$$;

-- One row per call of one conversation, the oldest first, with what the conversation had cost and used by
-- then, and its metadata as the transaction may see it. Only the days on which it was used are looked at,
-- so that no index on the conversation is needed.
create or replace function get_conversation_calls(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date,
    p_limit integer default 1000
)
    returns table (
        created_at timestamptz, id uuid, source text, model text, prompt_tokens bigint,
        completion_tokens bigint,
        total_tokens bigint, cost_usd numeric, cost_basis text, metadata jsonb, running_tokens bigint,
        running_cost numeric, call_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as (
        select coalesce(
            p_phone,
            (select phone from conversations where client_id = p_client_id and id = p_conversation_id)
        ) as phone
    ),

    calls as (
        select log.*, shown_metadata(log.metadata, coalesce(log.phone, known.phone)) as seen_metadata
        from known
        cross join lateral conversation_days(
            p_client_id, p_conversation_id, known.phone, p_first_date, p_last_date
        ) as day
        cross join lateral moments_of_days(p_client_id, day, day) as moment
        inner join usage_logs as log
            on log.client_id = p_client_id
            and log.created_at >= moment.first_at
            and log.created_at < moment.end_at
        where
            log.conversation_id = p_conversation_id
            or log.conversation_id is null and log.phone = known.phone
            or log.conversation_id is null and log.phone is null
                and p_conversation_id is null and p_phone is null
    )

    select
        created_at, id, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
        seen_metadata,
        (sum(total_tokens) over so_far)::bigint as running_tokens,
        sum(cost_usd) over so_far as running_cost,
        count(*) over () as call_count
    from calls
    window so_far as (order by created_at, id rows unbounded preceding)
    order by created_at, id
    limit p_limit
$$;
