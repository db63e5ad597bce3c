"""The Overview page: cards, panels, tables and downloads."""
