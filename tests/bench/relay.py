"""Stub."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A way through the network: its round trip time and its bits a second."""

    rtt_s: float
    bps: float
