"""Which exit status a run has. Pure."""

from collections.abc import Iterable

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


def choose_exit_status(
    statuses: Iterable[ExitStatus],
    *,
    is_unfinished: bool,
    has_listing_given_up: bool,
    has_listing_done: bool,
    has_only_photos_without_link: bool,
) -> ExitStatus:
    """The most severe of everything that happened; a signal is not known here.

    Args:
        statuses: of all errors, of photos and of what ended the run.
        is_unfinished: something that was asked for has no outcome. Status 0 promises that everything is on the disk, so
            that makes the run incomplete, also without an error to explain it.
        has_listing_given_up: a listing broke off because the service kept failing: the run is incomplete, or given up
            where no other listing came to its end.
        has_listing_done: a listing came to its end.
        has_only_photos_without_link: not one link was to be had.
    """
    happened = set(statuses)
    if is_unfinished or has_listing_given_up:
        happened.add(ExitStatus.INCOMPLETE)
    if has_only_photos_without_link or (has_listing_given_up and not has_listing_done):
        happened.add(ExitStatus.GIVEN_UP)
    return next((status for status in _MOST_SEVERE_FIRST if status in happened), ExitStatus.OK)
