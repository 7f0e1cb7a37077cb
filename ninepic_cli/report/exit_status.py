"""Which of all that happened in a run its exit status tells. Pure."""

from collections.abc import Container

from ninepic_cli.errors import ExitStatus

_MOST_SEVERE_FIRST = (
    ExitStatus.BUG,
    ExitStatus.MACHINE,
    ExitStatus.NOT_ALLOWED,
    ExitStatus.USAGE,
    ExitStatus.GIVEN_UP,
    ExitStatus.INCOMPLETE,
    ExitStatus.MISSING,
)


def most_severe(statuses: Container[ExitStatus]) -> ExitStatus:
    """The most severe of these, OK without any."""
    return next((status for status in _MOST_SEVERE_FIRST if status in statuses), ExitStatus.OK)
