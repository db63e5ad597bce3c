-- Clients and their conversations, and the role that dashboards and the API read as.
--
-- Adopts the tables of an existing installation: adds what is missing, removes nothing.

-- Tables that already stand without row-level security get it below; a policy keeps them open to whoever
-- could use them before. Our own tables are born closed.
do $$
declare
    standing constant regclass[] := array_remove(
        array[to_regclass('public.clients'), to_regclass('public.conversations')], null
    );
    open_table regclass;
begin
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

call read_one_client_only('clients', 'id');
call read_one_client_only('conversations', 'client_id');
