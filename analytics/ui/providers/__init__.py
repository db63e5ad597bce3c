"""The page Providers and models: two periods, patterns, and other prices."""
