"""People whose data is kept: what there is about one, as a file, and how it is forgotten."""
