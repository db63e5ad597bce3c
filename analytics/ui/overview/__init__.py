"""The Overview page: cards, panels, downloads, and the first call."""
