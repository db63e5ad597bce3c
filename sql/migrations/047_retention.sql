-- Calls may go while their sums stay: of a client's days before raw_since only the sums are kept.
--
-- functions/retention.sql says who moves it, and what is refused then. *_at are moments; days are those of
-- the time zone that the client had.

-- Calls before raw_since_at are gone, the moment in which raw_since began when they went: another time zone
-- moves no moment. All calls of the days from raw_since on are there, and no sum of other calls is theirs.
alter table clients add column if not exists raw_since date;
alter table clients add column if not exists raw_since_at timestamptz;

-- One row per client with a rule of its own; client_id null is the rule of all others.
create table if not exists retention_rules (
    client_id uuid references clients (id) on delete cascade,
    keep_days integer,  -- null: calls are kept for ever
    archive text,  -- the folder or address that calls are written to before they go; null: nowhere
    set_by text not null,
    set_at timestamptz not null default clock_timestamp(),
    constraint retention_rules_one_of_a_client unique nulls not distinct (client_id),
    constraint retention_rules_keep_some_days check (keep_days between 1 and 36525)
);

-- One row per span of calls that went: of how many, when, and where they are. The spans of a client that are
-- not restored lie one behind the other, and clients.raw_since is the end of the last one.
create table if not exists dropped_calls (
    id uuid primary key default gen_random_uuid(),
    client_id uuid not null references clients (id) on delete cascade,
    first_date date not null,  -- the days from first_date on until before end_date
    end_date date not null,
    first_at timestamptz not null,  -- -infinity where no span is before it
    end_at timestamptz not null,
    timezone text not null,  -- whose days these are, and by which they stay summed
    archive text,  -- null: they are written nowhere
    begun_at timestamptz not null default clock_timestamp(),
    archived_as text,  -- the file in the archive, once it is written and read back
    call_count bigint,  -- known by then, or at the end
    total_tokens bigint,
    cost_usd numeric,
    archived_bytes bigint,
    deleted_count bigint not null default 0,
    deleted_bytes bigint not null default 0,
    dropped_at timestamptz,  -- null: not all of them are gone yet
    restoring_at timestamptz,  -- since when they are being brought back
    restored_at timestamptz,
    constraint dropped_calls_have_days check (first_date < end_date and first_at < end_at)
);

create index if not exists dropped_calls_client_id_idx on dropped_calls (client_id, end_at);

-- One row per run that had something to do.
create table if not exists retention_runs (
    id uuid primary key default gen_random_uuid(),
    begun_at timestamptz not null default clock_timestamp(),
    run_by text not null,
    ended_at timestamptz,
    deleted_count bigint not null default 0,
    deleted_bytes bigint not null default 0,
    error text
);

create index if not exists retention_runs_begun_at_idx on retention_runs (begun_at);

-- Only for who runs the installation: readers need no more than clients.raw_since.
alter table retention_rules enable row level security;
alter table dropped_calls enable row level security;
alter table retention_runs enable row level security;
revoke all on retention_rules, dropped_calls, retention_runs from public;
