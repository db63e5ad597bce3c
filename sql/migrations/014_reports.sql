-- What the pages behind the Overview read: comparisons, conversations, hours, the live view. Needs 011.
--
-- Days are those of the client, first and last included. Units: *_cost and cost_usd are US dollars. All run with
-- the rights of who calls them, so that a reader sees its one client. Safe to run again, and safe to paste into
-- Supabase's SQL editor.


-- The moments in which these days of the client begin and are over. No row for a client that is not there (or
-- that the reader may not see).
create or replace function moments_of_days(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (first_at timestamptz, end_at timestamptz, timezone text)
    language sql stable
    rows 1
    set search_path = public, pg_temp
as $$
    select
        p_first_date::timestamp at time zone timezone,
        (p_last_date + 1)::timestamp at time zone timezone,
        timezone
    from clients
    where id = p_client_id
$$;

-- A number of the metadata, or null where it is none: other writers may mean something else by the name.
create or replace function number_in(p_metadata jsonb, p_name text) returns numeric
    language sql immutable parallel safe
    return case when jsonb_typeof(p_metadata -> p_name) = 'number' then (p_metadata ->> p_name)::numeric end;


-- Conversations ------------------------------------------------------------------------------------

-- One row per conversation with use in the period that fits the search, a page of them in the order asked for.
-- matched_count says how many there are in all. Conversations are told apart as get_usage_by_conversation() does.
-- p_search is a part of the name, the phone or the id, in any case; p_sort one of tokens, cost, requests, name,
-- last.
create or replace function search_conversations(
    p_client_id uuid, p_first_date date, p_last_date date, p_search text default '', p_sort text default 'tokens',
    p_descending boolean default true, p_limit integer default 50, p_offset integer default 0
)
    returns table (
        conversation_id uuid, phone text, conversation_name text, first_date date, last_date date,
        total_tokens bigint, openai_tokens bigint, groq_tokens bigint, other_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint, matched_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
begin
    if p_sort is null or p_sort not in ('tokens', 'cost', 'requests', 'name', 'last') then
        raise exception 'sort must be tokens, cost, requests, name or last, not %', coalesce(p_sort, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_limit is null or p_limit not between 1 and 1000 or p_offset is null or p_offset < 0 then
        raise exception 'a page has 1 to 1000 conversations and begins at 0 or later'
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    -- One row per conversation as logged.
    with logged as materialized (
        select
            conversation_id, phone,
            min(usage_date) as first_date,
            max(usage_date) as last_date,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from usage_conversation_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
        group by conversation_id, phone
    ),

    resolved as (
        select
            logged.*,
            coalesce(logged.conversation_id, known.id) as id,
            case when coalesce(logged.conversation_id, known.id) is null then logged.phone end as lone_phone
        from logged
        left join conversations as known
            on logged.conversation_id is null and known.client_id = p_client_id and known.phone = logged.phone
    ),

    counted as (
        select
            id, lone_phone,
            min(first_date) as first_date,
            max(last_date) as last_date,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from resolved
        group by id, lone_phone
    ),

    named as (
        select counted.*, coalesce(known.phone, counted.lone_phone) as phone, known.name
        from counted
        left join conversations as known on known.client_id = p_client_id and known.id = counted.id
    ),

    fitting as (
        select *, count(*) over () as matched_count
        from named
        where
            coalesce(p_search, '') = ''
            or strpos(lower(name), lower(p_search)) > 0
            or strpos(lower(phone), lower(p_search)) > 0
            -- However the digits are set apart: "+55 11 98765-4321" finds 5511987654321.
            or p_search ~ '^[-0-9 ().+]*[0-9]{2}[-0-9 ().+]*$'
                and strpos(
                    regexp_replace(phone, '[^0-9]', '', 'g'), regexp_replace(p_search, '[^0-9]', '', 'g')
                ) > 0
            or starts_with(id::text, lower(p_search))
    )

    select
        id, phone, name, first_date, last_date, total_tokens::bigint, openai_tokens::bigint,
        groq_tokens::bigint, (total_tokens - openai_tokens - groq_tokens)::bigint, cost_usd,
        request_count::bigint, unpriced_count::bigint, matched_count
    from fitting
    order by
        -- One of them is a number, a day or a name; the others are null for all.
        case when p_descending then
            case p_sort when 'tokens' then total_tokens when 'cost' then cost_usd when 'requests' then request_count end
        end desc nulls last,
        case when not p_descending then
            case p_sort when 'tokens' then total_tokens when 'cost' then cost_usd when 'requests' then request_count end
        end,
        case when p_descending and p_sort = 'last' then last_date end desc nulls last,
        case when not p_descending and p_sort = 'last' then last_date end,
        case when p_descending and p_sort = 'name' then lower(coalesce(name, phone)) end desc nulls last,
        case when not p_descending and p_sort = 'name' then lower(coalesce(name, phone)) end nulls last,
        total_tokens desc, phone nulls last, id nulls last
    limit p_limit
    offset p_offset;
end
$$;

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

-- One row per call of one conversation, the oldest first, with what the conversation had cost and used by then.
-- Only the days on which it was used are looked at, so that no index on the conversation is needed.
create or replace function get_conversation_calls(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date,
    p_limit integer default 1000
)
    returns table (
        created_at timestamptz, id uuid, source text, model text, prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint, cost_usd numeric, cost_basis text, metadata jsonb, running_tokens bigint,
        running_cost numeric, call_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as (
        select coalesce(
            p_phone, (select phone from conversations where client_id = p_client_id and id = p_conversation_id)
        ) as phone
    ),

    calls as (
        select log.*
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
            or log.conversation_id is null and log.phone is null and p_conversation_id is null and p_phone is null
    )

    select
        created_at, id, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
        metadata,
        (sum(total_tokens) over so_far)::bigint as running_tokens,
        sum(cost_usd) over so_far as running_cost,
        count(*) over () as call_count
    from calls
    window so_far as (order by created_at, id rows unbounded preceding)
    order by created_at, id
    limit p_limit
$$;


-- Comparison, time, kinds of use -------------------------------------------------------------------

-- One row per source and model with use in either of two periods, the most tokens in the first one first. The
-- columns of the second one are called previous_*.
create or replace function get_usage_comparison(
    p_client_id uuid, p_first_date date, p_last_date date, p_previous_first_date date, p_previous_last_date date
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, previous_total_tokens bigint,
        previous_total_cost numeric, previous_request_count bigint, previous_unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with usage as (
        select
            source, model, usage_date between p_first_date and p_last_date as is_current,
            usage_date between p_previous_first_date and p_previous_last_date as is_previous,
            total_tokens, prompt_tokens, completion_tokens, cost_usd, request_count, unpriced_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date between least(p_first_date, p_previous_first_date)
                and greatest(p_last_date, p_previous_last_date)
            -- The two may lie far apart.
            and (
                usage_date between p_first_date and p_last_date
                or usage_date between p_previous_first_date and p_previous_last_date
            )
    )

    select
        source,
        model,
        coalesce(sum(total_tokens) filter (where is_current), 0)::bigint as total_tokens,
        coalesce(sum(prompt_tokens) filter (where is_current), 0)::bigint as prompt_tokens,
        coalesce(sum(completion_tokens) filter (where is_current), 0)::bigint as completion_tokens,
        coalesce(sum(cost_usd) filter (where is_current), 0) as total_cost,
        coalesce(sum(request_count) filter (where is_current), 0)::bigint as request_count,
        coalesce(sum(unpriced_count) filter (where is_current), 0)::bigint as unpriced_count,
        coalesce(sum(total_tokens) filter (where is_previous), 0)::bigint as previous_total_tokens,
        coalesce(sum(cost_usd) filter (where is_previous), 0) as previous_total_cost,
        coalesce(sum(request_count) filter (where is_previous), 0)::bigint as previous_request_count,
        coalesce(sum(unpriced_count) filter (where is_previous), 0)::bigint as previous_unpriced_count
    from usage
    group by source, model
    order by 3 desc, 9 desc, source, model
$$;

-- One row per day, week (from Monday) or month and source, those without use included, the oldest first. The
-- first and the last one count only the days asked for; first_date and last_date say which.
create or replace function get_usage_over_time(
    p_client_id uuid, p_first_date date, p_last_date date, p_grain text default 'day'
)
    returns table (
        bucket_date date, first_date date, last_date date, source text, total_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    if p_grain is null or p_grain not in ('day', 'week', 'month') then
        raise exception 'grain must be day, week or month, not %', coalesce(p_grain, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    with usage as materialized (
        select
            date_trunc(p_grain, usage_date::timestamp)::date as bucket_date, source,
            sum(total_tokens) as total_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from usage_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
        group by 1, 2
    ),

    buckets as (
        select start::date as bucket_date, (start + ('1 ' || p_grain)::interval)::date - 1 as last_date
        from generate_series(
            date_trunc(p_grain, p_first_date::timestamp), p_last_date::timestamp, ('1 ' || p_grain)::interval
        ) as start
    ),

    sources as (
        select distinct source from usage
    )

    select
        buckets.bucket_date,
        greatest(buckets.bucket_date, p_first_date),
        least(buckets.last_date, p_last_date),
        sources.source,
        coalesce(usage.total_tokens, 0)::bigint,
        coalesce(usage.cost_usd, 0),
        coalesce(usage.request_count, 0)::bigint,
        coalesce(usage.unpriced_count, 0)::bigint
    from buckets
    cross join sources
    left join usage on usage.bucket_date = buckets.bucket_date and usage.source = sources.source
    order by buckets.bucket_date, sources.source;
end
$$;


-- Live ---------------------------------------------------------------------------------------------

-- One row per call that was made since a moment, the newest first.
create or replace function get_calls_since(p_client_id uuid, p_since timestamptz, p_limit integer default 5000)
    returns table (
        created_at timestamptz, id uuid, conversation_id uuid, phone text, source text, model text,
        prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, cost_usd numeric, cost_basis text
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        created_at, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
        cost_usd, cost_basis
    from usage_logs
    where client_id = p_client_id and created_at >= p_since
    order by created_at desc, id desc
    limit p_limit
$$;

-- One row per minute and source with calls since a moment. zero_token_count are calls that tell no usage.
create or replace function get_usage_by_minute(p_client_id uuid, p_since timestamptz, p_until timestamptz)
    returns table (
        minute_at timestamptz, source text, total_tokens bigint, total_cost numeric, request_count bigint,
        unpriced_count bigint, zero_token_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        date_trunc('minute', created_at) as minute_at,
        source,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as total_cost,
        count(*) as request_count,
        count(*) filter (where cost_basis = 'unpriced') as unpriced_count,
        count(*) filter (where total_tokens = 0) as zero_token_count
    from usage_logs
    where client_id = p_client_id and created_at >= p_since and created_at < p_until
    group by 1, 2
    order by 1, 2
$$;


-- Health -------------------------------------------------------------------------------------------

-- One row per day, source and model whose sums differ from the calls themselves; none, unless somebody changed
-- the sums by hand or dropped old calls. Reads all calls of the period.
create or replace function check_usage_sums(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        usage_date date, source text, model text, summed_tokens bigint, logged_tokens bigint,
        summed_cost numeric, logged_cost numeric, summed_count bigint, logged_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with logged as (
        select
            (log.created_at at time zone period.timezone)::date as usage_date,
            log.source,
            log.model,
            sum(log.total_tokens)::bigint as total_tokens,
            sum(log.cost_usd) as cost_usd,
            count(*) as request_count
        from moments_of_days(p_client_id, p_first_date, p_last_date) as period
        inner join usage_logs as log
            on log.client_id = p_client_id
            and log.created_at >= period.first_at
            and log.created_at < period.end_at
        group by 1, 2, 3
    ),

    summed as (
        select usage_date, source, model, total_tokens, cost_usd, request_count
        from usage_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
    )

    select
        coalesce(summed.usage_date, logged.usage_date),
        coalesce(summed.source, logged.source),
        coalesce(summed.model, logged.model),
        coalesce(summed.total_tokens, 0),
        coalesce(logged.total_tokens, 0),
        coalesce(summed.cost_usd, 0),
        coalesce(logged.cost_usd, 0),
        coalesce(summed.request_count, 0),
        coalesce(logged.request_count, 0)
    from summed
    full join logged
        on logged.usage_date = summed.usage_date
        and logged.source = summed.source
        -- Nothing in place of null, as a full join needs equality; no model has this name.
        and coalesce(logged.model, E'\x01') = coalesce(summed.model, E'\x01')
    where
        (summed.total_tokens, summed.cost_usd, summed.request_count)
        is distinct from (logged.total_tokens, logged.cost_usd, logged.request_count)
    order by 1, 2, 3
$$;
