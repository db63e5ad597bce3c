"""Booked costs against what the calls would cost by the lists as they are now; corrections and their undoing.

calls = select_calls(database, "Acme", date(2026, 3, 1), date(2026, 3, 31))
survey_costs(database, calls)  # changes nothing
correct(database, calls, by="ana", reason="the new contract")
"""

from analytics.repricing.applying import Outcome, correct
from analytics.repricing.corrections import Correction, list_corrections
from analytics.repricing.selection import Selection, select_calls
from analytics.repricing.survey import ModelCosts, Repricing, survey_costs
from analytics.repricing.undoing import Undoing, undo

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
