"""Booked costs beside what the calls cost by today's price lists; corrections of them, recorded and undoable.

calls = select_calls(database, "Acme", date(2026, 3, 1), date(2026, 3, 31))
preview_costs(database, calls)  # changes nothing
apply_correction(database, calls, by="ana", reason="the new contract")
"""

from analytics.corrections.apply import CorrectionResult, apply_correction
from analytics.corrections.preview import ModelCosts, Repricing, preview_costs
from analytics.corrections.record import Correction, list_corrections
from analytics.corrections.selection import Selection, calls_in, select_calls
from analytics.corrections.undo import UndoResult, undo_correction

__all__ = [
    "Correction",
    "CorrectionResult",
    "ModelCosts",
    "Repricing",
    "Selection",
    "UndoResult",
    "apply_correction",
    "calls_in",
    "list_corrections",
    "preview_costs",
    "select_calls",
    "undo_correction",
]
