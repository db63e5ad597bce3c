-- Filters: which calls count. A list of conditions that all hold, at most one of each name:
-- [{"name": "model", "values": ["gpt-4o", null], "excluded": false}]. Names are provider, model, operation,
-- outcome, conversation, hour (0 to 23, of the client's clock), weekday (mon to sun), basis (of the cost),
-- correction (the id of one that changed the cost), has. with one of known_facts() (yes or no), and tag. with
-- a key; null stands for calls that do not tell it.
-- analytics/queries/filters.py makes them of a link.
--
-- All that answers under filters takes its rows from here, so that there is one way to count. All run with
-- the rights of who calls them, so that a reader sees its one client.


create or replace function weekday_names() returns text[]
    language sql immutable parallel safe
    return array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

-- The moments of "2026-11-27T10:00Z..2026-11-27T10:05Z", without the last one.
create or replace function moments_of_text(p_text text) returns tstzrange
    language plpgsql stable
    set search_path = public, pg_temp
as $$
declare
    moment constant text :=
        '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?Z';
begin
    if coalesce(p_text !~ format('^%1$s\.\.%1$s$', moment), true) then
        raise exception 'at must be two moments such as 2026-11-27T10:00Z..2026-11-27T10:05Z, not %',
            left(coalesce(p_text, 'null'), 60)
            using errcode = 'invalid_parameter_value';
    end if;
    return tstzrange(split_part(p_text, '..', 1)::timestamptz, split_part(p_text, '..', 2)::timestamptz);
end
$$;

-- The milliseconds of "500..2000", "500.." or "..2000", without the last one.
create or replace function milliseconds_of_text(p_text text) returns int4range
    language plpgsql stable
    set search_path = public, pg_temp
as $$
begin
    if coalesce(p_text !~ '^([0-9]{1,9}\.\.[0-9]{0,9}|\.\.[0-9]{1,9})$', true) then
        raise exception 'milliseconds must be a range such as 500..2000, 500.. or ..2000, not %',
            left(coalesce(p_text, 'null'), 60)
            using errcode = 'invalid_parameter_value';
    end if;
    return int4range(
        nullif(split_part(p_text, '..', 1), '')::integer, nullif(split_part(p_text, '..', 2), '')::integer
    );
end
$$;

-- Operations that were tried more than once, with the number of the last attempt of each: of the calls of a
-- span of time, and of a day before and after it.
create or replace function operations_tried_again(
    p_client_id uuid, p_first_at timestamptz, p_end_at timestamptz
)
    returns table (operation_id text, last_attempt integer)
    language sql stable
    set search_path = public, pg_temp
as $$
    select log.operation_id, max(log.attempt)
    from usage_logs as log
    where
        log.client_id = p_client_id
        and log.created_at >= p_first_at - interval '1 day'
        and log.created_at < p_end_at + interval '1 day'
        and log.attempt > 1
        and log.operation_id is not null
    group by log.operation_id
$$;

-- What the conditions say, in the form that call_passes() takes. Tags and conversations are looked for as
-- they are shown: who may not see a phone cannot find out by a filter that it is there.
create or replace function usage_filter_of(
    p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date
)
    returns usage_filter
    language plpgsql stable
    set search_path = public, pg_temp
as $$
declare
    made usage_filter;
    condition jsonb;
    wanted text[];
    is_excluded boolean;
    value text;
begin
    if p_filters is null or jsonb_typeof(p_filters) <> 'array' then
        raise exception 'filters must be a list of conditions, not %', left(coalesce(p_filters::text, 'null'), 60)
            using errcode = 'invalid_parameter_value';
    end if;
    for condition in select * from jsonb_array_elements(p_filters) loop
        if
            jsonb_typeof(condition -> 'values') is distinct from 'array'
            or jsonb_typeof(condition -> 'excluded') is distinct from 'boolean'
        then
            raise exception 'a condition has a name, a list of values, and whether they are excluded, not %',
                left(condition::text, 60)
                using errcode = 'invalid_parameter_value';
        end if;
        wanted := array(select jsonb_array_elements_text(condition -> 'values'));
        is_excluded := condition -> 'excluded';
        case
            when condition ->> 'name' = 'provider' then
                made.providers := wanted;
                made.excludes_providers := is_excluded;
            when condition ->> 'name' = 'model' then
                made.models := wanted;
                made.excludes_models := is_excluded;
            when condition ->> 'name' = 'operation' then
                made.operations := wanted;
                made.excludes_operations := is_excluded;
            when condition ->> 'name' = 'outcome' then
                made.outcomes := wanted;
                made.excludes_outcomes := is_excluded;
            when condition ->> 'name' = 'hour' then
                foreach value in array wanted loop
                    if coalesce(value !~ '^([01]?[0-9]|2[0-3])$', true) then
                        raise exception 'hour must be 0 to 23, not %', left(coalesce(value, 'null'), 60)
                            using errcode = 'invalid_parameter_value';
                    end if;
                end loop;
                -- Each call has one: those that are left out say which are wanted.
                made.hours := array(
                    select hour::smallint
                    from generate_series(0, 23) as hour
                    where (hour = any (wanted::integer[])) <> is_excluded
                );
            when condition ->> 'name' = 'weekday' then
                foreach value in array wanted loop
                    if array_position(weekday_names(), value) is null then
                        raise exception 'weekday must be %, not %',
                            array_to_string(weekday_names(), ', '), left(coalesce(value, 'null'), 60)
                            using errcode = 'invalid_parameter_value';
                    end if;
                end loop;
                made.weekdays := array(
                    select place::smallint
                    from unnest(weekday_names()) with ordinality as weekday (name, place)
                    where (weekday.name = any (wanted)) <> is_excluded
                );
            when condition ->> 'name' = 'basis' then
                made.bases := wanted;
                made.excludes_bases := is_excluded;
            when condition ->> 'name' = 'correction' then
                foreach value in array wanted loop
                    if coalesce(value !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', true) then
                        raise exception 'correction must be the id of one, not %', left(coalesce(value, 'null'), 60)
                            using errcode = 'invalid_parameter_value';
                    end if;
                end loop;
                made.corrections := wanted::uuid[];
                made.excludes_corrections := is_excluded;
            when substr(condition ->> 'name', 5) = any (known_facts()) and condition ->> 'name' like 'has.%' then
                foreach value in array wanted loop
                    if coalesce(value not in ('yes', 'no'), true) then
                        raise exception '% must be yes or no, not %',
                            condition ->> 'name', left(coalesce(value, 'null'), 60)
                            using errcode = 'invalid_parameter_value';
                    end if;
                end loop;
                -- Each call is one of them: what is left out says which is wanted.
                if coalesce('yes' = any (wanted), false) = is_excluded then
                    made.lacking := made.lacking || substr(condition ->> 'name', 5);
                end if;
                if coalesce('no' = any (wanted), false) = is_excluded then
                    made.facts := made.facts || substr(condition ->> 'name', 5);
                end if;
            when condition ->> 'name' in ('at', 'latency', 'first-token') then
                if cardinality(wanted) <> 1 or is_excluded then
                    raise exception '% takes one range, which is wanted', condition ->> 'name'
                        using errcode = 'invalid_parameter_value';
                end if;
                case condition ->> 'name'
                    when 'at' then made.made_at := moments_of_text(wanted[1]);
                    when 'latency' then made.latency := milliseconds_of_text(wanted[1]);
                    else made.first_token := milliseconds_of_text(wanted[1]);
                end case;
            when condition ->> 'name' like 'tag.%' then
                -- Conditions on several tags hold together.
                made.tag_set_ids := array(
                    select id
                    from (
                        select id, shown_tag(tags, substr(condition ->> 'name', 5)) as value
                        from tag_sets
                        where client_id = p_client_id
                        union all
                        select 0, '(other)'
                    ) as sets
                    where
                        is_among(sets.value, wanted, is_excluded)
                        and (made.tag_set_ids is null or id = any (made.tag_set_ids))
                );
                made.takes_untagged :=
                    coalesce(made.takes_untagged, true) and is_among(null, wanted, is_excluded);
            when condition ->> 'name' = 'conversation' then
                made.excludes_conversations := is_excluded;
                made.conversation_ids := '{}';
                made.phones := '{}';
                made.takes_lone := array_position(wanted, null) is not null;
                foreach value in array array_remove(wanted, null) loop
                    if value ~ '^p[0-9a-f]{32}$' then
                        made.phones := made.phones
                            || phone_of(p_client_id, value, p_first_date, p_last_date);
                    elsif value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
                        made.conversation_ids := made.conversation_ids || value::uuid;
                    else
                        raise exception 'conversation must be an id or the handle of a phone, not %',
                            left(value, 60)
                            using errcode = 'invalid_parameter_value';
                    end if;
                end loop;
                -- A phone of a conversation stands for no calls of its own: those that name no conversation
                -- count for the one with their phone.
                made.phones := array(
                    select alone.phone
                    from unnest(made.phones) as alone (phone)
                    where not exists (
                        select from conversations
                        where conversations.client_id = p_client_id and conversations.phone = alone.phone
                    )
                )
                || array(
                    select phone
                    from conversations
                    where client_id = p_client_id and id = any (made.conversation_ids) and phone is not null
                );
            else
                raise exception
                    'a filter is of provider, model, operation, outcome, conversation, hour, weekday, basis, '
                    'correction, at, latency, first-token, has.<fact> or tag.<key>, not of %',
                    left(coalesce(condition ->> 'name', 'null'), 60)
                    using errcode = 'invalid_parameter_value';
        end case;
    end loop;
    if made.hours is not null or made.weekdays is not null then
        made.timezone := (select clients.timezone from clients where id = p_client_id);
    end if;
    if (made.facts || made.lacking) && array['attempts', 'replaced'] then
        made.last_attempts := (
            select coalesce(jsonb_object_agg(tried.operation_id, tried.last_attempt), '{}')
            from moments_of_days(p_client_id, p_first_date, p_last_date) as moment
            cross join lateral operations_tried_again(p_client_id, moment.first_at, moment.end_at) as tried
        );
    end if;
    return made;
end
$$;

-- Whether a value is one of these, or is not where they are excluded; null is a value, and no list takes all.
create or replace function is_among(p_value text, p_values text[], p_is_excluded boolean) returns boolean
    language sql immutable parallel safe
    return p_values is null
        or case
            when p_value is null then array_position(p_values, null) is not null
            else coalesce(p_value = any(p_values), false)
        end <> p_is_excluded;

-- Whether a call, or a row of sums, has what is wanted of provider, model, operation and outcome.
create or replace function sum_passes(
    p_filter usage_filter, p_source text, p_model text, p_operation text, p_outcome text
)
    returns boolean
    language sql immutable parallel safe
    return is_among(p_source, (p_filter).providers, (p_filter).excludes_providers)
        and is_among(p_model, (p_filter).models, (p_filter).excludes_models)
        and is_among(p_operation, (p_filter).operations, (p_filter).excludes_operations)
        and is_among(p_outcome, (p_filter).outcomes, (p_filter).excludes_outcomes);

-- Whether a day of the client, or an hour of its clock, is wanted.
create or replace function day_passes(p_filter usage_filter, p_usage_date date) returns boolean
    language sql immutable parallel safe
    return (p_filter).weekdays is null or extract(isodow from p_usage_date) = any((p_filter).weekdays);

create or replace function hour_passes(p_filter usage_filter, p_hour smallint) returns boolean
    language sql immutable parallel safe
    return (p_filter).hours is null or p_hour = any((p_filter).hours);

-- Whether a moment is in the wanted span of time, and in a wanted hour of a wanted day. An hour that a day
-- has twice is one hour.
create or replace function moment_passes(p_filter usage_filter, p_at timestamptz) returns boolean
    language sql immutable parallel safe
    return ((p_filter).made_at is null or p_at <@ (p_filter).made_at)
        and (
            (p_filter).timezone is null
            or day_passes(p_filter, (p_at at time zone (p_filter).timezone)::date)
            and hour_passes(p_filter, extract(hour from p_at at time zone (p_filter).timezone)::smallint)
        );

-- The parts of a span of time in which calls may be in wanted hours of wanted days: few, one after the other.
-- Of a day on which the clock is set it is all of it.
create or replace function wanted_spans(
    p_filter usage_filter, p_first_at timestamptz, p_end_at timestamptz
)
    returns setof tstzrange
    language sql stable parallel safe
    rows 100
as $$
    with days as (
        select
            day_begins_at(usage_date, (p_filter).timezone) as first_at,
            day_begins_at(usage_date + 1, (p_filter).timezone) as end_at
        from unnest(
            days_between(
                (p_first_at at time zone (p_filter).timezone)::date,
                (p_end_at at time zone (p_filter).timezone)::date
            )
        ) as usage_date
        where day_passes(p_filter, usage_date)
    ),

    hours as (
        select
            first_at + hour * interval '1 hour' as first_at,
            first_at + (hour + 1) * interval '1 hour' as end_at
        from days
        cross join unnest((p_filter).hours) as hour
        where end_at - first_at = interval '24 hours'
        union all
        select first_at, end_at
        from days
        where (p_filter).hours is null or end_at - first_at <> interval '24 hours'
    )

    select unnest(
        range_agg(tstzrange(first_at, end_at))
        * tstzmultirange(tstzrange(p_first_at, p_end_at) * coalesce((p_filter).made_at, '(,)'))
    )
    from hours
$$;

-- Whether calls are looked for in these spans: of few conversations, or on whole days, the calls of each
-- conversation are fewer.
create or replace function reads_by_span(p_filter usage_filter) returns boolean
    language sql immutable parallel safe
    return (p_filter).timezone is not null
        and (
            (p_filter).conversation_ids is null
            or (p_filter).excludes_conversations
            or (p_filter).hours is not null
            and cardinality((p_filter).conversation_ids) + cardinality((p_filter).phones) >= 8
        );

-- Whether a call with this set of tags, or with none, is wanted.
create or replace function tags_pass(p_filter usage_filter, p_tag_set_id integer) returns boolean
    language sql immutable parallel safe
    return (p_filter).tag_set_ids is null
        or case
            when p_tag_set_id is null then (p_filter).takes_untagged
            else p_tag_set_id = any((p_filter).tag_set_ids)
        end;

-- Whether a call is of one of the conversations that the filter names, wanted or not.
create or replace function is_of_conversations(p_filter usage_filter, p_conversation_id uuid, p_phone text)
    returns boolean
    language sql immutable parallel safe
    return case
        when p_conversation_id is not null then p_conversation_id = any((p_filter).conversation_ids)
        when p_phone is not null then p_phone = any((p_filter).phones)
        else (p_filter).takes_lone
    end;

-- What a call may have beside what it is summed by: latency and first-token (of calls that did not fail),
-- retry (an attempt after the first), usage (tokens or another meter, unless it failed), stated-cost, cache
-- (it tells its cached tokens), cached (some were), cache-write (some were written into one), unread (fields
-- that were not understood), bucket (it is the sum of one), attempts (its operation was tried more than once)
-- and replaced (it was answered, and yet tried again).
create or replace function known_facts() returns text[]
    language sql immutable parallel safe
    return array[
        'latency', 'first-token', 'retry', 'usage', 'stated-cost', 'cache', 'cached', 'cache-write', 'unread',
        'bucket', 'attempts', 'replaced'
    ];

-- Whether a call was answered, and tried again nevertheless.
create or replace function is_replaced(p_attempt integer, p_outcome text, p_last_attempt integer)
    returns boolean
    language sql immutable parallel safe
    return coalesce(p_attempt < p_last_attempt and (p_outcome is null or p_outcome = 'ok'), false);

-- Those that a call has, by the same rules as sums count them: see sum_of_calls(). Of operations that were
-- tried more than once p_last_attempts says the number of the last attempt.
create or replace function facts_of_call(p_call usage_logs, p_last_attempts jsonb) returns text[]
    language sql immutable parallel safe
    return array_remove(
        array[
            case
                when (p_call).latency_ms is not null and (p_call).outcome is distinct from 'error'
                    then 'latency'
            end,
            case
                when (p_call).time_to_first_token_ms is not null and (p_call).outcome is distinct from 'error'
                    then 'first-token'
            end,
            case when (p_call).attempt > 1 then 'retry' end,
            case
                when (p_call).total_tokens <> 0
                    or coalesce((p_call).duration_seconds, 0) <> 0
                    or coalesce((p_call).character_count, 0) <> 0
                    or coalesce((p_call).image_count, 0) <> 0
                    or coalesce((p_call).outcome in ('error', 'refused'), false)
                    then 'usage'
            end,
            case when (p_call).stated_cost_usd is not null then 'stated-cost' end,
            case when (p_call).cached_tokens is not null then 'cache' end,
            case when (p_call).cached_tokens > 0 then 'cached' end,
            case when (p_call).cache_write_tokens > 0 then 'cache-write' end,
            case when (p_call).metadata ? 'usage_not_understood' then 'unread' end,
            case when (p_call).bucket_request_count is not null then 'bucket' end,
            case when p_last_attempts ? (p_call).operation_id then 'attempts' end,
            case
                when is_replaced(
                    (p_call).attempt, (p_call).outcome, (p_last_attempts ->> (p_call).operation_id)::integer
                )
                    then 'replaced'
            end
        ],
        null
    );

-- Whether anything is asked that rows of sums are not parted by.
create or replace function asks_for_facts(p_filter usage_filter) returns boolean
    language sql immutable parallel safe
    return num_nonnulls(
        (p_filter).bases, (p_filter).facts, (p_filter).lacking, (p_filter).made_at, (p_filter).latency,
        (p_filter).first_token, (p_filter).corrections
    ) > 0;

-- Whether an answer, or its first token, took the wanted milliseconds; a call that failed has neither.
create or replace function milliseconds_pass(p_wanted int4range, p_milliseconds integer, p_outcome text)
    returns boolean
    language sql immutable parallel safe
    return p_wanted is null
        or p_outcome is distinct from 'error' and coalesce(p_milliseconds <@ p_wanted, false);

-- Whether one of the corrections that the filter names, wanted or not, changed the cost of a call. It is only
-- asked where it names some, so that it costs nothing else.
create or replace function is_of_corrections(p_filter usage_filter, p_client_id uuid, p_id uuid)
    returns boolean
    language sql stable parallel safe
    cost 1
    return exists (
        select
        from cost_correction_items
        where
            client_id = p_client_id
            and correction_id = any((p_filter).corrections)
            and usage_log_id = p_id
    );

-- Whether a call has the basis, the times and the facts that are wanted, and none that are not.
create or replace function facts_pass(p_filter usage_filter, p_call usage_logs) returns boolean
    language sql stable parallel safe
    return is_among((p_call).cost_basis, (p_filter).bases, (p_filter).excludes_bases)
        and milliseconds_pass((p_filter).latency, (p_call).latency_ms, (p_call).outcome)
        and milliseconds_pass((p_filter).first_token, (p_call).time_to_first_token_ms, (p_call).outcome)
        and (
            (p_filter).facts is null
            or (p_filter).facts <@ facts_of_call(p_call, (p_filter).last_attempts)
        )
        and (
            (p_filter).lacking is null
            or not (p_filter).lacking && facts_of_call(p_call, (p_filter).last_attempts)
        )
        and (
            (p_filter).corrections is null
            or is_of_corrections(p_filter, (p_call).client_id, (p_call).id)
                <> (p_filter).excludes_corrections
        );

-- How a row of sums counts the calls with the one fact that is asked for, as SQL; null where it does not.
create or replace function count_of_fact(p_filter usage_filter) returns text
    language sql immutable parallel safe
    return case
        when
            num_nonnulls((p_filter).bases)
            + coalesce(cardinality((p_filter).facts), 0)
            + coalesce(cardinality((p_filter).lacking), 0) = 1
            and num_nonnulls(
                (p_filter).made_at, (p_filter).latency, (p_filter).first_token, (p_filter).corrections
            ) = 0
            then (
                select format(
                    case
                        when asked.is_without then 'request_count - coalesce(%1$s, 0)'
                        else 'coalesce(%1$s, 0)'
                    end,
                    known.meter
                )
                from (
                    select (p_filter).bases[1] as word, (p_filter).excludes_bases as is_without
                    where cardinality((p_filter).bases) = 1
                    union all
                    select fact as word, false as is_without from unnest((p_filter).facts) as fact
                    union all
                    select fact as word, true as is_without from unnest((p_filter).lacking) as fact
                ) as asked
                inner join (
                    values
                    ('unpriced', 'unpriced_count'),
                    ('estimated', 'estimated_count'),
                    ('latency', 'timed_count'),
                    ('first-token', 'first_token_count'),
                    ('retry', 'retry_count'),
                    ('usage', 'request_count - coalesce(zero_token_count, 0)'),
                    ('stated-cost', 'stated_count')
                ) as known (word, meter) on asked.word = known.word
            )
    end;

-- Whether a call is wanted.
create or replace function call_passes(p_filter usage_filter, p_call usage_logs) returns boolean
    language sql stable parallel safe
    return sum_passes(p_filter, (p_call).source, (p_call).model, (p_call).operation, (p_call).outcome)
        and moment_passes(p_filter, (p_call).created_at)
        and tags_pass(p_filter, (p_call).tag_set_id)
        and facts_pass(p_filter, p_call)
        and (
            (p_filter).conversation_ids is null
            or is_of_conversations(p_filter, (p_call).conversation_id, (p_call).phone)
                <> (p_filter).excludes_conversations
        );

-- The wanted calls of a span of time among those that the filter's corrections changed: by their ids, as they
-- may be few. A function that runs, so that whoever may not see corrections can still ask for other calls.
create or replace function wanted_corrected_calls(
    p_client_id uuid, p_filter usage_filter, p_first_at timestamptz, p_end_at timestamptz
)
    returns setof usage_logs
    language plpgsql stable
    set search_path = public, pg_temp
    set enable_seqscan = off  -- what one correction changed is guessed to be most of all
as $$
declare
    wanted constant uuid[] := p_filter.corrections;
begin
    p_filter.corrections := null;
    return query
    select log.*
    from (
        select distinct usage_log_id
        from cost_correction_items
        where client_id = p_client_id and correction_id = any (wanted)
    ) as item
    inner join usage_logs as log on log.client_id = p_client_id and log.id = item.usage_log_id
    where
        log.created_at >= p_first_at
        and log.created_at < p_end_at
        and call_passes(p_filter, log);
end
$$;

-- The wanted calls of a span of time. It becomes part of the query that asks it, if its arguments are plain;
-- of the branches only those that can have calls are carried out, and each is one range of an index.
create or replace function wanted_calls(
    p_client_id uuid, p_filter usage_filter, p_first_at timestamptz, p_end_at timestamptz
)
    returns setof usage_logs
    language sql stable
as $$
    select log.*
    from usage_logs as log
    where
        ((p_filter).conversation_ids is null or (p_filter).excludes_conversations)
        and (p_filter).timezone is null
        and ((p_filter).corrections is null or (p_filter).excludes_corrections)
        and log.client_id = p_client_id
        and log.created_at >= greatest(p_first_at, lower((p_filter).made_at))
        and log.created_at < least(p_end_at, upper((p_filter).made_at))
        and call_passes(p_filter, log)
    union all
    select log.*
    from wanted_corrected_calls(p_client_id, p_filter, p_first_at, p_end_at) as log
    where
        ((p_filter).conversation_ids is null or (p_filter).excludes_conversations)
        and (p_filter).timezone is null
        and not (p_filter).excludes_corrections
    union all
    select log.*
    from wanted_spans(p_filter, p_first_at, p_end_at) as span
    cross join lateral (
        select log.*
        from usage_logs as log
        where
            log.client_id = p_client_id
            and log.created_at >= lower(span)
            and log.created_at < upper(span)
            and call_passes(p_filter, log)
        -- Span by span: as a join it would read all calls.
        offset 0
    ) as log
    where reads_by_span(p_filter)
    union all
    select log.*
    from usage_logs as log
    where
        not (p_filter).excludes_conversations
        and not reads_by_span(p_filter)
        and log.client_id = p_client_id
        and log.created_at >= p_first_at
        and log.created_at < p_end_at
        and log.conversation_id = any((p_filter).conversation_ids)
        and sum_passes(p_filter, log.source, log.model, log.operation, log.outcome)
        and moment_passes(p_filter, log.created_at)
        and tags_pass(p_filter, log.tag_set_id)
        and facts_pass(p_filter, log)
    union all
    select log.*
    from usage_logs as log
    where
        not (p_filter).excludes_conversations
        and not reads_by_span(p_filter)
        and log.client_id = p_client_id
        and log.created_at >= p_first_at
        and log.created_at < p_end_at
        and log.conversation_id is null
        and log.phone = any((p_filter).phones)
        and sum_passes(p_filter, log.source, log.model, log.operation, log.outcome)
        and moment_passes(p_filter, log.created_at)
        and tags_pass(p_filter, log.tag_set_id)
        and facts_pass(p_filter, log)
    union all
    select log.*
    from usage_logs as log
    where
        not (p_filter).excludes_conversations
        and not reads_by_span(p_filter)
        and (p_filter).takes_lone
        and log.client_id = p_client_id
        and log.created_at >= p_first_at
        and log.created_at < p_end_at
        and log.conversation_id is null
        and log.phone is null
        and sum_passes(p_filter, log.source, log.model, log.operation, log.outcome)
        and moment_passes(p_filter, log.created_at)
        and tags_pass(p_filter, log.tag_set_id)
        and facts_pass(p_filter, log)
$$;

-- These are made of the list of meters, in sums.sql.
do $filters$
declare
    columns constant text := (
        select string_agg(
            meter || case when is_numeric_meter(meter) then ' numeric' else ' bigint' end, ', ' order by place
        )
        from unnest(usage_meters()) with ordinality as listed (meter, place)
    );
    meters constant text := array_to_string(usage_meters(), ', ');
begin
    -- The sums of the calls that pass the filters: a row per value of all that p_by names (usage_date, hour,
    -- utc_date, source, model, operation, outcome) and, where p_key is given, per value of that tag, as it
    -- is shown. Keys that p_by does not name are null, and so are meters that p_meters does not, except
    -- request_count.
    --
    -- Sums answer where they can: of days, of hours, and of days by set of tags. Calls do where conversations
    -- are named, and where tags, or meters that hours do not have, are asked for by the hour. What is left out
    -- is taken from the whole.
    execute format(
        $function$
create or replace function usage_rows(
    p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date, p_by text[], p_meters text[],
    p_key text default null
)
    returns table (
        usage_date date, hour smallint, utc_date date, source text, model text, operation text, outcome text,
        value text, %s
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
    set enable_seqscan = off  -- calls of some days of one client are guessed to be most of all
as $$
declare
    filter usage_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
    by_hour constant boolean := p_by && array['hour', 'utc_date'] or filter.hours is not null;
    has_tags constant boolean := filter.tag_set_ids is not null or p_key is not null;
    takes_untagged constant boolean := coalesce(filter.takes_untagged, true);
    has_conversations constant boolean := filter.conversation_ids is not null;
    is_of_calls constant boolean :=
        has_conversations and not filter.excludes_conversations
        or has_tags and by_hour
        or filter.hours is not null and not p_meters <@ hour_meters()
        or asks_for_facts(filter) and (
            count_of_fact(filter) is null
            or p_meters <> '{}'
            or has_conversations
            or by_hour and count_of_fact(filter) !~ 'unpriced_count'
        );

    -- Lists of columns: the keys, the meters, their sums over rows of sums, and over calls.
    keys constant text := (
        select string_agg(
            case when name = any (p_by) then name else format('null::%%s as %%s', type, name) end,
            ', ' order by place
        )
        from
            unnest(
                array['usage_date', 'hour', 'utc_date', 'source', 'model', 'operation', 'outcome'],
                array['date', 'smallint', 'date', 'text', 'text', 'text', 'text']
            ) with ordinality as listed (name, type, place)
    );
    listed constant text[] := array(
        select meter
        from unnest(usage_meters()) with ordinality as known (meter, place)
        where meter = any (p_meters) or meter = 'request_count'
        order by place
    );
    meters constant text := array_to_string(listed, ', ');
    -- Where one fact is asked for, sums may count the calls that have it.
    kept constant text := coalesce(count_of_fact(filter) || ' as request_count', meters);
    sums constant text := (
        select string_agg(
            format(
                case when is_numeric_meter(meter) then 'sum' else 'whole_sum' end || '(%%1$I) as %%1$I', meter
            ),
            ', ' order by place
        )
        from unnest(listed) with ordinality as named (meter, place)
    );
    signed constant text := (
        select string_agg(format('sign * %%1$I as %%1$I', meter), ', ' order by place)
        from unnest(listed) with ordinality as named (meter, place)
    );
    of_calls constant text := (
        select string_agg(
            format(
                '%%s as %%I',
                case when is_numeric_meter(meter) then sum_of_calls(meter)
                    else replace(sum_of_calls(meter), 'sum(log.', 'whole_sum(log.') end,
                meter
            ),
            ', ' order by place
        )
        from unnest(listed) with ordinality as named (meter, place)
    );
    answered constant text := (
        select string_agg(
            case
                when meter <> all (listed) then 'null::' || case
                    when is_numeric_meter(meter) then 'numeric' else 'bigint' end
                when is_numeric_meter(meter) then format('coalesce(sum(%%I), 0)', meter)
                else format('coalesce(whole_sum(%%I), 0)', meter)
            end,
            ', ' order by place
        )
        from unnest(usage_meters()) with ordinality as known (meter, place)
    );

    these_days constant text := 'client_id = $1 and usage_date between $2 and $3'
        ' and sum_passes($4, source, model, operation, outcome)'
        || case when filter.weekdays is null then '' else ' and day_passes($4, usage_date)' end
        || case when filter.hours is null then '' else ' and hour = any (($4).hours)' end;
    unwanted integer[];  -- sets of tags
    parts text[] := '{}';  -- rows of keys, tag_set_id and meters
    first_at timestamptz;
    end_at timestamptz;
    zone text;
begin
    if not is_of_calls and (not has_tags or takes_untagged) then
        parts := parts || format(
            case when by_hour then
                'select %%1$s, null::integer as tag_set_id, %%2$s from usage_hour_rollup where %%3$s
                union all
                select %%1$s, null, %%2$s from usage_pending where %%3$s and hour is not null'
            else
                'select %%1$s, null::integer as tag_set_id, %%2$s from usage_daily_rollup where %%3$s
                union all
                select %%1$s, null, %%2$s from usage_pending where %%3$s'
            end,
            keys, kept, these_days
        );
    end if;
    if not is_of_calls and has_tags then
        -- Where all calls are among the parts already, those with tags are taken from those without any: all
        -- of them where each value is asked for, else those that are not wanted.
        parts := parts || format(
            'select %%1$s, signed.tag_set_id, %%2$s
            from (
                select %%1$s, tag_set_id, %%3$s
                from (
                    select %%1$s, tag_set_id, %%4$s from usage_tag_rollup where %%5$s and %%6$s
                    union all
                    select %%1$s, tag_set_id, %%4$s
                    from usage_pending where %%5$s and tag_set_id is not null and %%6$s
                ) as rows
                group by 1, 2, 3, 4, 5, 6, 7, 8
            ) as tagged
            cross join lateral (values %%7$s) as signed (tag_set_id, sign)
            where sign = -1 or tags_pass($4, signed.tag_set_id)',
            keys, signed, sums, kept, these_days,
            case
                when not takes_untagged then 'tag_set_id = any (($4).tag_set_ids)'
                when p_key is null then 'tag_set_id = any ($9)'
                else 'true'
            end,
            case
                when not takes_untagged then '(tag_set_id, 1)'
                when p_key is null then '(null::integer, -1)'
                else '(tag_set_id, 1), (null, -1)'
            end
        );
        if takes_untagged and p_key is null then
            unwanted := array(
                select id
                from (select id from tag_sets where client_id = p_client_id union all select 0) as sets
                where not tags_pass(filter, id)
            );
        end if;
    end if;
    if is_of_calls or has_conversations then
        select moment.first_at, moment.end_at, timezone
        into first_at, end_at, zone
        from moments_of_days(p_client_id, p_first_date, p_last_date) as moment;
        if not is_of_calls then
            -- Those that are left out are taken from the whole.
            filter.excludes_conversations := false;
        end if;
        parts := parts || format(
            'select %%1$s, tag_set_id, %%2$s
            from (
                select %%1$s, tag_set_id, %%3$s
                from (
                    select
                        wanted.*,
                        (created_at at time zone $7)::date as usage_date,
                        extract(hour from created_at at time zone $7)::smallint as hour,
                        (created_at at time zone ''UTC'')::date as utc_date
                    from wanted_calls($1, $4, $5, $6) as wanted
                ) as log
                group by 1, 2, 3, 4, 5, 6, 7, 8
            ) as counted
            cross join (values (%%4$s)) as signed (sign)',
            keys, signed, of_calls, case when is_of_calls then 1 else -1 end
        );
    end if;
    return query execute format(
        'select %%1$s, value, %%2$s
        from (
            select %%1$s, %%3$s as value, %%4$s
            from (select %%1$s, tag_set_id, %%5$s from (%%6$s) as parts group by 1, 2, 3, 4, 5, 6, 7, 8) as grouped
            %%7$s
        ) as valued
        group by 1, 2, 3, 4, 5, 6, 7, 8
        having whole_sum(request_count) <> 0',
        keys,
        answered,
        case when p_key is null then 'null::text'
            else 'case when tag_set_id = 0 then ''(other)'' else shown_tag(tags, $8) end' end,
        meters,
        sums,
        array_to_string(parts, ' union all '),
        case when p_key is null then ''
            else 'left join tag_sets on tag_sets.client_id = $1 and tag_sets.id = tag_set_id' end
    )
    using p_client_id, p_first_date, p_last_date, filter, first_at, end_at, zone, p_key, unwanted;
end
$$
        $function$,
        columns
    );

    -- Rows of usage_facts_daily that pass the filters. Not a wrapper that runs: it becomes part of the query
    -- that asks it, of which only one of the two branches is then carried out.
    execute format(
        'create or replace function filtered_facts(
            p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date
        )
            returns table (usage_date date, source text, model text, operation text, outcome text, %1$s)
            language sql stable
        as $function$
            select usage_date, source, model, operation, outcome, %2$s
            from usage_facts_daily
            where client_id = p_client_id and usage_date between p_first_date and p_last_date
                and p_filters = ''[]''
            union all
            select usage_date, source, model, operation, outcome, %2$s
            from usage_rows(
                p_client_id, p_filters, p_first_date, p_last_date,
                array[''usage_date'', ''source'', ''model'', ''operation'', ''outcome''], usage_meters()
            )
            where p_filters <> ''[]''
        $function$',
        columns, meters
    );
end
$filters$;

-- The same as rows of usage_daily: only what most questions need, and by source and model.
create or replace function filtered_usage(
    p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date
)
    returns table (
        usage_date date, source text, model text, prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint, cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language sql stable
as $$
    select
        usage_date, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count,
        unpriced_count
    from usage_daily
    where client_id = p_client_id and usage_date between p_first_date and p_last_date and p_filters = '[]'
    union all
    select
        usage_date, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count,
        unpriced_count
    from usage_rows(
        p_client_id, p_filters, p_first_date, p_last_date, array['usage_date', 'source', 'model'],
        (usage_meters())[1:6]
    )
    where p_filters <> '[]'
$$;

-- The sets of tags of the wanted calls, each any number of times, and how many calls have it; 0 are those of
-- which the tags were too many to keep apart.
create or replace function tag_sets_in_use(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb
)
    returns table (tag_set_id integer, request_count bigint)
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    filter usage_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
    first_at timestamptz;
    end_at timestamptz;
begin
    select moment.first_at, moment.end_at into first_at, end_at
    from moments_of_days(p_client_id, p_first_date, p_last_date) as moment;

    if filter.conversation_ids is not null or filter.hours is not null or asks_for_facts(filter) then
        return query
        select tag_set_id, (count(*) + coalesce(sum(bucket_request_count - 1), 0))::bigint
        from wanted_calls(p_client_id, filter, first_at, end_at)
        where tag_set_id is not null
        group by tag_set_id;
    else
        return query
        select tag_set_id, sum(request_count)::bigint
        from (
            select tag_set_id, request_count
            from usage_tag_rollup
            where
                client_id = p_client_id and usage_date between p_first_date and p_last_date
                and sum_passes(filter, source, model, operation, outcome)
                and day_passes(filter, usage_date)
            union all
            select tag_set_id, request_count
            from usage_pending
            where
                client_id = p_client_id and usage_date between p_first_date and p_last_date
                and tag_set_id is not null
                and sum_passes(filter, source, model, operation, outcome)
                and day_passes(filter, usage_date)
        ) as parts
        where tags_pass(filter, tag_set_id)
        group by tag_set_id
        having sum(request_count) <> 0;
    end if;
end
$$;
