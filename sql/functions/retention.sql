-- Calls that go while their sums stay. What is not in the sums of a client any more by their calls alone is
-- told by dropped_calls: a row there is the only way to move clients.raw_since, to delete a call before it,
-- and to bring one back. analytics/retention/ writes them.
--
-- From the moment in which raw_since moves, the calls before it are no more: nothing is added to them or
-- changed, and as they are deleted, bite by bite, nothing is taken from the sums.


-- The first day of which the client's calls are there; null where all are, or the reader may not see it.
create or replace function raw_since_of(p_client_id uuid) returns date
    language sql stable
    set search_path = public, pg_temp
as $$
    select raw_since from clients where id = p_client_id
$$;

-- clients.raw_since is what dropped_calls say, whoever may update clients.
create or replace function check_raw_since() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    known record;
begin
    select end_date, end_at into known
    from dropped_calls
    where client_id = new.id and restored_at is null
    order by end_at desc
    limit 1;
    if (new.raw_since, new.raw_since_at) is distinct from (known.end_date, known.end_at) then
        raise exception 'raw_since of client "%" is set by "python -m analytics retention" alone', new.name
            using errcode = 'check_violation';
    end if;
    return new;
end
$$;

-- What becomes of the sums where a statement writes a call before raw_since: false, as they stay as they are.
-- Refuses all but what retention does itself.
create or replace function write_before_raw_since(
    p_operation text, p_client_id uuid, p_created_at timestamptz
)
    returns boolean
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if exists (
        select
        from dropped_calls
        where
            client_id = p_client_id and restored_at is null
            and p_created_at >= first_at and p_created_at < end_at
            and (
                p_operation = 'DELETE' and (archive is null or archived_as is not null)
                or p_operation = 'INSERT' and restoring_at is not null
                and id::text = current_setting('app.restored_calls', true)
            )
    ) then
        return false;
    end if;
    raise exception '%', refusal_before_raw_since(p_client_id, raw_since_of(p_client_id))
        using errcode = 'check_violation';
end
$$;

-- Why a call before raw_since is not stored, changed or deleted.
create or replace function refusal_before_raw_since(p_client_id uuid, p_raw_since date) returns text
    language sql immutable parallel safe
    return format(
        'the calls of client %s before %s are kept as sums only, in which this one may be counted already: '
        'to store or change it, bring them back with "python -m analytics retention restore"',
        p_client_id, p_raw_since
    );

-- Begins to drop the calls of a client until before a day, if they are of days behind those that went
-- before: from now on they are sums only. The new row of dropped_calls; null where there is no such day.
-- Waits for the client's writers, and they for it: set a lock_timeout. archive: where the calls have to be
-- written before they may be deleted; null: nowhere.
create or replace function begin_dropping_calls(p_client_id uuid, p_end_date date, p_archive text)
    returns uuid
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    who record;
    begun uuid;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'begin_dropping_calls() needs a transaction that is READ COMMITTED'
            using errcode = 'active_sql_transaction';
    end if;
    -- In the order of those who correct costs.
    perform pg_advisory_xact_lock(hashtextextended(p_client_id::text, 7514));
    perform pg_advisory_xact_lock(timezone_lock(p_client_id));
    select name, timezone, raw_since, raw_since_at, day_begins_at(p_end_date, timezone) as end_at
    into who
    from clients
    where id = p_client_id;
    if who.name is null or who.raw_since >= p_end_date or who.raw_since_at >= who.end_at then
        return null;
    end if;
    if p_end_date > (now() at time zone who.timezone)::date then
        raise exception 'calls of "%" can be dropped until before % at the most, not until before %',
            who.name, (now() at time zone who.timezone)::date, p_end_date
            using errcode = 'invalid_parameter_value';
    end if;
    if exists (select from usage_days_to_sum where client_id = p_client_id and usage_date < p_end_date) then
        raise exception
            'calls of "%" before % are not summed by all their facts yet: run "python -m analytics migrate"',
            who.name, p_end_date
            using errcode = 'object_not_in_prerequisite_state';
    end if;

    insert into dropped_calls (client_id, first_date, end_date, first_at, end_at, timezone, archive)
    select
        p_client_id,
        coalesce(
            who.raw_since,
            least(first_usage_date(p_client_id), p_end_date - 1)
        ),
        p_end_date,
        coalesce(who.raw_since_at, '-infinity'),
        who.end_at,
        who.timezone,
        p_archive
    returning id into begun;
    update clients set raw_since = p_end_date, raw_since_at = who.end_at where id = p_client_id;
    return begun;
end
$$;

-- Deletes up to p_limit calls of a row of dropped_calls: how many went, and how much room they took. Adopted
-- calls that were made at infinity stay where they are. dropped_at is set when none is left.
create or replace function delete_dropped_calls(p_id uuid, p_limit integer)
    returns table (deleted_count bigint, deleted_bytes bigint)
    language plpgsql
    security definer
    set search_path = public, pg_temp
    set enable_seqscan = off  -- some thousand of them, by the index
as $$
#variable_conflict use_column
declare
    span dropped_calls;
    gone record;
begin
    select * into span from dropped_calls where id = p_id and restored_at is null for update;
    if span.id is null then
        raise exception 'no calls that went have the id %', p_id using errcode = 'invalid_parameter_value';
    end if;
    if span.restoring_at is not null then
        raise exception 'the calls of % until before % are being brought back', span.first_date, span.end_date
            using errcode = 'object_not_in_prerequisite_state';
    end if;

    with bite as materialized (
        select id
        from usage_logs
        where
            client_id = span.client_id and created_at >= span.first_at and created_at < span.end_at
            and created_at > '-infinity'
        order by created_at
        limit p_limit
    ),

    deleted as (
        delete from usage_logs as log
        using bite
        where log.client_id = span.client_id and log.id = bite.id
        returning pg_column_size(log.*) as bytes
    )

    select count(*) as calls, coalesce(sum(bytes), 0)::bigint as bytes into gone from deleted;

    update dropped_calls
    set
        deleted_count = dropped_calls.deleted_count + gone.calls,
        deleted_bytes = dropped_calls.deleted_bytes + gone.bytes,
        call_count = coalesce(
            call_count, case when gone.calls < p_limit then dropped_calls.deleted_count + gone.calls end
        ),
        dropped_at = case when gone.calls < p_limit then clock_timestamp() end
    where id = p_id;
    return query select gone.calls, gone.bytes;
end
$$;

-- Calls of a row of dropped_calls count as calls again, all of which are back in usage_logs: raw_since goes
-- back to the row before it. It has to be the last one of its client. Where the client has another time zone
-- than the sums of these days, they are summed anew by that. Waits for the client's writers, as
-- begin_dropping_calls() does.
create or replace function end_restoring_calls(p_id uuid) returns void
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    span dropped_calls;
    before dropped_calls;
    zone text;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'end_restoring_calls() needs a transaction that is READ COMMITTED'
            using errcode = 'active_sql_transaction';
    end if;
    select * into span from dropped_calls where id = p_id and restoring_at is not null and restored_at is null;
    if span.id is null then
        raise exception 'no calls with the id % are being brought back', p_id
            using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(timezone_lock(span.client_id));
    select timezone into zone from clients where id = span.client_id;
    if zone <> span.timezone then
        perform pg_advisory_xact_lock(rollup_lock());
        perform move_sums_of_calls(span.client_id, span.first_at, span.end_at, span.timezone, zone);
    end if;
    update dropped_calls set restored_at = clock_timestamp() where id = p_id;
    select * into before
    from dropped_calls
    where client_id = span.client_id and restored_at is null
    order by end_at desc
    limit 1;
    if before.end_at > span.first_at then
        raise exception 'the calls from % to % went later, and have to come back first',
            before.first_date, before.end_date - 1
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    update clients
    set raw_since = before.end_date, raw_since_at = before.end_at
    where id = span.client_id;
end
$$;
