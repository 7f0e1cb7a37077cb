"""JSON lines, summary, exit status, the list of failures."""
