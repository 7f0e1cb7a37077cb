"""Photos to files: workers, skip, verify and copy, resumable fetch."""
