-- usage_logs was born as usage_logs_adopted: since PostgreSQL 18 the names of its "not null" say so.

do $$
declare
    item record;
begin
    for item in
        select conname as name
        from pg_constraint
        where
            conrelid = 'usage_logs'::regclass and contype = 'n'
            and starts_with(conname::text, 'usage_logs_adopted_')
    loop
        execute format(
            'alter table usage_logs rename constraint %I to %I',
            item.name, replace(item.name, 'usage_logs_adopted_', 'usage_logs_')
        );
    end loop;
end
$$;
