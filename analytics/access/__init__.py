"""Who may see what: viewers, members and API keys."""
