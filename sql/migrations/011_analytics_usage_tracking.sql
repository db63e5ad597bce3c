-- Usage logs and their exact sums. What adds them up is in functions/sums.sql and functions/triggers.sql.
--
-- Units: *_tokens are tokens, *_usd US dollars, *_count calls, *_date days in the client's time zone.

-- One row per call. Where the guide's original has a table of this name, adopt_original.sql makes it this
-- one.
do $$
begin
    if to_regclass('public.usage_logs') is null then
        create table usage_logs (
            client_id uuid not null references clients (id) on delete cascade,
            id uuid not null default gen_random_uuid(),
            -- No foreign key: a log is never lost because its conversation's row is late.
            conversation_id uuid,
            phone text,
            source text not null,
            model text,
            prompt_tokens bigint not null default 0,
            completion_tokens bigint not null default 0,
            total_tokens bigint not null default 0,
            -- No default: a writer that gives no cost has an unpriced call, not a free one.
            cost_usd numeric not null,
            cost_basis text not null default 'given',
            metadata jsonb,
            created_at timestamptz not null default now(),
            primary key (client_id, id),
            -- The upper bound keeps the sums of nine million such calls within a bigint.
            constraint usage_logs_tokens_are_not_negative check (
                prompt_tokens between 0 and 1000000000000
                and completion_tokens between 0 and 1000000000000
                and total_tokens between 0 and 1000000000000
            ),
            constraint usage_logs_cost_is_an_amount check (cost_usd >= 0 and cost_usd < 'Infinity'),
            constraint usage_logs_cost_basis_is_known
                check (cost_basis in ('priced', 'estimated', 'unpriced', 'given')),
            constraint usage_logs_unpriced_costs_nothing check (cost_basis <> 'unpriced' or cost_usd = 0),
            constraint usage_logs_created_at_is_finite check (isfinite(created_at))
        );
        create index usage_logs_client_id_created_at_idx on usage_logs (client_id, created_at desc);
        call read_one_client_only('usage_logs', 'client_id');
        grant select on usage_logs to analytics_reader;
    end if;
end
$$;

-- One row per statement and key: sums that are not in the rollups yet. Negative where logs were removed.
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

-- One row per client, day, source and model.
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

-- One row per client, conversation as logged, and day.
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

-- One row per client and conversation as logged: its lifetime. All its days lie between the two dates.
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

call read_one_client_only('usage_pending', 'client_id');
call read_one_client_only('usage_daily_rollup', 'client_id');
call read_one_client_only('usage_conversation_daily_rollup', 'client_id');
call read_one_client_only('usage_conversation_rollup', 'client_id');

grant select on
    usage_pending, usage_daily_rollup, usage_conversation_daily_rollup, usage_conversation_rollup
    to analytics_reader;

-- The guide's original has these names with other columns, and a short call would still find it.
drop function if exists get_daily_usage(uuid, integer);
drop function if exists get_weekly_evolution(uuid, integer);
drop function if exists get_monthly_summary(uuid, integer, integer);
drop function if exists get_usage_by_conversation(uuid, integer, integer);
