-- Functions that have more columns or arguments since 020: "create or replace" cannot give them those, and
-- a short call would still find the old ones. Only where they are as they were: what depends on the new
-- ones stays.

do $$
begin
    if pg_get_function_result(to_regprocedure('get_weekly_evolution(uuid, integer, timestamptz)'))
        not like '%openai_request_count%'
    then
        drop function get_weekly_evolution(uuid, integer, timestamptz);
    end if;
    drop function if exists get_usage_summary(uuid, integer, timestamptz);
    drop function if exists get_usage_comparison(uuid, date, date, date, date);
end
$$;
