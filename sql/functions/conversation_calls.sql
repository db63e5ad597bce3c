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
-- first, with what the conversation had cost and used by then, all that is known of the call, and its texts
-- as the transaction may see them. call_count says how many there are in all. What the filters say of
-- conversations does not count here.
create or replace function get_conversation_calls(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date,
    p_limit integer default 1000, p_filters jsonb default '[]'
)
    returns table (
        created_at timestamptz, id uuid, source text, model text, prompt_tokens bigint,
        completion_tokens bigint,
        total_tokens bigint, cost_usd numeric, cost_basis text, metadata jsonb, running_tokens bigint,
        running_cost numeric, call_count bigint,
        cached_tokens bigint, cache_write_tokens bigint, cache_write_1h_tokens bigint,
        reasoning_tokens bigint, prompt_audio_tokens bigint, cached_audio_tokens bigint,
        completion_audio_tokens bigint, prompt_image_tokens bigint, cached_image_tokens bigint,
        completion_image_tokens bigint, character_count bigint, image_count bigint, web_search_count bigint,
        file_search_count bigint, code_run_count bigint, duration_seconds numeric, operation text,
        outcome text, service_tier text, latency_ms integer, time_to_first_token_ms integer,
        operation_id text, attempt integer, response_id text, account text, stated_cost_usd numeric,
        tags jsonb
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
            select log.*
            from usage_logs as log
            where
                log.client_id = p_client_id and log.conversation_id = p_conversation_id
                and log.created_at >= (select first_at from known)
                and log.created_at < (select end_at from known)
                and (
                    p_filters = '[]'
                    or call_passes(
                        (select wanted from known), log.created_at, log.source, log.model,
                        log.operation, log.outcome, log.tag_set_id, log.conversation_id, log.phone
                    )
                )
            order by log.created_at, log.id
            limit p_limit
        )
        union all
        (
            select log.*
            from usage_logs as log
            where
                log.client_id = p_client_id and log.conversation_id is null
                and log.phone = (select phone from known)
                and log.created_at >= (select first_at from known)
                and log.created_at < (select end_at from known)
                and (
                    p_filters = '[]'
                    or call_passes(
                        (select wanted from known), log.created_at, log.source, log.model,
                        log.operation, log.outcome, log.tag_set_id, log.conversation_id, log.phone
                    )
                )
            order by log.created_at, log.id
            limit p_limit
        )
        union all
        (
            select log.*
            from usage_logs as log
            where
                p_conversation_id is null and p_phone is null
                and log.client_id = p_client_id and log.conversation_id is null and log.phone is null
                and log.created_at >= (select first_at from known)
                and log.created_at < (select end_at from known)
                and (
                    p_filters = '[]'
                    or call_passes(
                        (select wanted from known), log.created_at, log.source, log.model,
                        log.operation, log.outcome, log.tag_set_id, log.conversation_id, log.phone
                    )
                )
            order by log.created_at, log.id
            limit p_limit
        )
    ),

    shown as (
        select
            calls.*,
            coalesce(calls.phone, known.phone) as own_phone,
            (sum(calls.total_tokens) over so_far)::bigint as running_tokens,
            sum(calls.cost_usd) over so_far as running_cost,
            counted.call_count
        from known
        cross join calls
        cross join (
            -- Where these are not all, the sums know how many there are.
            select
                case when count(all_of_them.id) < p_limit then count(all_of_them.id) else (
                    select request_count::bigint
                    from usage_of_conversations(
                        p_client_id, array[p_conversation_id],
                        array[case when p_conversation_id is null then p_phone end],
                        p_first_date, p_last_date, other_filters(p_filters)
                    )
                ) end as call_count
            from calls as all_of_them
        ) as counted
        window so_far as (order by calls.created_at, calls.id rows unbounded preceding)
        order by calls.created_at, calls.id
        limit p_limit
    )

    select
        created_at, id, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
        shown_metadata(metadata, own_phone) as metadata,
        running_tokens, running_cost, call_count,
        cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, prompt_audio_tokens,
        cached_audio_tokens, completion_audio_tokens, prompt_image_tokens, cached_image_tokens,
        completion_image_tokens, character_count, image_count, web_search_count, file_search_count,
        code_run_count, duration_seconds, operation, outcome, service_tier, latency_ms,
        time_to_first_token_ms,
        shown_id(operation_id, own_phone) as operation_id,
        attempt,
        shown_id(response_id, own_phone) as response_id,
        shown_id(account, own_phone) as account,
        stated_cost_usd,
        -- As tags_of_call() does, which would take as long as all the rest.
        shown_metadata(
            case when tag_set_id = 0 then metadata -> 'tags' else set_tags end, own_phone
        ) as tags
    from shown
    left join lateral (
        select tags as set_tags from tag_sets where client_id = p_client_id and tag_sets.id = tag_set_id
    ) as of_set on true
    order by created_at, id
$$;
