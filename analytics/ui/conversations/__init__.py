"""The page of all conversations, and of one."""
