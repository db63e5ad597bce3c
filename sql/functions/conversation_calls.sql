-- One conversation, call by call. cost_usd and running_cost are US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- The tags of a call: of its set, or of its metadata where the client has too many sets.
create or replace function tags_of_call(p_client_id uuid, p_tag_set_id integer, p_metadata jsonb)
    returns jsonb
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        case
            when p_tag_set_id = 0 then p_metadata -> 'tags'
            else (select tags from tag_sets where client_id = p_client_id and id = p_tag_set_id)
        end
$$;

-- One row per call of one conversation (its id, or the phone of calls that have none, or neither), the oldest
-- first, with what the conversation had cost and used by then. call_count says how many there are in all.
-- What the filters say of conversations does not count here. calls_with_ids() has all that is known of one.
create or replace function get_conversation_calls(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date,
    p_limit integer default 1000, p_filters jsonb default '[]'
)
    returns table (
        created_at timestamptz, id uuid, source text, model text, prompt_tokens bigint,
        completion_tokens bigint, total_tokens bigint, cost_usd numeric, cost_basis text, outcome text,
        latency_ms integer, running_tokens bigint, running_cost numeric, call_count bigint,
        bucket_request_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as materialized (
        select
            coalesce(
                p_phone,
                (select phone from conversations where client_id = p_client_id and id = p_conversation_id)
            ) as phone,
            first_at, end_at,
            usage_filter_of(p_client_id, other_filters(p_filters), p_first_date, p_last_date) as wanted
        from moments_of_days(p_client_id, p_first_date, p_last_date)
    ),

    -- Three branches instead of one "or": each reads the first of its own range of an index.
    calls as materialized (
        (
            select
                log.created_at, log.id, log.source, log.model, log.prompt_tokens, log.completion_tokens,
                log.total_tokens, log.cost_usd, log.cost_basis, log.outcome, log.latency_ms,
                log.bucket_request_count
            from usage_logs as log
            where
                log.client_id = p_client_id and log.conversation_id = p_conversation_id
                and log.created_at >= (select first_at from known)
                and log.created_at < (select end_at from known)
                and (
                    p_filters = '[]'
                    or call_passes((select wanted from known), log)
                )
            order by log.created_at, log.id
            limit p_limit
        )
        union all
        (
            select
                log.created_at, log.id, log.source, log.model, log.prompt_tokens, log.completion_tokens,
                log.total_tokens, log.cost_usd, log.cost_basis, log.outcome, log.latency_ms,
                log.bucket_request_count
            from usage_logs as log
            where
                log.client_id = p_client_id and log.conversation_id is null
                and log.phone = (select phone from known)
                and log.created_at >= (select first_at from known)
                and log.created_at < (select end_at from known)
                and (
                    p_filters = '[]'
                    or call_passes((select wanted from known), log)
                )
            order by log.created_at, log.id
            limit p_limit
        )
        union all
        (
            select
                log.created_at, log.id, log.source, log.model, log.prompt_tokens, log.completion_tokens,
                log.total_tokens, log.cost_usd, log.cost_basis, log.outcome, log.latency_ms,
                log.bucket_request_count
            from usage_logs as log
            where
                p_conversation_id is null and p_phone is null
                and log.client_id = p_client_id and log.conversation_id is null and log.phone is null
                and log.created_at >= (select first_at from known)
                and log.created_at < (select end_at from known)
                and (
                    p_filters = '[]'
                    or call_passes((select wanted from known), log)
                )
            order by log.created_at, log.id
            limit p_limit
        )
    )

    select
        created_at, id, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
        outcome, latency_ms,
        (sum(total_tokens) over so_far)::bigint as running_tokens,
        sum(cost_usd) over so_far as running_cost,
        counted.call_count,
        bucket_request_count
    from calls
    cross join (
        -- Where these are not all, the sums know how many there are.
        select
            case when count(all_of_them.id) < p_limit then (
                count(all_of_them.id) + coalesce(sum(all_of_them.bucket_request_count - 1), 0)
            )::bigint else (
                select request_count::bigint
                from usage_of_conversations(
                    p_client_id, array[p_conversation_id],
                    array[case when p_conversation_id is null then p_phone end],
                    p_first_date, p_last_date, other_filters(p_filters)
                )
            ) end as call_count
        from calls as all_of_them
    ) as counted
    window so_far as (order by created_at, id rows unbounded preceding)
    order by created_at, id
    limit p_limit
$$;
