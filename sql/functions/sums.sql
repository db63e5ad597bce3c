-- The exact sums of usage_logs: what the triggers of functions/triggers.sql run, and fold_usage().
--
-- analytics/locks.py lists all advisory locks.

-- Writers of a client hold this lock shared, a change of its time zone holds it alone.
create or replace function timezone_lock(p_client_id uuid) returns bigint
    language sql immutable parallel safe
    return hashtextextended(p_client_id::text, 7501);

-- Whoever writes to the rollup tables holds this lock: one at a time, so that key order never matters.
create or replace function rollup_lock() returns bigint
    language sql immutable parallel safe
    return 7502;

-- Keeps the time zones of these clients as they are until the transaction ends.
create or replace function keep_timezones(p_client_ids uuid[]) returns void
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock_shared(timezone_lock(client_id)) from unnest(p_client_ids) as client_id;

    -- An older snapshot may hold a time zone that has changed since, or one that is changing: waiting for
    -- that would be a deadlock, as the change waits for this writer.
    if current_setting('transaction_isolation') <> 'read committed' then
        begin
            perform from clients where id = any (p_client_ids) for share nowait;
        exception
            when lock_not_available then
                raise exception 'a client is changing while its usage is written: try the transaction again'
                    using errcode = 'serialization_failure';
        end;
    end if;
end
$$;

-- Logs that name no client are kept under this one, which only an administrator sees.
create or replace function unassigned_client_id() returns uuid
    language sql immutable parallel safe
    return '00000000-0000-0000-0000-000000000000'::uuid;

-- A number of the metadata, or null where it is none: other writers may mean something else by the name.
create or replace function number_in(p_metadata jsonb, p_name text) returns numeric
    language sql immutable parallel safe
    return case when jsonb_typeof(p_metadata -> p_name) = 'number' then (p_metadata ->> p_name)::numeric end;

-- The same as a count that a column of usage_logs takes.
create or replace function count_in(p_metadata jsonb, p_name text) returns bigint
    language sql immutable parallel safe
    return case
        when
            number_in(p_metadata, p_name) between 0 and 1000000000000
            and number_in(p_metadata, p_name) % 1 = 0
            then number_in(p_metadata, p_name)::bigint
    end;

-- What a writer left out, filled in before the constraints look. Fires only for such rows.
create or replace function complete_usage_log() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if new.client_id is null then
        new.client_id := unassigned_client_id();
        insert into clients (id, name)
        values (new.client_id, 'Calls without a client')
        on conflict (id) do nothing;
    end if;
    if new.cost_usd is null then
        new.cost_usd := 0;
        new.cost_basis := 'unpriced';
    end if;
    new.id := coalesce(new.id, gen_random_uuid());
    new.source := lower(btrim(new.source, E' \t\n\r\f\v\u00a0'));
    new.prompt_tokens := coalesce(new.prompt_tokens, 0);
    new.completion_tokens := coalesce(new.completion_tokens, 0);
    new.total_tokens := coalesce(new.total_tokens, new.prompt_tokens + new.completion_tokens);
    new.cost_basis := coalesce(new.cost_basis, 'given');
    new.created_at := coalesce(new.created_at, now());
    -- The sum of a bucket; one that does not tell of how many requests counts as one.
    if jsonb_typeof(new.metadata -> 'bucket') = 'object' then
        new.bucket_request_count := greatest(coalesce(count_in(new.metadata -> 'bucket', 'requests'), 1), 1);
    end if;
    -- Writers from before 022 tell the facts in the metadata, by the names of the columns.
    if
        jsonb_typeof(new.metadata) = 'object'
        and num_nonnulls(
            new.operation, new.service_tier, new.cached_tokens, new.cache_write_tokens, new.reasoning_tokens,
            new.prompt_audio_tokens, new.cached_audio_tokens, new.completion_audio_tokens,
            new.prompt_image_tokens, new.duration_seconds
        ) = 0
    then
        new.operation := case lower(btrim(new.metadata ->> 'operation'))
            when 'llm' then 'chat'  -- of OpenInference
            when 'embedding' then 'embeddings'
            else nullif(left(btrim(new.metadata ->> 'operation'), 200), '')
        end;
        new.service_tier := nullif(left(btrim(new.metadata ->> 'service_tier'), 200), '');
        new.cached_tokens := count_in(new.metadata, 'cached_tokens');
        new.cache_write_tokens := count_in(new.metadata, 'cache_write_tokens');
        new.reasoning_tokens := count_in(new.metadata, 'reasoning_tokens');
        new.prompt_audio_tokens := count_in(new.metadata, 'prompt_audio_tokens');
        new.cached_audio_tokens := count_in(new.metadata, 'cached_audio_tokens');
        new.completion_audio_tokens := count_in(new.metadata, 'completion_audio_tokens');
        new.prompt_image_tokens := count_in(new.metadata, 'prompt_image_tokens');
        if number_in(new.metadata, 'duration_seconds') between 0 and 1000000000 then
            new.duration_seconds := number_in(new.metadata, 'duration_seconds');
        end if;
    end if;
    return new;
end
$$;


-- The bucket of a latency in a histogram that can be added up. Bucket 1 is up to 1 ms, each further one ends
-- 4 percent later: its middle, latency_of_bucket(), is within 2 percent of all that is in it.
create or replace function latency_bucket(p_latency_ms integer) returns smallint
    language sql immutable parallel safe
    return (ceil(ln(greatest(p_latency_ms, 1)::double precision) / ln(1.04::double precision)) + 1)::smallint;

create or replace function latency_of_bucket(p_bucket integer) returns numeric
    language sql immutable parallel safe
    return round((2 * power(1.04::double precision, p_bucket - 1) / 2.04)::numeric, 3);

-- Two histograms as one, without the buckets that came to nothing.
create or replace function buckets_together(
    p_buckets smallint[], p_counts bigint[], p_further_buckets smallint[], p_further_counts bigint[]
)
    returns table (bucket smallint, number bigint)
    language sql immutable parallel safe
as $$
    select bucket, sum(number)::bigint
    from (
        select * from unnest(p_buckets, p_counts)
        union all
        select * from unnest(p_further_buckets, p_further_counts)
    ) as parts (bucket, number)
    group by bucket
    having sum(number) <> 0
$$;

-- What is summed, in the order of all columns. The first six are known of every call; of the others sums are
-- null in place of 0, which takes no room.
create or replace function usage_meters() returns text[]
    language sql immutable parallel safe
    return array[
        'prompt_tokens', 'completion_tokens', 'total_tokens', 'cost_usd', 'request_count', 'unpriced_count',
        'estimated_count', 'zero_token_count', 'without_conversation_count',
        'cached_tokens', 'cache_write_tokens', 'cache_write_1h_tokens', 'reasoning_tokens',
        'prompt_audio_tokens', 'cached_audio_tokens', 'completion_audio_tokens', 'prompt_image_tokens',
        'cached_image_tokens', 'completion_image_tokens', 'character_count', 'image_count',
        'web_search_count', 'file_search_count', 'code_run_count', 'duration_seconds', 'stated_count',
        'stated_cost_usd', 'cost_of_stated_usd', 'latency_ms', 'timed_count', 'timed_completion_tokens',
        'first_token_ms', 'first_token_count', 'retry_count', 'retry_cost_usd', 'reported_cache_prompt_tokens'
    ];

-- Those that are kept by the hour, too.
create or replace function hour_meters() returns text[]
    language sql immutable parallel safe
    return array[
        'prompt_tokens', 'completion_tokens', 'total_tokens', 'cost_usd', 'request_count', 'unpriced_count',
        'cached_tokens', 'cache_write_tokens', 'reasoning_tokens', 'duration_seconds'
    ];

-- Whether a meter's sum is a numeric; the others are whole numbers.
create or replace function is_numeric_meter(p_meter text) returns boolean
    language sql immutable parallel safe
    return p_meter like '%\_usd' or p_meter = 'duration_seconds';

-- How many requests the calls are, which are called log, as SQL: those that pass a condition, or all. The
-- sum of a bucket is as many as it says.
create or replace function count_of_calls(p_condition text default null) returns text
    language sql immutable parallel safe
    return replace(
        '(count(*) @ + coalesce(sum(log.bucket_request_count - 1) @, 0))::bigint',
        ' @',
        coalesce(' filter (where ' || p_condition || ')', '')
    );

-- The sum of a meter over calls, which are called log, as SQL.
create or replace function sum_of_calls(p_meter text) returns text
    language sql immutable parallel safe
    return case p_meter
        when 'request_count' then count_of_calls()
        when 'unpriced_count' then count_of_calls($$log.cost_basis = 'unpriced'$$)
        when 'estimated_count' then count_of_calls($$log.cost_basis = 'estimated'$$)
        -- Calls that do not tell what they used. One that failed used nothing.
        when 'zero_token_count' then
            count_of_calls(
                $$log.total_tokens = 0
                and coalesce(log.duration_seconds, 0) = 0 and coalesce(log.character_count, 0) = 0
                and coalesce(log.image_count, 0) = 0
                and (log.outcome is null or log.outcome not in ('error', 'refused'))$$
            )
        when 'without_conversation_count'
            then count_of_calls('log.conversation_id is null and log.phone is null')
        -- What is stated of a call that a subscription pays, or may pay, is no money, or may be none.
        when 'stated_count' then
            count_of_calls(
                $$log.stated_cost_usd is not null and log.cost_basis not in ('plan', 'unpriced')$$
            )
        when 'stated_cost_usd' then
            $$sum(log.stated_cost_usd) filter (where log.cost_basis not in ('plan', 'unpriced'))$$
        when 'cost_of_stated_usd' then
            $$sum(log.cost_usd) filter (
                where log.stated_cost_usd is not null and log.cost_basis not in ('plan', 'unpriced')
            )$$
        -- Of the calls that were answered.
        when 'latency_ms' then $$sum(log.latency_ms) filter (where log.outcome is distinct from 'error')$$
        when 'timed_count' then $$count(log.latency_ms) filter (where log.outcome is distinct from 'error')$$
        when 'timed_completion_tokens' then
            $$sum(log.completion_tokens) filter (
                where log.latency_ms is not null and log.outcome is distinct from 'error'
            )$$
        when 'first_token_ms'
            then $$sum(log.time_to_first_token_ms) filter (where log.outcome is distinct from 'error')$$
        when 'first_token_count'
            then $$count(log.time_to_first_token_ms) filter (where log.outcome is distinct from 'error')$$
        when 'retry_count' then count_of_calls('log.attempt > 1')
        when 'retry_cost_usd' then 'sum(log.cost_usd) filter (where log.attempt > 1)'
        -- What cached_tokens is a share of.
        when 'reported_cache_prompt_tokens'
            then 'sum(log.prompt_tokens) filter (where log.cached_tokens is not null)'
        else format('sum(log.%I)', p_meter)
    end;

-- A week of a conversation is kept by kind (source, model, operation and outcome) from so many calls on: the
-- fewer, the more room that takes; the more, the more calls have to be read under a filter.
create or replace function calls_of_busy_week() returns bigint
    language sql immutable parallel safe
    return 100;

-- The calls of a week of a conversation by kind, as the asking statement sees them.
create or replace function kinds_of_week(p_client_id uuid, p_conversation_id uuid, p_week_start date)
    returns table (
        source text, model text, operation text, outcome text, total_tokens bigint, request_count bigint,
        unpriced_count bigint, cost_usd numeric
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off  -- of a plan that was made when there was little
as $$
#variable_conflict use_column
declare
    v_first_at timestamptz;
    v_end_at timestamptz;
    v_raw_since_at timestamptz;
begin
    -- As day_begins_at() says, which the adoption does not have yet.
    select
        (p_week_start - interval '1 second') at time zone timezone + interval '1 second',
        (p_week_start + 7 - interval '1 second') at time zone timezone + interval '1 second',
        raw_since_at
    into v_first_at, v_end_at, v_raw_since_at
    from clients
    where id = p_client_id;
    return query
    select
        source, model, operation, outcome,
        sum(total_tokens)::bigint,
        sum(coalesce(bucket_request_count, 1))::bigint,
        coalesce(sum(coalesce(bucket_request_count, 1)) filter (where cost_basis = 'unpriced'), 0)::bigint,
        sum(cost_usd)
    from usage_logs
    where
        client_id = p_client_id and conversation_id = p_conversation_id
        and created_at >= v_first_at and created_at < v_end_at
        and (v_raw_since_at is null or v_raw_since_at <= v_first_at)
    group by source, model, operation, outcome;
end
$$;

-- What calls of a kind have, as in usage_conversation_rollup.kind_amounts: of kind n its tokens at 2n - 1,
-- and at 2n its cost in billionths of a dollar, rounded up.
create or replace function amounts_of_kind(p_number integer, p_tokens numeric, p_cost numeric)
    returns bigint[]
    language sql immutable parallel safe
    return array_fill(
        least(4e18, greatest(-4e18, p_tokens))::bigint, array[1], array[2 * p_number - 1]
    ) || least(4e18, greatest(-4e18, ceil(1e9 * p_cost)))::bigint;

-- The amounts of two in one. They are bounds: one that is too large for its sum stays.
create or replace function amounts_together(p_amounts bigint[], p_further bigint[]) returns bigint[]
    language plpgsql immutable strict parallel safe
as $$
begin
    for place in coalesce(array_lower(p_further, 1), 1)..coalesce(array_upper(p_further, 1), 0) loop
        if p_further[place] <> 0 then
            p_amounts[place] := case
                when p_amounts[place] > 4000000000000000000 then p_amounts[place]
                else greatest(coalesce(p_amounts[place], 0), -4000000000000000000) + p_further[place]
            end;
        end if;
    end loop;
    return p_amounts;
end
$$;

create or replace aggregate all_amounts_together (_int8)(
    sfunc = amounts_together,
    stype = _int8
);

-- So many kinds of a client's calls have a number.
create or replace function most_kinds() returns integer
    language sql immutable parallel safe
    return 200;

-- The functions that sum are made of that list, so that a further meter is one word there, and one line here
-- where its sum is more than that of its column.
do $sums$
declare
    keys constant text := 'client_id, usage_date, source, model, operation, outcome';
    meters constant text := array_to_string(usage_meters(), ', ');
    pending constant text :=
        'client_id, usage_date, hour, utc_date, source, model, operation, outcome, tag_set_id, '
        'conversation_id, phone, ' || array_to_string(usage_meters(), ', ')
        || ', latency_buckets, first_token_buckets';
    hour_meters constant text := array_to_string(hour_meters(), ', ');
    -- Sums stay as they are where calls before raw_since are deleted or brought back; all else is refused.
    counted constant text :=
        'clients as client on client.id = log.client_id and case when log.created_at < client.raw_since_at'
        ' then write_before_raw_since(tg_op, client.id, log.created_at) else true end';
    sums text;  -- of calls, which are called log
    negative_sums text;
    sums_of_pending text;  -- of rows of usage_pending
    added text;  -- of a row of a rollup, kept, and a further one, excluded
    hour_sums_of_pending text;  -- the same two of the meters of hours
    hour_added text;
    calls text;  -- the rows of usage_pending of some calls
    days text;  -- the parts of "with" that bring rows of usage_pending, taken, into the rollups of days
begin
    select
        string_agg(
            format(
                case when is_required then '%s as %I' else 'nullif(%s, 0) as %I' end, sum_of_calls, meter
            ),
            ', '
        ),
        string_agg(
            format(
                case when is_required then '-%s as %I' else 'nullif(-%s, 0) as %I' end, sum_of_calls, meter
            ),
            ', '
        ),
        string_agg(
            format(case when is_required then 'sum(%I)' else 'nullif(sum(%I), 0)' end, meter), ', '
        ),
        string_agg(
            format(
                case
                    when is_required then '%1$I = kept.%1$I + excluded.%1$I'
                    else '%1$I = nullif(coalesce(kept.%1$I, 0) + coalesce(excluded.%1$I, 0), 0)'
                end,
                meter
            ),
            ', '
        ),
        string_agg(
            format(case when is_required then 'sum(%I)' else 'nullif(sum(%I), 0)' end, meter), ', '
        ) filter (where meter = any (hour_meters())),
        string_agg(
            format(
                case
                    when is_required then '%1$I = kept.%1$I + excluded.%1$I'
                    else '%1$I = nullif(coalesce(kept.%1$I, 0) + coalesce(excluded.%1$I, 0), 0)'
                end,
                meter
            ),
            ', '
        ) filter (where meter = any (hour_meters()))
    into sums, negative_sums, sums_of_pending, added, hour_sums_of_pending, hour_added
    from (
        select meter, place <= 6 as is_required, sum_of_calls(meter) as sum_of_calls
        from unnest(usage_meters()) with ordinality as listed (meter, place)
        order by place
    ) as listed;

    calls := $calls$
            select
                log.client_id,
                (log.created_at at time zone client.timezone)::date as usage_date,
                -- A row at infinity has no hour.
                coalesce(extract(hour from log.created_at at time zone client.timezone), 0)::smallint as hour,
                (log.created_at at time zone 'UTC')::date as utc_date,
                log.source,
                log.model,
                log.operation,
                log.outcome,
                log.tag_set_id,
                log.conversation_id,
                log.phone,
                %1$s,
                (
                    array_agg(%2$slatency_bucket(log.latency_ms)) filter (
                        where log.latency_ms is not null and log.outcome is distinct from 'error'
                    )
                )::smallint[] as latency_buckets,
                (
                    array_agg(%2$slatency_bucket(log.time_to_first_token_ms)) filter (
                        where log.time_to_first_token_ms is not null and log.outcome is distinct from 'error'
                    )
                )::smallint[] as first_token_buckets
            from %3$s
            group by
                log.client_id, (log.created_at at time zone client.timezone)::date,
                coalesce(extract(hour from log.created_at at time zone client.timezone), 0)::smallint,
                (log.created_at at time zone 'UTC')::date, log.source, log.model, log.operation, log.outcome,
                log.tag_set_id, log.conversation_id, log.phone
    $calls$;

    days := format(
        $days$
            daily as (
                insert into usage_daily_rollup as kept (%1$s, %2$s)
                select %1$s, %3$s
                from taken
                group by %1$s
                on conflict on constraint usage_daily_rollup_key do update set %4$s
            ),

            hours as (
                insert into usage_hour_rollup as kept (%1$s, hour, utc_date, %5$s)
                select %1$s, hour, utc_date, %6$s
                from taken
                where hour is not null
                group by %1$s, hour, utc_date
                on conflict on constraint usage_hour_rollup_key do update set %7$s
            ),

            tags as (
                insert into usage_tag_rollup as kept (%1$s, tag_set_id, %2$s)
                select %1$s, tag_set_id, %3$s
                from taken
                where tag_set_id is not null
                group by %1$s, tag_set_id
                on conflict on constraint usage_tag_rollup_key do update set %4$s
            ),

            latencies as (
                insert into usage_latency_rollup as kept (
                    client_id, usage_date, source, model,
                    buckets, counts, first_token_buckets, first_token_counts
                )
                select
                    client_id, usage_date, source, model,
                    coalesce(array_agg(bucket) filter (where not is_first), '{}'),
                    coalesce(array_agg(number) filter (where not is_first), '{}'),
                    array_agg(bucket) filter (where is_first),
                    array_agg(number) filter (where is_first)
                from (
                    select
                        client_id, usage_date, source, model, is_first,
                        abs(signed.bucket) as bucket, sum(sign(signed.bucket))::bigint as number
                    from taken
                    cross join lateral (
                        select false as is_first, bucket from unnest(latency_buckets) as bucket
                        union all
                        select true, bucket from unnest(first_token_buckets) as bucket
                    ) as signed
                    group by client_id, usage_date, source, model, is_first, abs(signed.bucket)
                ) as counted
                group by client_id, usage_date, source, model
                on conflict on constraint usage_latency_rollup_key do update set
                    (buckets, counts) = (
                        select coalesce(array_agg(bucket), '{}'), coalesce(array_agg(number), '{}')
                        from buckets_together(
                            kept.buckets, kept.counts, excluded.buckets, excluded.counts
                        )
                    ),
                    (first_token_buckets, first_token_counts) = (
                        select array_agg(bucket), array_agg(number)
                        from buckets_together(
                            kept.first_token_buckets, kept.first_token_counts,
                            excluded.first_token_buckets, excluded.first_token_counts
                        )
                    )
            )
        $days$,
        keys, meters, sums_of_pending, added, hour_meters, hour_sums_of_pending, hour_added
    );

    -- The statement trigger of usage_logs. Appends the sums of what one statement wrote, and locks nothing
    -- that another writer needs: the shared lock only keeps a client's time zone still until the writer
    -- commits. "added" and "removed" are the statement's transition tables; an insert has no removed, a
    -- delete no added.
    execute format(
        $function$
create or replace function record_pending_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if tg_op <> 'DELETE' then
        perform keep_timezones(array(select distinct client_id from added order by client_id));
        insert into usage_pending (%1$s) %2$s;
    end if;
    if tg_op <> 'INSERT' then
        perform keep_timezones(array(select distinct client_id from removed order by client_id));
        -- When a client is being deleted its row is gone by now, and forget_usage_of_clients() clears up.
        insert into usage_pending (%1$s) %3$s;
    end if;
    return null;
end
$$
        $function$,
        pending,
        format(calls, sums, '', 'added as log inner join ' || counted),
        format(calls, negative_sums, '-', 'removed as log inner join ' || counted)
    );

    -- Moves all pending rows into the rollups; the number of rows moved. One folder at a time: while another
    -- one is at it, this does nothing and answers 0. All or nothing, because a delete folded without its
    -- insert would make sums negative, and get_usage_by_conversation() relies on them not being so.
    execute format(
        $function$
create or replace function fold_usage() returns bigint
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    touched record;  -- the days of conversations that have fewer calls than before
begin
    if not pg_try_advisory_xact_lock(rollup_lock()) then
        return 0;
    end if;

    insert into usage_kinds (client_id, number, source, model, operation, outcome)
    select client_id, number, source, model, operation, outcome
    from (
        select
            new.client_id, new.source, new.model, new.operation, new.outcome,
            (
                select coalesce(max(known.number), 1) from usage_kinds as known
                where known.client_id = new.client_id
            )
            + row_number() over (
                partition by new.client_id order by new.source, new.model, new.operation, new.outcome
            ) as number
        from (
            select distinct client_id, source, model, operation, outcome
            from usage_pending
            where conversation_id is not null
        ) as new
        where
            not exists (
                select
                from usage_kinds as known
                where
                    known.client_id = new.client_id and known.source = new.source
                    and known.model is not distinct from new.model
                    and known.operation is not distinct from new.operation
                    and known.outcome is not distinct from new.outcome
            )
    ) as kinds
    where number <= most_kinds();

    with taken as (
        delete from usage_pending
        returning *
    ),

    %s,

    -- Grouped once by conversation and day, which is also all that the lifetimes need. A phone tells
    -- conversations apart only where no conversation is named.
    conversation_days as materialized (
        select
            client_id, usage_date, conversation_id,
            case when conversation_id is null then phone end as phone,
            sum(total_tokens) as total_tokens,
            coalesce(sum(total_tokens) filter (where source = 'openai'), 0) as openai_tokens,
            coalesce(sum(total_tokens) filter (where source = 'groq'), 0) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count,
            sum(request_count) < 0 as is_reduced
        from taken
        group by 1, 2, 3, 4
    ),

    conversation_daily as (
        insert into usage_conversation_daily_rollup as kept (
            client_id, usage_date, conversation_id, phone,
            total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        )
        select
            client_id, usage_date, conversation_id, phone,
            total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from conversation_days
        -- In the order of the key: its index is filled at its end.
        order by usage_date, client_id, conversation_id, phone
        on conflict (client_id, usage_date, conversation_id, phone) do update set
            total_tokens = kept.total_tokens + excluded.total_tokens,
            openai_tokens = kept.openai_tokens + excluded.openai_tokens,
            groq_tokens = kept.groq_tokens + excluded.groq_tokens,
            cost_usd = kept.cost_usd + excluded.cost_usd,
            request_count = kept.request_count + excluded.request_count,
            unpriced_count = kept.unpriced_count + excluded.unpriced_count
    ),

    conversation_weekly as (
        insert into usage_conversation_weekly_rollup as kept (
            client_id, week_start, last_date, conversation_id, total_tokens, request_count, cost_usd, phone
        )
        select
            client_id, date_trunc('week', usage_date::timestamp)::date as week_start,
            coalesce(max(usage_date) filter (where request_count > 0), '-infinity'),
            conversation_id, sum(total_tokens), sum(request_count), sum(cost_usd), phone
        from conversation_days
        group by client_id, week_start, conversation_id, phone
        order by week_start, client_id, conversation_id, phone
        on conflict on constraint usage_conversation_weekly_rollup_key do update set
            last_date = greatest(kept.last_date, excluded.last_date),
            total_tokens = kept.total_tokens + excluded.total_tokens,
            request_count = kept.request_count + excluded.request_count,
            cost_usd = kept.cost_usd + excluded.cost_usd
        returning client_id, week_start, conversation_id, request_count
    ),

    -- Those that are kept by kind, and those that are from now on.
    busy_weeks as materialized (
        select client_id, week_start, conversation_id, is_kept
        from (
            select
                client_id, week_start, conversation_id, request_count,
                exists (
                    select
                    from usage_conversation_kind_rollup as known
                    where
                        known.client_id = week.client_id and known.conversation_id = week.conversation_id
                        and known.week_start = week.week_start
                ) as is_kept
            from conversation_weekly as week
            where conversation_id is not null and isfinite(week_start)
        ) as weeks
        where
            is_kept
            or request_count >= calls_of_busy_week()
            -- Not of calls that are copied from the guide's original, while that is usage_logs.
            and exists (
                select
                from pg_attribute
                where attrelid = 'usage_logs'::regclass and attname = 'bucket_request_count'
            )
    ),

    -- This statement sees the calls of all that was taken, and no others.
    conversation_kinds as (
        insert into usage_conversation_kind_rollup as kept (
            client_id, conversation_id, week_start, source, model, operation, outcome,
            total_tokens, request_count, unpriced_count, cost_usd
        )
        select
            week.client_id, week.conversation_id, week.week_start,
            taken.source, taken.model, taken.operation, taken.outcome,
            sum(taken.total_tokens), sum(taken.request_count), sum(taken.unpriced_count), sum(taken.cost_usd)
        from busy_weeks as week
        inner join taken
            on taken.client_id = week.client_id and taken.conversation_id = week.conversation_id
            and date_trunc('week', taken.usage_date::timestamp)::date = week.week_start
        where week.is_kept
        group by 1, 2, 3, 4, 5, 6, 7
        union all
        select
            week.client_id, week.conversation_id, week.week_start,
            logged.source, logged.model, logged.operation, logged.outcome,
            logged.total_tokens, logged.request_count, logged.unpriced_count, logged.cost_usd
        from busy_weeks as week
        cross join lateral kinds_of_week(week.client_id, week.conversation_id, week.week_start) as logged
        where not week.is_kept
        on conflict on constraint usage_conversation_kind_rollup_key do update set
            total_tokens = kept.total_tokens + excluded.total_tokens,
            request_count = kept.request_count + excluded.request_count,
            unpriced_count = kept.unpriced_count + excluded.unpriced_count,
            cost_usd = kept.cost_usd + excluded.cost_usd
    ),

    lifetime_kinds as (
        select
            taken.client_id, taken.conversation_id, coalesce(kind.number, 1) as number,
            sum(taken.total_tokens) as total_tokens, sum(taken.cost_usd) as cost_usd
        from taken
        left join usage_kinds as kind
            on kind.client_id = taken.client_id and kind.source = taken.source
            and coalesce(kind.model, '') = coalesce(taken.model, '')
            and kind.model is not distinct from taken.model
            and kind.operation is not distinct from taken.operation
            and kind.outcome is not distinct from taken.outcome
        where taken.conversation_id is not null
        group by 1, 2, 3
    ),

    conversation as (
        insert into usage_conversation_rollup as kept (
            client_id, conversation_id, phone, first_date, last_date,
            total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count, kind_amounts
        )
        select
            client_id, conversation_id, phone, min(usage_date), max(usage_date),
            sum(total_tokens), sum(openai_tokens), sum(groq_tokens), sum(cost_usd),
            sum(request_count), sum(unpriced_count),
            case when conversation_id is not null then
                coalesce(all_amounts_together(kind_amounts), '{}')
            end
        from (
            select
                client_id, conversation_id, phone, usage_date, total_tokens, openai_tokens, groq_tokens,
                cost_usd, request_count, unpriced_count,
                null::bigint[] as kind_amounts
            from conversation_days
            union all
            select
                client_id, conversation_id, null, null, null, null, null, null, null, null,
                amounts_of_kind(number, total_tokens, cost_usd)
            from lifetime_kinds
            where total_tokens <> 0 or cost_usd <> 0
        ) as parts
        group by client_id, conversation_id, phone
        on conflict on constraint usage_conversation_rollup_key do update set
            first_date = least(kept.first_date, excluded.first_date),
            last_date = greatest(kept.last_date, excluded.last_date),
            total_tokens = kept.total_tokens + excluded.total_tokens,
            openai_tokens = kept.openai_tokens + excluded.openai_tokens,
            groq_tokens = kept.groq_tokens + excluded.groq_tokens,
            cost_usd = kept.cost_usd + excluded.cost_usd,
            request_count = kept.request_count + excluded.request_count,
            unpriced_count = kept.unpriced_count + excluded.unpriced_count,
            kind_amounts = amounts_together(kept.kind_amounts, excluded.kind_amounts)
    )

    select
        (select count(*) from taken) as folded,
        array_agg(client_id) as client_ids,
        array_agg(usage_date) as dates,
        array_agg(conversation_id) as conversation_ids,
        array_agg(phone) as phones
    into touched
    from conversation_days
    where is_reduced;

    -- Their last day with use may be an earlier one now.
    if touched.client_ids is not null then
        insert into usage_conversation_weekly_rollup (
            client_id, week_start, last_date, conversation_id, total_tokens, request_count, cost_usd, phone
        )
        select
            reduced.client_id, reduced.week_start, days.last_date, reduced.conversation_id, 0, 0, 0, reduced.phone
        from (
            select distinct
                client_id, date_trunc('week', usage_date::timestamp)::date as week_start, conversation_id, phone
            from unnest(
                touched.client_ids, touched.dates, touched.conversation_ids, touched.phones
            ) as listed (client_id, usage_date, conversation_id, phone)
        ) as reduced
        cross join lateral (
            select coalesce(max(usage_date), '-infinity') as last_date
            from folded_conversation_days(
                reduced.client_id, reduced.conversation_id, reduced.phone, reduced.week_start,
                reduced.week_start + 6
            )
            where request_count > 0
        ) as days
        on conflict on constraint usage_conversation_weekly_rollup_key do update set
            last_date = excluded.last_date;
    end if;

    return touched.folded;
end
$$
        $function$,
        days
    );

    -- Moves the sums of a client's calls of these moments from the days of one time zone to those of another.
    -- Only while nobody else writes to the client.
    execute format(
        $function$
create or replace function move_sums_of_calls(
    p_client_id uuid, p_first_at timestamptz, p_end_at timestamptz, p_from_zone text, p_to_zone text
)
    returns void
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    insert into usage_pending (%1$s) %2$s;
    insert into usage_pending (%1$s) %3$s;
end
$$
        $function$,
        pending,
        format(
            calls, negative_sums, '-',
            'usage_logs as log inner join (select p_client_id as id, p_from_zone as timezone) as client'
            ' on client.id = log.client_id'
            ' where log.client_id = p_client_id and log.created_at >= p_first_at and log.created_at < p_end_at'
        ),
        format(
            calls, sums, '',
            'usage_logs as log inner join (select p_client_id as id, p_to_zone as timezone) as client'
            ' on client.id = log.client_id'
            ' where log.client_id = p_client_id and log.created_at >= p_first_at and log.created_at < p_end_at'
        )
    );

    -- A client's days move with its time zone: its sums are made anew from its logs, in the same transaction.
    -- Those of days before raw_since stay what they are, by the time zone of then, as their calls are gone.
    execute format(
        $function$
create or replace function rebuild_client_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception
            'the time zone of client "%%" can only be changed in a transaction that is READ COMMITTED',
            new.name
            using errcode = 'active_sql_transaction';
    end if;

    -- Waits for the client's writers and keeps new ones out; each statement below then sees all they wrote.
    perform pg_advisory_xact_lock(timezone_lock(new.id));
    perform pg_advisory_xact_lock(rollup_lock());

    if new.raw_since_at is null then
        delete from usage_pending where client_id = new.id;
        delete from usage_daily_rollup where client_id = new.id;
        delete from usage_hour_rollup where client_id = new.id;
        delete from usage_tag_rollup where client_id = new.id;
        delete from usage_latency_rollup where client_id = new.id;
        delete from usage_conversation_daily_rollup where client_id = new.id;
        delete from usage_conversation_weekly_rollup where client_id = new.id;
        delete from usage_conversation_kind_rollup where client_id = new.id;
        delete from usage_conversation_rollup where client_id = new.id;

        insert into usage_pending (%1$s) %2$s;
    else
        perform move_sums_of_calls(new.id, new.raw_since_at, 'infinity', old.timezone, new.timezone);
    end if;

    perform fold_usage();

    -- The days of which the facts are not brought over yet are other ones now.
    if exists (select from usage_days_to_sum where client_id = new.id) then
        delete from usage_days_to_sum where client_id = new.id;
        insert into usage_days_to_sum (client_id, usage_date)
        select distinct client_id, usage_date
        from usage_daily_rollup
        where client_id = new.id and usage_date >= coalesce(new.raw_since, '-infinity');
    end if;
    return null;
end
$$
        $function$,
        pending,
        format(
            calls, sums, '',
            'usage_logs as log inner join (select new.id, new.timezone) as client on client.id = log.client_id'
            ' where log.client_id = new.id'
        )
    );

    -- Brings the facts of calls from before 022 from their metadata into their columns, and makes the sums of
    -- their days anew, for as many days of one client as have about p_most_calls calls, the newest first. The
    -- number of days that are left, of all clients. Sums are exact before and after each run, in which only
    -- the writers of that one client wait.
    execute format(
        $function$
create or replace function sum_days_anew(p_most_calls integer default 5000) returns bigint
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    who uuid;
    zone text;
    since_date date;  -- calls before are gone, and their sums stay
    since_at timestamptz;
    chosen date[];
    first_at timestamptz;
    end_at timestamptz;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'sum_days_anew() needs a transaction that is READ COMMITTED'
            using errcode = 'active_sql_transaction';
    end if;
    select client_id into who from usage_days_to_sum order by client_id limit 1;
    if who is null then
        return 0;
    end if;

    -- In the order of those who correct costs, so that neither waits for the other in a circle.
    perform pg_advisory_xact_lock(hashtextextended(who::text, 7514));
    perform pg_advisory_xact_lock(timezone_lock(who));
    perform pg_advisory_xact_lock(rollup_lock());
    select timezone, coalesce(raw_since, '-infinity'), coalesce(raw_since_at, '-infinity')
    into zone, since_date, since_at
    from clients
    where id = who;
    delete from usage_days_to_sum where client_id = who and usage_date < since_date;
    perform fold_usage();

    select array_agg(usage_date) into chosen
    from (
        select
            day.usage_date,
            coalesce(
                sum(daily.request_count) over (
                    order by day.usage_date desc rows between unbounded preceding and 1 preceding
                ),
                0
            ) as calls_before
        from usage_days_to_sum as day
        cross join lateral (
            select sum(request_count) as request_count
            from usage_daily_rollup as rollup
            where rollup.client_id = who and rollup.usage_date = day.usage_date
        ) as daily
        where day.client_id = who
    ) as days
    where calls_before < p_most_calls;
    -- Adopted rows may have been made at infinity: no time zone moves that.
    first_at := greatest(
        (select min(day) from unnest(chosen) as day)::timestamp at time zone zone - interval '2 hours', since_at
    );
    end_at := (select max(day) + 1 from unnest(chosen) as day)::timestamp at time zone zone
        + interval '2 hours';

    -- complete_usage_log() brings them over.
    update usage_logs
    set metadata = metadata
    where
        client_id = who
        and created_at >= first_at
        and created_at <= end_at
        and (created_at at time zone zone)::date = any (chosen)
        and metadata ?| array[
            'operation', 'service_tier', 'cached_tokens', 'cache_write_tokens', 'reasoning_tokens',
            'prompt_audio_tokens', 'cached_audio_tokens', 'completion_audio_tokens', 'prompt_image_tokens',
            'duration_seconds'
        ];
    -- The sums of conversations stay as they are.
    perform fold_usage();

    delete from usage_daily_rollup where client_id = who and usage_date = any (chosen);
    delete from usage_hour_rollup where client_id = who and usage_date = any (chosen);
    delete from usage_tag_rollup where client_id = who and usage_date = any (chosen);
    delete from usage_latency_rollup where client_id = who and usage_date = any (chosen);
    with taken as materialized (%1$s),
    %2$s

    delete from usage_days_to_sum where client_id = who and usage_date = any (chosen);

    return (select count(*) from usage_days_to_sum);
end
$$
        $function$,
        format(
            calls, sums, '',
            'usage_logs as log inner join (select who as id, zone as timezone) as client'
            ' on client.id = log.client_id'
            ' where log.client_id = who and log.created_at >= first_at and log.created_at <= end_at'
            ' and (log.created_at at time zone zone)::date = any (chosen)'
        ),
        days
    );
end
$sums$;

-- Sums by kind what the conversations of one client had before 051; how many, 0 where no client is left.
-- Nobody waits, and nothing is folded meanwhile.
create or replace function sum_lifetimes_by_kind() returns bigint
    language plpgsql
    security definer
    set search_path = public, pg_temp
    set jit = off
as $$
declare
    who uuid;
    summed bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'sum_lifetimes_by_kind() needs a transaction that is READ COMMITTED'
            using errcode = 'active_sql_transaction';
    end if;
    perform pg_advisory_xact_lock(rollup_lock());
    select client_id into who
    from usage_conversation_rollup
    where kind_amounts is null and conversation_id is not null
    limit 1;
    if who is null then
        return 0;
    end if;

    -- What is not folded yet is no part of the sums.
    with calls as (
        select
            conversation_id, source, model, operation, outcome,
            sum(total_tokens) as total_tokens, sum(cost_usd) as cost_usd
        from (
            select conversation_id, source, model, operation, outcome, total_tokens, cost_usd
            from usage_logs
            where client_id = who and conversation_id is not null
            union all
            select conversation_id, source, model, operation, outcome, -total_tokens, -cost_usd
            from usage_pending
            where client_id = who and conversation_id is not null
        ) as parts
        group by conversation_id, source, model, operation, outcome
    ),

    numbered as (
        select
            calls.conversation_id, coalesce(kind.number, 1) as number,
            sum(calls.total_tokens) as total_tokens, sum(calls.cost_usd) as cost_usd
        from calls
        left join usage_kinds as kind
            on kind.client_id = who and kind.source = calls.source
            and coalesce(kind.model, '') = coalesce(calls.model, '')
            and kind.model is not distinct from calls.model
            and kind.operation is not distinct from calls.operation
            and kind.outcome is not distinct from calls.outcome
        group by 1, 2
    ),

    complete as (
        select
            lifetime.conversation_id,
            amounts_together(
                coalesce(
                    all_amounts_together(
                        amounts_of_kind(numbered.number, numbered.total_tokens, numbered.cost_usd)
                    ) filter (where numbered.number is not null),
                    '{}'
                ),
                -- Of calls that are gone only the sum is known.
                amounts_of_kind(
                    1,
                    lifetime.total_tokens - coalesce(sum(numbered.total_tokens), 0),
                    lifetime.cost_usd - coalesce(sum(numbered.cost_usd), 0)
                )
            ) as kind_amounts
        from usage_conversation_rollup as lifetime
        left join numbered on numbered.conversation_id = lifetime.conversation_id
        where
            lifetime.client_id = who and lifetime.conversation_id is not null
            and lifetime.kind_amounts is null
        group by lifetime.conversation_id, lifetime.total_tokens, lifetime.cost_usd
    )

    update usage_conversation_rollup as lifetime
    set kind_amounts = complete.kind_amounts
    from complete
    where
        lifetime.client_id = who and lifetime.conversation_id = complete.conversation_id
        and lifetime.kind_amounts is null;
    get diagnostics summed = row_count;
    return summed;
end
$$;

-- With functions/access.sql, which takes it from all others.
grant execute on function fold_usage() to analytics_reader;

create or replace function forget_usage_of_clients() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(rollup_lock());
    delete from usage_pending where client_id in (select id from removed);
    delete from usage_daily_rollup where client_id in (select id from removed);
    delete from usage_hour_rollup where client_id in (select id from removed);
    delete from usage_tag_rollup where client_id in (select id from removed);
    delete from usage_latency_rollup where client_id in (select id from removed);
    delete from usage_conversation_daily_rollup where client_id in (select id from removed);
    delete from usage_conversation_weekly_rollup where client_id in (select id from removed);
    delete from usage_conversation_kind_rollup where client_id in (select id from removed);
    delete from usage_conversation_rollup where client_id in (select id from removed);
    delete from usage_kinds where client_id in (select id from removed);
    delete from usage_days_to_sum where client_id in (select id from removed);
    delete from tag_sets where client_id in (select id from removed);
    return null;
end
$$;

create or replace function forget_all_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if exists (select from clients where raw_since is not null) then
        raise exception
            'truncate would throw away sums of client "%", of whose calls some are gone: delete the client, or '
            'bring them back with "python -m analytics retention restore"',
            (select min(name) from clients where raw_since is not null)
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform pg_advisory_xact_lock(rollup_lock());
    truncate
        usage_pending, usage_daily_rollup, usage_hour_rollup, usage_tag_rollup, usage_latency_rollup,
        usage_conversation_daily_rollup, usage_conversation_weekly_rollup, usage_conversation_kind_rollup,
        usage_conversation_rollup, usage_kinds, usage_days_to_sum;
    return null;
end
$$;
