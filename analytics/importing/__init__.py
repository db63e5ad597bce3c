"""Loads a log of calls, CSV or JSON Lines, into usage_logs.

plan        which column or constant is what, checked before anything is written
reader      the file: its lines, their positions, and the hash from which ids come
values      one row's texts as a call, or the reason why not
store       calls into usage_logs by COPY, rejects into a file
"""

from analytics.importing.parsing import TARGETS
from analytics.importing.plan import plan_import
from analytics.importing.run import ImportReport, import_file

__all__ = ["TARGETS", "ImportReport", "import_file", "plan_import"]
