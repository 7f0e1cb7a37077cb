"""The benchmark of `ninepic` against the tools that people would use in its place; see `python -m tests.bench -h`."""
