-- Distributes the tables that are not distributed yet: small ones to every node, those of clients by client.

do $$
declare
    other record;
    item record;
    triggers text[];
    watching text;
    foreign_keys text[];
    made text;
begin
    -- Triggers of shards write to shards of the same client, which lie beside them: that is what is safe.
    perform set_config('citus.enable_unsafe_triggers', 'on', true);
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true);

    -- On shards Citus makes each policy a permissive one, whatever it says, so that only one with the condition
    -- closes a table.
    for other in
        select policy.polname, policy.polrelid::regclass as name
        from pg_policy as policy
        inner join shards.tables() as known on to_regclass('public.' || known.name) = policy.polrelid
        where
            policy.polname not in ('analytics_reader_may_read', 'analytics_reader_reads_one_client')
            and (policy.polroles && array[0::oid, 'analytics_reader'::regrole::oid])
            and not (policy.polroles <> array[0::oid] and policy.polname like 'analytics_reader%')
    loop
        raise exception
            'policy "%" of % would open it to readers of other clients on Citus: drop it first, or limit it to roles '
            'other than public and analytics_reader',
            other.polname, other.name
            using errcode = 'object_not_in_prerequisite_state';
    end loop;

    for item in
        select policy.polrelid::regclass as name, policy.polrelid = 'clients'::regclass as is_clients
        from pg_policy as policy
        inner join shards.tables() as known on to_regclass('public.' || known.name) = policy.polrelid
        where policy.polname in ('analytics_reader_may_read', 'analytics_reader_reads_one_client')
        group by policy.polrelid
        having count(*) > 1 or not bool_and(policy.polpermissive)
    loop
        call read_one_client_only(item.name, case when item.is_clients then 'id' else 'client_id' end);
    end loop;

    -- With these Citus would make each table another one first, and drop what depends on the type of its rows.
    foreign_keys := array(
        select format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        from pg_constraint
        where
            contype = 'f'
            and conrelid in (select to_regclass('public.' || name) from shards.tables())
            and conrelid not in (select logicalrelid from pg_dist_partition)
        order by conname
    );
    for item in
        select conrelid::regclass as name, conname
        from pg_constraint
        where
            contype = 'f'
            and conrelid in (select to_regclass('public.' || name) from shards.tables())
            and conrelid not in (select logicalrelid from pg_dist_partition)
    loop
        execute format('alter table %s drop constraint %I', item.name, item.conname);
    end loop;
    -- A call that leaves out its client would have no node to go to.
    if not exists (select from pg_dist_partition where logicalrelid = 'usage_logs'::regclass and partmethod = 'h') then
        alter table usage_logs alter column client_id set default '00000000-0000-0000-0000-000000000000';
    end if;

    for item in
        select known.name, known.is_everywhere
        from shards.tables() as known
        where
            to_regclass('public.' || known.name) is not null
            and not exists (
                select
                from pg_dist_partition
                where logicalrelid = to_regclass('public.' || known.name) and (partmethod = 'h' or repmodel = 't')
            )
        order by not known.is_everywhere, known.name <> 'usage_logs', known.name
    loop
        -- Rows that are copied to their shards were written once already.
        triggers := array(
            select pg_get_triggerdef(oid)
            from pg_trigger
            where tgrelid = to_regclass('public.' || item.name) and not tgisinternal
        );
        for watching in
            select tgname
            from pg_trigger
            where tgrelid = to_regclass('public.' || item.name) and not tgisinternal
        loop
            execute format('drop trigger %I on public.%I', watching, item.name);
        end loop;
        if item.is_everywhere then
            perform create_reference_table('public.' || item.name);
        else
            perform create_distributed_table(
                'public.' || item.name, 'client_id',
                colocate_with => case when item.name = 'usage_logs' then 'none' else 'usage_logs' end
            );
        end if;
        foreach watching in array triggers loop
            execute watching;
        end loop;
    end loop;

    foreach made in array foreign_keys loop
        execute made;
    end loop;

    -- Always empty: asking it for a client brings what stands beside it in the query to the client's node.
    if to_regclass('shards.places') is null then
        create table shards.places (client_id uuid primary key);
        perform create_distributed_table('shards.places', 'client_id', colocate_with => 'public.usage_logs');
        grant select on shards.places to analytics_reader;
    end if;
end
$$;

-- Views go to the workers with their tables, but their grants do not.
grant select on
    usage_daily, usage_conversation_daily, usage_conversation, usage_facts_daily, usage_hourly,
    usage_tagged_daily, usage_latency_daily
    to analytics_reader;

-- Nodes open their connections to each other as whoever asks.
alter role analytics_reader login;
