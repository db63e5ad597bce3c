-- Another revision of the price list after each change of model_prices, so that whoever holds a copy can
-- tell.


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
