"""Loads calls from files of whatever somebody has into usage_logs.

opening     what is to be read: files, folders, globs, archives, standard input, in any encoding
lines       the lines of a source, and those of the record that is being read
documents   values in JSON, one at a time, and pages that hold them
parquet     rows of a Parquet file
kinds       what a file is by its beginning
reader      records of a file, their positions, and the hash from which ids come
notation    numbers and times as people write them
formats     what people have: one small reader for each
naming      columns that say by their names what they are
plan        what a file is, and which column or constant is what, checked before anything is written
parsing     the values of a row as the arguments of a call, checked where those of all calls are
quick       the shorter way of nearly all rows: the same calls, in a third of the time
rows        the rows of files as calls
summary     what they come to, before they are loaded
spend_logs  LiteLLM's own database as such a file
run         calls into usage_logs by COPY, rejects into a file
"""

from analytics.importing.formats import FORMATS
from analytics.importing.opening import Source, sources_of
from analytics.importing.parsing import TARGETS
from analytics.importing.plan import COLUMNS, ImportPlan, plan_import
from analytics.importing.rows import CallReader
from analytics.importing.run import ImportReport, import_file, import_files, price_list, rejects_of
from analytics.importing.spend_logs import copy_spend_logs
from analytics.importing.summary import Summary, doubled, is_report, regrouped

__all__ = [
    "COLUMNS",
    "FORMATS",
    "TARGETS",
    "CallReader",
    "ImportPlan",
    "ImportReport",
    "Source",
    "Summary",
    "copy_spend_logs",
    "doubled",
    "import_file",
    "import_files",
    "is_report",
    "plan_import",
    "price_list",
    "regrouped",
    "rejects_of",
    "sources_of",
]
