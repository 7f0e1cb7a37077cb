"""Original photos of 9Pic events, from the command line."""

__version__ = "0.1.0"
