"""What can be taken away: CSV, FOCUS and PDF.

Nothing is imported here: calls need no more than the tracker has, the rest needs the dashboard's packages.
"""
