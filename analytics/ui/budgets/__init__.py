"""The page Budgets."""
