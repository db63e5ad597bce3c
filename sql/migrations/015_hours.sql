-- The sums per hour of days that are over. functions/hours.sql says when they are read, and keeps them.

-- One row per client, day, hour of its clock, source, model and operation (null where the calls do not say).
-- Rows count only while their day is one of usage_hourly_days.
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

-- One row per client and day that usage_hourly_rollup has all of.
create table if not exists usage_hourly_days (
    client_id uuid not null,
    usage_date date not null,
    primary key (client_id, usage_date)
);

call read_one_client_only('usage_hourly_rollup', 'client_id');
call read_one_client_only('usage_hourly_days', 'client_id');

grant select on usage_hourly_rollup, usage_hourly_days to analytics_reader;
