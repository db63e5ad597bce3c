-- What calls cost: prices with their dates, and corrections of costs that were booked.
--
-- Units: *_usd are US dollars, in model_prices per its unit; *_at moments.

-- One row per price: what a model costs from one moment until another. A client's own price goes before the
-- installation's (client_id null), the model's own name before the base name of its dated snapshots before
-- '*', and of those that hold at a moment the one that began last. What no row covers is priced by the public
-- list, or not at all.
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
        check (
            source = lower(btrim(source)) and model = lower(btrim(model)) and source <> '' and model <> ''
        ),
    constraint model_prices_ends_after_it_begins check (effective_from < effective_until),
    constraint model_prices_unit_is_known check (unit in ('1M tokens', 'minute')),
    constraint model_prices_are_amounts check (
        input_usd >= 0 and input_usd < 'Infinity' and output_usd >= 0 and output_usd < 'Infinity'
        and coalesce(cached_input_usd, 0) >= 0 and coalesce(cached_input_usd, 0) < 'Infinity'
    ),
    constraint model_prices_minutes_are_input
        check (unit <> 'minute' or output_usd = 0 and cached_input_usd is null)
);

-- One row: another revision after each change of model_prices, so that whoever holds a copy can tell.
create table if not exists price_list (
    is_only_row boolean primary key default true check (is_only_row),
    revision uuid not null default gen_random_uuid()
);

-- The list of the guide, which an installation begins with. Only once: what was removed stays away.
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

-- One row per correction of booked costs. Sums are over the calls that it changed.
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

-- One row per call that a correction changed. No foreign key to the call: calls may be deleted, and what was
-- done to them stays known.
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

-- A reader sees the installation's prices and those of its one client.
alter table model_prices enable row level security;
drop policy if exists analytics_reader_reads_prices on model_prices;
create policy analytics_reader_reads_prices on model_prices for select to analytics_reader
    using (client_id is null or client_id = nullif(current_setting('app.client_id', true), '')::uuid);

alter table price_list enable row level security;
-- Whoever is not shown the prices is not shown their revision either, and so cannot take none for all.
drop policy if exists analytics_reader_reads_the_revision on price_list;
create policy analytics_reader_reads_the_revision on price_list for select to analytics_reader using (true);

call read_one_client_only('cost_corrections', 'client_id');
call read_one_client_only('cost_correction_items', 'client_id');

grant select on model_prices, price_list, cost_corrections, cost_correction_items to analytics_reader;
