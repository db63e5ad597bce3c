"""Demo clients, invented: for a first look and for screenshots."""

from analytics.demo.history import DEFAULT_SEED, DEFAULT_WEEKS, Filled, fill

__all__ = ["DEFAULT_SEED", "DEFAULT_WEEKS", "Filled", "fill"]
