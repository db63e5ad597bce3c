-- Tenants and their conversations, and the role that dashboards and the API read as.
--
-- Adopts the tables of an existing installation: adds what is missing, removes nothing.
-- Safe to run again, and safe to paste into Supabase's SQL editor.

-- Locks tables against everybody until the transaction ends, in bites: while somebody's transaction is at one
-- of them, all are let go again. So nobody else queues behind this one for long, and whoever waits for it in a
-- circle goes on before PostgreSQL ends a transaction for that, which it does after a second. Call it before
-- the transaction holds any other lock that writers need.
create or replace procedure lock_in_bites(p_tables regclass[])
    language plpgsql
    set search_path = public, pg_temp
    set lock_timeout = '1min'
as $$
declare
    bites constant integer := 100;
    tables constant text := (select string_agg(name::text, ', ') from unnest(p_tables) as name);
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
                    raise exception 'transactions use % all the time: end the long ones, then migrate again', tables
                        using errcode = 'lock_not_available';
                end if;
                perform pg_sleep(0.1 + 0.5 * random());
        end;
    end loop;
end
$$;

-- Tables that already stand without row-level security get it below; a policy keeps them open to whoever
-- could use them before. Our own tables are born closed.
do $$
declare
    standing constant regclass[] := array_remove(
        array[to_regclass('public.clients'), to_regclass('public.conversations')], null
    );
    open_table regclass;
begin
    if standing <> '{}' then
        call lock_in_bites(standing);
    end if;
    for open_table in
        select oid
        from pg_class
        where oid = any (standing) and not relrowsecurity
    loop
        execute format('create policy everybody_as_before on %s using (true) with check (true)', open_table);
    end loop;
end
$$;

create table if not exists clients (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    slug text unique,
    created_at timestamptz not null default now()
);

-- The IANA zone in which this client's days begin. Every usage_date is a day of this zone.
alter table clients add column if not exists timezone text not null default 'UTC';
-- Made by "python -m analytics demo": may be thrown away, and pages say that it is not real.
alter table clients add column if not exists is_demo boolean not null default false;

create table if not exists conversations (
    client_id uuid not null references clients (id) on delete cascade,
    id uuid not null default gen_random_uuid(),
    phone text,
    name text,
    created_at timestamptz not null default now(),
    primary key (client_id, id)
);

alter table conversations alter column phone drop not null;

-- Within a client a phone is one conversation: that is how a log without conversation_id finds its own.
create unique index if not exists conversations_client_id_phone_key on conversations (client_id, phone);


-- Time zones ---------------------------------------------------------------------------------------

create or replace function check_client_timezone() returns trigger
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    -- Only places: "EST" and "UTC+3" are accepted by PostgreSQL too, but have no daylight saving or the
    -- opposite sign of what their writer meant.
    if new.timezone is null or new.timezone <> 'UTC' and not exists (
        select from pg_timezone_names as zone where zone.name = new.timezone and zone.name like '%/%'
    ) then
        raise exception 'unknown time zone "%" of client "%": give an IANA name such as "America/Sao_Paulo"',
            new.timezone, new.name
            using errcode = 'invalid_parameter_value';
    end if;
    return new;
end
$$;

create or replace trigger check_client_timezone_on_insert
    before insert on clients
    for each row when (new.timezone <> 'UTC')
    execute function check_client_timezone();

create or replace trigger check_client_timezone_on_update
    before update of timezone on clients
    for each row when (new.timezone is distinct from old.timezone)
    execute function check_client_timezone();


-- Logs that name no client are kept under this one, which only an administrator sees.
create or replace function unassigned_client_id() returns uuid
    language sql immutable parallel safe
    return '00000000-0000-0000-0000-000000000000'::uuid;


-- Reading ------------------------------------------------------------------------------------------

do $$
begin
    if not exists (select from pg_roles where rolname = 'analytics_reader') then
        create role analytics_reader nologin;
    end if;
exception
    when duplicate_object or unique_violation then
        null;  -- roles belong to the whole server: another database's migration was a moment faster
end
$$;

-- Also for the creator: since PostgreSQL 16 creating a role does not include the right to take it.
grant analytics_reader to current_user;

grant usage on schema public to analytics_reader;
grant select on clients, conversations to analytics_reader;

-- Each table that belongs to tenants gets the same two policies by this procedure: a reader sees the one
-- client of app.client_id, whatever other policies the table has.
create or replace procedure read_one_client_only(p_table regclass, p_client_column name)
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    execute format('alter table %s enable row level security', p_table);
    execute format('drop policy if exists analytics_reader_may_read on %s', p_table);
    execute format(
        'create policy analytics_reader_may_read on %s for select to analytics_reader using (true)', p_table
    );
    execute format('drop policy if exists analytics_reader_reads_one_client on %s', p_table);
    execute format(
        'create policy analytics_reader_reads_one_client on %s as restrictive for select to analytics_reader'
        ' using (%I = nullif(current_setting(''app.client_id'', true), '''')::uuid)',
        p_table, p_client_column
    );
end
$$;

call read_one_client_only('clients', 'id');
call read_one_client_only('conversations', 'client_id');
