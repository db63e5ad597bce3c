-- A call that a subscription pays costs nothing by itself, whatever its tokens would cost: its basis is plan.
-- "not valid": no row has it yet, and looking at all would keep writers waiting.

do $$
begin
    if not exists (
        select from pg_attribute where attrelid = 'usage_logs'::regclass and attname = 'cost_basis'
    ) or exists (
        select from pg_constraint where conname = 'usage_logs_plan_costs_nothing'
    ) then
        return;
    end if;
    alter table usage_logs
        drop constraint if exists usage_logs_cost_basis_is_known,
        add constraint usage_logs_cost_basis_is_known
            check (cost_basis in ('priced', 'estimated', 'unpriced', 'given', 'plan')) not valid,
        add constraint usage_logs_plan_costs_nothing check (cost_basis <> 'plan' or cost_usd = 0) not valid;
end
$$;
