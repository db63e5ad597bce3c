"""What the README's speed claims rest on: `python -m bench`."""
