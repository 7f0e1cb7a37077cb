"""How long links live, and their renewal in time."""

import math
import threading
import time

import pytest

from ninepic_cli.api.links import parse_link
from ninepic_cli.api.schema import queries
from ninepic_cli.models import Link, Method, Photo
from ninepic_cli.sandbox import Sandbox
from tests.support.listings import Outcome, listing, pages_of, world_of


class TestRenewal:
    """Links that die are replaced, a page at a time."""

    @pytest.mark.usefixtures("quick_retries")
    def test_workers_share_a_renewal(self) -> None:
        """Many workers that need new links for one page at once wait for one request."""
        world = world_of(60)
        with Sandbox(world, latency_s=0.05) as box, listing(box) as parts:
            photos = Outcome(list(parts.entries(queries(Method.BIB, ["1234"])))).photos
            before = [_link(photo) for photo in photos]
            threads = [threading.Thread(target=_renew, args=pair) for pair in zip(photos, before, strict=True)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
            assert pages_of(box) == [1, 1]
            assert all(_link(photo) is not old for photo, old in zip(photos, before, strict=True))


def _link(photo: Photo) -> Link:
    assert photo.links
    return photo.links.current(photo.image_id)


def _renew(photo: Photo, refused: Link) -> None:
    assert photo.links
    photo.links.renew(photo.image_id, refused)


@pytest.mark.parametrize(
    ("query", "life_s", "spare_s"),
    [
        ("?X-Amz-Expires=7&a=b", 7, 0.7),
        ("?a=b&X-Amz-Expires=600", 600, 60),
        ("?X-Amz-Expires=86400&X-Amz-Signature=1", 86400, 60),
    ],
)
def test_a_link_is_renewed_before_it_expires(query: str, life_s: float, spare_s: float) -> None:
    """A link is renewed a minute before it expires, or a tenth of its life where that is less."""
    link = parse_link(f"https://s.test/a.jpg{query}")
    assert 0 <= time.monotonic() + life_s - link.expires_at_s < 5
    assert link.expires_at_s - link.renew_at_s == pytest.approx(spare_s)


@pytest.mark.parametrize("query", ["", "?X-Amz-Expires=0", "?X-Amz-Expires=soon", "?NotX-Amz-Expires=7"])
def test_a_link_that_does_not_say_how_long_it_lives(query: str) -> None:
    """A link without a life that could be believed is used until storage refuses it."""
    assert (link := parse_link(f"https://s.test/a.jpg{query}")).renew_at_s == link.expires_at_s == math.inf
