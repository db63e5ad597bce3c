"""Booked costs against what the calls would cost by the lists as they are now; corrections and their undoing.

calls = select_calls(database, "Acme", date(2026, 3, 1), date(2026, 3, 31))
survey_costs(database, calls)  # changes nothing
correct(database, calls, by="ana", reason="the new contract")
"""

from analytics.corrections.apply import Outcome, correct
from analytics.corrections.preview import ModelCosts, Repricing, survey_costs
from analytics.corrections.record import Correction, list_corrections
from analytics.corrections.selection import Selection, select_calls
from analytics.corrections.undo import Undoing, undo

__all__ = [
    "Correction",
    "ModelCosts",
    "Outcome",
    "Repricing",
    "Selection",
    "Undoing",
    "correct",
    "list_corrections",
    "select_calls",
    "survey_costs",
    "undo",
]
