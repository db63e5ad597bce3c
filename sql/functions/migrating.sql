-- What migrations call, and those who apply them. The first file of all.


-- Locks tables, in this order, against everybody until the transaction ends, in bites: while somebody's
-- transaction is at one of them, all are let go again. So nobody else queues behind this one for long, and
-- whoever waits for it in a circle goes on before PostgreSQL ends a transaction for that, which it does
-- after a second. Call it before the transaction holds any other lock that writers need.
create or replace procedure lock_in_bites(p_tables regclass[])
    language plpgsql
    set search_path = public, pg_temp
    set lock_timeout = '1min'
as $$
declare
    bites constant integer := 100;
    tables constant text := (
        select string_agg(name::text, ', ' order by place)
        from unnest(p_tables) with ordinality as listed (name, place)
    );
begin
    -- No writer minds this one. An autovacuum does, and is sent away.
    execute format('lock table %s in share update exclusive mode', tables);
    for bite in 1..bites loop
        begin
            perform set_config('lock_timeout', '100ms', true);
            execute format('lock table %s in access exclusive mode', tables);
            exit;
        exception
            when lock_not_available then
                if bite = bites then
                    raise exception 'transactions use % all the time: end the long ones, then migrate again',
                        tables
                        using errcode = 'lock_not_available';
                end if;
                perform pg_sleep(0.1 + 0.5 * random());
        end;
    end loop;
end
$$;

-- Each table that belongs to tenants gets the same two policies by this procedure: a reader sees the one
-- client of app.client_id, whatever other policies the table has. On Citus it is one policy that carries its
-- condition, as shards have no restrictive ones: sql/citus/tables.sql refuses tables with others.
create or replace procedure read_one_client_only(p_table regclass, p_client_column name)
    language plpgsql
    set search_path = public, pg_temp
as $$
declare
    v_is_citus constant boolean := exists (select from pg_extension where extname = 'citus');
begin
    execute format('alter table %s enable row level security', p_table);
    execute format('drop policy if exists analytics_reader_may_read on %s', p_table);
    if not v_is_citus then
        execute format(
            'create policy analytics_reader_may_read on %s for select to analytics_reader using (true)', p_table
        );
    end if;
    execute format('drop policy if exists analytics_reader_reads_one_client on %s', p_table);
    execute format(
        'create policy analytics_reader_reads_one_client on %s %s for select to analytics_reader'
        ' using (%I = nullif(current_setting(''app.client_id'', true), '''')::uuid)',
        p_table, case when v_is_citus then '' else 'as restrictive' end, p_client_column
    );
end
$$;

-- Adds an attribute to what a filter says, where it has none of this name yet: a type of PostgreSQL's has no
-- "if not exists". What takes usage_filter whole sees it at once.
create or replace procedure add_filter_attribute(p_name name, p_type regtype)
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    if not exists (
        select from pg_attribute
        where
            attrelid = (select typrelid from pg_type where oid = 'usage_filter'::regtype)
            and attname = p_name
    ) then
        execute format('alter type usage_filter add attribute %I %s', p_name, p_type);
    end if;
end
$$;

-- Notes that a file of sql/ was applied, and what it makes: the functions and views that this transaction
-- wrote and that no file before it made.
create or replace procedure record_applied_sql(p_name text, p_sha256 text)
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    insert into applied_sql as known (name, sha256, makes)
    select
        p_name,
        p_sha256,
        array(
            select routine.proname || '(' || oidvectortypes(routine.proargtypes) || ')' as made
            from pg_proc as routine
            where
                routine.pronamespace = 'public'::regnamespace
                and routine.xmin = pg_current_xact_id()::xid
            union
            select relation.relname
            from pg_rewrite as rule
            inner join pg_class as relation on relation.oid = rule.ev_class
            where
                relation.relnamespace = 'public'::regnamespace
                and relation.relkind = 'v'
                and rule.xmin = pg_current_xact_id()::xid
            except
            select unnest(earlier.makes)
            from applied_sql as earlier
            where earlier.xmin = pg_current_xact_id()::xid
            order by made
        )
    on conflict (name) do update
        set sha256 = excluded.sha256, applied_at = excluded.applied_at, makes = excluded.makes;
end
$$;
