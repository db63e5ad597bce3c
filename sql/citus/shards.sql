-- On Citus a client's rows lie in one group of shards, on one node. There all of them are plain tables, with
-- the number of their shard behind their names; so each group has a schema of its own, usage_NUMBER, with our
-- functions, views and triggers as they are in sql/functions, but for the names of the tables. Whoever calls
-- one of them on the coordinator is sent there (sql/citus/functions.sql).
--
-- Run on the coordinator. Functions reach all nodes by themselves, those that are added later included.

create schema if not exists shards;

-- The tables of which each node has a whole copy, and those whose rows lie with their client. All others stay
-- on the coordinator.
create or replace function shards.tables() returns table (name text, is_everywhere boolean)
    language sql immutable parallel safe
as $$
    select unnest(array['clients', 'dropped_calls', 'phone_secret']), true
    union all
    select
        unnest(
            array[
                'usage_logs', 'conversations', 'cost_correction_items', 'cost_corrections', 'tag_sets',
                'usage_conversation_daily_rollup', 'usage_conversation_kind_rollup',
                'usage_conversation_rollup', 'usage_conversation_weekly_rollup', 'usage_daily_rollup',
                'usage_days_to_sum', 'usage_hour_rollup', 'usage_kinds', 'usage_latency_rollup',
                'usage_pending', 'usage_tag_rollup'
            ]
        ),
        false
$$;

-- The number of the group of shards with this client, which is that of its shard of usage_logs.
create or replace function shards.of_client(p_client_id uuid) returns bigint
    language plpgsql stable
as $$
begin
    return pg_catalog.get_shard_id_for_distribution_column(
        'public.usage_logs', coalesce(p_client_id, '00000000-0000-0000-0000-000000000000')
    );
end
$$;

-- The groups of which this node has the shards.
create or replace function shards.here() returns setof bigint
    language sql stable
as $$
    select shard.shardid
    from pg_catalog.pg_dist_shard as shard
    inner join pg_catalog.pg_dist_placement as placement on placement.shardid = shard.shardid
    where
        shard.logicalrelid = 'public.usage_logs'::regclass
        and placement.groupid = (select groupid from pg_catalog.pg_dist_local_group)
    order by shard.shardid
$$;

-- The name of each table and of each of its constraints, and what both are called in a group; without a group
-- only of the tables that are everywhere.
create or replace function shards.names(p_group bigint) returns table (name text, name_here text)
    language sql stable
as $$
    with here as (
        select known.name, shard.logicalrelid as relation, shard.shardid
        from shards.tables() as known
        inner join pg_catalog.pg_dist_shard as shard
            on shard.logicalrelid = pg_catalog.to_regclass('public.' || known.name)
        where
            known.is_everywhere
            or shard.shardminvalue = (
                select shardminvalue from pg_catalog.pg_dist_shard where shardid = p_group
            )
    )

    select name, name || '_' || shardid from here
    union all
    select 'shard of ' || name, shardid::text from here
    union all
    select constraints.conname, constraints.conname || '_' || here.shardid
    from here
    inner join pg_catalog.pg_constraint as constraints on constraints.conrelid = here.relation
$$;

-- Makes the schema of a group on this node, and its triggers call what is in it; without a group that of the
-- tables that are everywhere. Writers wait meanwhile.
create or replace function shards.make(p_group bigint) returns void
    language plpgsql
    set check_function_bodies = off
    set client_min_messages = warning
as $$
declare
    space constant text := 'usage_' || coalesce(p_group::text, 'everywhere');
    made text := shards.text_of(p_group is null);
    known record;
begin
    execute format('set local search_path = %I, public, pg_temp', space);
    execute format('drop schema if exists %I cascade', space);
    execute format('create schema %I', space);
    for known in select name, name_here from shards.names(p_group) loop
        made := replace(made, '@{' || known.name || '}@', known.name_here);
    end loop;
    made := replace(made, '@{schema}@', space);
    execute made;
    if p_group is not null then
        -- Groups are folded beside each other.
        execute format(
            'create function %I.rollup_lock() returns bigint language sql immutable parallel safe return %s',
            space, hashtextextended(space, 7502)
        );
    end if;
    execute format('grant usage on schema %I to analytics_reader', space);
    execute format('comment on schema %I is %L', space, md5(shards.text_of(p_group is null)));
end
$$;

-- What sessions of this database need on each node; a copy of a database has none of it.
create or replace function shards.set_up() returns void
    language plpgsql
as $$
declare
    setting text;
begin
    foreach setting in array array[
        -- Triggers of shards write to shards of the same client, which lie beside them: that is what is safe.
        'citus.enable_unsafe_triggers = on',
        -- A query of clients may call functions that read the usage of each.
        'citus.allow_nested_distributed_execution = on'
    ] || case
        -- Who reads for which client is set for one transaction, on all nodes.
        when (select groupid from pg_dist_local_group) = 0 then array['citus.propagate_set_commands = local']
    end loop
        execute format('alter database %I set %s', current_database(), setting);
    end loop;
end
$$;

-- Makes the schemas of all that lies on this node, and drops those of what was moved away; how many there
-- are. And sets for whoever connects from now on what each node needs.
create or replace function shards.make_here() returns bigint
    language plpgsql
    set client_min_messages = warning
as $$
declare
    gone name;
begin
    -- Each node has its own.
    perform set_config('citus.enable_ddl_propagation', 'off', true);
    perform shards.set_up();
    for gone in
        select nspname
        from pg_namespace
        where nspname ~ '^usage_\d+$' and substring(nspname from '\d+')::bigint not in (select shards.here())
    loop
        execute format('drop schema %I cascade', gone);
    end loop;
    if exists (
        select
        from pg_dist_placement as placement
        inner join pg_dist_shard as shard on shard.shardid = placement.shardid
        where
            shard.logicalrelid = 'public.clients'::regclass
            and placement.groupid = (select groupid from pg_dist_local_group)
    ) then
        perform shards.make(null);
    end if;
    return (select count(shards.make(here)::text) from shards.here() as here);
end
$$;

-- What is wrong with the shards of this node: no rows, if all is well. Citus makes shards by its own
-- knowledge of tables, of which policies, grants and what triggers call are a part only.
create or replace function shards.faults_here() returns table (kind text, finding text)
    language plpgsql stable
as $$
#variable_conflict use_column
begin
    -- Else shards are not shown.
    perform set_config('citus.override_table_visibility', 'off', true);
    return query
    with groups as (
        select here as number, 'usage_' || here as space, md5(shards.text_of(false)) as expected
        from shards.here() as here
        union all
        select null, 'usage_everywhere', md5(shards.text_of(true))
        where exists (
            select
            from pg_dist_shard as shard
            inner join pg_dist_placement as placement on placement.shardid = shard.shardid
            where
                shard.logicalrelid = 'public.clients'::regclass
                and placement.groupid = (select groupid from pg_dist_local_group)
        )
    ),

    relations as (
        select
            groups.space,
            to_regclass('public.' || names.name) as whole,
            to_regclass('public.' || names.name_here) as shard,
            names.name_here
        from groups
        cross join lateral shards.names(groups.number) as names
        inner join shards.tables() as known on known.name = names.name
        where known.is_everywhere = (groups.number is null)
    ),

    faults as (
        select 'functions' as kind, space || ' is missing or of another version' as finding
        from groups
        where expected is distinct from obj_description(to_regnamespace(space), 'pg_namespace')
        union all
        select 'policies', name_here || ' has no row-level security'
        from relations
        inner join pg_class as whole on whole.oid = relations.whole and whole.relrowsecurity
        inner join pg_class as shard on shard.oid = relations.shard and not shard.relrowsecurity
        union all
        select 'policies', 'policy "' || policy.polname || '" of ' || name_here || ' shows all clients'
        from relations
        inner join pg_policy as policy on policy.polrelid = relations.shard
        where
            policy.polpermissive
            and policy.polroles && array[0::oid, 'analytics_reader'::regrole::oid]
            and coalesce(pg_get_expr(policy.polqual, policy.polrelid), 'true') !~ 'app\.client_id'
        union all
        select 'grants', 'analytics_reader may not read ' || name_here
        from relations
        where
            has_table_privilege('analytics_reader', whole, 'select')
            and not has_table_privilege('analytics_reader', shard, 'select')
        union all
        select 'grants', 'analytics_reader may not read ' || views.oid::regclass
        from pg_class as views
        inner join pg_namespace as namespace on namespace.oid = views.relnamespace
        where
            views.relkind = 'v'
            and (
                namespace.nspname in (select space from groups)
                or namespace.nspname = 'public' and views.relname in (
                    'usage_daily', 'usage_conversation_daily', 'usage_conversation', 'usage_facts_daily',
                    'usage_hourly', 'usage_tagged_daily', 'usage_latency_daily'
                )
            )
            and not (
                has_schema_privilege('analytics_reader', namespace.oid, 'usage')
                and has_table_privilege('analytics_reader', views.oid, 'select')
            )
        union all
        select 'triggers', 'trigger ' || watching.tgname || ' of ' || name_here || ' does nothing'
        from relations
        inner join pg_trigger as watching on watching.tgrelid = relations.shard and not watching.tgisinternal
        inner join pg_proc as routine on routine.oid = watching.tgfoid
        where
            watching.tgenabled <> 'O'
            or routine.prosrc = (select prosrc from pg_proc where oid = 'shards.refuse'::regproc)
            or routine.pronamespace <> to_regnamespace(space)
            and routine.proname not in (
                'rebuild_client_usage', 'forget_usage_of_clients', 'check_client_timezone'
            )
        union all
        select 'triggers', name_here || ' lacks trigger ' || watching.tgname
        from relations
        inner join pg_trigger as watching on watching.tgrelid = relations.whole and not watching.tgisinternal
        where not exists (
            select
            from pg_trigger as there
            where
                there.tgrelid = relations.shard
                and there.tgname = watching.tgname || '_' || substring(name_here from '\d+$')
        )
    )

    select kind, finding from faults order by kind, finding;
end
$$;

-- What this function, which counts what it did, answers in the group with this shard of usage_logs.
create or replace function shards.run(p_shard text, p_function text) returns bigint
    language plpgsql
as $$
declare
    done bigint;
begin
    execute format('select usage_%s.%I()', substring(p_shard from '\d+$'), p_function) into done;
    return done;
end
$$;

-- The sum of what it answers in all groups, beside each other, each in a transaction of its own.
create or replace function shards.run_in_all(p_function text) returns bigint
    language plpgsql
as $$
declare
    v_done bigint;
    v_failure text;
begin
    select
        coalesce(sum(case when success then result::bigint end), 0),
        min(case when not success then result end)
    into v_done, v_failure
    from run_command_on_shards(
        'public.usage_logs', format($command$select shards.run('%%s', %L)$command$, p_function)
    );
    if v_failure is not null then
        raise exception '%() fails on a shard: %', p_function, v_failure;
    end if;
    return v_done;
end
$$;

-- What triggers of shards call that nobody has given their group's functions, as after a shard was moved: no
-- write may pass them by.
create or replace function shards.refuse() returns trigger
    language plpgsql
as $$
begin
    if tg_table_name !~ '_\d+$' then
        if tg_level = 'ROW' then
            return coalesce(new, old);
        end if;
        return null;
    end if;
    raise exception '% came to this node without its triggers: run "python -m analytics distribute"',
        tg_table_name
        using errcode = 'object_not_in_prerequisite_state';
end
$$;

grant usage on schema shards to analytics_reader;
