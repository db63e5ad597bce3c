"""What pages are made of: headings, cards, tables, charts and empty messages."""
