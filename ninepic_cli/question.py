"""Questions to the service that somebody waits for, and that fetch nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice

from ninepic_cli.answers import EventEntry
from ninepic_cli.api import Api
from ninepic_cli.client import Client
from ninepic_cli.errors import GivenUpError, ServiceFailedError, UnusableAnswerError
from ninepic_cli.photo import Event
from ninepic_cli.retry import Hosts, Stop
from ninepic_cli.settings import Access


def ping(access: Access, *, timeout_s: float, environ: Mapping[str, str]) -> None:
    """See that key, organisation and event fit together; a failure is not tried again, a pause is waited for.

    Raises:
        NinepicError: they do not, or the service could not say.
    """
    with asking(access, Patience(timeout_s), environ) as api:
        api.ping()


def events(access: Access, *, timeout_s: float, environ: Mapping[str, str], most: int = 1000) -> list[EventEntry]:
    """The organisation's events, at most so many; what fails is treated as by `ping`.

    Raises:
        SettingsError: the service does not know the organisation.
        NotAllowedError: it refuses the key, or the key for the organisation.
        NinepicError: it could not say.
    """
    with asking(access, Patience(timeout_s), environ) as api:
        return list(islice(api.events(), most))


@dataclass(frozen=True, slots=True)
class Patience:
    """With a question that somebody waits for.

    Attributes:
        retries: further tries.
        give_up_after_s: seconds without a usable answer that end it; None for the time-out.
    """

    timeout_s: float
    retries: int = 0
    give_up_after_s: float | None = None


@contextmanager
def asking(
    access: Access,
    patience: Patience,
    environ: Mapping[str, str],
    *,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Iterator[Api]:
    """The service, for a question that somebody waits for.

    Raises:
        NinepicError: the question was not answered; hints are not about downloads.
    """
    stop, give_up_s = Stop(), patience.give_up_after_s
    hosts = Hosts(give_up_after_s=patience.timeout_s if give_up_s is None else give_up_s, stop=stop, on_event=on_event)
    host = hosts.of(access.base_url)
    try:
        with closing(Client(timeout_s=patience.timeout_s, connections=1, environ=environ)) as client:
            yield Api(access, client=client, host=host, retries=patience.retries, stop=stop, on_event=on_event)
    except (ServiceFailedError, GivenUpError) as error:
        if type(error) not in {ServiceFailedError, GivenUpError}:
            raise
        # Their hints are about downloads, which this is not, unless they are about the network.
        hint = error.hint if isinstance(error.__cause__, UnusableAnswerError) else "try again later"
        raise type(error)(error.message, hint=hint, code=error.code) from error
