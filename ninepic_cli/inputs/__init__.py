"""What is asked for: identifiers, start lists, shards, times."""
