-- Each function that reads tables of clients becomes two. Its text goes to the schema of every group of
-- shards (shards.make), where it is planned as on plain PostgreSQL; on the coordinator its name stands for a
-- query that runs there. So what it says is written once, in sql/functions.
--
-- Run after all of sql/functions, in the same transaction.

do $functions$
declare
    -- In a sentence such as "1 to 1000 conversations" no table is meant.
    a_name constant text := '(?<!\d )\m(%s)\M';
    names constant text := format(
        a_name,
        (
            select string_agg(listed.name, '|' order by length(listed.name) desc, listed.name)
            from (
                select name from shards.tables()
                union
                select constraints.conname
                from shards.tables() as known
                inner join pg_constraint as constraints
                    on constraints.conrelid = to_regclass('public.' || known.name)
            ) as listed (name)
        )
    );
    names_everywhere constant text := format(
        a_name, (select string_agg(name, '|' order by length(name) desc) from shards.tables() where is_everywhere)
    );
    tables constant oid[] := array(
        select to_regclass('public.' || name)::oid from shards.tables() where not is_everywhere
    );
    tables_everywhere constant oid[] := array(
        select to_regclass('public.' || name)::oid from shards.tables() where is_everywhere
    );
    -- What has a form of its own below.
    special constant text[] := array[
        'fold_usage', 'sum_days_anew', 'sum_lifetimes_by_kind', 'rebuild_client_usage', 'forget_usage_of_clients',
        'begin_dropping_calls', 'delete_dropped_calls', 'end_restoring_calls'
    ];
    views oid[];
    ours oid[];
    touching oid[];
    found oid[];
    watching oid[];  -- functions of triggers of the tables that are everywhere
    texts text;
    texts_everywhere text;
    item record;
begin
    perform set_config('search_path', 'public, pg_temp', true);
    perform set_config('check_function_bodies', 'off', true);
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true);

    views := array(
        select oid
        from pg_class
        where
            relnamespace = 'public'::regnamespace and relkind = 'v'
            and relname in (select unnest(makes) from applied_sql)
    );
    ours := array(
        select oid
        from pg_proc
        where
            pronamespace = 'public'::regnamespace and prokind = 'f'
            and proname || '(' || oidvectortypes(proargtypes) || ')' in (select unnest(makes) from applied_sql)
    );

    -- Those that name a table or a view, and those that call one of them.
    touching := array(
        select oid
        from pg_proc
        where
            oid = any (ours)
            and pg_get_functiondef(oid)
            ~ (
                names || '|\m('
                || (select string_agg(relname, '|') from pg_class where oid = any (views)) || ')\M'
            )
    );
    loop
        found := array(
            select oid
            from pg_proc
            where
                oid = any (ours) and oid <> all (touching)
                and pg_get_functiondef(oid)
                ~ (
                    '\m('
                    || (select string_agg(distinct proname, '|') from pg_proc where oid = any (touching))
                    || ')\s*\('
                )
        );
        exit when found = '{}';
        touching := touching || found;
    end loop;

    -- Views, functions and triggers of a group.
    with parts as (
        select
            1 as place,
            relname::text as name,
            format(
                E'create view @{schema}@.%1$I with (security_invoker = true) as %2$s\n'
                'grant select on @{schema}@.%1$I to analytics_reader;',
                relname, regexp_replace(pg_get_viewdef(oid), names, '@{\1}@', 'g')
            ) as text
        from pg_class
        where oid = any (views)
        union all
        select
            2 as place,
            proname || oidvectortypes(proargtypes) as name,
            replace(
                replace(
                    regexp_replace(pg_get_functiondef(oid), names, '@{\1}@', 'g'),
                    'CREATE OR REPLACE FUNCTION public.', 'CREATE FUNCTION @{schema}@.'
                ),
                'SET search_path TO ''public''', 'SET search_path TO ''@{schema}@'', ''public'''
            )
            || E';\n'
            || case
                when not has_function_privilege('analytics_reader', oid, 'execute') then
                    format(
                        'revoke execute on function @{schema}@.%I(%s) from public;',
                        proname,
                        regexp_replace(pg_get_function_identity_arguments(oid), names, '@{\1}@', 'g')
                    )
                else ''
            end as text
        from pg_proc
        where oid = any (touching)
        union all
        select
            3 as place,
            tgname::text as name,
            regexp_replace(
                regexp_replace(
                    pg_get_triggerdef(trigger.oid),
                    '^CREATE TRIGGER (\S+) (.*?) ON public\.(\S+) ',
                    'CREATE OR REPLACE TRIGGER \1_@{shard of \3}@ \2 ON public.@{\3}@ '
                ),
                'EXECUTE FUNCTION (public\.)?', 'EXECUTE FUNCTION @{schema}@.'
            )
            || ';' as text
        from pg_trigger as trigger
        where not tgisinternal and tgrelid = any (tables) and tgfoid = any (touching)
    )

    select string_agg(text, E'\n' order by place, name) into texts from parts;

    -- And those of the tables that are everywhere.
    watching := array(
        select tgfoid
        from pg_trigger as trigger
        inner join pg_proc as routine on routine.oid = trigger.tgfoid
        where
            not tgisinternal and tgrelid = any (tables_everywhere) and tgfoid = any (touching)
            and proname <> all (special)
    );
    with parts as (
        select
            1 as place,
            proname::text as name,
            replace(
                replace(
                    regexp_replace(pg_get_functiondef(oid), names_everywhere, '@{\1}@', 'g'),
                    'CREATE OR REPLACE FUNCTION public.', 'CREATE FUNCTION @{schema}@.'
                ),
                'SET search_path TO ''public''', 'SET search_path TO ''@{schema}@'', ''public'''
            )
            || ';' as text
        from pg_proc
        where oid = any (watching)
        union all
        select
            2 as place,
            tgname::text as name,
            regexp_replace(
                regexp_replace(
                    pg_get_triggerdef(oid),
                    '^CREATE TRIGGER (\S+) (.*?) ON public\.(\S+) ',
                    'CREATE OR REPLACE TRIGGER \1_@{shard of \3}@ \2 ON public.@{\3}@ '
                ),
                'EXECUTE FUNCTION (public\.)?', 'EXECUTE FUNCTION @{schema}@.'
            )
            || ';' as text
        from pg_trigger
        where not tgisinternal and tgrelid = any (tables_everywhere) and tgfoid = any (watching)
    )

    select string_agg(text, E'\n' order by place, name) into texts_everywhere from parts;

    execute format(
        'create or replace function shards.text_of(p_is_everywhere boolean) returns text'
        ' language sql immutable as %L',
        format('select case when p_is_everywhere then %L else %L end', texts_everywhere, texts)
    );

    drop schema if exists on_shards cascade;
    create schema on_shards;
    grant usage on schema on_shards to analytics_reader;
    for item in
        select
            quote_ident(proname) as name,
            pg_get_function_arguments(oid) as arguments,
            pg_get_function_result(oid) as result,
            case provolatile when 'v' then 'volatile' else 'stable' end as volatility,
            case when prosecdef then 'security definer' else '' end as rights,
            array_position(proargnames, 'p_client_id') as client_at,
            proretset as is_set,
            prorettype = 'void'::regtype as is_nothing,
            has_function_privilege('analytics_reader', oid, 'execute') as is_open,
            pg_get_function_identity_arguments(oid) as identity,
            (
                select string_agg('$' || place, ', ' order by place)
                from generate_series(1, pronargs) as place
            ) as given,
            (
                select string_agg('$' || place + 1, ', ' order by place)
                from generate_series(1, pronargs) as place
            ) as given_after_group,
            exists (select from pg_type where oid = prorettype and typtype = 'c') as is_row
        from pg_proc
        where
            oid = any (touching) and prorettype <> 'trigger'::regtype and proname <> all (special)
            and array_position(proargnames, 'p_client_id') is not null
    loop
        execute format(
            'create function on_shards.%1$s(p_shard_group bigint, %2$s) returns %3$s
                language plpgsql %4$s
                set search_path = public, pg_temp
            as $function$
            %7$s
            begin
                if to_regnamespace(''usage_'' || p_shard_group) is null then
                    raise exception
                        ''shard %% came to this node without its functions: run "python -m analytics distribute"'',
                        p_shard_group
                        using errcode = ''object_not_in_prerequisite_state'';
                end if;
                perform set_config(''search_path'', format(''usage_%%s, public, pg_temp'', p_shard_group), true);
                %5$s format(''select * from usage_%%s.%1$s(%6$s)'', p_shard_group) %8$s using %9$s;
                %10$s
            end
            $function$',
            item.name, item.arguments, item.result, item.volatility,
            case when item.is_set then 'return query execute' else 'execute' end,
            item.given,
            case
                when not item.is_set and not item.is_nothing then format('declare v_answer %s;', item.result) else ''
            end,
            case when item.is_set or item.is_nothing then '' else 'into v_answer' end,
            item.given_after_group,
            case when item.is_set then 'return;' when item.is_nothing then '' else 'return v_answer;' end
        );
        if not item.is_open then
            execute format(
                'revoke execute on function on_shards.%s(bigint, %s) from public', item.name, item.identity
            );
        end if;
        execute format(
            'create or replace function public.%1$s(%2$s) returns %3$s
                language plpgsql %4$s %5$s
                set search_path = public, pg_temp
            as $function$
            declare
                v_group constant bigint := shards.of_client($%6$s);
                v_client_id constant uuid := coalesce($%6$s, ''00000000-0000-0000-0000-000000000000'');
                %9$s
            begin
                -- On the node of the client already, as part of a query of its rows.
                if to_regnamespace(''usage_'' || v_group) is not null then
                    %7$s select answer.* %8$s from on_shards.%1$s(v_group, %10$s) as answer;
                    %11$s
                end if;
                %7$s
                select answer.*
                %8$s
                from (
                    select count(*) as none
                    from (select 1 from shards.places where client_id = v_client_id) as of_client
                ) as place
                cross join lateral on_shards.%1$s(v_group, %10$s) as answer;
                %11$s
            end
            $function$',
            item.name, item.arguments, item.result, item.volatility, item.rights, item.client_at,
            case when item.is_set then 'return query' else '' end,
            case when item.is_set then '' else 'into v_answer' end,
            case
                when item.is_set then ''
                else format('v_answer %s;', case when item.is_nothing then 'text' else item.result end)
            end,
            item.given,
            case when item.is_set or item.is_nothing then 'return;' else 'return v_answer;' end
        );
    end loop;

    -- Triggers of shards call what shards.make() gave them, or nothing.
    for item in
        select distinct quote_ident(proname) as name, prosecdef
        from pg_trigger as trigger
        inner join pg_proc as routine on routine.oid = trigger.tgfoid
        where not tgisinternal and tgrelid = any (tables) and tgfoid = any (touching)
    loop
        execute format(
            'create or replace function public.%s() returns trigger language plpgsql as %L',
            item.name, (select prosrc from pg_proc where oid = 'shards.refuse'::regproc)
        );
    end loop;
end
$functions$;

-- A client lies in one group, so its sums move all at once. A fold stays, even if the transaction that asked
-- for it is rolled back.
create or replace function fold_usage() returns bigint
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    return shards.run_in_all('fold_usage');
end
$$;

create or replace function sum_lifetimes_by_kind() returns bigint
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    return shards.run_in_all('sum_lifetimes_by_kind');
end
$$;

create or replace function sum_days_anew(p_most_calls integer default 5000) returns bigint
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if exists (select 1 from usage_days_to_sum) then
        raise exception 'calls of before 022 are summed anew before the database is distributed, and not %',
            p_most_calls
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    return 0;
end
$$;

-- Each node has its copy of clients, and this trigger; one of them has the client's usage.
create or replace function rebuild_client_usage() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    v_group bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception
            'the time zone of client "%" can only be changed in a transaction that is READ COMMITTED', new.name
            using errcode = 'active_sql_transaction';
    end if;
    v_group := shards.of_client(new.id);
    if tg_table_name = 'clients' or v_group not in (select shards.here()) then
        return null;
    end if;
    perform pg_advisory_xact_lock(timezone_lock(new.id));
    perform set_config('search_path', format('usage_%s, public, pg_temp', v_group), true);
    execute format('select pg_advisory_xact_lock(usage_%s.rollup_lock())', v_group);
    execute format('select usage_%s.move_sums_of_calls($1, ''-infinity'', ''infinity'', $2, $3)', v_group)
    using new.id, old.timezone, new.timezone;
    execute format('select usage_%s.fold_usage()', v_group);
    return null;
end
$$;

create or replace function forget_usage_of_clients() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    v_gone record;
    v_table text;
begin
    if tg_table_name = 'clients' then
        return null;
    end if;
    for v_gone in
        select removed.id, here.number
        from removed
        inner join shards.here() as here (number) on here.number = shards.of_client(removed.id)
        order by here.number, removed.id
    loop
        execute format('select pg_advisory_xact_lock(usage_%s.rollup_lock())', v_gone.number);
        for v_table in
            select names.name_here
            from shards.names(v_gone.number) as names
            inner join shards.tables() as known on known.name = names.name
            where
                not known.is_everywhere
                and known.name not in ('usage_logs', 'conversations', 'cost_corrections', 'cost_correction_items')
            order by known.name <> 'usage_pending', known.name
        loop
            execute format('delete from public.%I where client_id = $1', v_table) using v_gone.id;
        end loop;
    end loop;
    return null;
end
$$;

-- Not on Citus: what these move lies on two nodes.
create or replace function begin_dropping_calls(p_client_id uuid, p_end_date date, p_archive text)
    returns uuid
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    raise exception 'calls of % before % cannot be dropped (%): retention does not run on Citus',
        p_client_id, p_end_date, p_archive
        using errcode = 'feature_not_supported';
end
$$;
