-- Nothing is for Supabase's visitors. It grants anon and authenticated everything on all that is made in
-- this schema. Row-level security keeps them out of the rows; it says nothing about truncate, nor about
-- functions that run with their owner's rights. Applied after every change of the others, as what is new
-- has those grants, too.
--
-- clients, conversations and usage_logs may be an application's own, with policies of its own: what those
-- allow stays. (Triggers need no right to execute.)

-- And the bodies of functions are looked at, which may stand in any order in any file, now that all are
-- there.
set local check_function_bodies = on;

do $$
begin
    perform
        case language.lanname
            when 'sql' then fmgr_sql_validator(routine.oid)
            else plpgsql_validator(routine.oid)
        end
    from pg_proc as routine
    inner join pg_language as language on language.oid = routine.prolang
    where
        routine.pronamespace = 'public'::regnamespace
        and routine.xmin = pg_current_xact_id()::xid
        and language.lanname in ('sql', 'plpgsql');
end
$$;

do $$
declare
    visitors constant oid[] := array(
        select 0::oid union all select oid from pg_roles where rolname in ('anon', 'authenticated')
    );
    item record;
begin
    for item in
        select
            relation.oid::regclass as name,
            string_agg(distinct acl.privilege_type, ', ') as privileges,
            case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end as visitor
        from pg_class as relation
        cross join lateral aclexplode(relation.relacl) as acl
        where
            relation.relnamespace = 'public'::regnamespace
            and acl.grantee = any (visitors)
            and (
                relation.relname in (
                    'alert_checks', 'alert_deliveries', 'alert_events', 'alert_mutes', 'api_keys', 'budget_versions',
                    'budgets', 'cost_correction_items', 'cost_corrections', 'dropped_calls', 'erasures', 'members',
                    'model_prices', 'phone_secret', 'price_list', 'retention_rules', 'retention_runs',
                    'tag_sets', 'usage_conversation',
                    'usage_conversation_daily', 'usage_conversation_daily_rollup',
                    'usage_conversation_kind_rollup',
                    'usage_conversation_rollup', 'usage_conversation_weekly_rollup', 'usage_daily',
                    'usage_daily_rollup', 'usage_days_to_sum',
                    'usage_facts_daily', 'usage_hour_rollup', 'usage_hourly', 'usage_kinds', 'usage_latency_daily',
                    'usage_latency_rollup', 'usage_pending', 'usage_tag_rollup', 'usage_tagged_daily'
                )
                or relation.relname in ('clients', 'conversations', 'usage_logs')
                    and acl.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')
            )
        group by relation.oid, acl.grantee
    loop
        execute format('revoke %s on %s from %s', item.privileges, item.name, item.visitor);
    end loop;

    for item in
        select
            routine.oid::regprocedure as name,
            case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end as visitor
        from pg_proc as routine
        cross join lateral aclexplode(coalesce(routine.proacl, acldefault('f', routine.proowner))) as acl
        where
            routine.pronamespace = 'public'::regnamespace
            and (routine.prosecdef or routine.prokind = 'p')
            and acl.grantee = any (visitors)
            -- An application's own are its own affair.
            and routine.proname || '(' || oidvectortypes(routine.proargtypes) || ')' in (
                select unnest(makes) from applied_sql
            )
    loop
        execute format('revoke execute on routine %s from %s', item.name, item.visitor);
    end loop;

    -- Whoever reads the dashboard's numbers may ask which files of sql/ made them.
    if not exists (select from pg_policies where schemaname = 'public' and tablename = 'applied_sql') then
        grant select on applied_sql to analytics_reader;
        create policy analytics_reader_reads_what_is_applied on applied_sql
            for select to analytics_reader using (true);
    end if;
end
$$;
