"""This process: streams, terminal, shutdown."""
