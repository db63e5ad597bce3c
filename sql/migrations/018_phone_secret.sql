-- What links and pages name a conversation by that is nothing but a phone: a hash of it with a secret, as one
-- without is found by trying all phones.
create table if not exists phone_secret (
    id boolean primary key default true,
    secret text not null default gen_random_uuid()::text || gen_random_uuid()::text,
    constraint phone_secret_is_one check (id)
);
insert into phone_secret default values on conflict do nothing;
alter table phone_secret enable row level security;
revoke all on phone_secret from public;
