"""Links that are renewed in time."""

import threading

import pytest

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
