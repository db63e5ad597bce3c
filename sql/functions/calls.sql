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
        tags jsonb, bucket_request_count bigint
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
        shown_metadata(tags_of_call(p_client_id, call.tag_set_id, call.metadata), own.phone) as tags,
        call.bucket_request_count
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

-- Of days with calls that pass the filters, in order: the spans of time in which these lie, as far as sums
-- tell. Once they hold p_most calls of any kind is_cut says that days are left out, but never the first two.
create or replace function spans_with_calls(
    p_client_id uuid, p_filters jsonb, p_days date[], p_zone text, p_most integer,
    out spans tstzrange[], out is_cut boolean
)
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
declare
    -- Sums of hours know nothing of tags and conversations, and of other facts.
    conditions constant jsonb := coalesce(
        (
            select jsonb_agg(condition)
            from jsonb_array_elements(p_filters) as condition
            where
                condition ->> 'name' in ('provider', 'model', 'operation', 'outcome', 'hour', 'weekday')
                or condition ->> 'name' = 'basis' and condition -> 'values' = '["unpriced"]'
        ),
        '[]'
    );
    keys constant text[] :=
        array['usage_date'] || case when conditions <> '[]' then array['hour'] else '{}' end;
    first_date constant date := (select min(day) from unnest(p_days) as day);
    last_date constant date := (select max(day) from unnest(p_days) as day);
begin
    with days as (
        select
            usage_date,
            place,
            day_begins_at(usage_date, p_zone) as first_at,
            day_begins_at(usage_date + 1, p_zone) as end_at
        from unnest(p_days) with ordinality as listed (usage_date, place)
    ),

    parts as (
        select
            days.place,
            case
                -- Of a day on which the clock is set the hours are not told apart.
                when passing.hour is null or days.end_at - days.first_at <> interval '24 hours'
                    then tstzrange(days.first_at, days.end_at)
                else tstzrange(
                    days.first_at + passing.hour * interval '1 hour',
                    days.first_at + (passing.hour + 1) * interval '1 hour'
                )
            end as span,
            whole.request_count
        from days
        inner join usage_rows(p_client_id, conditions, first_date, last_date, keys, '{}') as passing
            on passing.usage_date = days.usage_date
        inner join usage_rows(p_client_id, '[]', first_date, last_date, keys, '{}') as whole
            on whole.usage_date = passing.usage_date and whole.hour is not distinct from passing.hour
    ),

    looked_at as (
        select
            place,
            place > 2 and p_most < sum(sum(request_count)) over (
                order by place rows between unbounded preceding and 1 preceding
            ) as is_beyond
        from parts
        group by place
    )

    select
        array(
            select unnest(range_agg(parts.span))
            from parts
            inner join looked_at on looked_at.place = parts.place and not looked_at.is_beyond
        ),
        (select bool_or(is_beyond) from looked_at)
    into spans, is_cut;
end
$$;

-- The ids of a page of calls, in no order; see get_calls(). The sums say on which days there are such calls,
-- and in which hours, so that rare ones are found without looking at all the others. A page that would have
-- to look through more than p_most calls has fewer of its own, but at least one.
create or replace function find_calls(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb, p_from_at timestamptz,
    p_from_id uuid, p_is_newer boolean, p_limit integer, p_most integer
)
    returns table (
        id uuid, matched_count bigint, matched_tokens bigint, matched_prompt_tokens bigint,
        matched_completion_tokens bigint, matched_cost numeric, matched_unpriced_count bigint,
        has_newer boolean, has_older boolean
    )
    language plpgsql stable
    rows 50
    set search_path = public, pg_temp
    set jit = off
as $$
declare
    filter usage_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
    sign constant integer := case when p_is_newer then 1 else -1 end;
    zone constant text := (select timezone from clients where clients.id = p_client_id);
    from_date constant date := (p_from_at at time zone zone)::date;
    -- Of all that pass. Where sums count the calls and tell nothing more of them, it takes reading them all,
    -- which is done where the client has few.
    meters constant text[] := case
        when
            not asks_for_facts(filter)
            or count_of_fact(filter) is null
            or 4 * p_most >= (
                select coalesce(sum(request_count), 0)
                from usage_rows(p_client_id, '[]', p_first_date, p_last_date, '{}', '{}')
            )
            then (usage_meters())[1:6]
        else '{}'
    end;
    matched bigint;
    tokens bigint;
    prompt_tokens bigint;
    completion_tokens bigint;
    cost numeric;
    unpriced bigint;
    days date[];  -- with calls of the page, from where it begins
    spans tstzrange[];
    is_cut boolean := false;
    lone_phones text[];
    is_of_conversations constant boolean :=
        filter.conversation_ids is not null and not filter.excludes_conversations;
    ids uuid[];
begin
    if is_of_conversations then
        -- Each has an index of its own; their sums say how many calls there are.
        lone_phones := array(
            select phone
            from unnest(filter.phones) as phone
            except
            select phone
            from conversations
            where client_id = p_client_id and conversations.id = any (filter.conversation_ids)
        ) || array_fill(null::text, array[filter.takes_lone::integer]);
        select
            coalesce(sum(request_count), 0), coalesce(sum(total_tokens), 0), coalesce(sum(cost_usd), 0),
            coalesce(sum(unpriced_count), 0)
        into matched, tokens, cost, unpriced
        from usage_of_conversations(
            p_client_id,
            filter.conversation_ids || array_fill(null::uuid, array[cardinality(lone_phones)]),
            array_fill(null::text, array[cardinality(filter.conversation_ids)]) || lone_phones,
            p_first_date, p_last_date, other_filters(p_filters)
        );
        select array[tstzrange(first_at, end_at)]
        into spans
        from moments_of_days(p_client_id, p_first_date, p_last_date);
    else
        -- Days are added until there are enough calls behind the day that the page begins in, of which some
        -- are passed over.
        select
            coalesce(sum(request_count), 0),
            sum(day_tokens), sum(day_prompt_tokens), sum(day_completion_tokens), sum(cost_usd),
            sum(unpriced_count),
            array_agg(usage_date order by place) filter (where is_ahead and calls_before <= p_limit)
        into matched, tokens, prompt_tokens, completion_tokens, cost, unpriced, days
        from (
            select
                usage_date,
                request_count, day_tokens, day_prompt_tokens, day_completion_tokens, cost_usd, unpriced_count,
                is_ahead,
                row_number() over ahead as place,
                coalesce(
                    sum(request_count) filter (where usage_date is distinct from from_date) over (
                        ahead rows between unbounded preceding and 1 preceding
                    ),
                    0
                ) as calls_before
            from (
                select
                    of_day.usage_date, of_day.request_count, of_day.total_tokens as day_tokens,
                    of_day.prompt_tokens as day_prompt_tokens,
                    of_day.completion_tokens as day_completion_tokens, of_day.cost_usd, of_day.unpriced_count,
                    coalesce(sign * (of_day.usage_date - from_date) >= 0, true) as is_ahead
                from usage_rows(
                    p_client_id, p_filters, p_first_date, p_last_date, array['usage_date'], meters
                ) as of_day
            ) as days_with_calls
            window ahead as (partition by is_ahead order by sign * (usage_date - date '2000-01-01'))
        ) as ordered;

        if cardinality(days) > 2 then
            select found.spans, found.is_cut
            into spans, is_cut
            from spans_with_calls(p_client_id, p_filters, days, zone, p_most) as found;
        elsif days <> '{}' then
            spans := array[
                tstzrange(
                    day_begins_at(least(days[1], days[cardinality(days)]), zone),
                    day_begins_at(greatest(days[1], days[cardinality(days)]) + 1, zone)
                )
            ];
        end if;
    end if;
    if filter.made_at is not null then
        spans := array(
            select span * filter.made_at from unnest(spans) as span where span && filter.made_at
        );
    end if;

    -- Each part is a range of an index that is read in the order of the page, and left when that is full.
    execute format(
        $query$
        select array_agg(id order by created_at %1$s, id %1$s)
        from (
            select log.id, log.created_at
            from unnest($1) as span
            cross join lateral (
                select 1 as part, null::uuid as conversation_id, null::text as phone
                where not $7
                union all
                select 2, conversation_id, null from unnest($3.conversation_ids) as conversation_id where $7
                union all
                select 3, null, phone from unnest($3.phones) as phone where $7
                union all
                select 4, null, null where $7 and $3.takes_lone
            ) as wanted
            cross join lateral (
                (
                    select log.id, log.created_at
                    from usage_logs as log
                    where wanted.part = 1 and %2$s
                    order by log.created_at %1$s, log.id %1$s
                    limit $6 + 1
                )
                union all
                (
                    select log.id, log.created_at
                    from usage_logs as log
                    where wanted.part = 2 and log.conversation_id = wanted.conversation_id and %2$s
                    order by log.created_at %1$s, log.id %1$s
                    limit $6 + 1
                )
                union all
                (
                    select log.id, log.created_at
                    from usage_logs as log
                    where
                        wanted.part = 3 and log.conversation_id is null and log.phone = wanted.phone
                        and %2$s
                    order by log.created_at %1$s, log.id %1$s
                    limit $6 + 1
                )
                union all
                (
                    select log.id, log.created_at
                    from usage_logs as log
                    where
                        wanted.part = 4 and log.conversation_id is null and log.phone is null and %2$s
                    order by log.created_at %1$s, log.id %1$s
                    limit $6 + 1
                )
            ) as log
            order by log.created_at %1$s, log.id %1$s
            limit $6 + 1
        ) as listed
        $query$,
        case when p_is_newer then 'asc' else 'desc' end,
        format(
            'log.client_id = $2 and log.created_at >= lower(span) and log.created_at < upper(span) and %s
            and call_passes($3, log)',
            case
                when p_from_at is null then 'true'
                when p_is_newer then 'log.created_at >= $4 and (log.created_at, log.id) > ($4, $5)'
                else 'log.created_at <= $4 and (log.created_at, log.id) < ($4, $5)'
            end
        )
    )
    into ids
    using spans, p_client_id, filter, p_from_at, p_from_id, p_limit, is_of_conversations;

    if p_is_newer and not is_cut and coalesce(cardinality(ids), 0) <= p_limit then
        -- It begins with the newest of all, of which it may have too few.
        return query
        select
            first.id, first.matched_count, first.matched_tokens, first.matched_prompt_tokens,
            first.matched_completion_tokens, first.matched_cost, first.matched_unpriced_count,
            first.has_newer, first.has_older
        from find_calls(
            p_client_id, p_first_date, p_last_date, p_filters, null, null, false, p_limit, p_most
        ) as first;
        return;
    end if;

    return query
    select
        listed.id,
        matched,
        tokens,
        prompt_tokens,
        completion_tokens,
        cost,
        unpriced,
        p_from_at is not null,
        p_is_newer or is_cut or cardinality(ids) > p_limit
    from unnest(ids[:p_limit]) as listed (id);
end
$$;

-- A page of the calls of these days that pass the filters, the newest first: those older than the call that
-- was made at p_from_at with the id p_from_id, or newer than it; without it the newest of all. has_newer and
-- has_older say whether there are further ones; matched_count are all that pass, the
-- other matched_* what they come to (US dollars), null where that is not known without reading them all.
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
        tags jsonb, bucket_request_count bigint, matched_count bigint, matched_tokens bigint,
        matched_prompt_tokens bigint, matched_completion_tokens bigint, matched_cost numeric,
        matched_unpriced_count bigint, has_newer boolean, has_older boolean
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with found as materialized (
        select
            id, matched_count, matched_tokens, matched_prompt_tokens, matched_completion_tokens, matched_cost,
            matched_unpriced_count, has_newer, has_older
        from find_calls(
            p_client_id, p_first_date, p_last_date, p_filters, p_from_at, p_from_id, p_is_newer, p_limit,
            50000
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
        call.response_id, call.account, call.stated_cost_usd, call.tags, call.bucket_request_count,
        found.matched_count,
        found.matched_tokens,
        found.matched_prompt_tokens,
        found.matched_completion_tokens,
        found.matched_cost,
        found.matched_unpriced_count,
        found.has_newer,
        found.has_older
    from calls_with_ids(p_client_id, array(select listed.id from found as listed)) as call
    inner join found on found.id = call.id
    order by call.created_at desc, call.id desc
$$;
