-- Who may see what: people (members) and programs (API keys).
--
-- Neither is for the dashboard's reader: who is looking is decided before anything is read as a client.
-- *_at are moments.

-- One row per person and client; client_id null is every client, those that will come included, and only an
-- administrator's. Emails are lower case, as sign-in compares them.
create table if not exists members (
    id uuid primary key default gen_random_uuid(),
    email text not null,
    client_id uuid references clients (id) on delete cascade,
    role text not null default 'viewer',
    created_at timestamptz not null default now(),
    constraint members_once_per_client unique nulls not distinct (email, client_id),
    constraint members_email_is_lower_case
        check (
            email = lower(btrim(email)) and email ~ '^[^@[:space:]]+@[^@[:space:]]+$'
            and length(email) <= 320
        ),
    constraint members_role_is_known check (role in ('viewer', 'admin')),
    constraint members_of_all_clients_are_admins check (client_id is not null or role = 'admin')
);

create index if not exists members_client_id_idx on members (client_id);

-- One row per key, of which only the SHA-256 hash is kept: a random key needs no slower one, and nobody who
-- reads this table can use a key. Revoked ones stay, so that it is known what they were for.
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

-- No policy: only the owner and who bypasses row-level security.
alter table members enable row level security;
alter table api_keys enable row level security;
revoke all on members, api_keys from public;
