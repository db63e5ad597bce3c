"""Commands of `python -m analytics` that come in groups; the others stand in __main__."""
