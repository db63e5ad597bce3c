"""What docs/speed.md rests on: `python -m bench`."""
