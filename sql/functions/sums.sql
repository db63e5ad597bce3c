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
    new.source := lower(new.source);
    new.prompt_tokens := coalesce(new.prompt_tokens, 0);
    new.completion_tokens := coalesce(new.completion_tokens, 0);
    new.total_tokens := coalesce(new.total_tokens, 0);
    new.cost_basis := coalesce(new.cost_basis, 'given');
    new.created_at := coalesce(new.created_at, now());
    return new;
end
$$;

-- The statement trigger of usage_logs. Appends the sums of what one statement wrote, and locks nothing that
-- another writer needs: the shared lock only keeps a client's time zone still until the writer commits.
-- "added" and "removed" are the statement's transition tables; an insert has no removed, a delete no added.
create or replace function record_pending_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if tg_op <> 'DELETE' then
        perform keep_timezones(array(select distinct client_id from added order by client_id));

        insert into usage_pending (
            client_id, usage_date, source, model, conversation_id, phone, prompt_tokens, completion_tokens,
            total_tokens, cost_usd, request_count, unpriced_count
        )
        select
            log.client_id,
            (log.created_at at time zone client.timezone)::date as usage_date,
            log.source,
            log.model,
            log.conversation_id,
            log.phone,
            sum(log.prompt_tokens),
            sum(log.completion_tokens),
            sum(log.total_tokens),
            sum(log.cost_usd),
            count(*),
            count(*) filter (where log.cost_basis = 'unpriced')
        from added as log
        inner join clients as client on client.id = log.client_id
        group by
            log.client_id, (log.created_at at time zone client.timezone)::date, log.source, log.model,
            log.conversation_id, log.phone;
    end if;

    if tg_op <> 'INSERT' then
        perform keep_timezones(array(select distinct client_id from removed order by client_id));

        -- When a client is being deleted its row is gone by now, and forget_usage_of_clients() clears up.
        insert into usage_pending (
            client_id, usage_date, source, model, conversation_id, phone, prompt_tokens, completion_tokens,
            total_tokens, cost_usd, request_count, unpriced_count
        )
        select
            log.client_id,
            (log.created_at at time zone client.timezone)::date as usage_date,
            log.source,
            log.model,
            log.conversation_id,
            log.phone,
            -sum(log.prompt_tokens),
            -sum(log.completion_tokens),
            -sum(log.total_tokens),
            -sum(log.cost_usd),
            -count(*),
            -count(*) filter (where log.cost_basis = 'unpriced')
        from removed as log
        inner join clients as client on client.id = log.client_id
        group by
            log.client_id, (log.created_at at time zone client.timezone)::date, log.source, log.model,
            log.conversation_id, log.phone;
    end if;

    return null;
end
$$;

-- Moves all pending rows into the rollups; the number of rows moved. One folder at a time: while another one
-- is at it, this does nothing and answers 0. All or nothing, because a delete folded without its insert would
-- make sums negative, and get_usage_by_conversation() relies on them not being so.
create or replace function fold_usage() returns bigint
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    folded bigint;
begin
    if not pg_try_advisory_xact_lock(rollup_lock()) then
        return 0;
    end if;

    with taken as (
        delete from usage_pending
        returning *
    ),

    daily as (
        insert into usage_daily_rollup as kept (
            client_id, usage_date, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd,
            request_count, unpriced_count
        )
        select
            client_id, usage_date, source, model,
            sum(prompt_tokens), sum(completion_tokens), sum(total_tokens), sum(cost_usd),
            sum(request_count), sum(unpriced_count)
        from taken
        group by client_id, usage_date, source, model
        on conflict on constraint usage_daily_rollup_key do update set
            prompt_tokens = kept.prompt_tokens + excluded.prompt_tokens,
            completion_tokens = kept.completion_tokens + excluded.completion_tokens,
            total_tokens = kept.total_tokens + excluded.total_tokens,
            cost_usd = kept.cost_usd + excluded.cost_usd,
            request_count = kept.request_count + excluded.request_count,
            unpriced_count = kept.unpriced_count + excluded.unpriced_count
    ),

    -- Grouped once by conversation and day, which is also all that the lifetimes need.
    conversation_days as materialized (
        select
            client_id, usage_date, conversation_id, phone,
            sum(total_tokens) as total_tokens,
            coalesce(sum(total_tokens) filter (where source = 'openai'), 0) as openai_tokens,
            coalesce(sum(total_tokens) filter (where source = 'groq'), 0) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from taken
        group by client_id, usage_date, conversation_id, phone
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
        on conflict on constraint usage_conversation_daily_rollup_key do update set
            total_tokens = kept.total_tokens + excluded.total_tokens,
            openai_tokens = kept.openai_tokens + excluded.openai_tokens,
            groq_tokens = kept.groq_tokens + excluded.groq_tokens,
            cost_usd = kept.cost_usd + excluded.cost_usd,
            request_count = kept.request_count + excluded.request_count,
            unpriced_count = kept.unpriced_count + excluded.unpriced_count
    ),

    conversation as (
        insert into usage_conversation_rollup as kept (
            client_id, conversation_id, phone, first_date, last_date,
            total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        )
        select
            client_id, conversation_id, phone, min(usage_date), max(usage_date),
            sum(total_tokens), sum(openai_tokens), sum(groq_tokens), sum(cost_usd),
            sum(request_count), sum(unpriced_count)
        from conversation_days
        group by client_id, conversation_id, phone
        on conflict on constraint usage_conversation_rollup_key do update set
            first_date = least(kept.first_date, excluded.first_date),
            last_date = greatest(kept.last_date, excluded.last_date),
            total_tokens = kept.total_tokens + excluded.total_tokens,
            openai_tokens = kept.openai_tokens + excluded.openai_tokens,
            groq_tokens = kept.groq_tokens + excluded.groq_tokens,
            cost_usd = kept.cost_usd + excluded.cost_usd,
            request_count = kept.request_count + excluded.request_count,
            unpriced_count = kept.unpriced_count + excluded.unpriced_count
    )

    select count(*) into folded from taken;

    return folded;
end
$$;

-- With functions/access.sql, which takes it from all others.
grant execute on function fold_usage() to analytics_reader;

-- A client's days move with its time zone: its sums are made anew from its logs, in the same transaction.
create or replace function rebuild_client_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception
            'the time zone of client "%" can only be changed in a transaction that is READ COMMITTED',
            new.name
            using errcode = 'active_sql_transaction';
    end if;

    -- Waits for the client's writers and keeps new ones out; each statement below then sees all they wrote.
    perform pg_advisory_xact_lock(timezone_lock(new.id));
    perform pg_advisory_xact_lock(rollup_lock());

    delete from usage_pending where client_id = new.id;
    delete from usage_daily_rollup where client_id = new.id;
    delete from usage_conversation_daily_rollup where client_id = new.id;
    delete from usage_conversation_rollup where client_id = new.id;

    insert into usage_pending (
        client_id, usage_date, source, model, conversation_id, phone, prompt_tokens, completion_tokens,
        total_tokens, cost_usd, request_count, unpriced_count
    )
    select
        client_id,
        (created_at at time zone new.timezone)::date as usage_date,
        source,
        model,
        conversation_id,
        phone,
        sum(prompt_tokens),
        sum(completion_tokens),
        sum(total_tokens),
        sum(cost_usd),
        count(*),
        count(*) filter (where cost_basis = 'unpriced')
    from usage_logs
    where client_id = new.id
    group by
        client_id, (created_at at time zone new.timezone)::date, source, model, conversation_id, phone;

    perform fold_usage();
    return null;
end
$$;

create or replace function forget_usage_of_clients() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(rollup_lock());
    delete from usage_pending where client_id in (select id from removed);
    delete from usage_daily_rollup where client_id in (select id from removed);
    delete from usage_conversation_daily_rollup where client_id in (select id from removed);
    delete from usage_conversation_rollup where client_id in (select id from removed);
    return null;
end
$$;

create or replace function forget_all_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(rollup_lock());
    truncate usage_pending, usage_daily_rollup, usage_conversation_daily_rollup, usage_conversation_rollup;
    return null;
end
$$;
