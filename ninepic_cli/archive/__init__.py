"""ZIPs in place of a folder."""
