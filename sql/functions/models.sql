-- Usage by source and model. *_cost and cost_usd are US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- One row per source and model with use on these days: what the next functions answer, in no order.
create or replace function model_usage_between(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        source,
        model,
        sum(total_tokens)::bigint as total_tokens,
        sum(prompt_tokens)::bigint as prompt_tokens,
        sum(completion_tokens)::bigint as completion_tokens,
        sum(cost_usd) as total_cost,
        sum(request_count)::bigint as request_count,
        sum(unpriced_count)::bigint as unpriced_count,
        -- Null where some of the cost is unknown: tokens over a part of their cost would mislead.
        case when sum(unpriced_count) = 0 then sum(cost_usd) * 1000 / nullif(sum(total_tokens), 0) end
            as cost_per_1k_tokens,
        sum(total_tokens) / nullif(sum(request_count), 0) as tokens_per_request
    from filtered_usage(p_client_id, p_filters, p_first_date, p_last_date)
    group by source, model
    -- What is left out may leave nothing.
    having sum(request_count) <> 0
$$;

-- One row per source and model with use in the period, the most tokens first.
create or replace function get_usage_by_model(
    p_client_id uuid, p_days integer, p_now timestamptz, p_filters jsonb
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        source, model, total_tokens, prompt_tokens, completion_tokens, total_cost, request_count,
        unpriced_count, cost_per_1k_tokens, tokens_per_request
    from usage_window(p_client_id, p_days, p_now) as period
    cross join lateral model_usage_between(p_client_id, period.first_date, period.last_date, p_filters)
    order by total_tokens desc, total_cost desc, source, model
$$;

-- The same of all calls. Whoever gives fewer arguments means this one.
create or replace function get_usage_by_model(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now()
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select * from get_usage_by_model(p_client_id, p_days, p_now, '[]')
$$;

-- One row per source and model with use in a calendar month (null is the current one), the most tokens
-- first.
create or replace function get_monthly_summary(
    p_client_id uuid, p_year integer, p_month integer, p_now timestamptz, p_filters jsonb
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with period as (
        select
            make_date(
                coalesce(p_year, extract(year from last_date)::integer),
                coalesce(p_month, extract(month from last_date)::integer),
                1
            ) as first_date
        from usage_window(p_client_id, 1, p_now)
    )

    select
        source, model, total_tokens, prompt_tokens, completion_tokens, total_cost, request_count,
        unpriced_count, cost_per_1k_tokens, tokens_per_request
    from period
    cross join lateral model_usage_between(
        p_client_id, period.first_date, (period.first_date + interval '1 month')::date - 1, p_filters
    )
    order by total_tokens desc, total_cost desc, source, model
$$;

-- The same of all calls: the guide's function.
create or replace function get_monthly_summary(
    p_client_id uuid, p_year integer default null, p_month integer default null,
    p_now timestamptz default now()
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select * from get_monthly_summary(p_client_id, p_year, p_month, p_now, '[]')
$$;

-- One row per day, source and model with use, of the models that model_prices may have a price for: what no
-- row of it names is priced by the public list anyway. cached_tokens are of the prompt, duration_seconds of
-- audio.
create or replace function get_daily_usage_by_model(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        usage_date date, source text, model text, request_count bigint, unpriced_count bigint,
        prompt_tokens bigint,
        completion_tokens bigint, total_tokens bigint, total_cost numeric, cached_tokens bigint,
        duration_seconds numeric,
        reasoning_tokens bigint, cache_write_tokens bigint, cache_write_1h_tokens bigint,
        prompt_audio_tokens bigint, cached_audio_tokens bigint, completion_audio_tokens bigint,
        prompt_image_tokens bigint, cached_image_tokens bigint, completion_image_tokens bigint,
        character_count bigint, image_count bigint, web_search_count bigint, file_search_count bigint,
        code_run_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    with listed as materialized (
        select distinct source, model from model_prices where client_id is null or client_id = p_client_id
    )

    select
        usage_date, source, model, request_count, unpriced_count, prompt_tokens, completion_tokens,
        total_tokens, cost_usd as total_cost, cached_tokens, duration_seconds, reasoning_tokens,
        cache_write_tokens, cache_write_1h_tokens, prompt_audio_tokens, cached_audio_tokens,
        completion_audio_tokens, prompt_image_tokens, cached_image_tokens, completion_image_tokens,
        character_count, image_count, web_search_count, file_search_count, code_run_count
    from usage_rows(
        p_client_id, p_filters, p_first_date, p_last_date, array['usage_date', 'source', 'model'],
        meters_of_parts()
    ) as daily
    where exists (
        select
        from listed
        where
            listed.source = lower(btrim(daily.source))
            -- Names of dated snapshots begin with that of their model, and those that match a pattern
            -- with what is before its first *; whisper sells one model, named or not.
            and (
                listed.model = '*'
                or starts_with(lower(btrim(daily.model)), split_part(listed.model, '*', 1))
                or daily.model is null and listed.source = 'whisper'
            )
    )
    order by usage_date, source, model
$$;

-- The meters that a cost is made of.
create or replace function meters_of_parts() returns text[]
    language sql immutable parallel safe
    return array[
        'prompt_tokens', 'completion_tokens', 'total_tokens', 'cost_usd', 'request_count', 'unpriced_count',
        'cached_tokens', 'cache_write_tokens', 'cache_write_1h_tokens', 'reasoning_tokens',
        'prompt_audio_tokens', 'cached_audio_tokens', 'completion_audio_tokens', 'prompt_image_tokens',
        'cached_image_tokens', 'completion_image_tokens', 'character_count', 'image_count',
        'web_search_count', 'file_search_count', 'code_run_count', 'duration_seconds'
    ];

-- Sums of the period, by what `kind` says:
--   'parts'      per source, model and operation, the tokens in their parts, the seconds of audio, and all
--                other meters. Parts are tokens of the prompt and of the completion, counted in them.
--   'hour'       per weekday (1 is Monday) and hour of the client's clock with use; tokens and costs only
--   'operation'  per operation (chat, embeddings, transcription, ...); null where the calls do not say
create or replace function get_call_sums(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        kind text, source text, model text, weekday integer, hour integer, operation text,
        request_count bigint, unpriced_count bigint, prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint, cached_tokens bigint, reasoning_tokens bigint, duration_seconds numeric,
        total_cost numeric,
        cache_write_tokens bigint, cache_write_1h_tokens bigint, prompt_audio_tokens bigint,
        cached_audio_tokens bigint, completion_audio_tokens bigint, prompt_image_tokens bigint,
        cached_image_tokens bigint, completion_image_tokens bigint, character_count bigint,
        image_count bigint, web_search_count bigint, file_search_count bigint, code_run_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with parts as materialized (
        select *
        from usage_rows(
            p_client_id, p_filters, p_first_date, p_last_date, array['source', 'model', 'operation'],
            meters_of_parts()
        )
    ),

    sums as (
        select
            case when grouping(source) = 0 then 'parts' else 'operation' end as kind,
            source, model, null::integer as weekday, null::integer as hour, operation,
            sum(request_count)::bigint as request_count,
            sum(unpriced_count)::bigint as unpriced_count,
            sum(prompt_tokens)::bigint as prompt_tokens,
            sum(completion_tokens)::bigint as completion_tokens,
            sum(total_tokens)::bigint as total_tokens,
            sum(cached_tokens)::bigint as cached_tokens,
            sum(reasoning_tokens)::bigint as reasoning_tokens,
            sum(duration_seconds) as duration_seconds,
            sum(cost_usd) as total_cost,
            sum(cache_write_tokens)::bigint as cache_write_tokens,
            sum(cache_write_1h_tokens)::bigint as cache_write_1h_tokens,
            sum(prompt_audio_tokens)::bigint as prompt_audio_tokens,
            sum(cached_audio_tokens)::bigint as cached_audio_tokens,
            sum(completion_audio_tokens)::bigint as completion_audio_tokens,
            sum(prompt_image_tokens)::bigint as prompt_image_tokens,
            sum(cached_image_tokens)::bigint as cached_image_tokens,
            sum(completion_image_tokens)::bigint as completion_image_tokens,
            sum(character_count)::bigint as character_count,
            sum(image_count)::bigint as image_count,
            sum(web_search_count)::bigint as web_search_count,
            sum(file_search_count)::bigint as file_search_count,
            sum(code_run_count)::bigint as code_run_count
        from parts
        group by grouping sets ((source, model, operation), (operation))
        union all
        select
            'hour', null, null, extract(isodow from usage_date)::integer as weekday, hour::integer, null,
            sum(request_count)::bigint, sum(unpriced_count)::bigint, sum(prompt_tokens)::bigint,
            sum(completion_tokens)::bigint, sum(total_tokens)::bigint, 0, 0, 0, sum(cost_usd),
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        from usage_rows(
            p_client_id, p_filters, p_first_date, p_last_date, array['usage_date', 'hour'],
            (usage_meters())[1:6]
        )
        group by weekday, hour
        having sum(request_count) <> 0
    )

    select
        kind, source, model, weekday, hour, operation, request_count, unpriced_count, prompt_tokens,
        completion_tokens, total_tokens, cached_tokens, reasoning_tokens, duration_seconds, total_cost,
        cache_write_tokens, cache_write_1h_tokens, prompt_audio_tokens, cached_audio_tokens,
        completion_audio_tokens, prompt_image_tokens, cached_image_tokens, completion_image_tokens,
        character_count, image_count, web_search_count, file_search_count, code_run_count
    from sums
    order by kind, weekday, hour, request_count desc, source, model, operation
$$;

-- One row per source, model, operation and outcome with use in the period: all meters of its calls.
do $$
begin
    execute format(
        'create or replace function get_usage_facts(
            p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default ''[]''
        )
            returns table (source text, model text, operation text, outcome text, %s)
            language sql stable
            set search_path = public, pg_temp
        as $function$
            select source, model, operation, outcome, %s
            from usage_rows(
                p_client_id, p_filters, p_first_date, p_last_date,
                array[''source'', ''model'', ''operation'', ''outcome''], usage_meters()
            )
            order by request_count desc, source, model, operation, outcome
        $function$',
        (
            select string_agg(
                meter || case when is_numeric_meter(meter) then ' numeric' else ' bigint' end,
                ', ' order by place
            )
            from unnest(usage_meters()) with ordinality as listed (meter, place)
        ),
        array_to_string(usage_meters(), ', ')
    );
end
$$;

-- One row per day of UTC, source and model with use: what providers bill.
create or replace function get_usage_by_utc_day(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        utc_date date, source text, model text, total_tokens bigint, prompt_tokens bigint,
        completion_tokens bigint, cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint,
        duration_seconds numeric, total_cost numeric, request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        utc_date,
        source,
        model,
        sum(total_tokens)::bigint as total_tokens,
        sum(prompt_tokens)::bigint as prompt_tokens,
        sum(completion_tokens)::bigint as completion_tokens,
        sum(cached_tokens)::bigint as cached_tokens,
        sum(cache_write_tokens)::bigint as cache_write_tokens,
        sum(reasoning_tokens)::bigint as reasoning_tokens,
        sum(duration_seconds) as duration_seconds,
        sum(cost_usd) as total_cost,
        sum(request_count)::bigint as request_count,
        sum(unpriced_count)::bigint as unpriced_count
    from usage_hourly
    where
        client_id = p_client_id
        -- For the index: no clock is a day away from UTC.
        and usage_date between p_first_date - 1 and p_last_date + 1
        and utc_date between p_first_date and p_last_date
    group by utc_date, source, model
    order by utc_date, source, model
$$;
