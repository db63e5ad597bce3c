"""What every page stands in: address, sidebar, sign-in, dates, reads and messages."""
