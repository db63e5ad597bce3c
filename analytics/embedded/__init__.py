"""The embedded PostgreSQL: one per data directory, of the user who runs it and nobody else.

It listens to no network, only on a socket in a directory that no other user can enter, and it asks the kernel
who is at the other end. It lives as long as some process uses it, and start() starts it again where it died.

server      starting, using and stopping it
cluster     its files and its process
account     whom it runs as, and what nobody else may enter
windows     the same, as far as the wheel does it there
"""

import sys

if sys.platform == "win32":
    from analytics.embedded.windows import end, start, stop
else:
    from analytics.embedded.server import end, start, stop

__all__ = ["end", "start", "stop"]
