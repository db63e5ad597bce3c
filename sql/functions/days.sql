-- Periods as days of the client, first and last included, and as moments.


-- p_days whole days of the client, the day of p_now included. No row for a client that is not there (or that
-- the reader may not see).
create or replace function usage_window(p_client_id uuid, p_days integer, p_now timestamptz)
    returns table (first_date date, last_date date)
    language plpgsql stable
    rows 1
    set search_path = public, pg_temp
as $$
begin
    if p_days is null or p_days not between 1 and 36525 then
        raise exception 'days must be between 1 and 36525, not %', coalesce(p_days::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    select (p_now at time zone timezone)::date - (p_days - 1), (p_now at time zone timezone)::date
    from clients
    where id = p_client_id;
end
$$;

-- The moment in which a day begins on the clocks of a time zone: the first midnight of two, where PostgreSQL
-- would take the second one for it.
create or replace function day_begins_at(p_date date, p_timezone text) returns timestamptz
    language sql stable parallel safe
    return (p_date - interval '1 second') at time zone p_timezone + interval '1 second';

-- The moments in which these days of the client begin and are over, as far as their calls are there: none
-- before raw_since_at. No row for a client that is not there (or that the reader may not see).
create or replace function moments_of_days(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (first_at timestamptz, end_at timestamptz, timezone text)
    language sql stable
    rows 1
    set search_path = public, pg_temp
as $$
    select
        greatest(day_begins_at(p_first_date, timezone), raw_since_at),
        day_begins_at(p_last_date + 1, timezone),
        timezone
    from clients
    where id = p_client_id
$$;

create or replace function days_of_weeks(p_weeks integer) returns integer
    language plpgsql immutable parallel safe
as $$
begin
    if p_weeks is null or p_weeks not between 1 and 5220 then
        raise exception 'weeks must be between 1 and 5220, not %', coalesce(p_weeks::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return 7 * p_weeks;
end
$$;

-- The cards tell OpenAI and Groq from everything else.
create or replace function usage_provider(p_source text) returns text
    language sql immutable parallel safe
    return case when p_source in ('openai', 'groq') then p_source else 'other' end;

-- Every day from the first to the last one; none where the last is before the first.
create or replace function days_between(p_first_date date, p_last_date date) returns date[]
    language sql immutable parallel safe
    return array(
        select p_first_date + place
        from generate_series(0, p_last_date - p_first_date) as place
    );

-- The days of a period that lie in none of these weeks, which are told by their Mondays. Of the period's
-- weeks only the first and the last one may be missing among them.
create or replace function days_beside_weeks(p_weeks date[], p_first_date date, p_last_date date)
    returns date[]
    language sql immutable parallel safe
    return array(
        select day
        from unnest(
            days_between(p_first_date, least(p_last_date, p_first_date + 6))
            || days_between(greatest(p_first_date + 7, p_last_date - 6), p_last_date)
        ) as day
        where date_trunc('week', day::timestamp)::date <> all(p_weeks)
    );
