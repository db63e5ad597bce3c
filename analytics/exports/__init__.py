"""Downloads: CSV, FOCUS and PDF.

This module imports nothing: the CSV needs only the tracker's packages, the others need the dashboard's.
"""
