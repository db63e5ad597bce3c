"""A call before it is a row: what an application passes in, checked and priced, and how it is stored."""
