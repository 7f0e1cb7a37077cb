"""Names, target folder, partial files, locks, atomic writes."""
