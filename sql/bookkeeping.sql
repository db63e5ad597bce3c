-- Which files of this directory were applied. Run before every other one; safe to repeat, and without a
-- right to change anything where there is nothing to change.

do $$
declare
    item record;
begin
    -- One row per file. A migration is known by its number, as its name may change; sha256 is null where it
    -- was applied before this table was there.
    if to_regclass('public.applied_sql') is null then
        create table applied_sql (
            name text primary key,
            sha256 text,
            applied_at timestamptz not null default now(),
            makes text[] not null default '{}'  -- the functions and views that are there because of it
        );
    end if;

    -- Supabase grants its visitors every new table: who may write here can mark a file as applied. Whoever
    -- is not the owner has nothing to close.
    for item in
        select
            relation.relrowsecurity as is_closed,
            array(
                select distinct case when grantee = 0 then 'public' else grantee::regrole::text end
                from aclexplode(relation.relacl)
                where grantee = 0 or pg_get_userbyid(grantee) in ('anon', 'authenticated')
            ) as visitors
        from pg_class as relation
        where relation.oid = to_regclass('public.applied_sql') and pg_has_role(relation.relowner, 'usage')
    loop
        if not item.is_closed then
            alter table applied_sql enable row level security;
        end if;
        if item.visitors <> '{}' then
            execute format('revoke all on applied_sql from %s', array_to_string(item.visitors, ', '));
        end if;
    end loop;

    -- Until 020 yoyo-migrations kept the record. Its tables go, unless an application of one's own uses
    -- them, too.
    if exists (
        select from pg_class
        where oid = to_regclass('public._yoyo_migration') and pg_has_role(relowner, 'usage')
    ) then
        insert into applied_sql (name, applied_at)
        select migration_id, applied_at_utc at time zone 'UTC'
        from _yoyo_migration
        where migration_id in (
            '010_tenants', '011_analytics_usage_tracking', '012_prices', '013_access', '014_reports',
            '015_hours', '016_search', '017_list_prices', '018_personal_data', '019_conversations_by_cost',
            '020_comparisons'
        )
        on conflict (name) do nothing;
        if not exists (
            select from _yoyo_migration where migration_id not in (select name from applied_sql)
        ) then
            drop table _yoyo_migration;
            drop table if exists _yoyo_log, _yoyo_version, yoyo_lock;
        end if;
    end if;
end
$$;
