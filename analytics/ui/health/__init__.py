"""The page Data health."""
