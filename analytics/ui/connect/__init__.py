"""The page Connect."""
