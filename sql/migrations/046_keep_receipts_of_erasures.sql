-- One row per erasure of a person: who erased whose calls and when, and how many, without anything that tells
-- the person. The pseudonym is random, and stands in the place of what was erased. *_at are moments.

create table if not exists erasures (
    id uuid primary key default gen_random_uuid(),
    client_id uuid not null references clients (id) on delete cascade,
    begun_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,  -- null: it was interrupted, and the same again goes on
    erased_by text not null,
    kinds text[] not null,  -- of what the person was named by
    pseudonym text not null,
    call_count bigint not null default 0,
    conversation_count bigint not null default 0,
    mention_count bigint not null default 0,  -- places elsewhere that named the person
    spooled_count bigint not null default 0,
    constraint erasures_say_who_made_them check (btrim(erased_by) <> ''),
    constraint erasures_kinds_are_known check (kinds <@ array['phone', 'conversation', 'tag'])
);

create index if not exists erasures_client_id_idx on erasures (client_id);

-- No policy: receipts are for whoever owns the tables.
alter table erasures enable row level security;
revoke all on erasures from public;
