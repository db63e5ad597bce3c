-- Budgets, what crossed them, and who was told.
--
-- What is spent is never kept: get_budgets() counts it from the sums whenever it is asked for. *_at are
-- moments; limit_amount is in US dollars or tokens, as unit says.

-- One row per budget; client_id null is one of all clients together. What it allows is in its versions.
create table if not exists budgets (
    id uuid primary key default gen_random_uuid(),
    client_id uuid references clients (id) on delete cascade,
    name text not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    archived_at timestamptz,
    archived_by text,
    constraint budgets_have_a_name check (btrim(name) <> '' and length(name) <= 200),
    constraint budgets_say_who_made_them check (btrim(created_by) <> ''),
    constraint budgets_say_who_archived_them check ((archived_at is null) = (archived_by is null))
);

create unique index if not exists budgets_name_key
    on budgets (client_id, lower(name)) nulls not distinct where archived_at is null;

-- One row per version, which holds from its moment until that of the next; nothing is changed or removed.
create table if not exists budget_versions (
    id uuid primary key default gen_random_uuid(),
    budget_id uuid not null references budgets (id) on delete cascade,
    client_id uuid references clients (id) on delete cascade,  -- the budget's
    valid_from timestamptz not null default clock_timestamp(),
    changed_by text not null,
    limit_amount numeric not null,
    unit text not null,
    period text not null,
    start_day smallint not null default 1,  -- of a week (1 is Monday) or month, or its last day before that
    time_zone text,  -- null: the client's
    filters jsonb not null default '[]',  -- the calls that count: conditions as usage_filter_of() takes them
    split_by text,  -- a tag's key, of which each value has the limit for itself
    thresholds jsonb not null default '[]',  -- [{"percent": 80, "on": "actual"}, ...]
    repeats boolean not null default false,  -- crossing again within a period tells again
    constraint budget_versions_one_at_a_moment unique (budget_id, valid_from),
    constraint budget_versions_say_who_made_them check (btrim(changed_by) <> ''),
    constraint budget_versions_limit_is_an_amount check (limit_amount > 0 and limit_amount < 'Infinity'),
    constraint budget_versions_unit_is_known check (unit in ('usd', 'tokens')),
    constraint budget_versions_period_is_known check (period in ('day', 'week', 'month', 'quarter', 'year')),
    constraint budget_versions_start_day_is_of_the_period check (
        start_day between 1 and case period when 'week' then 7 when 'month' then 31 else 1 end
    ),
    constraint budget_versions_of_all_clients_have_a_time_zone
        check (client_id is not null or time_zone is not null),
    constraint budget_versions_filters_are_a_list check (jsonb_typeof(filters) = 'array'),
    constraint budget_versions_thresholds_are_a_list check (jsonb_typeof(thresholds) = 'array')
);

create index if not exists budget_versions_client_id_idx on budget_versions (client_id);

-- One row per thing that happened, however often and by whom it is seen: its key says what is one and the
-- same. evidence is what was known then: spend, limit, rule, driver.
create table if not exists alert_events (
    id uuid primary key default gen_random_uuid(),
    client_id uuid references clients (id) on delete cascade,
    kind text not null,
    budget_version_id uuid references budget_versions (id) on delete cascade,
    subject text not null default '',  -- what else tells events apart: a tag's value, a model, a channel
    period_at timestamptz not null,  -- the begin of the budget's period, else of the day
    threshold numeric not null default 0,  -- percent
    occurred_at timestamptz not null default clock_timestamp(),
    occurrence integer not null default 1,  -- of those that are told
    evidence jsonb not null default '{}',
    resolved_at timestamptz,  -- since when it is no more so
    acknowledged_at timestamptz,
    acknowledged_by text,
    constraint alert_events_once
        unique nulls not distinct (client_id, kind, budget_version_id, subject, period_at, threshold),
    constraint alert_events_kind_is_known check (
        kind in (
            'actual', 'forecast', 'anomaly', 'burst', 'unpriced', 'silence', 'prices', 'channel', 'check'
        )
    ),
    constraint alert_events_say_who_acknowledged_them
        check ((acknowledged_at is null) = (acknowledged_by is null))
);

create index if not exists alert_events_occurred_at_idx on alert_events (occurred_at);
create index if not exists alert_events_budget_version_id_idx on alert_events (budget_version_id);

-- One row per event and channel that is told of it: the outbox.
create table if not exists alert_deliveries (
    id uuid primary key default gen_random_uuid(),
    event_id uuid not null references alert_events (id) on delete cascade,
    occurrence integer not null default 1,
    channel text not null,
    state text not null default 'waiting',
    attempt_count integer not null default 0,
    due_at timestamptz not null default clock_timestamp(),
    last_error text,
    delivered_at timestamptz,
    constraint alert_deliveries_once unique (event_id, occurrence, channel),
    constraint alert_deliveries_state_is_known check (state in ('waiting', 'delivered', 'failed'))
);

create index if not exists alert_deliveries_due_at_idx on alert_deliveries (due_at) where state = 'waiting';

-- One row per look at everything that there is to tell of.
create table if not exists alert_checks (
    id uuid primary key default gen_random_uuid(),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    checked_by text not null,
    event_count integer not null default 0,
    error text
);

create index if not exists alert_checks_started_at_idx on alert_checks (started_at);

-- One row per wish not to be told, of a budget, a client or a kind; null is any.
create table if not exists alert_mutes (
    id uuid primary key default gen_random_uuid(),
    client_id uuid references clients (id) on delete cascade,
    budget_id uuid references budgets (id) on delete cascade,
    kind text,
    muted_until timestamptz not null,
    muted_by text not null,
    created_at timestamptz not null default clock_timestamp()
);

create index if not exists alert_mutes_client_id_idx on alert_mutes (client_id);
create index if not exists alert_mutes_budget_id_idx on alert_mutes (budget_id);

call read_one_client_only('budgets', 'client_id');
call read_one_client_only('budget_versions', 'client_id');
call read_one_client_only('alert_events', 'client_id');
call read_one_client_only('alert_mutes', 'client_id');
grant select on budgets, budget_versions, alert_events, alert_mutes to analytics_reader;

-- How telling went is for the owner alone: an error may name a server.
alter table alert_deliveries enable row level security;
alter table alert_checks enable row level security;
revoke all on alert_deliveries, alert_checks from public;
