-- Prices of one's own for all that public ones are for: other kinds of tokens, characters, pictures, fees of
-- tools, tiers, long prompts; or a discount on the public price.
--
-- *_usd are US dollars: of input_usd per unit, of tools per 1,000 calls, of all others per million tokens.
-- Null is not covered; only cached_* costs what the same does that is not cached.

alter table model_prices
    -- The tier that the price is of; null: the ordinary one.
    add column if not exists service_tier text,
    -- It is of prompts with more tokens than these.
    add column if not exists above_prompt_tokens bigint not null default 0,
    -- Off the public price, in place of amounts; below 0 it is a surcharge.
    add column if not exists discount_percent numeric,
    add column if not exists cache_write_usd numeric,
    add column if not exists cache_write_1h_usd numeric,
    add column if not exists audio_input_usd numeric,
    add column if not exists cached_audio_usd numeric,
    add column if not exists audio_output_usd numeric,
    add column if not exists image_input_usd numeric,
    add column if not exists cached_image_usd numeric,
    add column if not exists image_output_usd numeric,
    add column if not exists web_search_usd numeric,
    add column if not exists file_search_usd numeric,
    add column if not exists code_run_usd numeric;

-- A model has one price at a time for each tier and length of prompt.
do $$
begin
    if exists (
        select from pg_constraint
        where conname = 'model_prices_one_price_at_a_time' and cardinality(conkey) = 4
    ) then
        alter table model_prices drop constraint model_prices_one_price_at_a_time;
    end if;
    if not exists (select from pg_constraint where conname = 'model_prices_one_price_at_a_time') then
        alter table model_prices
            add constraint model_prices_one_price_at_a_time unique nulls not distinct (
                client_id, source, model, effective_from, service_tier, above_prompt_tokens
            );
    end if;
end
$$;

alter table model_prices
    drop constraint if exists model_prices_unit_is_known,
    drop constraint if exists model_prices_minutes_are_input,
    drop constraint if exists model_prices_more_are_amounts,
    drop constraint if exists model_prices_kinds_are_of_tokens,
    drop constraint if exists model_prices_tier_is_a_name,
    drop constraint if exists model_prices_discount_is_a_part;
alter table model_prices
    add constraint model_prices_unit_is_known
        check (unit in ('1M tokens', 'minute', '1M characters', 'image')),
    add constraint model_prices_more_are_amounts check (
        least(
            0, cache_write_usd, cache_write_1h_usd, audio_input_usd, cached_audio_usd, audio_output_usd,
            image_input_usd, cached_image_usd, image_output_usd, web_search_usd, file_search_usd,
            code_run_usd, above_prompt_tokens
        ) = 0
        and greatest(
            0, cache_write_usd, cache_write_1h_usd, audio_input_usd, cached_audio_usd, audio_output_usd,
            image_input_usd, cached_image_usd, image_output_usd, web_search_usd, file_search_usd,
            code_run_usd
        ) < 'Infinity'
    ),
    -- A minute, a character and a picture have one price, and no kinds of tokens.
    add constraint model_prices_kinds_are_of_tokens check (
        unit = '1M tokens'
        or output_usd = 0 and above_prompt_tokens = 0 and num_nonnulls(
            cached_input_usd, cache_write_usd, cache_write_1h_usd, audio_input_usd, cached_audio_usd,
            audio_output_usd, image_input_usd, cached_image_usd, image_output_usd
        ) = 0
    ),
    add constraint model_prices_tier_is_a_name
        check (service_tier = lower(btrim(service_tier)) and service_tier <> ''),
    add constraint model_prices_discount_is_a_part check (
        discount_percent is null
        or discount_percent between -1000 and 100 and unit = '1M tokens' and input_usd = 0
        and output_usd = 0 and above_prompt_tokens = 0 and num_nonnulls(
            cached_input_usd, cache_write_usd, cache_write_1h_usd, audio_input_usd, cached_audio_usd,
            audio_output_usd, image_input_usd, cached_image_usd, image_output_usd, web_search_usd,
            file_search_usd, code_run_usd
        ) = 0
    );

-- They have more columns since.
drop function if exists get_daily_usage_by_model(uuid, date, date);
drop function if exists get_call_sums(uuid, date, date);
