"""Settings: where each comes from, what it may be, the file, the key."""
