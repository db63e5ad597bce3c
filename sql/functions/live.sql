-- The calls of the last minutes, read from usage_logs itself. *_cost and cost_usd are US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- One row per call that was made since a moment, the newest first.
create or replace function get_calls_since(
    p_client_id uuid, p_since timestamptz, p_limit integer default 5000, p_filters jsonb default '[]'
)
    returns table (
        created_at timestamptz, id uuid, conversation_id uuid, phone text, source text, model text,
        prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, cost_usd numeric,
        cost_basis text, outcome text, bucket_request_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    -- From a day earlier than in any time zone, as what a filter names is looked for in these days.
    filter constant usage_filter := usage_filter_of(
        p_client_id, p_filters, p_since::date - 1, 'infinity'
    );
begin
    return query
    select
        created_at, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
        cost_usd, cost_basis, outcome, bucket_request_count
    from usage_logs
    where
        client_id = p_client_id
        -- Adopted rows may have been made at infinity.
        and created_at >= p_since
        and created_at < 'infinity'
        and call_passes(filter, usage_logs)
    order by created_at desc, id desc
    limit p_limit;
end
$$;

-- One row per call that was made since a moment, the newest first, with the name of its conversation: the
-- one it names, or else the one with its phone.
create or replace function get_named_calls_since(
    p_client_id uuid, p_since timestamptz, p_limit integer default 5000, p_filters jsonb default '[]'
)
    returns table (
        created_at timestamptz, id uuid, conversation_id uuid, phone text, conversation_name text,
        source text,
        model text, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, cost_usd numeric,
        cost_basis text, outcome text, bucket_request_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        call.created_at,
        call.id,
        coalesce(call.conversation_id, by_phone.id) as conversation_id,
        call.phone,
        coalesce(by_id.name, by_phone.name) as conversation_name,
        call.source,
        call.model,
        call.prompt_tokens,
        call.completion_tokens,
        call.total_tokens,
        call.cost_usd,
        call.cost_basis,
        call.outcome,
        call.bucket_request_count
    from get_calls_since(p_client_id, p_since, p_limit, p_filters) as call
    -- One by one, as they are few: a join would read all conversations.
    left join lateral (
        select name from conversations where client_id = p_client_id and id = call.conversation_id limit 1
    ) as by_id on true
    left join lateral (
        select id, name
        from conversations
        where client_id = p_client_id and phone = call.phone and call.conversation_id is null
        limit 1
    ) as by_phone on true
    order by call.created_at desc, call.id desc
$$;

-- One row per minute and source with calls since a moment. zero_token_count are calls that tell no usage.
create or replace function get_usage_by_minute(
    p_client_id uuid, p_since timestamptz, p_until timestamptz, p_filters jsonb default '[]'
)
    returns table (
        minute_at timestamptz, source text, total_tokens bigint, total_cost numeric, request_count bigint,
        unpriced_count bigint, zero_token_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    -- From a day earlier than in any time zone, as what a filter names is looked for in these days.
    filter constant usage_filter := usage_filter_of(
        p_client_id, p_filters, p_since::date - 1, 'infinity'
    );
begin
    return query
    select
        date_trunc('minute', created_at) as minute_at,
        source,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as total_cost,
        (count(*) + coalesce(sum(bucket_request_count - 1), 0))::bigint as request_count,
        (
            count(*) filter (where cost_basis = 'unpriced')
            + coalesce(sum(bucket_request_count - 1) filter (where cost_basis = 'unpriced'), 0)
        )::bigint as unpriced_count,
        coalesce(sum(coalesce(bucket_request_count, 1)) filter (
            where total_tokens = 0
            and coalesce(duration_seconds, 0) = 0 and coalesce(character_count, 0) = 0
            and coalesce(image_count, 0) = 0
            and (outcome is null or outcome not in ('error', 'refused'))
        ), 0)::bigint as zero_token_count
    from usage_logs
    where
        client_id = p_client_id
        and created_at >= p_since
        and created_at < p_until
        and call_passes(filter, usage_logs)
    group by date_trunc('minute', created_at), source
    order by minute_at, source;
end
$$;
