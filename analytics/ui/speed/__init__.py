"""The page Speed and errors."""
