-- The schema as it was made by migrations 010 to 020 of the first main (commit ed7331d), which kept functions and
-- adoption in the migrations and was applied by yoyo: those files one after the other, without comments and without
-- what a later one of them replaced; yoyo's own tables; and the adoption as it went where there was nothing to adopt.
-- tests/test_migrations.py brings it up to date. Not to be changed: such databases are there.

create or replace procedure lock_in_bites(p_tables regclass[])
    language plpgsql
    set search_path = public, pg_temp
    set lock_timeout = '1min'
as $$
declare
    bites constant integer := 100;
    tables constant text := (select string_agg(name::text, ', ') from unnest(p_tables) as name);
begin
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

create table if not exists clients (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    slug text unique,
    created_at timestamptz not null default now()
);

alter table clients add column if not exists timezone text not null default 'UTC';

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

create unique index if not exists conversations_client_id_phone_key on conversations (client_id, phone);

create or replace function check_client_timezone() returns trigger
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
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

create or replace function unassigned_client_id() returns uuid
    language sql immutable parallel safe
    return '00000000-0000-0000-0000-000000000000'::uuid;

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

grant analytics_reader to current_user;

grant usage on schema public to analytics_reader;

grant select on clients, conversations to analytics_reader;

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

create or replace function keep_timezones(p_client_ids uuid[]) returns void
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock_shared(timezone_lock(client_id)) from unnest(p_client_ids) as client_id;
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

create or replace function timezone_lock(p_client_id uuid) returns bigint
    language sql immutable parallel safe
    return hashtextextended(p_client_id::text, 7501);

create or replace function rollup_lock() returns bigint
    language sql immutable parallel safe
    return 7502;

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

alter table usage_logs_adopted
    add constraint usage_logs_adopted_pkey primary key (client_id, id),
    add constraint usage_logs_tokens_are_not_negative check (
        prompt_tokens between 0 and 1000000000000
        and completion_tokens between 0 and 1000000000000
        and total_tokens between 0 and 1000000000000
    ),
    add constraint usage_logs_cost_is_an_amount check (cost_usd >= 0 and cost_usd < 'Infinity'),
    add constraint usage_logs_cost_basis_is_known
        check (cost_basis in ('priced', 'estimated', 'unpriced', 'given')),
    add constraint usage_logs_unpriced_costs_nothing check (cost_basis <> 'unpriced' or cost_usd = 0),
    add constraint usage_logs_created_at_is_finite check (isfinite(created_at)),
    add constraint usage_logs_client_id_fkey foreign key (client_id) references clients (id) on delete cascade;
create index usage_logs_adopted_client_id_created_at_idx on usage_logs_adopted (client_id, created_at desc);
alter table usage_logs_adopted rename to usage_logs;
alter table usage_logs rename constraint usage_logs_adopted_pkey to usage_logs_pkey;
alter index usage_logs_adopted_client_id_created_at_idx rename to usage_logs_client_id_created_at_idx;

create or replace trigger rebuild_client_usage
    after update of timezone on clients
    for each row when (old.timezone is distinct from new.timezone)
    execute function rebuild_client_usage();

create or replace trigger forget_usage_of_clients
    after delete on clients
    referencing old table as removed
    for each statement execute function forget_usage_of_clients();

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

create or replace function usage_provider(p_source text) returns text
    language sql immutable parallel safe
    return case when p_source in ('openai', 'groq') then p_source else 'other' end;

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
        case when sum(unpriced_count) = 0 then sum(cost_usd) * 1000 / nullif(sum(total_tokens), 0) end
            as cost_per_1k_tokens,
        sum(total_tokens) / nullif(sum(request_count), 0) as tokens_per_request
    from usage_daily
    where client_id = p_client_id and usage_date between p_first_date and p_last_date
    group by source, model
$$;

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

call read_one_client_only('usage_logs', 'client_id');

call read_one_client_only('usage_pending', 'client_id');

call read_one_client_only('usage_daily_rollup', 'client_id');

call read_one_client_only('usage_conversation_daily_rollup', 'client_id');

call read_one_client_only('usage_conversation_rollup', 'client_id');

grant select on
    usage_logs, usage_pending, usage_daily_rollup, usage_conversation_daily_rollup, usage_conversation_rollup,
    usage_daily, usage_conversation_daily, usage_conversation
    to analytics_reader;

revoke execute on function fold_usage() from public;

do $$
declare
    visitor name;
begin
    for visitor in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke execute on function fold_usage() from %I', visitor);
    end loop;
end
$$;

grant execute on function fold_usage() to analytics_reader;

create table if not exists model_prices (
    id uuid primary key default gen_random_uuid(),
    client_id uuid references clients (id) on delete cascade,
    source text not null,
    model text not null,
    effective_from timestamptz not null default '-infinity',
    effective_until timestamptz not null default 'infinity',
    unit text not null default '1M tokens',
    input_usd numeric not null,
    cached_input_usd numeric,  -- null: cached input costs what other input does
    output_usd numeric not null default 0,
    reference text,  -- where the price comes from: an address, a contract
    note text,
    changed_at timestamptz not null default now(),
    constraint model_prices_one_price_at_a_time
        unique nulls not distinct (client_id, source, model, effective_from),
    constraint model_prices_names_are_lower_case
        check (source = lower(btrim(source)) and model = lower(btrim(model)) and source <> '' and model <> ''),
    constraint model_prices_ends_after_it_begins check (effective_from < effective_until),
    constraint model_prices_unit_is_known check (unit in ('1M tokens', 'minute')),
    constraint model_prices_are_amounts check (
        input_usd >= 0 and input_usd < 'Infinity' and output_usd >= 0 and output_usd < 'Infinity'
        and coalesce(cached_input_usd, 0) >= 0 and coalesce(cached_input_usd, 0) < 'Infinity'
    ),
    constraint model_prices_minutes_are_input
        check (unit <> 'minute' or output_usd = 0 and cached_input_usd is null)
);

create table if not exists price_list (
    is_only_row boolean primary key default true check (is_only_row),
    revision uuid not null default gen_random_uuid()
);

create or replace function renew_price_list() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    update price_list set revision = gen_random_uuid();
    return null;
end
$$;

create or replace trigger renew_price_list
    after insert or update or delete or truncate on model_prices
    for each statement execute function renew_price_list();

do $$
begin
    if not exists (select from price_list) then
        insert into price_list default values;
        insert into model_prices (source, model, unit, input_usd, output_usd, reference) values
            ('openai', 'gpt-4', '1M tokens', 30, 60, 'usage tracking guide'),
            ('openai', 'gpt-3.5-turbo', '1M tokens', 1.5, 2, 'usage tracking guide'),
            ('groq', '*', '1M tokens', 0, 0, 'usage tracking guide: free, rate limited'),
            ('whisper', 'whisper-1', 'minute', 0.006, 0, 'usage tracking guide'),
            ('openai', 'whisper-1', 'minute', 0.006, 0, 'usage tracking guide');
    end if;
end
$$;

create table if not exists cost_corrections (
    client_id uuid not null references clients (id) on delete cascade,
    id uuid not null default gen_random_uuid(),
    corrected_at timestamptz not null default clock_timestamp(),  -- corrections of a client come one by one
    corrected_by text not null,
    reason text not null,
    first_date date not null,
    last_date date not null,
    timezone text not null,  -- the client's at that time: whose days the two dates are
    source text,  -- what it was limited to; null: all
    model text,
    request_count bigint not null default 0,
    cost_before_usd numeric not null default 0,
    cost_after_usd numeric not null default 0,
    undone_at timestamptz,
    undone_by text,
    primary key (client_id, id),
    constraint cost_corrections_say_who_and_why check (btrim(corrected_by) <> '' and btrim(reason) <> ''),
    constraint cost_corrections_say_who_undid_them check ((undone_at is null) = (undone_by is null))
);

create table if not exists cost_correction_items (
    client_id uuid not null,
    correction_id uuid not null,
    usage_log_id uuid not null,
    cost_before_usd numeric not null,
    cost_after_usd numeric not null,
    basis_before text not null,
    basis_after text not null,
    price_before jsonb,  -- what metadata.price said
    price_after jsonb,  -- null where the metadata is no object, which then stays as it is
    had_metadata boolean not null,
    primary key (client_id, correction_id, usage_log_id),
    foreign key (client_id, correction_id) references cost_corrections (client_id, id) on delete cascade
);

alter table model_prices enable row level security;

drop policy if exists analytics_reader_reads_prices on model_prices;

create policy analytics_reader_reads_prices on model_prices for select to analytics_reader
    using (client_id is null or client_id = nullif(current_setting('app.client_id', true), '')::uuid);

alter table price_list enable row level security;

drop policy if exists analytics_reader_reads_the_revision on price_list;

create policy analytics_reader_reads_the_revision on price_list for select to analytics_reader using (true);

call read_one_client_only('cost_corrections', 'client_id');

call read_one_client_only('cost_correction_items', 'client_id');

grant select on model_prices, price_list, cost_corrections, cost_correction_items to analytics_reader;

create table if not exists members (
    id uuid primary key default gen_random_uuid(),
    email text not null,
    client_id uuid references clients (id) on delete cascade,
    role text not null default 'viewer',
    created_at timestamptz not null default now(),
    constraint members_once_per_client unique nulls not distinct (email, client_id),
    constraint members_email_is_lower_case
        check (email = lower(btrim(email)) and email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and length(email) <= 320),
    constraint members_role_is_known check (role in ('viewer', 'admin')),
    constraint members_of_all_clients_are_admins check (client_id is not null or role = 'admin')
);

create index if not exists members_client_id_idx on members (client_id);

create table if not exists api_keys (
    id uuid primary key default gen_random_uuid(),
    client_id uuid not null references clients (id) on delete cascade,
    name text not null,
    scope text not null,
    hash bytea not null unique,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,  -- to the minute or so
    revoked_at timestamptz,
    constraint api_keys_scope_is_known check (scope in ('read', 'write')),
    constraint api_keys_hash_is_sha256 check (length(hash) = 32),
    constraint api_keys_have_a_name check (btrim(name) <> '' and length(name) <= 200)
);

create index if not exists api_keys_client_id_idx on api_keys (client_id);

alter table members enable row level security;

alter table api_keys enable row level security;

revoke all on members, api_keys from public;

do $$
declare
    visitor name;
begin
    for visitor in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on members, api_keys from %I', visitor);
    end loop;
end
$$;

create or replace function moments_of_days(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (first_at timestamptz, end_at timestamptz, timezone text)
    language sql stable
    rows 1
    set search_path = public, pg_temp
as $$
    select
        p_first_date::timestamp at time zone timezone,
        (p_last_date + 1)::timestamp at time zone timezone,
        timezone
    from clients
    where id = p_client_id
$$;

create or replace function number_in(p_metadata jsonb, p_name text) returns numeric
    language sql immutable parallel safe
    return case when jsonb_typeof(p_metadata -> p_name) = 'number' then (p_metadata ->> p_name)::numeric end;

create or replace function conversation_days(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date
)
    returns setof date
    language sql stable
    set search_path = public, pg_temp
as $$
    select usage_date
    from usage_conversation_daily
    where
        client_id = p_client_id
        and usage_date between p_first_date and p_last_date
        and (
            conversation_id = p_conversation_id
            or conversation_id is null and phone = p_phone
            or conversation_id is null and phone is null and p_conversation_id is null and p_phone is null
        )
    group by usage_date
    order by usage_date
$$;

create or replace function get_usage_over_time(
    p_client_id uuid, p_first_date date, p_last_date date, p_grain text default 'day'
)
    returns table (
        bucket_date date, first_date date, last_date date, source text, total_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    if p_grain is null or p_grain not in ('day', 'week', 'month') then
        raise exception 'grain must be day, week or month, not %', coalesce(p_grain, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    with usage as materialized (
        select
            date_trunc(p_grain, usage_date::timestamp)::date as bucket_date, source,
            sum(total_tokens) as total_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from usage_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
        group by 1, 2
    ),
    buckets as (
        select start::date as bucket_date, (start + ('1 ' || p_grain)::interval)::date - 1 as last_date
        from generate_series(
            date_trunc(p_grain, p_first_date::timestamp), p_last_date::timestamp, ('1 ' || p_grain)::interval
        ) as start
    ),
    sources as (
        select distinct source from usage
    )
    select
        buckets.bucket_date,
        greatest(buckets.bucket_date, p_first_date),
        least(buckets.last_date, p_last_date),
        sources.source,
        coalesce(usage.total_tokens, 0)::bigint,
        coalesce(usage.cost_usd, 0),
        coalesce(usage.request_count, 0)::bigint,
        coalesce(usage.unpriced_count, 0)::bigint
    from buckets
    cross join sources
    left join usage on usage.bucket_date = buckets.bucket_date and usage.source = sources.source
    order by buckets.bucket_date, sources.source;
end
$$;

create or replace function get_calls_since(p_client_id uuid, p_since timestamptz, p_limit integer default 5000)
    returns table (
        created_at timestamptz, id uuid, conversation_id uuid, phone text, source text, model text,
        prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, cost_usd numeric, cost_basis text
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        created_at, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
        cost_usd, cost_basis
    from usage_logs
    where client_id = p_client_id and created_at >= p_since
    order by created_at desc, id desc
    limit p_limit
$$;

create or replace function get_usage_by_minute(p_client_id uuid, p_since timestamptz, p_until timestamptz)
    returns table (
        minute_at timestamptz, source text, total_tokens bigint, total_cost numeric, request_count bigint,
        unpriced_count bigint, zero_token_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        date_trunc('minute', created_at) as minute_at,
        source,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as total_cost,
        count(*) as request_count,
        count(*) filter (where cost_basis = 'unpriced') as unpriced_count,
        count(*) filter (where total_tokens = 0) as zero_token_count
    from usage_logs
    where client_id = p_client_id and created_at >= p_since and created_at < p_until
    group by 1, 2
    order by 1, 2
$$;

create or replace function check_usage_sums(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        usage_date date, source text, model text, summed_tokens bigint, logged_tokens bigint,
        summed_cost numeric, logged_cost numeric, summed_count bigint, logged_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with logged as (
        select
            (log.created_at at time zone period.timezone)::date as usage_date,
            log.source,
            log.model,
            sum(log.total_tokens)::bigint as total_tokens,
            sum(log.cost_usd) as cost_usd,
            count(*) as request_count
        from moments_of_days(p_client_id, p_first_date, p_last_date) as period
        inner join usage_logs as log
            on log.client_id = p_client_id
            and log.created_at >= period.first_at
            and log.created_at < period.end_at
        group by 1, 2, 3
    ),
    summed as (
        select usage_date, source, model, total_tokens, cost_usd, request_count
        from usage_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
    )
    select
        coalesce(summed.usage_date, logged.usage_date),
        coalesce(summed.source, logged.source),
        coalesce(summed.model, logged.model),
        coalesce(summed.total_tokens, 0),
        coalesce(logged.total_tokens, 0),
        coalesce(summed.cost_usd, 0),
        coalesce(logged.cost_usd, 0),
        coalesce(summed.request_count, 0),
        coalesce(logged.request_count, 0)
    from summed
    full join logged
        on logged.usage_date = summed.usage_date
        and logged.source = summed.source
        and coalesce(logged.model, E'\x01') = coalesce(summed.model, E'\x01')
    where
        (summed.total_tokens, summed.cost_usd, summed.request_count)
        is distinct from (logged.total_tokens, logged.cost_usd, logged.request_count)
    order by 1, 2, 3
$$;

create table if not exists usage_hourly_rollup (
    client_id uuid not null,
    usage_date date not null,
    hour smallint not null,
    source text not null,
    model text,
    operation text,
    request_count bigint not null,
    unpriced_count bigint not null,
    zero_token_count bigint not null,
    without_conversation_count bigint not null,
    prompt_tokens bigint not null,
    completion_tokens bigint not null,
    total_tokens bigint not null,
    cached_tokens bigint not null,
    reasoning_tokens bigint not null,
    duration_seconds numeric not null,
    cost_usd numeric not null,
    last_call_at timestamptz not null
);

create index if not exists usage_hourly_rollup_client_id_usage_date_idx
    on usage_hourly_rollup (client_id, usage_date);

create table if not exists usage_hourly_days (
    client_id uuid not null,
    usage_date date not null,
    primary key (client_id, usage_date)
);

create or replace function summed_hours(p_client_id uuid, p_timezone text, p_day date)
    returns setof usage_hourly_rollup
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        p_client_id,
        p_day,
        extract(hour from log.created_at at time zone p_timezone)::smallint as hour,
        log.source,
        log.model,
        log.metadata ->> 'operation' as operation,
        count(*),
        count(*) filter (where log.cost_basis = 'unpriced'),
        count(*) filter (
            where log.total_tokens = 0 and coalesce(number_in(log.metadata, 'duration_seconds'), 0) = 0
        ),
        count(*) filter (where log.conversation_id is null and log.phone is null),
        sum(log.prompt_tokens)::bigint,
        sum(log.completion_tokens)::bigint,
        sum(log.total_tokens)::bigint,
        coalesce(sum(number_in(log.metadata, 'cached_tokens')), 0)::bigint,
        coalesce(sum(number_in(log.metadata, 'reasoning_tokens')), 0)::bigint,
        coalesce(sum(number_in(log.metadata, 'duration_seconds')), 0),
        sum(log.cost_usd),
        max(log.created_at)
    from usage_logs as log
    where
        log.client_id = p_client_id
        and log.created_at >= p_day::timestamp at time zone p_timezone - interval '2 hours'
        and log.created_at < (p_day + 1)::timestamp at time zone p_timezone + interval '2 hours'
        and (log.created_at at time zone p_timezone)::date = p_day
    group by 3, 4, 5, 6
$$;

create or replace function forget_hourly_days() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then
        truncate usage_hourly_rollup, usage_hourly_days;
        return null;
    end if;
    delete from usage_hourly_days as kept
    using changed
    where kept.client_id = changed.client_id and kept.usage_date = changed.usage_date;
    return null;
end
$$;

create or replace trigger forget_hourly_days_inserted
    after insert on usage_daily_rollup
    referencing new table as changed
    for each statement execute function forget_hourly_days();

create or replace trigger forget_hourly_days_updated
    after update on usage_daily_rollup
    referencing new table as changed
    for each statement execute function forget_hourly_days();

create or replace trigger forget_hourly_days_deleted
    after delete on usage_daily_rollup
    referencing old table as changed
    for each statement execute function forget_hourly_days();

create or replace trigger forget_hourly_days_truncated
    after truncate on usage_daily_rollup
    for each statement execute function forget_hourly_days();

create or replace function keep_hourly_usage(
    p_client_id uuid, p_first_date date, p_last_date date, p_most_days integer default 7
) returns integer
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    zone text;
    missing date[];
begin
    if
        current_setting('transaction_isolation') <> 'read committed'
        or not pg_try_advisory_xact_lock(rollup_lock())
    then
        return 0;
    end if;
    select timezone into zone from clients where id = p_client_id;
    select array_agg(usage_date) into missing
    from (
        select distinct daily.usage_date
        from usage_daily_rollup as daily
        where
            daily.client_id = p_client_id
            and daily.usage_date between p_first_date and p_last_date
            and daily.usage_date < (now() at time zone zone)::date
            and not exists (
                select from usage_hourly_days as kept
                where kept.client_id = p_client_id and kept.usage_date = daily.usage_date
            )
            and not exists (
                select from usage_pending as pending
                where pending.client_id = p_client_id and pending.usage_date = daily.usage_date
            )
        order by daily.usage_date desc
        limit p_most_days
    ) as days;
    if missing is null then
        return 0;
    end if;
    delete from usage_hourly_rollup where client_id = p_client_id and usage_date = any(missing);
    insert into usage_hourly_rollup
    select summed.*
    from unnest(missing) as day (usage_date)
    cross join lateral summed_hours(p_client_id, zone, day.usage_date) as summed;
    insert into usage_hourly_days select p_client_id, unnest(missing);
    return cardinality(missing);
end
$$;

create or replace function forget_hours_of_clients() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(rollup_lock());
    delete from usage_hourly_days where client_id in (select id from removed);
    delete from usage_hourly_rollup where client_id in (select id from removed);
    return null;
end
$$;

create or replace trigger forget_hours_of_clients
    after delete on clients
    referencing old table as removed
    for each statement execute function forget_hours_of_clients();

create or replace function usage_hourly_between(p_client_id uuid, p_first_date date, p_last_date date)
    returns setof usage_hourly_rollup
    language sql stable
    rows 5000
    set search_path = public, pg_temp
as $$
    with pending_days as materialized (
        select distinct usage_date
        from usage_pending
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
    ),
    kept_days as materialized (
        select usage_date
        from usage_hourly_days
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and usage_date not in (select usage_date from pending_days)
    ),
    other_days as materialized (
        select usage_date
        from usage_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and usage_date not in (select usage_date from kept_days)
        union
        select usage_date from pending_days
    )
    select kept.*
    from kept_days
    inner join usage_hourly_rollup as kept
        on kept.client_id = p_client_id and kept.usage_date = kept_days.usage_date
    union all
    select summed.*
    from other_days
    inner join clients as client on client.id = p_client_id
    cross join lateral summed_hours(p_client_id, client.timezone, other_days.usage_date) as summed
$$;

create or replace function get_usage_gaps(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        source text, last_call_at timestamptz, request_count bigint, unpriced_count bigint,
        zero_token_count bigint, without_conversation_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        source,
        max(last_call_at) as last_call_at,
        sum(request_count)::bigint as request_count,
        sum(unpriced_count)::bigint as unpriced_count,
        sum(zero_token_count)::bigint as zero_token_count,
        sum(without_conversation_count)::bigint as without_conversation_count
    from usage_hourly_between(p_client_id, p_first_date, p_last_date)
    group by source
    order by request_count desc, source
$$;

call read_one_client_only('usage_hourly_rollup', 'client_id');

call read_one_client_only('usage_hourly_days', 'client_id');

grant select on usage_hourly_rollup, usage_hourly_days to analytics_reader;

revoke execute on function keep_hourly_usage(uuid, date, date, integer) from public;

do $$
declare
    visitor name;
begin
    for visitor in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke execute on function keep_hourly_usage(uuid, date, date, integer) from %I', visitor);
        execute format('revoke all on usage_hourly_rollup, usage_hourly_days from %I', visitor);
    end loop;
end
$$;

create or replace function folded(p_text text) returns text
    language plpgsql immutable strict parallel safe
as $$
declare
    folded text;
begin
    if octet_length(p_text) = length(p_text) or getdatabaseencoding() <> 'UTF8' then
        return lower(p_text);
    end if;
    folded := regexp_replace(
        lower(normalize(p_text, nfkd)),
        '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
            || '\u0610-\u061a\u0640\u064b-\u065f\u0670'
            || '\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]',
        '', 'g'
    );
    if octet_length(folded) = length(folded) then
        return folded;
    end if;
    if folded ~ '[\u0391-\u03a9\u0402-\u042f\u0531-\u0556]' then
        folded := translate(
            folded,
            U&'\0391\0392\0393\0394\0395\0396\0397\0398\0399\039a\039b\039c\039d\039e\039f\03a0'
            || U&'\03a1\03a3\03a4\03a5\03a6\03a7\03a8\03a9\0410\0411\0412\0413\0414\0415\0416\0417'
            || U&'\0418\041a\041b\041c\041d\041e\041f\0420\0421\0422\0423\0424\0425\0426\0427\0428'
            || U&'\0429\042a\042b\042c\042d\042e\042f\0402\0404\0405\0406\0408\0409\040a\040b\040f'
            || U&'\0531\0532\0533\0534\0535\0536\0537\0538\0539\053a\053b\053c\053d\053e\053f\0540'
            || U&'\0541\0542\0543\0544\0545\0546\0547\0548\0549\054a\054b\054c\054d\054e\054f\0550'
            || U&'\0551\0552\0553\0554\0555\0556',
            U&'\03b1\03b2\03b3\03b4\03b5\03b6\03b7\03b8\03b9\03ba\03bb\03bc\03bd\03be\03bf\03c0'
            || U&'\03c1\03c3\03c4\03c5\03c6\03c7\03c8\03c9\0430\0431\0432\0433\0434\0435\0436\0437'
            || U&'\0438\043a\043b\043c\043d\043e\043f\0440\0441\0442\0443\0444\0445\0446\0447\0448'
            || U&'\0449\044a\044b\044c\044d\044e\044f\0452\0454\0455\0456\0458\0459\045a\045b\045f'
            || U&'\0561\0562\0563\0564\0565\0566\0567\0568\0569\056a\056b\056c\056d\056e\056f\0570'
            || U&'\0571\0572\0573\0574\0575\0576\0577\0578\0579\057a\057b\057c\057d\057e\057f\0580'
            || U&'\0581\0582\0583\0584\0585\0586'
        );
    end if;
    if folded ~ ('[\u00f8\u0142\u0111\u00f0\u0127\u0167\u014b\u0138\u0131\u03c2\u2019\u2018\u2010\u2011\u2013'
        || '\u2014\u1e9e\u00c6\u0152\u00de\u00d8\u0141\u0110\u00d0\u0126\u0166\u014a\u00df\u00e6\u0153'
        || '\u00fe]')
    then
        folded := translate(
            folded,
            U&'\00f8\0142\0111\00f0\0127\0167\014b\0138\0131\03c2\2019\2018\2010\2011\2013\2014'
            || U&'\1e9e\00c6\0152\00de\00d8\0141\0110\00d0\0126\0166\014a',
            U&'olddhtnki\03c3''''----'
            || U&'\00df\00e6\0153\00feolddhtn'
        );
        folded := replace(replace(folded, U&'\00df', 'ss'), U&'\00e6', 'ae');
        folded := replace(replace(folded, U&'\0153', 'oe'), U&'\00fe', 'th');
    end if;
    return folded;
end
$$;

create index if not exists usage_hourly_rollup_parts_idx on usage_hourly_rollup (client_id, usage_date)
    where cached_tokens <> 0 or duration_seconds <> 0;

create or replace function get_daily_usage_by_model(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        usage_date date, source text, model text, request_count bigint, unpriced_count bigint, prompt_tokens bigint,
        completion_tokens bigint, total_tokens bigint, total_cost numeric, cached_tokens bigint,
        duration_seconds numeric
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    with listed as materialized (
        select distinct source, model from model_prices where client_id is null or client_id = p_client_id
    ),
    usage as materialized (
        select *
        from usage_daily as daily
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and exists (
                select
                from listed
                where
                    listed.source = lower(btrim(daily.source))
                    and (
                        listed.model = '*'
                        or starts_with(lower(btrim(daily.model)), listed.model)
                        or daily.model is null and listed.source = 'whisper'
                    )
            )
    ),
    kept_days as materialized (
        select usage_date
        from usage_hourly_days as kept
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and not exists (
                select from usage_pending as pending
                where pending.client_id = p_client_id and pending.usage_date = kept.usage_date
            )
    ),
    parts as materialized (
        select
            usage_date, source, model,
            sum(cached_tokens)::bigint as cached_tokens,
            sum(duration_seconds) as duration_seconds
        from usage_hourly_rollup
        where
            client_id = p_client_id
            and usage_date = any (array(select usage_date from kept_days))
            and source = any (array(select distinct source from usage))
            and (cached_tokens <> 0 or duration_seconds <> 0)
        group by usage_date, source, model
    )
    select
        usage.usage_date, usage.source, usage.model, usage.request_count, usage.unpriced_count,
        usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cost_usd as total_cost,
        case when kept_days.usage_date is not null then coalesce(parts.cached_tokens, 0) end as cached_tokens,
        case when kept_days.usage_date is not null then coalesce(parts.duration_seconds, 0) end as duration_seconds
    from usage
    left join kept_days on kept_days.usage_date = usage.usage_date
    left join parts
        on parts.usage_date = usage.usage_date
        and parts.source = usage.source
        and parts.model is not distinct from usage.model
    where usage.request_count <> 0
    order by usage.usage_date, usage.source, usage.model
$$;

create or replace function get_call_sums(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        kind text, source text, model text, weekday integer, hour integer, operation text,
        request_count bigint, unpriced_count bigint, prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint, cached_tokens bigint, reasoning_tokens bigint, duration_seconds numeric,
        total_cost numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with hours as (
        select *, extract(isodow from usage_date)::integer as weekday
        from usage_hourly_between(p_client_id, p_first_date, p_last_date)
    )
    select
        case when grouping(source) = 0 then 'parts' when grouping(hour) = 0 then 'hour' else 'operation' end as kind,
        source,
        model,
        weekday,
        hour::integer,
        operation,
        sum(request_count)::bigint as request_count,
        sum(unpriced_count)::bigint as unpriced_count,
        sum(prompt_tokens)::bigint as prompt_tokens,
        sum(completion_tokens)::bigint as completion_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cached_tokens)::bigint as cached_tokens,
        sum(reasoning_tokens)::bigint as reasoning_tokens,
        sum(duration_seconds) as duration_seconds,
        sum(cost_usd) as total_cost
    from hours
    group by grouping sets ((source, model, operation), (weekday, hour), (operation))
    order by kind, weekday, hour, request_count desc, source, model, operation
$$;

create or replace function shows_phones() returns boolean
    language sql stable
    return case coalesce(current_setting('app.phones', true), '')
        when 'whole' then true
        when 'findable' then false
        when 'masked' then false
        else current_user <> 'analytics_reader'
    end;

create or replace function finds_phones() returns boolean
    language sql stable
    return current_setting('app.phones', true) = 'findable' or shows_phones();

create or replace function masked_phone(p_phone text) returns text
    language sql immutable parallel safe
    return case
        when length(split_part(p_phone, '@', 1)) > 6 then '•••• ' || right(split_part(p_phone, '@', 1), 4)
        when p_phone <> '' then '••••'
    end;

create or replace function masked_text(p_text text, p_own text) returns text
    language plpgsql immutable parallel safe
    set search_path = public, pg_temp
as $$
declare
    v_apart constant text := '[\s()./\u00a0\u200b-\u2015\u202a-\u202f\u2060\u2066-\u2069-]{0,3}';
    v_own constant text := regexp_replace(split_part(p_own, '@', 1), '[^0-9]', '', 'g');
    v_text text := p_text;
begin
    if v_text ~ '([0-9][^0-9]{0,4}){10}' and v_text !~* '^(?=.*[a-f])[0-9a-f-]{16,}$' then
        v_text := regexp_replace(
            v_text,
            '(?<![0-9])(?<![0-9]\.)(?![0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9]))(?![0-9]{1,9}\.[0-9]+(?![0-9.]))\+?\(?'
            || '[0-9](?:' || v_apart || '[0-9]){5,10}' || v_apart
            || array_to_string(array_fill('([0-9])'::text, array[4]), v_apart) || '(?![0-9])(@[\w.-]+)?',
            '•••• \1\2\3\4', 'g'
        );
    end if;
    if length(v_own) between 7 and 20 then
        v_text := regexp_replace(
            v_text,
            '\+?\(?' || array_to_string(string_to_array(v_own, null), v_apart) || '(@[\w.-]+)?',
            '•••• ' || right(v_own, 4), 'g'
        );
    end if;
    if length(p_own) >= 4 then
        v_text := replace(v_text, p_own, masked_phone(p_own));
    end if;
    return v_text;
end
$$;

create or replace function masked_name(p_name text, p_phone text) returns text
    language sql immutable parallel safe
    return case
        when p_name !~ '[0-9]' and (p_phone is null or length(p_phone) < 4 or strpos(p_name, p_phone) = 0)
            then p_name
        when p_name ~ '^\s*\+?[0-9\s().-]{7,}(@.*)?$'
            then masked_phone(regexp_replace(split_part(p_name, '@', 1), '\s+$', ''))
        else masked_text(p_name, p_phone)
    end;

create or replace function masked_metadata(
    p_value jsonb, p_own text, p_is_phone boolean default false, p_depth integer default 0
)
    returns jsonb
    language plpgsql immutable parallel safe
    set search_path = public, pg_temp
as $$
declare
    v_text text;
begin
    if p_depth > 50 then
        return to_jsonb(masked_text(p_value::text, p_own));
    end if;
    case jsonb_typeof(p_value)
        when 'object' then
            return (
                select coalesce(
                    jsonb_object_agg(
                        masked_text(key, p_own),
                        masked_metadata(
                            value, p_own,
                            p_is_phone or key ~* '(phone|fone|mobile|celular|whatsapp|wa_?id|msisdn|jid|^tel)',
                            p_depth + 1
                        )
                    ),
                    '{}'
                )
                from jsonb_each(p_value)
            );
        when 'array' then
            return (
                select coalesce(
                    jsonb_agg(masked_metadata(value, p_own, p_is_phone, p_depth + 1) order by place), '[]'
                )
                from jsonb_array_elements(p_value) with ordinality as parts (value, place)
            );
        when 'string' then
            v_text := p_value #>> '{}';
            if p_is_phone and v_text ~ '[0-9]' then
                return to_jsonb(masked_phone(v_text));
            end if;
            return to_jsonb(masked_text(v_text, p_own));
        when 'number' then
            v_text := trim_scale((p_value #>> '{}')::numeric)::text;
            if p_is_phone
                or v_text = regexp_replace(split_part(p_own, '@', 1), '[^0-9]', '', 'g') and length(v_text) > 6
                or v_text ~ '^[1-9][0-9]{9,14}$' and v_text !~ '^1([0-9]{9}|[0-9]{12})$'
            then
                return to_jsonb(masked_phone(v_text));
            end if;
            return p_value;
        else
            return p_value;
    end case;
end
$$;

create or replace function shown_phone(p_phone text) returns text
    language sql stable
    return case when shows_phones() then p_phone else masked_phone(p_phone) end;

create or replace function shown_name(p_name text, p_phone text) returns text
    language sql stable
    return case when shows_phones() then p_name else masked_name(p_name, p_phone) end;

create or replace function found_phone(p_phone text) returns text
    language sql stable
    return case when finds_phones() then p_phone else masked_phone(p_phone) end;

create or replace function found_name(p_name text, p_phone text) returns text
    language sql stable
    return case when finds_phones() then p_name else masked_name(p_name, p_phone) end;

create or replace function shown_metadata(p_metadata jsonb, p_phone text) returns jsonb
    language sql stable
    return case when shows_phones() then p_metadata else masked_metadata(p_metadata, p_phone) end;

create table if not exists phone_secret (
    id boolean primary key default true,
    secret text not null default gen_random_uuid()::text || gen_random_uuid()::text,
    constraint phone_secret_is_one check (id)
);

insert into phone_secret default values on conflict do nothing;

alter table phone_secret enable row level security;

revoke all on phone_secret from public;

create or replace function read_phone_secret() returns text
    language sql stable security definer
    set search_path = public, pg_temp
as $$
    select secret from phone_secret
$$;

revoke execute on function read_phone_secret() from public;

grant execute on function read_phone_secret() to analytics_reader;

create or replace function phone_handle(p_secret text, p_client_id uuid, p_phone text) returns text
    language sql immutable parallel safe
    return 'p' || left(
        encode(sha256(convert_to(p_secret || p_client_id::text || p_phone, 'UTF8')), 'hex'), 32
    );

create or replace function search_conversations(
    p_client_id uuid, p_first_date date, p_last_date date, p_search text default '', p_sort text default 'tokens',
    p_descending boolean default true, p_limit integer default 50, p_offset integer default 0
)
    returns table (
        conversation_id uuid, phone text, conversation_name text, first_date date, last_date date,
        total_tokens bigint, openai_tokens bigint, groq_tokens bigint, other_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint, matched_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    sought constant text := coalesce(nullif(folded(p_search), ''), lower(p_search), '');
begin
    if p_sort is null or p_sort not in ('tokens', 'cost', 'requests', 'name', 'last') then
        raise exception 'sort must be tokens, cost, requests, name or last, not %', coalesce(p_sort, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_limit is null or p_limit not between 1 and 1000 or p_offset is null or p_offset < 0 then
        raise exception 'a page has 1 to 1000 conversations and begins at 0 or later'
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    with logged as materialized (
        select
            conversation_id, phone,
            min(usage_date) as first_date,
            max(usage_date) as last_date,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from usage_conversation_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
        group by conversation_id, phone
    ),
    resolved as (
        select
            logged.*,
            coalesce(logged.conversation_id, known.id) as id,
            case when coalesce(logged.conversation_id, known.id) is null then logged.phone end as lone_phone
        from logged
        left join conversations as known
            on logged.conversation_id is null and known.client_id = p_client_id and known.phone = logged.phone
    ),
    counted as (
        select
            id, lone_phone,
            min(first_date) as first_date,
            max(last_date) as last_date,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from resolved
        group by id, lone_phone
    ),
    named as (
        select counted.*, coalesce(known.phone, counted.lone_phone) as phone, known.name
        from counted
        left join conversations as known on known.client_id = p_client_id and known.id = counted.id
    ),
    fitting as (
        select *, count(*) over () as matched_count
        from named
        where
            sought = ''
            or strpos(folded(found_name(name, phone)), sought) > 0
            or strpos(folded(found_phone(phone)), sought) > 0
            or sought ~ '^[-0-9 ().+]*[0-9]{2}[-0-9 ().+]*$'
                and strpos(
                    regexp_replace(found_phone(phone), '[^0-9]', '', 'g'), regexp_replace(sought, '[^0-9]', '', 'g')
                ) > 0
            or starts_with(id::text, sought)
            or p_search ~ '^p[0-9a-f]{32}$'
                and phone_handle(read_phone_secret(), p_client_id, lone_phone) = p_search
    )
    select
        id, phone, name, first_date, last_date, total_tokens::bigint, openai_tokens::bigint,
        groq_tokens::bigint, (total_tokens - openai_tokens - groq_tokens)::bigint, cost_usd,
        request_count::bigint, unpriced_count::bigint, matched_count
    from fitting
    order by
        case when p_descending then
            case p_sort when 'tokens' then total_tokens when 'cost' then cost_usd when 'requests' then request_count end
        end desc nulls last,
        case when not p_descending then
            case p_sort when 'tokens' then total_tokens when 'cost' then cost_usd when 'requests' then request_count end
        end,
        case when p_descending and p_sort = 'last' then last_date end desc nulls last,
        case when not p_descending and p_sort = 'last' then last_date end,
        case when p_descending and p_sort = 'name' then
            lower(coalesce(found_name(name, phone), found_phone(phone)))
        end desc nulls last,
        case when not p_descending and p_sort = 'name' then
            lower(coalesce(found_name(name, phone), found_phone(phone)))
        end nulls last,
        total_tokens desc, found_phone(phone) nulls last, id nulls last, md5(phone)
    limit p_limit
    offset p_offset;
end
$$;

create or replace function phone_of(p_client_id uuid, p_handle text, p_first_date date, p_last_date date)
    returns text
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as materialized (
        select read_phone_secret() as secret
    )
    select case when p_handle is not null then coalesce(
        (
            select phone
            from known
            cross join usage_conversation_daily
            where
                client_id = p_client_id
                and usage_date between p_first_date and p_last_date
                and conversation_id is null
                and phone_handle(secret, p_client_id, phone) = p_handle
            limit 1
        ),
        E'\x01'
    ) end
$$;

create or replace function get_conversation_calls(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date,
    p_limit integer default 1000
)
    returns table (
        created_at timestamptz, id uuid, source text, model text, prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint, cost_usd numeric, cost_basis text, metadata jsonb, running_tokens bigint,
        running_cost numeric, call_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as (
        select coalesce(
            p_phone, (select phone from conversations where client_id = p_client_id and id = p_conversation_id)
        ) as phone
    ),
    calls as (
        select log.*, shown_metadata(log.metadata, coalesce(log.phone, known.phone)) as seen_metadata
        from known
        cross join lateral conversation_days(
            p_client_id, p_conversation_id, known.phone, p_first_date, p_last_date
        ) as day
        cross join lateral moments_of_days(p_client_id, day, day) as moment
        inner join usage_logs as log
            on log.client_id = p_client_id
            and log.created_at >= moment.first_at
            and log.created_at < moment.end_at
        where
            log.conversation_id = p_conversation_id
            or log.conversation_id is null and log.phone = known.phone
            or log.conversation_id is null and log.phone is null and p_conversation_id is null and p_phone is null
    )
    select
        created_at, id, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
        seen_metadata,
        (sum(total_tokens) over so_far)::bigint as running_tokens,
        sum(cost_usd) over so_far as running_cost,
        count(*) over () as call_count
    from calls
    window so_far as (order by created_at, id rows unbounded preceding)
    order by created_at, id
    limit p_limit
$$;

do $$
declare
    visitor text;
    item text;
begin
    for visitor in
        select 'public' union all select quote_ident(rolname) from pg_roles where rolname in ('anon', 'authenticated')
    loop
        for item in
            select oid::regclass::text
            from pg_class
            where oid in (
                to_regclass('api_keys'), to_regclass('cost_correction_items'), to_regclass('cost_corrections'),
                to_regclass('members'), to_regclass('model_prices'), to_regclass('phone_secret'),
                to_regclass('price_list'), to_regclass('usage_conversation'),
                to_regclass('usage_conversation_daily'), to_regclass('usage_conversation_daily_rollup'),
                to_regclass('usage_conversation_rollup'), to_regclass('usage_daily'),
                to_regclass('usage_daily_rollup'), to_regclass('usage_hourly_days'),
                to_regclass('usage_hourly_rollup'), to_regclass('usage_pending')
            )
        loop
            execute format('revoke all on %s from %s', item, visitor);
        end loop;
        execute format(
            'revoke truncate, references, trigger on clients, conversations, usage_logs from %s', visitor
        );
        for item in
            select oid::regprocedure::text
            from pg_proc
            where
                pronamespace = 'public'::regnamespace
                and (
                    prosecdef and proname in (
                        'complete_usage_log', 'fold_usage', 'forget_all_usage', 'forget_hourly_days',
                        'forget_hours_of_clients', 'forget_usage_of_clients', 'keep_hourly_usage',
                        'read_phone_secret', 'rebuild_client_usage', 'record_pending_usage', 'renew_price_list'
                    )
                    or prokind = 'p' and proname in ('lock_in_bites', 'read_one_client_only')
                )
        loop
            execute format('revoke execute on routine %s from %s', item, visitor);
        end loop;
    end loop;
end
$$;

create or replace function get_usage_by_conversation(
    p_client_id uuid, p_days integer, p_limit integer, p_now timestamptz, p_order text
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
    v_by_cost constant boolean := p_order = 'cost';
    v_can_prune constant boolean := coalesce((
        select convalidated
        from pg_constraint
        where
            conrelid = 'usage_logs'::regclass
            and conname = case p_order
                when 'cost' then 'usage_logs_cost_is_an_amount' else 'usage_logs_tokens_are_not_negative'
            end
    ), false);
begin
    if p_order is null or p_order not in ('tokens', 'cost') then
        raise exception 'order must be tokens or cost, not %', coalesce(p_order, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_limit is null or p_limit not between 1 and 100000 then
        raise exception 'limit must be between 1 and 100000, not %', coalesce(p_limit::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    select first_date, last_date into v_first, v_last from usage_window(p_client_id, p_days, p_now);
    return query
    with pending as materialized (
        select
            resolved.id,
            case when resolved.id is null then logged.phone end as lone_phone,
            logged.source, logged.total_tokens, logged.cost_usd, logged.request_count, logged.unpriced_count,
            case when v_by_cost then logged.cost_usd else logged.total_tokens end as amount
        from usage_pending as logged
        cross join lateral (
            select coalesce(
                logged.conversation_id,
                (select id from conversations where client_id = p_client_id and phone = logged.phone)
            ) as id
        ) as resolved
        where logged.client_id = p_client_id and logged.usage_date between v_first and v_last
    ),
    lifetimes as not materialized (
        select
            conversation_id, phone,
            case when v_by_cost then cost_usd else total_tokens end as amount,
            case when v_by_cost then least(cost_usd, 1e300) else total_tokens end::double precision
            / (least(last_date, v_last + 3660) - greatest(first_date, v_first - 3660) + 1)
            * (least(last_date, v_last) - greatest(first_date, v_first) + 1) as likely
        from usage_conversation_rollup
        where client_id = p_client_id and last_date >= v_first and first_date <= v_last
    ),
    logged as (
        select
            conversation_id as id, null::text as lone_phone, amount as at_most, likely
        from lifetimes
        where conversation_id is not null
        union all
        select
            known.id, case when known.id is null then lifetime.phone end, lifetime.amount, lifetime.likely
        from lifetimes as lifetime
        left join conversations as known on known.client_id = p_client_id and known.phone = lifetime.phone
        where lifetime.conversation_id is null
        union all
        select id, lone_phone, amount, least(amount, 1e300)::double precision
        from pending
    ),
    candidates as materialized (
        select id, lone_phone, sum(at_most) as at_most, max(likely) as likely
        from logged
        group by id, lone_phone
    ),
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
        select sum(amount) as amount
        from (
            select id, lone_phone, case when v_by_cost then cost_usd else total_tokens end as amount from probes
            union all
            select id, lone_phone, amount
            from pending
            where id is null or id in (select id from probes)
        ) as parts
        group by id, lone_phone
        order by sum(amount) desc
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
            (not v_can_prune or candidate.at_most >= coalesce((select amount from bar), 0))
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
    order by
        case when v_by_cost then counted.cost_usd else counted.total_tokens end desc,
        counted.total_tokens desc, counted.cost_usd desc, phone nulls last, counted.id nulls last
    limit p_limit;
end
$$;

create or replace function get_usage_by_conversation(
    p_client_id uuid, p_days integer default 30, p_limit integer default 20, p_now timestamptz default now()
)
    returns table (
        phone text, conversation_name text, total_tokens bigint, total_cost numeric, request_count bigint,
        openai_tokens bigint, groq_tokens bigint, other_tokens bigint, unpriced_count bigint,
        conversation_id uuid, share_of_tokens numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        phone, conversation_name, total_tokens, total_cost, request_count, openai_tokens, groq_tokens, other_tokens,
        unpriced_count, conversation_id, share_of_tokens
    from get_usage_by_conversation(p_client_id, p_days, p_limit, p_now, 'tokens')
$$;

create or replace function get_named_calls_since(
    p_client_id uuid, p_since timestamptz, p_limit integer default 5000
)
    returns table (
        created_at timestamptz, id uuid, conversation_id uuid, phone text, conversation_name text, source text,
        model text, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, cost_usd numeric,
        cost_basis text
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        call.created_at,
        call.id,
        coalesce(call.conversation_id, by_phone.id) as conversation_id,
        call.phone,
        coalesce(by_id.name, by_phone.name) as conversation_name,
        call.source,
        call.model,
        call.prompt_tokens,
        call.completion_tokens,
        call.total_tokens,
        call.cost_usd,
        call.cost_basis
    from get_calls_since(p_client_id, p_since, p_limit) as call
    left join conversations as by_id on by_id.client_id = p_client_id and by_id.id = call.conversation_id
    left join conversations as by_phone
        on call.conversation_id is null and by_phone.client_id = p_client_id and by_phone.phone = call.phone
    order by call.created_at desc, call.id desc
$$;

create or replace function first_usage_date(p_client_id uuid) returns date
    language sql stable
    set search_path = public, pg_temp
as $$
    select least(
        (
            select min(usage_date) from usage_daily_rollup
            where client_id = p_client_id and usage_date > '-infinity' and request_count > 0
        ),
        (
            select min(usage_date) from usage_pending
            where client_id = p_client_id and usage_date > '-infinity' and request_count > 0
        )
    )
$$;

create or replace function compared_days(
    p_client_id uuid, p_first_date date, p_last_date date, p_previous_first_date date, p_previous_last_date date,
    p_now timestamptz default now()
)
    returns table (
        last_date date, until_at timestamptz, whole_date date, day_count numeric, previous_day_count numeric,
        no_comparison text
    )
    language sql stable
    rows 1
    set search_path = public, pg_temp
as $$
    with client as (
        select
            timezone,
            (p_now at time zone timezone)::date as today,
            (p_now at time zone timezone)::time as clock,
            first_usage_date(id) as data_date
        from clients
        where id = p_client_id
    ),
    spans as (
        select
            *,
            today <= p_last_date as is_running,
            p_previous_last_date - greatest(p_last_date - today, 0) as counted_date,
            extract(epoch from clock)::numeric / 86400 as part
        from client
    )
    select
        counted_date,
        case when is_running then (counted_date + clock) at time zone timezone end,
        case when is_running then counted_date - 1 else counted_date end,
        case when is_running then today - p_first_date + part else p_last_date - p_first_date + 1 end,
        counted_date - p_previous_first_date + case when is_running then part else 1 end,
        case
            when data_date is null then 'there are no calls yet'
            when today < p_first_date then 'these days have not come yet'
            when today <= p_previous_last_date then 'the days compared with are not over'
            when counted_date < p_previous_first_date then 'the days compared with are fewer'
            when
                data_date > p_previous_first_date
                or data_date = p_previous_first_date and p_previous_last_date - p_previous_first_date < 6
                then 'data begin on ' || to_char(data_date, 'FMDD Mon YYYY')
        end
    from spans
$$;

create or replace function usage_of_part(p_client_id uuid, p_date date, p_until_at timestamptz)
    returns table (
        source text, model text, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint,
        cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as (
        select
            first_at, end_at, timezone,
            date_trunc('hour', p_until_at at time zone timezone) as hour,
            end_at - first_at = interval '24 hours'
            and exists (
                select from usage_hourly_days as kept
                where kept.client_id = p_client_id and kept.usage_date = p_date
            )
            and not exists (
                select from usage_pending as pending
                where pending.client_id = p_client_id and pending.usage_date = p_date
            ) as is_kept
        from moments_of_days(p_client_id, p_date, p_date)
        where p_until_at is not null
    ),
    day as materialized (
        select
            is_kept, end_at,
            extract(hour from hour)::smallint as hour,
            case when is_kept then hour at time zone timezone else first_at end as from_at
        from known
    )
    select
        kept.source, kept.model, kept.prompt_tokens, kept.completion_tokens, kept.total_tokens, kept.cost_usd,
        kept.request_count, kept.unpriced_count
    from day
    inner join usage_hourly_rollup as kept
        on kept.client_id = p_client_id
        and kept.usage_date = p_date
        and kept.hour < day.hour
    where day.is_kept
    union all
    select
        log.source,
        log.model,
        sum(log.prompt_tokens)::bigint,
        sum(log.completion_tokens)::bigint,
        sum(log.total_tokens)::bigint,
        sum(log.cost_usd),
        count(*),
        count(*) filter (where log.cost_basis = 'unpriced')
    from day
    inner join usage_logs as log
        on log.client_id = p_client_id
        and log.created_at >= day.from_at
        and log.created_at < day.end_at
        and log.created_at <= p_until_at
    group by log.source, log.model
$$;

create or replace function get_usage_summary(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now(), p_last_date date default null
)
    returns table (
        provider text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint, previous_total_tokens bigint, previous_total_cost numeric,
        previous_request_count bigint, previous_unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with period as materialized (
        select
            coalesce(p_last_date, last_date) - (p_days - 1) as first_date,
            coalesce(p_last_date, last_date) as last_date
        from usage_window(p_client_id, p_days, p_now)
    ),
    previous as materialized (
        select first_date - p_days as first_date, compared.last_date, compared.whole_date, compared.until_at
        from period
        cross join lateral compared_days(
            p_client_id, first_date, period.last_date, first_date - p_days, first_date - 1, p_now
        ) as compared
    ),
    usage as (
        select
            usage_provider(source) as provider,
            usage_date >= (select first_date from period) as is_current,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date >= (select first_date from previous)
            and usage_date <= (select last_date from period)
            and (
                usage_date <= (select whole_date from previous)
                or usage_date >= (select first_date from period)
            )
        union all
        select
            usage_provider(source), false,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_of_part(
            p_client_id, (select last_date from previous), (select until_at from previous)
        )
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
        coalesce(sum(usage.request_count) filter (where not is_current), 0)::bigint as previous_request_count,
        coalesce(sum(usage.unpriced_count) filter (where not is_current), 0)::bigint as previous_unpriced_count
    from providers
    left join usage on providers.name in ('total', usage.provider)
    group by providers.name, providers.place
    order by providers.place
$$;

create or replace function get_usage_comparison(
    p_client_id uuid, p_first_date date, p_last_date date, p_previous_first_date date, p_previous_last_date date,
    p_now timestamptz default now()
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, previous_total_tokens bigint,
        previous_total_cost numeric, previous_request_count bigint, previous_unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with previous as materialized (
        select last_date, whole_date, until_at
        from compared_days(
            p_client_id, p_first_date, p_last_date, p_previous_first_date, p_previous_last_date, p_now
        )
    ),
    usage as (
        select
            source, model,
            usage_date between p_first_date and p_last_date as is_current,
            usage_date between p_previous_first_date and (select whole_date from previous) as is_previous,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date between least(p_first_date, p_previous_first_date)
                and greatest(p_last_date, p_previous_last_date)
            and (
                usage_date between p_first_date and p_last_date
                or usage_date between p_previous_first_date and (select whole_date from previous)
            )
        union all
        select
            source, model, false, true,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_of_part(
            p_client_id, (select last_date from previous), (select until_at from previous)
        )
    )
    select
        source,
        model,
        coalesce(sum(total_tokens) filter (where is_current), 0)::bigint as total_tokens,
        coalesce(sum(prompt_tokens) filter (where is_current), 0)::bigint as prompt_tokens,
        coalesce(sum(completion_tokens) filter (where is_current), 0)::bigint as completion_tokens,
        coalesce(sum(cost_usd) filter (where is_current), 0) as total_cost,
        coalesce(sum(request_count) filter (where is_current), 0)::bigint as request_count,
        coalesce(sum(unpriced_count) filter (where is_current), 0)::bigint as unpriced_count,
        coalesce(sum(total_tokens) filter (where is_previous), 0)::bigint as previous_total_tokens,
        coalesce(sum(cost_usd) filter (where is_previous), 0) as previous_total_cost,
        coalesce(sum(request_count) filter (where is_previous), 0)::bigint as previous_request_count,
        coalesce(sum(unpriced_count) filter (where is_previous), 0)::bigint as previous_unpriced_count
    from usage
    group by source, model
    order by 3 desc, 9 desc, source, model
$$;

create or replace function get_weekly_evolution(
    p_client_id uuid, p_weeks integer default 12, p_now timestamptz default now()
)
    returns table (
        week_start date, week_number integer, total_tokens bigint, openai_tokens bigint, groq_tokens bigint,
        total_cost numeric, other_tokens bigint, openai_cost numeric, groq_cost numeric, other_cost numeric,
        request_count bigint, unpriced_count bigint, openai_request_count bigint, groq_request_count bigint,
        other_request_count bigint, openai_unpriced_count bigint, groq_unpriced_count bigint,
        other_unpriced_count bigint
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
        coalesce(sum(usage.unpriced_count), 0)::bigint as unpriced_count,
        coalesce(sum(usage.request_count) filter (where provider = 'openai'), 0)::bigint as openai_request_count,
        coalesce(sum(usage.request_count) filter (where provider = 'groq'), 0)::bigint as groq_request_count,
        coalesce(sum(usage.request_count) filter (where provider = 'other'), 0)::bigint as other_request_count,
        coalesce(sum(usage.unpriced_count) filter (where provider = 'openai'), 0)::bigint as openai_unpriced_count,
        coalesce(sum(usage.unpriced_count) filter (where provider = 'groq'), 0)::bigint as groq_unpriced_count,
        coalesce(sum(usage.unpriced_count) filter (where provider = 'other'), 0)::bigint as other_unpriced_count
    from weeks
    left join usage on usage.week_start = weeks.week_start
    group by weeks.week_start
    order by weeks.week_start
$$;

create table _yoyo_log (
    id varchar(36) primary key,
    migration_hash varchar(64),
    migration_id varchar(255),
    operation varchar(10),
    username varchar(255),
    hostname varchar(255),
    comment varchar(255),
    created_at_utc timestamp
);
create table _yoyo_migration (
    migration_hash varchar(64) primary key,
    migration_id varchar(255),
    applied_at_utc timestamp
);
create table _yoyo_version (
    version integer primary key,
    installed_at_utc timestamp
);
create table yoyo_lock (
    locked integer primary key default 1,
    ctime timestamp,
    pid integer not null
);
insert into _yoyo_version (version, installed_at_utc) values (2, '2026-11-26 22:19:54');
insert into _yoyo_migration (migration_hash, migration_id, applied_at_utc) values
    ('8282e3c7782348894ea61967f0bfb8f5091460540eb8534781a2cb1b4cb7e25c', '010_tenants', '2026-11-26 22:19:55.413284'),
    ('d587a1b0b47c7285beaaf44060d4434184d478821a0807a9a6c3ccdd78339475', '011_analytics_usage_tracking', '2026-11-26 22:19:55.660208'),
    ('21be52be5b2bce9e6bfdb927a8a30576609b61c279a5c41a9d7857b4ec472306', '012_prices', '2026-11-26 22:19:55.803146'),
    ('ea041445756e08cd194ec26f48b862ce90dd39e14b68e70e817698533b794a33', '013_access', '2026-11-26 22:19:55.912579'),
    ('b65e8132431a3798f4e8965b074c43d82598f19deff551e5a5dc779629c0248e', '014_reports', '2026-11-26 22:19:55.9606'),
    ('1d7cc2e986254f35ba69e74a35bb39b29146cdd3d19c32a6f115a184e58db09e', '015_hours', '2026-11-26 22:19:56.067893'),
    ('b227791696ff849d4918195ae509d7308900c4bc25feb4039e6477119457572e', '016_search', '2026-11-26 22:19:56.120062'),
    ('103afb5cd02fcaf9c63b792b0e38d44640c2794173b47e4fee2ec866617e9f66', '017_list_prices', '2026-11-26 22:19:56.184528'),
    ('60ca9378724450f7c65c532bb86d7f59ea55de534e8d7acb482af06aa40be528', '018_personal_data', '2026-11-26 22:19:56.321638'),
    ('877123a1ddec4c97af7a4647b3bedfd567318250ad65d2615ae9090f94b58238', '019_conversations_by_cost', '2026-11-26 22:19:56.384915'),
    ('8f7b024b3c619d9568fdee6c67761394cc5e8499d463bd476536af353ec48f94', '020_comparisons', '2026-11-26 22:19:56.436627');
alter table _yoyo_log enable row level security;
alter table _yoyo_migration enable row level security;
alter table _yoyo_version enable row level security;
alter table yoyo_lock enable row level security;
