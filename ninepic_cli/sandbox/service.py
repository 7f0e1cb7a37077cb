"""The whole service: both servers and what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ninepic_cli.sandbox.api import Api
from ninepic_cli.sandbox.data import World
from ninepic_cli.sandbox.faults import FaultInjector
from ninepic_cli.sandbox.object_store import ObjectStore, Presigner
from ninepic_cli.sandbox.server import RequestLog, Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.wire import Request


class Sandbox:
    """The 9Pic API and its object store, each on a loopback port of its own.

        with Sandbox(World.generate(photos=12)) as sandbox:
            subprocess.run([...], env=os.environ | sandbox.environment)

    It can be stopped and started again, on the same ports.

    Args:
        world: What exists.
        link_life_s: How long the API's links live.
        page_size_cap: The largest page of links.
        latency_s: How long every answer is held back.
        store_rate: Bytes a second on each connection to the store; None for as many as possible.
        requests_per_s: The API answers 429 to more requests than that; None for no limit.
        failure_share: How many of the store's answers fail, from 0.0 to 1.0: by 500, 503, a reset or a cut.
        seed: Another one lets other requests fail.
        empty_as_404: A bib or search without photos is a 404; otherwise a 200 with empty lists.
        flat: The API's answers come without the envelope, as they once did.
        faults: What goes wrong in particular.
        host: The address to listen on.
        port: The API's port; 0 for a free one.
        store_port: The store's port; 0 for a free one.
        tls: Both servers speak TLS with this.
        expired_as: How the store refuses an expired link: "r2" (403 ExpiredRequest), "r2-400" (the same as a
            400) or "s3" (403 AccessDenied).
        clock_offset_s: How far the service's clock is ahead of this machine's.
        keep_requests: How many of the latest requests stay in `requests`; None for all.
        on_request_end: Is called with every request when it has ended, from the thread that answered it. Must not
            raise. When `stop` returns, it has been called for all.

    Attributes:
        world: What exists; may be changed at any time.
        faults: What goes wrong; may be changed at any time.
        requests: Every request to either server, in order of arrival, or the latest `keep_requests` of them.
        presigner: Makes the links; its `life_s` may be changed at any time.
    """

    def __init__(  # noqa: PLR0913 -- every one is a property of the service that somebody may want to be different
        self,
        world: World | None = None,
        *,
        link_life_s: float = 3600,
        page_size_cap: int = 60,
        latency_s: float = 0.0,
        store_rate: float | None = None,
        requests_per_s: float | None = None,
        failure_share: float = 0.0,
        seed: int = 1,
        empty_as_404: bool = True,
        flat: bool = False,
        faults: Sequence[Fault] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        store_port: int = 0,
        tls: ssl.SSLContext | None = None,
        expired_as: str = "r2",
        clock_offset_s: float = 0.0,
        keep_requests: int | None = None,
        on_request_end: Callable[[Request], None] | None = None,
    ) -> None:
        self.world = world or World.generate()
        self.faults = list(faults)
        log = RequestLog(keep_requests, on_request_end)
        self.requests = log.requests
        self.presigner = Presigner(life_s=link_life_s, clock_offset_s=clock_offset_s)
        self._host, self._port, self._store_port = host, port, store_port
        self._scheme = "https" if tls else "http"
        api = Api(self.world, self.presigner, page_size_cap, requests_per_s, empty_as_404=empty_as_404, flat=flat)
        store = ObjectStore(self.world, self.presigner, expired_as)
        injector = FaultInjector(failure_share, seed)

        def fault_for(request: Request) -> Fault:
            return injector.fault_for(request, self.faults)

        self._api = Server(api, fault_for, log, latency_s, None, tls)
        self._store = Server(store, fault_for, log, latency_s, store_rate, tls)

    def start(self) -> Self:
        """Starts both servers."""
        self._store_port = self._store.start(self._host, self._store_port)
        self.presigner.origin = self.store_url
        try:
            self._port = self._api.start(self._host, self._port)
        except OSError:
            self._store.stop()
            raise
        return self

    def stop(self) -> None:
        """Stops both servers at once, whatever is going on."""
        self._api.stop()
        self._store.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where the API is, once it has been started."""
        return self._origin(self._port)

    @property
    def store_url(self) -> str:
        """Where the store is, once it has been started."""
        return self._origin(self._store_port)

    def _origin(self, port: int) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point `ninepic` here."""
        return {
            "NINEPIC_API_KEY": self.world.api_key,
            "NINEPIC_ORG_ID": str(self.world.org_id),
            "NINEPIC_EVENT_ID": str(self.world.event_id),
            "NINEPIC_BASE_URL": self.base_url,
        }

    def link(self, image_id: str, *, life_s: float | None = None) -> str:
        """Makes a link to a photo, as the API would, that lives for so many seconds."""
        return self.presigner.presign(self.world.object_key(image_id), life_s)

    def requests_to(self, server: str, *, method: str | None = None, contains: str | None = None) -> list[Request]:
        """The requests to one server, with this method and this text in the path or query."""
        return [
            request
            for request in list(self.requests)
            if request.server == server and method in {None, request.method} and (contains or "") in request.target
        ]
