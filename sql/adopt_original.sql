-- The original's usage_logs becomes ours, while its writers go on: it is copied, what came in meanwhile is
-- copied too, and only for the swap of the names at the end do they wait. No row is lost, and none is
-- changed in its meaning; what stands in the way is named, and then nothing is changed.
--
-- Runs where usage_logs has no cost_basis, and does nothing elsewhere; after 011, which then makes all but
-- usage_logs, and after functions/sums.sql, whose triggers add up what is copied.

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
    if not is_legacy then
        return;
    end if;

    -- What stands on the old table must be known before the work begins.
    for item in
        select distinct dependent.oid::regclass as name, dependent.relkind as kind
        from pg_depend as link
        inner join pg_rewrite as rule on rule.oid = link.objid and link.classid = 'pg_rewrite'::regclass
        inner join pg_class as dependent on dependent.oid = rule.ev_class
        where link.refobjid = legacy and dependent.oid <> legacy
    loop
        raise exception
            'view % reads usage_logs, whose columns change their type: '
            'drop it, migrate, and create it again',
            item.name
            using errcode = 'dependent_objects_still_exist';
    end loop;
    for item in
        select conname as name, conrelid::regclass as relation
        from pg_constraint
        where contype = 'f' and confrelid = legacy and conrelid <> legacy
    loop
        raise exception
            'foreign key % of table % refers to usage_logs, whose key becomes (client_id, id): '
            'drop it and migrate',
            item.name, item.relation
            using errcode = 'dependent_objects_still_exist';
    end loop;

    -- Ours, as 011 and 022 make it, under a name for the time being. Keys, checks and the index come after the copy.
    create table usage_logs_adopted (
        client_id uuid not null,
        id uuid not null default gen_random_uuid(),
        conversation_id uuid,
        phone text,
        source text not null,
        model text,
        prompt_tokens bigint not null default 0,
        completion_tokens bigint not null default 0,
        total_tokens bigint not null,
        cost_usd numeric not null,
        cost_basis text not null default 'given',
        metadata jsonb,
        created_at timestamptz not null default now(),
        operation text,
        outcome text,
        service_tier text,
        cached_tokens bigint,
        cache_write_tokens bigint,
        cache_write_1h_tokens bigint,
        reasoning_tokens bigint,
        prompt_audio_tokens bigint,
        cached_audio_tokens bigint,
        completion_audio_tokens bigint,
        prompt_image_tokens bigint,
        cached_image_tokens bigint,
        completion_image_tokens bigint,
        character_count bigint,
        image_count bigint,
        web_search_count bigint,
        file_search_count bigint,
        code_run_count bigint,
        duration_seconds numeric,
        latency_ms integer,
        time_to_first_token_ms integer,
        operation_id text,
        attempt integer,
        response_id text,
        account text,
        stated_cost_usd numeric,
        tag_set_id integer,
        bucket_request_count bigint
    );

    -- And what functions/triggers.sql puts on it.
    create trigger complete_usage_log
        before insert or update on usage_logs_adopted
        for each row
        when (
            new.client_id is null or new.id is null
            or new.source <> lower(btrim(new.source, E' \t\n\r\f\v\u00a0'))
            or new.prompt_tokens is null or new.completion_tokens is null or new.total_tokens is null
            or new.cost_usd is null or new.cost_basis is null or new.created_at is null
            or new.metadata ? 'bucket'
            -- Writers from before 022.
            or new.operation is null and new.cached_tokens is null and new.duration_seconds is null
            and new.metadata ?| array[
                'operation', 'service_tier', 'cached_tokens', 'cache_write_tokens', 'reasoning_tokens',
                'prompt_audio_tokens', 'cached_audio_tokens', 'completion_audio_tokens', 'prompt_image_tokens',
                'duration_seconds'
            ]
        )
        execute function complete_usage_log();
    create trigger record_inserted_usage
        after insert on usage_logs_adopted
        referencing new table as added
        for each statement execute function record_pending_usage();
    create trigger record_deleted_usage
        after delete on usage_logs_adopted
        referencing old table as removed
        for each statement execute function record_pending_usage();
    create trigger record_updated_usage
        after update on usage_logs_adopted
        referencing new table as added old table as removed
        for each statement execute function record_pending_usage();
    create trigger forget_all_usage
        before truncate on usage_logs_adopted
        for each statement execute function forget_all_usage();

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
            remembered as (insert into usage_logs_copied (id, version) select id, copied_version from batch)
            insert into usage_logs_adopted (%3$s) select %3$s from batch',
            block,
            case when block + blocks_per_step > blocks then 4294967295 else block + blocks_per_step end,
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

    -- Once without and once with the writers waiting.
    foreach is_locked in array array[false, true] loop
        if is_locked then
            raise notice 'adopting usage_logs: catching up and swapping';
            call lock_in_bites(locked);
            -- Nothing watches over it before this transaction ends.
            if exists (
                select from clients inner join usage_logs_timezones as seen using (id)
                where clients.timezone <> seen.timezone
            ) then
                raise exception
                    'a client''s time zone was changed meanwhile: nothing was done, migrate again';
            end if;
        end if;

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
                    remembered as (insert into usage_logs_copied (id, version) select id, copied_version from batch)
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
                    execute format(
                        'alter table usage_logs_adopted drop constraint %I', broken_constraint
                    );
                    raise notice 'adopting usage_logs: rows that break % are kept as they are',
                        broken_constraint;
            end;
        end loop;
        drop table usage_logs_recent;

        -- What was deleted meanwhile is found by looking at every row; seldom needed while writers wait.
        if not is_locked
            or (select count(*) from usage_logs_copied) <> (select count(*) from usage_logs)
        then
            insert into usage_logs_stale (id)
            select seen.id
            from usage_logs_copied as seen
            where not exists (
                select from usage_logs as log where log.id = seen.id and log.xmin = seen.version
            );
            delete from usage_logs_copied where id in (select id from usage_logs_stale);
            delete from usage_logs_adopted where id in (select id from usage_logs_stale);
        end if;
        drop table usage_logs_stale;

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
        add constraint usage_logs_client_id_fkey
            foreign key (client_id) references clients (id) on delete cascade,
        add constraint usage_logs_outcome_is_known
            check (outcome in ('ok', 'error', 'refused', 'cut')) not valid,
        add constraint usage_logs_facts_are_amounts check (
            least(
                cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
                prompt_audio_tokens, cached_audio_tokens, completion_audio_tokens, prompt_image_tokens,
                cached_image_tokens, completion_image_tokens, character_count, image_count,
                web_search_count, file_search_count, code_run_count, latency_ms, time_to_first_token_ms
            ) >= 0
            and greatest(
                cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
                prompt_audio_tokens, cached_audio_tokens, completion_audio_tokens, prompt_image_tokens,
                cached_image_tokens, completion_image_tokens, character_count, image_count,
                web_search_count, file_search_count, code_run_count
            ) <= 1000000000000
            and duration_seconds between 0 and 1000000000
            and stated_cost_usd >= 0 and stated_cost_usd < 'Infinity'
            and attempt >= 1
        ) not valid,
        add constraint usage_logs_buckets_have_requests
            check (bucket_request_count between 1 and 1000000000000) not valid;

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
    from (
        select request_count, total_tokens, cost_usd from usage_daily_rollup
        union all
        select request_count, total_tokens, cost_usd from usage_pending
    ) as summed;
    if adopted_sums is distinct from legacy_sums
        or legacy_sums.row_count <> (select count(*) from usage_logs_adopted)
    then
        raise exception
            'the copy of usage_logs holds % instead of %: nothing was changed, please report this',
            adopted_sums, legacy_sums;
    end if;

    -- Its policies, grants and triggers come along; of its indexes only a notice remains.
    if not (select relrowsecurity from pg_class where oid = legacy) then
        carried := carried
            || text 'create policy everybody_as_before on usage_logs using (true) with check (true)';
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
        select
            privilege_type, is_grantable, pg_get_userbyid(grantee) as grantee, grantee = 0 as is_public,
            '' as columns
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
                case item.enabled
                    when 'D' then 'disable' when 'A' then 'enable always' else 'enable replica'
                end,
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

    alter table usage_logs_adopted rename to usage_logs;
    alter table usage_logs rename constraint usage_logs_adopted_pkey to usage_logs_pkey;
    alter index usage_logs_adopted_client_id_created_at_idx rename to usage_logs_client_id_created_at_idx;

    foreach statement in array carried loop
        execute statement;
    end loop;

    call read_one_client_only('usage_logs', 'client_id');
    grant select on usage_logs to analytics_reader;
end
$adoption$;
