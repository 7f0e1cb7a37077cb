"""Connections, proxies, retries, rate limit."""
