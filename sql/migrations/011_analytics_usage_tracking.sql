-- Usage logs, their exact sums, and the functions that read them. Needs 010_tenants.sql.
--
--   1  tables            usage_logs; usage_pending and three rollups of its sums
--   2  exact sums        the trigger that appends to usage_pending, fold_usage()
--   3  views             usage_daily, usage_conversation_daily, usage_conversation: rollup + pending
--   4  adoption          an existing usage_logs is upgraded without blocking its writers
--   5  functions         get_*(): what pages, the API and people in the SQL editor read
--   6  access            row-level security, the reader's grants
--
-- Units: *_tokens are tokens, *_usd and total_cost US dollars, *_count calls, *_date days in the client's
-- time zone. Safe to run again, and safe to paste into Supabase's SQL editor.


-- 1  Tables ----------------------------------------------------------------------------------------

-- A repeated run waits for everybody first, and then never while it holds what they need.
do $$
begin
    if exists (
        select from pg_attribute where attrelid = to_regclass('public.usage_logs') and attname = 'cost_basis'
    ) then
        call lock_in_bites(
            '{usage_logs, clients, usage_pending, usage_daily_rollup, usage_conversation_daily_rollup,
            usage_conversation_rollup, usage_daily, usage_conversation_daily, usage_conversation}'
        );
    end if;
end
$$;

-- One row per call. It is born under a second name, and section 4 gives it its own: at once where there is
-- no usage_logs yet, after copying where there is one to adopt.
create table if not exists usage_logs_adopted (
    client_id uuid not null,
    id uuid not null default gen_random_uuid(),
    conversation_id uuid,  -- no foreign key: a log is never lost because its conversation's row is late
    phone text,
    source text not null,
    model text,
    prompt_tokens bigint not null default 0,
    completion_tokens bigint not null default 0,
    total_tokens bigint not null default 0,
    cost_usd numeric not null,  -- no default: a writer that gives no cost has an unpriced call, not a free one
    cost_basis text not null default 'given',
    metadata jsonb,
    created_at timestamptz not null default now()
);

-- One row per statement and key: sums that are not in the rollups yet. Negative where logs were removed.
create table if not exists usage_pending (
    client_id uuid not null,
    usage_date date not null,
    source text not null,
    model text,
    conversation_id uuid,
    phone text,
    prompt_tokens bigint not null,
    completion_tokens bigint not null,
    total_tokens bigint not null,
    cost_usd numeric not null,
    request_count bigint not null,
    unpriced_count bigint not null
);

create index if not exists usage_pending_client_id_usage_date_idx on usage_pending (client_id, usage_date);

-- One row per client, day, source and model.
create table if not exists usage_daily_rollup (
    client_id uuid not null,
    usage_date date not null,
    source text not null,
    model text,
    prompt_tokens bigint not null,
    completion_tokens bigint not null,
    total_tokens bigint not null,
    cost_usd numeric not null,
    request_count bigint not null,
    unpriced_count bigint not null,
    constraint usage_daily_rollup_key unique nulls not distinct (client_id, usage_date, source, model)
);

-- One row per client, conversation as logged, and day.
create table if not exists usage_conversation_daily_rollup (
    client_id uuid not null,
    usage_date date not null,
    conversation_id uuid,
    phone text,
    total_tokens bigint not null,
    openai_tokens bigint not null,
    groq_tokens bigint not null,
    cost_usd numeric not null,
    request_count bigint not null,
    unpriced_count bigint not null,
    constraint usage_conversation_daily_rollup_key
        unique nulls not distinct (client_id, conversation_id, phone, usage_date)
);

-- One row per client and conversation as logged: its lifetime. All its days lie between the two dates.
create table if not exists usage_conversation_rollup (
    client_id uuid not null,
    conversation_id uuid,
    phone text,
    first_date date not null,
    last_date date not null,
    total_tokens bigint not null,
    openai_tokens bigint not null,
    groq_tokens bigint not null,
    cost_usd numeric not null,
    request_count bigint not null,
    unpriced_count bigint not null,
    constraint usage_conversation_rollup_key unique nulls not distinct (client_id, conversation_id, phone)
);

create index if not exists usage_conversation_rollup_client_id_last_date_idx
    on usage_conversation_rollup (client_id, last_date);


-- 2  Exact sums ------------------------------------------------------------------------------------

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

        insert into usage_pending
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
        group by 1, 2, 3, 4, 5, 6;
    end if;

    if tg_op <> 'INSERT' then
        perform keep_timezones(array(select distinct client_id from removed order by client_id));

        -- When a client is being deleted its row is gone by now, and forget_usage_of_clients() clears up.
        insert into usage_pending
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
        group by 1, 2, 3, 4, 5, 6;
    end if;

    return null;
end
$$;

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

-- Writers of a client hold this lock shared, a change of its time zone holds it alone.
create or replace function timezone_lock(p_client_id uuid) returns bigint
    language sql immutable parallel safe
    return hashtextextended(p_client_id::text, 7501);

-- Whoever writes to the rollup tables holds this lock: one at a time, so that key order never matters.
create or replace function rollup_lock() returns bigint
    language sql immutable parallel safe
    return 7502;

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

create or replace trigger complete_usage_log
    before insert or update on usage_logs_adopted
    for each row
    when (
        new.client_id is null or new.id is null or new.source <> lower(new.source)
        or new.prompt_tokens is null or new.completion_tokens is null or new.total_tokens is null
        or new.cost_usd is null or new.cost_basis is null or new.created_at is null
    )
    execute function complete_usage_log();

create or replace trigger record_inserted_usage
    after insert on usage_logs_adopted
    referencing new table as added
    for each statement execute function record_pending_usage();

create or replace trigger record_deleted_usage
    after delete on usage_logs_adopted
    referencing old table as removed
    for each statement execute function record_pending_usage();

create or replace trigger record_updated_usage
    after update on usage_logs_adopted
    referencing new table as added old table as removed
    for each statement execute function record_pending_usage();

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

create or replace trigger forget_all_usage
    before truncate on usage_logs_adopted
    for each statement execute function forget_all_usage();

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
        insert into usage_daily_rollup as kept
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
        insert into usage_conversation_daily_rollup as kept
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
        insert into usage_conversation_rollup as kept
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

-- A client's days move with its time zone: its sums are made anew from its logs, in the same transaction.
create or replace function rebuild_client_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the time zone of client "%" can only be changed in a transaction that is READ COMMITTED',
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

    insert into usage_pending
    select
        client_id,
        (created_at at time zone new.timezone)::date,
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
    group by 1, 2, 3, 4, 5, 6;

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


-- 3  Views -----------------------------------------------------------------------------------------

-- One row per client, day, source and model: exactly the sums of usage_logs, folded or not.
create or replace view usage_daily with (security_invoker = true) as
select
    client_id, usage_date, source, model,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    sum(total_tokens)::bigint as total_tokens,
    sum(cost_usd) as cost_usd,
    sum(request_count)::bigint as request_count,
    sum(unpriced_count)::bigint as unpriced_count
from (
    select
        client_id, usage_date, source, model,
        prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
    from usage_daily_rollup
    union all
    select
        client_id, usage_date, source, model,
        prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
    from usage_pending
) as parts
group by client_id, usage_date, source, model
having sum(request_count) <> 0;

-- One row per client, day and conversation as logged: exactly the sums of usage_logs, folded or not.
create or replace view usage_conversation_daily with (security_invoker = true) as
select
    client_id, usage_date, conversation_id, phone,
    sum(total_tokens)::bigint as total_tokens,
    sum(openai_tokens)::bigint as openai_tokens,
    sum(groq_tokens)::bigint as groq_tokens,
    sum(cost_usd) as cost_usd,
    sum(request_count)::bigint as request_count,
    sum(unpriced_count)::bigint as unpriced_count
from (
    select
        client_id, usage_date, conversation_id, phone,
        total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
    from usage_conversation_daily_rollup
    union all
    select
        client_id, usage_date, conversation_id, phone,
        total_tokens,
        case when source = 'openai' then total_tokens else 0 end,
        case when source = 'groq' then total_tokens else 0 end,
        cost_usd, request_count, unpriced_count
    from usage_pending
) as parts
group by client_id, usage_date, conversation_id, phone
having sum(request_count) <> 0;

-- One row per client and conversation as logged, over its lifetime. The sums are exact; the dates enclose
-- its days, and may be too wide after a delete.
create or replace view usage_conversation with (security_invoker = true) as
select
    client_id, conversation_id, phone,
    min(first_date) as first_date,
    max(last_date) as last_date,
    sum(total_tokens)::bigint as total_tokens,
    sum(openai_tokens)::bigint as openai_tokens,
    sum(groq_tokens)::bigint as groq_tokens,
    sum(cost_usd) as cost_usd,
    sum(request_count)::bigint as request_count,
    sum(unpriced_count)::bigint as unpriced_count
from (
    select
        client_id, conversation_id, phone, first_date, last_date,
        total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
    from usage_conversation_rollup
    union all
    select
        client_id, conversation_id, phone, usage_date, usage_date,
        total_tokens,
        case when source = 'openai' then total_tokens else 0 end,
        case when source = 'groq' then total_tokens else 0 end,
        cost_usd, request_count, unpriced_count
    from usage_pending
) as parts
group by client_id, conversation_id, phone
having sum(request_count) <> 0;


-- 4  Adoption --------------------------------------------------------------------------------------

-- Gives usage_logs_adopted its name. An existing usage_logs is copied into it while its writers go on: only
-- the end, which copies what came in meanwhile and swaps the names, keeps them waiting.
do $adoption$
declare
    legacy constant regclass := to_regclass('public.usage_logs');
    is_legacy constant boolean := legacy is not null and not exists (
        select from pg_attribute where attrelid = legacy and attname = 'cost_basis'
    );
    locked constant regclass[] := array(
        select legacy
        union all
        select distinct confrelid::regclass from pg_constraint where contype = 'f' and conrelid = legacy
    );
    -- Row versions from before this were there for the copy to see; younger ones are caught up with.
    horizon xid;
    shared_columns text;
    blocks bigint;
    block bigint := 0;
    blocks_per_step constant bigint := 8192;  -- 64 MB
    copied bigint;
    is_locked boolean;
    broken_constraint name;
    carried text[] := '{}';
    statement text;
    item record;
    legacy_sums record;
    adopted_sums record;
begin
    if legacy is not null and not is_legacy then
        drop table usage_logs_adopted;
        return;
    end if;

    if is_legacy then
        -- What stands on the old table must be known before the work begins.
        for item in
            select distinct dependent.oid::regclass as name, dependent.relkind as kind
            from pg_depend as link
            inner join pg_rewrite as rule on rule.oid = link.objid and link.classid = 'pg_rewrite'::regclass
            inner join pg_class as dependent on dependent.oid = rule.ev_class
            where link.refobjid = legacy and dependent.oid <> legacy
        loop
            raise exception 'view % reads usage_logs, whose columns change their type: drop it, migrate, and create it again',
                item.name
                using errcode = 'dependent_objects_still_exist';
        end loop;
        for item in
            select conname as name, conrelid::regclass as relation
            from pg_constraint
            where contype = 'f' and confrelid = legacy and conrelid <> legacy
        loop
            raise exception 'foreign key % of table % refers to usage_logs, whose key becomes (client_id, id): drop it and migrate',
                item.name, item.relation
                using errcode = 'dependent_objects_still_exist';
        end loop;

        -- Columns of the installation's own come along.
        for item in
            select
                attribute.attname as name,
                format_type(attribute.atttypid, attribute.atttypmod) as type,
                pg_get_expr(preset.adbin, preset.adrelid) as preset,
                attribute.attgenerated <> '' as is_generated,
                attribute.attidentity <> '' as is_identity
            from pg_attribute as attribute
            left join pg_attrdef as preset
                on preset.adrelid = attribute.attrelid and preset.adnum = attribute.attnum
            where
                attribute.attrelid = legacy and attribute.attnum > 0 and not attribute.attisdropped
                and not exists (
                    select from pg_attribute as ours
                    where ours.attrelid = 'usage_logs_adopted'::regclass and ours.attname = attribute.attname
                )
            order by attribute.attnum
        loop
            execute format(
                'alter table usage_logs_adopted add column %I %s %s',
                item.name, item.type,
                case
                    when item.is_generated then format('generated always as (%s) stored', item.preset)
                    when item.is_identity then 'generated by default as identity'
                    when item.preset is not null then 'default ' || item.preset
                    else ''
                end
            );
        end loop;

        select string_agg(quote_ident(attname), ', ' order by attnum)
        into shared_columns
        from pg_attribute
        where attrelid = legacy and attnum > 0 and not attisdropped and attgenerated = '';

        -- The copy. Which version of which row was copied is remembered, to find later what has changed.
        horizon := pg_snapshot_xmin(pg_current_snapshot())::xid;
        create temporary table usage_logs_copied (id uuid not null, version xid not null) on commit drop;
        create temporary table usage_logs_timezones on commit drop as select id, timezone from clients;
        blocks := pg_relation_size(legacy) / current_setting('block_size')::bigint;
        raise notice 'adopting usage_logs: copying % MB', blocks * 8 / 1024;
        loop
            execute format(
                'with batch as materialized (
                    select *, xmin as copied_version
                    from usage_logs
                    where ctid >= ''(%1$s,0)''::tid and ctid < ''(%2$s,0)''::tid
                ),
                remembered as (insert into usage_logs_copied select id, copied_version from batch)
                insert into usage_logs_adopted (%3$s) select %3$s from batch',
                block, case when block + blocks_per_step > blocks then 4294967295 else block + blocks_per_step end,
                shared_columns
            );
            block := block + blocks_per_step;
            exit when block > blocks;
            raise notice 'adopting usage_logs: copied % of % MB', block * 8 / 1024, blocks * 8 / 1024;
        end loop;
        select count(*) into copied from usage_logs_copied;
        raise notice 'adopting usage_logs: copied % rows, adding up', copied;
        perform fold_usage();
        create index on usage_logs_copied (id);
        analyze usage_logs_copied;
    end if;

    -- Once without and once with the writers waiting.
    foreach is_locked in array case when is_legacy then array[false, true] else array[false] end loop
        if is_locked then
            raise notice 'adopting usage_logs: catching up and swapping';
            call lock_in_bites(locked);
            -- Nothing watches over it before this transaction ends.
            if exists (
                select from clients inner join usage_logs_timezones as seen using (id)
                where clients.timezone <> seen.timezone
            ) then
                raise exception 'a client''s time zone was changed meanwhile: nothing was done, migrate again';
            end if;
        end if;

        if is_legacy then
            -- What came in or changed since the copy began; what was copied of it is taken out again.
            create temporary table usage_logs_recent on commit drop as
            select id, xmin as version from usage_logs where age(xmin) <= age(horizon);
            analyze usage_logs_recent;

            create temporary table usage_logs_stale on commit drop as
            select seen.id
            from usage_logs_copied as seen
            inner join usage_logs_recent as recent on recent.id = seen.id and recent.version <> seen.version;
            delete from usage_logs_copied where id in (select id from usage_logs_stale);
            delete from usage_logs_adopted where id in (select id from usage_logs_stale);
            truncate usage_logs_stale;

            delete from usage_logs_recent as recent
            where exists (select from usage_logs_copied as seen where seen.id = recent.id);

            loop
                begin
                    execute format(
                        'with batch as materialized (
                            select log.*, log.xmin as copied_version
                            from usage_logs as log
                            inner join usage_logs_recent as recent on recent.id = log.id
                        ),
                        remembered as (insert into usage_logs_copied select id, copied_version from batch)
                        insert into usage_logs_adopted (%1$s) select %1$s from batch',
                        shared_columns
                    );
                    exit;
                exception
                    when check_violation then
                        get stacked diagnostics broken_constraint = constraint_name;
                        carried := carried || (
                            select format('alter table usage_logs add constraint %I %s not valid', conname,
                                replace(pg_get_constraintdef(oid), ' NOT VALID', ''))
                            from pg_constraint
                            where conrelid = 'usage_logs_adopted'::regclass and conname = broken_constraint
                        );
                        execute format('alter table usage_logs_adopted drop constraint %I', broken_constraint);
                        raise notice 'adopting usage_logs: rows that break % are kept as they are', broken_constraint;
                end;
            end loop;
            drop table usage_logs_recent;

            -- What was deleted meanwhile is found by looking at every row; seldom needed while writers wait.
            if not is_locked
                or (select count(*) from usage_logs_copied) <> (select count(*) from usage_logs)
            then
                insert into usage_logs_stale
                select seen.id
                from usage_logs_copied as seen
                where not exists (select from usage_logs as log where log.id = seen.id and log.xmin = seen.version);
                delete from usage_logs_copied where id in (select id from usage_logs_stale);
                delete from usage_logs_adopted where id in (select id from usage_logs_stale);
            end if;
            drop table usage_logs_stale;
        end if;

        if not is_locked then
            alter table usage_logs_adopted
                add constraint usage_logs_adopted_pkey primary key (client_id, id),
                -- The upper bound keeps the sums of nine million such calls within a bigint.
                add constraint usage_logs_tokens_are_not_negative check (
                    prompt_tokens between 0 and 1000000000000
                    and completion_tokens between 0 and 1000000000000
                    and total_tokens between 0 and 1000000000000
                ) not valid,
                add constraint usage_logs_cost_is_an_amount
                    check (cost_usd >= 0 and cost_usd < 'Infinity') not valid,
                add constraint usage_logs_cost_basis_is_known
                    check (cost_basis in ('priced', 'estimated', 'unpriced', 'given')) not valid,
                add constraint usage_logs_unpriced_costs_nothing
                    check (cost_basis <> 'unpriced' or cost_usd = 0) not valid,
                add constraint usage_logs_created_at_is_finite check (isfinite(created_at)) not valid;
            create index usage_logs_adopted_client_id_created_at_idx
                on usage_logs_adopted (client_id, created_at desc);

            for item in
                select conname as name
                from pg_constraint
                where conrelid = 'usage_logs_adopted'::regclass and not convalidated
            loop
                begin
                    execute format('alter table usage_logs_adopted validate constraint %I', item.name);
                exception
                    when check_violation then
                        raise notice 'adopting usage_logs: rows that break % are kept as they are', item.name;
                end;
            end loop;
        end if;
    end loop;

    -- Only now: it keeps others from changing clients.
    alter table usage_logs_adopted
        add constraint usage_logs_client_id_fkey foreign key (client_id) references clients (id) on delete cascade;

    if is_legacy then
        -- Nothing of the old table goes before all of it is shown to be in the new one.
        select
            count(*)::numeric as row_count,
            coalesce(sum(total_tokens), 0)::numeric as total_tokens,
            coalesce(sum(cost_usd), 0)::numeric as cost_usd
        into legacy_sums
        from usage_logs;
        select
            coalesce(sum(request_count), 0)::numeric as row_count,
            coalesce(sum(total_tokens), 0)::numeric as total_tokens,
            coalesce(sum(cost_usd), 0)::numeric as cost_usd
        into adopted_sums
        from usage_daily;
        if adopted_sums is distinct from legacy_sums
            or legacy_sums.row_count <> (select count(*) from usage_logs_adopted)
        then
            raise exception 'the copy of usage_logs holds % instead of %: nothing was changed, please report this',
                adopted_sums, legacy_sums;
        end if;

        -- Its policies, grants and triggers come along; of its indexes only a notice remains.
        if not (select relrowsecurity from pg_class where oid = legacy) then
            carried := carried || text 'create policy everybody_as_before on usage_logs using (true) with check (true)';
        end if;
        for item in
            select pg_get_userbyid(relowner) as name from pg_class
            where oid = legacy and pg_get_userbyid(relowner) <> current_user
        loop
            carried := carried || format('alter table usage_logs owner to %I', item.name);
        end loop;
        for item in select * from pg_policies where schemaname = 'public' and tablename = 'usage_logs' loop
            carried := carried || format(
                'create policy %I on usage_logs as %s for %s to %s%s%s',
                item.policyname, item.permissive, item.cmd,
                (select string_agg(case role when 'public' then role else quote_ident(role) end, ', ')
                    from unnest(item.roles) as role),
                case when item.qual is not null then format(' using (%s)', item.qual) else '' end,
                case when item.with_check is not null then format(' with check (%s)', item.with_check) else '' end
            );
        end loop;
        -- The new table was born with what the schema's default privileges give away.
        for item in
            select distinct pg_get_userbyid(grantee) as grantee, grantee = 0 as is_public
            from pg_class, aclexplode(relacl)
            where oid = 'usage_logs_adopted'::regclass and grantee <> relowner
        loop
            carried := carried || format(
                'revoke all on usage_logs from %s',
                case when item.is_public then 'public' else quote_ident(item.grantee) end
            );
        end loop;
        for item in
            select privilege_type, is_grantable, pg_get_userbyid(grantee) as grantee, grantee = 0 as is_public, '' as columns
            from pg_class, aclexplode(relacl)
            where oid = legacy
            union all
            select privilege_type, is_grantable, pg_get_userbyid(grantee), grantee = 0, format('(%I)', attname)
            from pg_attribute, aclexplode(attacl)
            where attrelid = legacy and attnum > 0 and not attisdropped
        loop
            carried := carried || format(
                'grant %s %s on usage_logs to %s%s',
                item.privilege_type,
                item.columns,
                case when item.is_public then 'public' else quote_ident(item.grantee) end,
                case when item.is_grantable then ' with grant option' else '' end
            );
        end loop;
        for item in
            select tgname as name, tgenabled as enabled, pg_get_triggerdef(oid) as definition
            from pg_trigger
            where tgrelid = legacy and not tgisinternal
        loop
            carried := carried || item.definition;
            if item.enabled <> 'O' then
                carried := carried || format(
                    'alter table usage_logs %s trigger %I',
                    case item.enabled when 'D' then 'disable' when 'A' then 'enable always' else 'enable replica' end,
                    item.name
                );
            end if;
        end loop;
        if (select relreplident from pg_class where oid = legacy) = 'f' then
            carried := carried || text 'alter table usage_logs replica identity full';
        end if;
        for item in
            select pubname as name from pg_publication_tables
            where schemaname = 'public' and tablename = 'usage_logs'
                and pubname not in (select pubname from pg_publication where puballtables)
        loop
            carried := carried || format('alter publication %I add table usage_logs', item.name);
        end loop;
        for item in
            select index.indexrelid::regclass as name, pg_get_indexdef(index.indexrelid) as definition
            from pg_index as index
            where index.indrelid = legacy and not index.indisprimary
        loop
            raise notice 'adopting usage_logs: its index % was replaced by ours; if you need it too: %',
                item.name, item.definition;
        end loop;

        -- A counting column of the installation's own counts on.
        for item in
            select link.objid::regclass as sequence, attribute.attname as name, link.deptype = 'i' as is_identity
            from pg_depend as link
            inner join pg_class as sequence on sequence.oid = link.objid and sequence.relkind = 'S'
            inner join pg_attribute as attribute
                on attribute.attrelid = link.refobjid and attribute.attnum = link.refobjsubid
            where link.classid = 'pg_class'::regclass and link.refobjid = legacy and link.deptype in ('a', 'i')
        loop
            if item.is_identity then
                perform setval(pg_get_serial_sequence('usage_logs_adopted', item.name), nextval(item.sequence));
            else
                execute format('alter sequence %s owned by usage_logs_adopted.%I', item.sequence, item.name);
            end if;
        end loop;

        drop table usage_logs;
    end if;

    alter table usage_logs_adopted rename to usage_logs;
    alter table usage_logs rename constraint usage_logs_adopted_pkey to usage_logs_pkey;
    alter index usage_logs_adopted_client_id_created_at_idx rename to usage_logs_client_id_created_at_idx;

    foreach statement in array carried loop
        execute statement;
    end loop;
end
$adoption$;


create or replace trigger rebuild_client_usage
    after update of timezone on clients
    for each row when (old.timezone is distinct from new.timezone)
    execute function rebuild_client_usage();

create or replace trigger forget_usage_of_clients
    after delete on clients
    referencing old table as removed
    for each statement execute function forget_usage_of_clients();


-- 5  Functions -------------------------------------------------------------------------------------

-- The guide's original has these names with other columns, and a short call would still find it.
drop function if exists get_daily_usage(uuid, integer);
drop function if exists get_weekly_evolution(uuid, integer);
-- And that which 020 makes of it, with more columns: this file can be run again.
drop function if exists get_weekly_evolution(uuid, integer, timestamptz);
drop function if exists get_monthly_summary(uuid, integer, integer);
drop function if exists get_usage_by_conversation(uuid, integer, integer);

-- p_days whole days of the client, the day of p_now included. No row for a client that is not there (or that
-- the reader may not see).
create or replace function usage_window(p_client_id uuid, p_days integer, p_now timestamptz)
    returns table (first_date date, last_date date)
    language plpgsql stable
    rows 1
    set search_path = public, pg_temp
as $$
begin
    if p_days is null or p_days not between 1 and 3660 then
        raise exception 'days must be between 1 and 3660, not %', coalesce(p_days::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    select (p_now at time zone timezone)::date - (p_days - 1), (p_now at time zone timezone)::date
    from clients
    where id = p_client_id;
end
$$;

create or replace function days_of_weeks(p_weeks integer) returns integer
    language plpgsql immutable parallel safe
as $$
begin
    if p_weeks is null or p_weeks not between 1 and 520 then
        raise exception 'weeks must be between 1 and 520, not %', coalesce(p_weeks::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return 7 * p_weeks;
end
$$;

-- The cards tell OpenAI and Groq from everything else.
create or replace function usage_provider(p_source text) returns text
    language sql immutable parallel safe
    return case when p_source in ('openai', 'groq') then p_source else 'other' end;

-- One row per day and source, days without use included, oldest first. OpenAI and Groq always have rows.
create or replace function get_daily_usage(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now()
)
    returns table (
        date date, source text, total_tokens bigint, total_cost numeric, request_count bigint,
        unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with period as materialized (
        select first_date, last_date from usage_window(p_client_id, p_days, p_now)
    ),

    usage as materialized (
        select
            usage_date, source,
            sum(total_tokens) as total_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date >= (select first_date from period)
            and usage_date <= (select last_date from period)
        group by usage_date, source
    ),

    sources as (
        select 'openai' as source
        union
        select 'groq'
        union
        select source from usage
    ),

    days as (
        select day::date as usage_date
        from period, generate_series(first_date::timestamp, last_date::timestamp, interval '1 day') as day
    )

    select
        days.usage_date as date,
        sources.source,
        coalesce(usage.total_tokens, 0)::bigint as total_tokens,
        coalesce(usage.cost_usd, 0) as total_cost,
        coalesce(usage.request_count, 0)::bigint as request_count,
        coalesce(usage.unpriced_count, 0)::bigint as unpriced_count
    from days
    cross join sources
    left join usage on usage.usage_date = days.usage_date and usage.source = sources.source
    order by days.usage_date, sources.source
$$;

-- One row per week from Monday to Sunday, weeks without use included, oldest first; the current week is the
-- last. week_number is the ISO week. openai + groq + other = total, for tokens and for cost.
create or replace function get_weekly_evolution(
    p_client_id uuid, p_weeks integer default 12, p_now timestamptz default now()
)
    returns table (
        week_start date, week_number integer, total_tokens bigint, openai_tokens bigint, groq_tokens bigint,
        total_cost numeric, other_tokens bigint, openai_cost numeric, groq_cost numeric, other_cost numeric,
        request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with period as materialized (
        select
            date_trunc('week', last_date::timestamp)::date - 7 * (p_weeks - 1) as first_monday,
            date_trunc('week', last_date::timestamp)::date as last_monday,
            last_date
        from usage_window(p_client_id, days_of_weeks(p_weeks), p_now)
    ),

    weeks as (
        select monday::date as week_start
        from period, generate_series(first_monday::timestamp, last_monday::timestamp, interval '7 days') as monday
    ),

    usage as (
        select
            date_trunc('week', usage_date::timestamp)::date as week_start,
            usage_provider(source) as provider,
            total_tokens, cost_usd, request_count, unpriced_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date >= (select first_monday from period)
            and usage_date <= (select last_date from period)
    )

    select
        weeks.week_start,
        extract(week from weeks.week_start)::integer as week_number,
        coalesce(sum(usage.total_tokens), 0)::bigint as total_tokens,
        coalesce(sum(usage.total_tokens) filter (where provider = 'openai'), 0)::bigint as openai_tokens,
        coalesce(sum(usage.total_tokens) filter (where provider = 'groq'), 0)::bigint as groq_tokens,
        coalesce(sum(usage.cost_usd), 0) as total_cost,
        coalesce(sum(usage.total_tokens) filter (where provider = 'other'), 0)::bigint as other_tokens,
        coalesce(sum(usage.cost_usd) filter (where provider = 'openai'), 0) as openai_cost,
        coalesce(sum(usage.cost_usd) filter (where provider = 'groq'), 0) as groq_cost,
        coalesce(sum(usage.cost_usd) filter (where provider = 'other'), 0) as other_cost,
        coalesce(sum(usage.request_count), 0)::bigint as request_count,
        coalesce(sum(usage.unpriced_count), 0)::bigint as unpriced_count
    from weeks
    left join usage on usage.week_start = weeks.week_start
    group by weeks.week_start
    order by weeks.week_start
$$;

-- One row each for total, openai, groq and other, in this order, also without use: the period of p_days days
-- and, for comparison, as many days just before it. openai + groq + other = total in every column.
create or replace function get_usage_summary(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now()
)
    returns table (
        provider text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint, previous_total_tokens bigint, previous_total_cost numeric,
        previous_request_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with period as materialized (
        select first_date, last_date from usage_window(p_client_id, p_days, p_now)
    ),

    usage as (
        select
            usage_provider(source) as provider,
            usage_date >= (select first_date from period) as is_current,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date >= (select first_date - p_days from period)
            and usage_date <= (select last_date from period)
    ),

    providers as (
        select name, place
        from period, (values ('total', 1), ('openai', 2), ('groq', 3), ('other', 4)) as listed (name, place)
    )

    select
        providers.name as provider,
        coalesce(sum(usage.total_tokens) filter (where is_current), 0)::bigint as total_tokens,
        coalesce(sum(usage.prompt_tokens) filter (where is_current), 0)::bigint as prompt_tokens,
        coalesce(sum(usage.completion_tokens) filter (where is_current), 0)::bigint as completion_tokens,
        coalesce(sum(usage.cost_usd) filter (where is_current), 0) as total_cost,
        coalesce(sum(usage.request_count) filter (where is_current), 0)::bigint as request_count,
        coalesce(sum(usage.unpriced_count) filter (where is_current), 0)::bigint as unpriced_count,
        coalesce(sum(usage.total_tokens) filter (where not is_current), 0)::bigint as previous_total_tokens,
        coalesce(sum(usage.cost_usd) filter (where not is_current), 0) as previous_total_cost,
        coalesce(sum(usage.request_count) filter (where not is_current), 0)::bigint as previous_request_count
    from providers
    left join usage on providers.name in ('total', usage.provider)
    group by providers.name, providers.place
    order by providers.place
$$;

-- One row per source and model with use on these days: what the next two functions answer, in no order.
create or replace function model_usage_between(p_client_id uuid, p_first_date date, p_last_date date)
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
    from usage_daily
    where client_id = p_client_id and usage_date between p_first_date and p_last_date
    group by source, model
$$;

-- One row per source and model with use in the period, the most tokens first.
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
    select
        source, model, total_tokens, prompt_tokens, completion_tokens, total_cost, request_count, unpriced_count,
        cost_per_1k_tokens, tokens_per_request
    from usage_window(p_client_id, p_days, p_now) as period
    cross join lateral model_usage_between(p_client_id, period.first_date, period.last_date)
    order by total_tokens desc, total_cost desc, source, model
$$;

-- One row per source and model with use in a calendar month (default: the current one), the most tokens first.
create or replace function get_monthly_summary(
    p_client_id uuid, p_year integer default null, p_month integer default null, p_now timestamptz default now()
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
        source, model, total_tokens, prompt_tokens, completion_tokens, total_cost, request_count, unpriced_count,
        cost_per_1k_tokens, tokens_per_request
    from period
    cross join lateral model_usage_between(
        p_client_id, period.first_date, (period.first_date + interval '1 month')::date - 1
    )
    order by total_tokens desc, total_cost desc, source, model
$$;

-- What one conversation (as get_usage_by_conversation() tells them apart) used in a period, as far as folded.
-- Three branches instead of one "or": each is one short range of the same index.
create or replace function folded_conversation_usage(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date
)
    returns table (
        total_tokens numeric, openai_tokens numeric, groq_tokens numeric, cost_usd numeric,
        request_count numeric, unpriced_count numeric
    )
    language sql stable
as $$
    select
        coalesce(sum(total_tokens), 0),
        coalesce(sum(openai_tokens), 0),
        coalesce(sum(groq_tokens), 0),
        coalesce(sum(cost_usd), 0),
        coalesce(sum(request_count), 0),
        coalesce(sum(unpriced_count), 0)
    from (
        select total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from usage_conversation_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and conversation_id = p_conversation_id
        union all
        select total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from usage_conversation_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and conversation_id is null and phone = p_phone
        union all
        select total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from usage_conversation_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and conversation_id is null and phone is null
            and p_conversation_id is null and p_phone is null
    ) as days
$$;

-- One row per conversation with use in the period, the p_limit with the most tokens, the most first. Calls
-- that name no conversation count for the one with their phone, else for their phone alone; calls with
-- neither are one row of nulls. openai + groq + other = total. share_of_tokens is of all the client's
-- tokens in the period, 0 to 1.
--
-- Adding up every conversation's days would be dear, so only those are added up that can be among the
-- first: none has more tokens in the period than in its lifetime, and the p_limit-th best of what has been
-- counted sets the bar.
create or replace function get_usage_by_conversation(
    p_client_id uuid, p_days integer default 30, p_limit integer default 20, p_now timestamptz default now()
)
    returns table (
        phone text, conversation_name text, total_tokens bigint, total_cost numeric, request_count bigint,
        openai_tokens bigint, groq_tokens bigint, other_tokens bigint, unpriced_count bigint,
        conversation_id uuid, share_of_tokens numeric
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off  -- compiling takes longer than running
as $$
#variable_conflict use_column
declare
    v_first date;
    v_last date;
    -- Rows of an adopted table may be negative; then a lifetime bounds nothing and all are added up.
    v_can_prune constant boolean := coalesce((
        select convalidated
        from pg_constraint
        where conrelid = 'usage_logs'::regclass and conname = 'usage_logs_tokens_are_not_negative'
    ), false);
begin
    if p_limit is null or p_limit not between 1 and 100000 then
        raise exception 'limit must be between 1 and 100000, not %', coalesce(p_limit::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    select first_date, last_date into v_first, v_last from usage_window(p_client_id, p_days, p_now);

    return query
    -- Pending sums have their date, so what is in the period counts as it is. Nobody joins conversations as a
    -- whole here or below: they are looked up one by one, where a log does not name its own.
    with pending as materialized (
        select
            resolved.id,
            case when resolved.id is null then logged.phone end as lone_phone,
            logged.source, logged.total_tokens, logged.cost_usd, logged.request_count, logged.unpriced_count
        from usage_pending as logged
        cross join lateral (
            select coalesce(
                logged.conversation_id,
                (select id from conversations where client_id = p_client_id and phone = logged.phone)
            ) as id
        ) as resolved
        where logged.client_id = p_client_id and logged.usage_date between v_first and v_last
    ),

    -- One row per conversation as logged, and per pending row: the most tokens that it can have in the period,
    -- and how many are likely, by the share of its days that lie in the period. (Adopted rows may have been
    -- made at infinity.)
    logged as (
        select
            conversation_id as id, null::text as lone_phone,
            total_tokens as at_most,
            total_tokens / (least(last_date, v_last + 3660) - greatest(first_date, v_first - 3660) + 1)
            * (least(last_date, v_last) - greatest(first_date, v_first) + 1) as likely
        from usage_conversation_rollup
        where
            client_id = p_client_id and last_date >= v_first and first_date <= v_last
            and conversation_id is not null
        union all
        select
            known.id, case when known.id is null then lifetime.phone end,
            lifetime.total_tokens,
            lifetime.total_tokens / (least(last_date, v_last + 3660) - greatest(first_date, v_first - 3660) + 1)
            * (least(last_date, v_last) - greatest(first_date, v_first) + 1)
        from usage_conversation_rollup as lifetime
        left join conversations as known on known.client_id = p_client_id and known.phone = lifetime.phone
        where
            lifetime.client_id = p_client_id and last_date >= v_first and first_date <= v_last
            and lifetime.conversation_id is null
        union all
        select id, lone_phone, total_tokens, total_tokens
        from pending
    ),

    -- One row per conversation.
    candidates as materialized (
        select id, lone_phone, sum(at_most) as at_most, max(likely) as likely
        from logged
        group by id, lone_phone
    ),

    -- The most promising ones are counted first; the p_limit-th best of them is the bar for all others. Pending
    -- rows without an id stay in here and below: alone they are less than their whole, so they raise no bar too
    -- high, and those of a conversation below the bar are below it too.
    probes as materialized (
        select candidate.id, candidate.lone_phone, days.*
        from (select * from candidates order by likely desc limit 3 * p_limit) as candidate
        left join lateral (
            select phone from conversations where client_id = p_client_id and id = candidate.id limit 1
        ) as known on true
        cross join lateral folded_conversation_usage(
            p_client_id, candidate.id, coalesce(known.phone, candidate.lone_phone), v_first, v_last
        ) as days
    ),

    bar as materialized (
        select sum(total_tokens) as tokens
        from (
            select id, lone_phone, total_tokens from probes
            union all
            select id, lone_phone, total_tokens
            from pending
            where id is null or id in (select id from probes)
        ) as parts
        group by id, lone_phone
        order by sum(total_tokens) desc
        offset greatest(p_limit - 1, 0)
        limit 1
    ),

    folded as materialized (
        select
            id, lone_phone, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from probes
        union all
        select
            candidate.id, candidate.lone_phone, days.total_tokens, days.openai_tokens, days.groq_tokens,
            days.cost_usd, days.request_count, days.unpriced_count
        from candidates as candidate
        left join lateral (
            select phone from conversations where client_id = p_client_id and id = candidate.id limit 1
        ) as known on true
        cross join lateral folded_conversation_usage(
            p_client_id, candidate.id, coalesce(known.phone, candidate.lone_phone), v_first, v_last
        ) as days
        where
            (not v_can_prune or candidate.at_most >= coalesce((select tokens from bar), 0))
            and coalesce(candidate.id::text, '+' || candidate.lone_phone, '') not in (
                select coalesce(id::text, '+' || lone_phone, '') from probes
            )
    ),

    counted as (
        select
            id, lone_phone,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from (
            select
                id, lone_phone, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
            from folded
            union all
            select
                pending.id, pending.lone_phone, pending.total_tokens,
                case when pending.source = 'openai' then pending.total_tokens else 0 end,
                case when pending.source = 'groq' then pending.total_tokens else 0 end,
                pending.cost_usd, pending.request_count, pending.unpriced_count
            from pending
            where id is null or id in (select id from folded)
        ) as parts
        group by id, lone_phone
        having sum(request_count) <> 0
    ),

    everything as (
        select sum(total_tokens) as total_tokens
        from (
            select total_tokens
            from usage_daily_rollup
            where client_id = p_client_id and usage_date between v_first and v_last
            union all
            select total_tokens from pending
        ) as parts
    )

    select
        coalesce(known.phone, counted.lone_phone) as phone,
        known.name,
        counted.total_tokens::bigint,
        counted.cost_usd,
        counted.request_count::bigint,
        counted.openai_tokens::bigint,
        counted.groq_tokens::bigint,
        (counted.total_tokens - counted.openai_tokens - counted.groq_tokens)::bigint,
        counted.unpriced_count::bigint,
        counted.id,
        coalesce(round(counted.total_tokens / nullif((select total_tokens from everything), 0), 6), 0)
    from counted
    left join lateral (
        select phone, name from conversations where client_id = p_client_id and id = counted.id
    ) as known on true
    order by counted.total_tokens desc, counted.cost_usd desc, phone nulls last, counted.id nulls last
    limit p_limit;
end
$$;


-- 6  Access ----------------------------------------------------------------------------------------

call read_one_client_only('usage_logs', 'client_id');
call read_one_client_only('usage_pending', 'client_id');
call read_one_client_only('usage_daily_rollup', 'client_id');
call read_one_client_only('usage_conversation_daily_rollup', 'client_id');
call read_one_client_only('usage_conversation_rollup', 'client_id');

grant select on
    usage_logs, usage_pending, usage_daily_rollup, usage_conversation_daily_rollup, usage_conversation_rollup,
    usage_daily, usage_conversation_daily, usage_conversation
    to analytics_reader;

-- The only function that changes anything. Supabase would offer it to every visitor.
revoke execute on function fold_usage() from public;
do $$
declare
    visitor name;
begin
    -- By name, with a default privilege.
    for visitor in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke execute on function fold_usage() from %I', visitor);
    end loop;
end
$$;
grant execute on function fold_usage() to analytics_reader;
