"""What pages are made of: cards, tables and drawn charts."""
