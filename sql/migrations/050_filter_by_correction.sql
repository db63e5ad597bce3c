-- Calls are filtered by the corrections that changed their costs.

call add_filter_attribute('corrections', 'uuid[]');
call add_filter_attribute('excludes_corrections', 'boolean');
