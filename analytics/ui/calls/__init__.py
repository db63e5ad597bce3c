"""The page of all calls, and of one."""
