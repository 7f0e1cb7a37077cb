"""What each command does, from parsed options to exit status."""
