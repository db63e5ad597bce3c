"""Loads a log of calls, CSV or JSON Lines, into usage_logs.

plan        which column or constant is what, checked before anything is written
reader      the file: its lines, their positions, and the hash from which ids come
parsing     the values of a row as the arguments of a call, checked where those of all calls are
run         calls into usage_logs by COPY, rejects into a file
"""

from analytics.importing.parsing import TARGETS
from analytics.importing.plan import plan_import
from analytics.importing.run import ImportReport, import_file

__all__ = ["TARGETS", "ImportReport", "import_file", "plan_import"]
