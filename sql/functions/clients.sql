-- Clients have the time zones that there are.

create or replace function check_client_timezone() returns trigger
    language plpgsql
    set search_path = public, pg_temp
as $$
begin
    -- Only places: "EST" and "UTC+3" are accepted by PostgreSQL too, but have no daylight saving or the
    -- opposite sign of what their writer meant.
    if new.timezone is null or new.timezone <> 'UTC' and not exists (
        select from pg_timezone_names as zone where zone.name = new.timezone and zone.name like '%/%'
    ) then
        raise exception 'unknown time zone "%" of client "%": give an IANA name such as "America/Sao_Paulo"',
            new.timezone, new.name
            using errcode = 'invalid_parameter_value';
    end if;
    return new;
end
$$;
