"""Every advisory lock of the project, those of the database's functions included.

ARCHIVES, CORRECTIONS, IMPORTS, SPANS, STORING and TIMEZONE are a lock per client: the number is hashed with
the client's id. All end with their transaction. Whoever takes several takes CORRECTIONS before TIMEZONE,
TIMEZONE before ROLLUPS, and IMPORTS before STORING before SPANS.
"""

MIGRATIONS = 7500
"""Whoever applies the files of sql/: one run at a time."""
TIMEZONE = 7501
"""timezone_lock() in sql/functions/sums.sql: a client's writers share it, a new time zone has it alone."""
ROLLUPS = 7502
"""rollup_lock() in sql/functions/sums.sql: whoever writes to the rollups."""
DEMO = 7510
"""Whoever fills a demo, until the commit."""
CLIENTS = 7511
"""Whoever looks for a client by name, to create it when it is missing."""
IMPORTS = 7512
"""Whoever stores a batch of an import: in two orders of the same rows two could deadlock."""
CORRECTIONS = 7514
"""Whoever corrects costs or undoes a correction."""
SPANS = 7515
"""Whoever stores calls that came from spans: of two who tell of one call, the later one finds it."""
ALERTS = 7516
"""Whoever begins to look at what there is to tell of: of several processes one each minute."""
RETENTION = 7517
"""Whoever drops calls or brings them back: one at a time."""
ARCHIVES = 7518
"""Whoever writes to the archive of a client: a lock per client."""
STORING = 7519
"""Whoever stores calls on Citus, on the coordinator: a lock per client."""
