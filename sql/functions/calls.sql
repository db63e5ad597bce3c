-- Calls one by one: a page of all that pass the filters, and one with all that is known of it. cost_usd and
-- the like are US dollars. All run with the rights of who calls them, so that a reader sees its one client.


-- One row per call of the client with one of these ids: all that is known of it, with its texts as the
-- transaction may see them, but phone and conversation_name as they are. A call that names no conversation is
-- of the one with its phone. Without a path of its own, so that it becomes part of the query that asks, and
-- masks nothing that is not asked for.
create or replace function calls_with_ids(p_client_id uuid, p_ids uuid[])
    returns table (
        created_at timestamptz, id uuid, conversation_id uuid, phone text, conversation_name text,
        source text, model text, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint,
        cost_usd numeric, cost_basis text, metadata jsonb,
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
as $$
    select
        call.created_at, call.id,
        coalesce(call.conversation_id, by_phone.id) as conversation_id,
        call.phone,
        coalesce(by_id.name, by_phone.name) as conversation_name,
        call.source, call.model, call.prompt_tokens, call.completion_tokens, call.total_tokens, call.cost_usd,
        call.cost_basis,
        shown_metadata(call.metadata, own.phone) as metadata,
        call.cached_tokens, call.cache_write_tokens, call.cache_write_1h_tokens, call.reasoning_tokens,
        call.prompt_audio_tokens, call.cached_audio_tokens, call.completion_audio_tokens,
        call.prompt_image_tokens, call.cached_image_tokens, call.completion_image_tokens,
        call.character_count, call.image_count, call.web_search_count, call.file_search_count,
        call.code_run_count, call.duration_seconds, call.operation, call.outcome, call.service_tier,
        call.latency_ms, call.time_to_first_token_ms,
        shown_id(call.operation_id, own.phone) as operation_id,
        call.attempt,
        shown_id(call.response_id, own.phone) as response_id,
        shown_id(call.account, own.phone) as account,
        call.stated_cost_usd,
        shown_metadata(tags_of_call(p_client_id, call.tag_set_id, call.metadata), own.phone) as tags
    from usage_logs as call
    left join conversations as by_id on by_id.client_id = p_client_id and by_id.id = call.conversation_id
    left join conversations as by_phone
        on call.conversation_id is null and by_phone.client_id = p_client_id and by_phone.phone = call.phone
    cross join lateral (select coalesce(call.phone, by_id.phone) as phone) as own
    where call.client_id = p_client_id and call.id = any (p_ids)
    order by call.created_at desc, call.id desc
$$;

-- The other attempts at what the call with one of these ids was for: those with its operation_id, made within
-- an hour of it, the oldest first.
create or replace function get_other_attempts(p_client_id uuid, p_ids uuid[], p_limit integer default 50)
    returns table (
        created_at timestamptz, id uuid, source text, model text, total_tokens bigint, cost_usd numeric,
        cost_basis text, outcome text, latency_ms integer, attempt integer
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        other.created_at, other.id, other.source, other.model, other.total_tokens, other.cost_usd,
        other.cost_basis, other.outcome, other.latency_ms, other.attempt
    from usage_logs as call
    inner join usage_logs as other
        on other.client_id = p_client_id
        and other.created_at >= call.created_at - interval '1 hour'
        and other.created_at <= call.created_at + interval '1 hour'
        and other.operation_id = call.operation_id
        and other.id <> call.id
    where call.client_id = p_client_id and call.id = any (p_ids)
    order by other.created_at, other.id
    limit p_limit
$$;

-- The ids of a page of calls, in no order; see get_calls().
create or replace function find_calls(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb, p_from_at timestamptz,
    p_from_id uuid, p_is_newer boolean, p_limit integer
)
    returns table (id uuid, matched_count bigint, has_newer boolean, has_older boolean)
    language plpgsql stable
    rows 50
    set search_path = public, pg_temp
    set jit = off
as $$
declare
    ids uuid[];
begin
    execute format(
        $query$
        select array_agg(log.id order by log.created_at %1$s, log.id %1$s)
        from moments_of_days($1, $2, $3) as moment
        cross join lateral (
            select log.id, log.created_at
            from usage_logs as log
            where
                log.client_id = $1 and log.created_at >= moment.first_at
                and log.created_at < moment.end_at and %2$s
            order by log.created_at %1$s, log.id %1$s
            limit $6 + 1
        ) as log
        $query$,
        case when p_is_newer then 'asc' else 'desc' end,
        case
            when p_from_at is null then 'true'
            when p_is_newer then '(log.created_at, log.id) > ($4, $5)'
            else '(log.created_at, log.id) < ($4, $5)'
        end
    )
    into ids
    using p_client_id, p_first_date, p_last_date, p_from_at, p_from_id, p_limit;

    if p_is_newer and coalesce(cardinality(ids), 0) <= p_limit then
        -- It begins with the newest of all, of which it may have too few.
        return query
        select first.id, first.matched_count, first.has_newer, first.has_older
        from find_calls(
            p_client_id, p_first_date, p_last_date, p_filters, null, null, false, p_limit
        ) as first;
        return;
    end if;

    return query
    select
        listed.id,
        (
            select coalesce(sum(request_count), 0)::bigint
            from usage_daily
            where client_id = p_client_id and usage_date between p_first_date and p_last_date
        ),
        p_from_at is not null,
        p_is_newer or cardinality(ids) > p_limit
    from unnest(ids[:p_limit]) as listed (id);
end
$$;

-- A page of the calls of these days that pass the filters, the newest first: those older than the call that
-- was made at p_from_at with the id p_from_id, or newer than it; without it the newest of all. has_newer and
-- has_older say whether there are further ones; matched_count are all that pass.
create or replace function get_calls(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]',
    p_from_at timestamptz default null, p_from_id uuid default null, p_is_newer boolean default false,
    p_limit integer default 50
)
    returns table (
        created_at timestamptz, id uuid, conversation_id uuid, phone text, conversation_name text,
        source text, model text, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint,
        cost_usd numeric, cost_basis text,
        cached_tokens bigint, cache_write_tokens bigint, cache_write_1h_tokens bigint,
        reasoning_tokens bigint, prompt_audio_tokens bigint, cached_audio_tokens bigint,
        completion_audio_tokens bigint, prompt_image_tokens bigint, cached_image_tokens bigint,
        completion_image_tokens bigint, character_count bigint, image_count bigint, web_search_count bigint,
        file_search_count bigint, code_run_count bigint, duration_seconds numeric, operation text,
        outcome text, service_tier text, latency_ms integer, time_to_first_token_ms integer,
        operation_id text, attempt integer, response_id text, account text, stated_cost_usd numeric,
        tags jsonb, matched_count bigint, has_newer boolean, has_older boolean
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with found as materialized (
        select id, matched_count, has_newer, has_older
        from find_calls(
            p_client_id, p_first_date, p_last_date, p_filters, p_from_at, p_from_id, p_is_newer, p_limit
        )
    )

    select
        call.created_at, call.id, call.conversation_id, call.phone, call.conversation_name, call.source,
        call.model, call.prompt_tokens, call.completion_tokens, call.total_tokens, call.cost_usd,
        call.cost_basis, call.cached_tokens, call.cache_write_tokens, call.cache_write_1h_tokens,
        call.reasoning_tokens, call.prompt_audio_tokens, call.cached_audio_tokens,
        call.completion_audio_tokens, call.prompt_image_tokens, call.cached_image_tokens,
        call.completion_image_tokens, call.character_count, call.image_count, call.web_search_count,
        call.file_search_count, call.code_run_count, call.duration_seconds, call.operation, call.outcome,
        call.service_tier, call.latency_ms, call.time_to_first_token_ms, call.operation_id, call.attempt,
        call.response_id, call.account, call.stated_cost_usd, call.tags,
        found.matched_count,
        found.has_newer,
        found.has_older
    from calls_with_ids(p_client_id, array(select listed.id from found as listed)) as call
    inner join found on found.id = call.id
    order by call.created_at desc, call.id desc
$$;
