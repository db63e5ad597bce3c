"""Prices: what a call costs, by which list, and how the lists are read and changed."""
