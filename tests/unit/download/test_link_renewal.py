"""Links that die: renewed in time, together, and not for ever."""

import time
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.models import Downloaded, Failed, Method, Photo
from ninepic_cli.sandbox import Fault, Sandbox
from ninepic_cli.sandbox.data import BIB
from ninepic_cli.updates import RetryScheduled
from tests.support.command import Start
from tests.support.files import files_in
from tests.support.transfers import (
    CUT,
    EXPIRED,
    SIZE,
    Make,
    asked,
    data_of,
    expired,
    objects,
    only,
    over_both_transports,
    statuses,
    together,
)

pytestmark = pytest.mark.usefixtures("quick_retries")


def methods(box: Sandbox) -> list[str]:
    """What the API was asked for, request by request."""
    return [request.body.partition(b'"method": "')[2].partition(b'"')[0].decode() for request in box.requests_to("api")]


@pytest.mark.parametrize("form", EXPIRED)
def test_link_that_died(serve: Start, run: Make, form: str) -> None:
    """A link that the store refuses for its age is renewed at once: no try is spent and no attempt counted."""
    box = serve(Fault(nth=1, delay_s=0.6), box={"link_life_s": 0.5, "expired_as": form})
    now = run(box, retries=0)
    assert now.saved().attempts == 1
    assert statuses(box) == [EXPIRED[form][0], 200]
    assert methods(box) == ["bib", "bib"]
    assert now.of(RetryScheduled) == []


@over_both_transports
@pytest.mark.parametrize("form", EXPIRED)
def test_link_that_died_under_way(serve: Start, run: Make, form: str) -> None:
    """A refusal in answer to the resumed request costs nothing of what is on disk, and its text is not appended."""
    box = serve(Fault(nth=1, cut_after=CUT), expired(form, ranged=True, nth=1), etag="multipart")
    now = run(box)
    assert now.saved().attempts == 2
    assert asked(box, "range") == [(None,), (f"bytes={CUT}-",), (f"bytes={CUT}-",)]
    assert sum(request.bytes_sent for request in box.requests_to("store") if request.status != EXPIRED[form][0]) == SIZE
    assert files_in(now.root) == objects(box)


def test_links_are_renewed_together(serve: Start, run: Make) -> None:
    """One request to the API brings new links to all photos of a page, however many workers are refused."""
    jobs = 6
    box = serve(expired(nth=range(1, jobs + 1), action=together(jobs)), photos=20, size=30_000)
    now = run(box, retries=0)
    outcomes = now(jobs=jobs)
    assert [outcome.attempts for outcome in outcomes if isinstance(outcome, Downloaded)] == [1] * 20
    assert methods(box) == ["bib", "bib"]
    assert files_in(now.root) == objects(box)


def aged(life_s: int, **options: Any) -> Fault:
    """The API's links say that they live for so long."""

    def mutate(answer: dict[str, Any]) -> None:
        for item in answer["data"]["presigned_urls"]:
            item["url"] = item["url"].replace("X-Amz-Expires=3600", f"X-Amz-Expires={life_s}")

    return Fault(server="api", mutate=mutate, **options)


def test_renewed_before_it_dies(serve: Start, run: Make) -> None:
    """A link whose life is nearly over is not sent at all."""
    box = serve(aged(1, nth=1))
    now = run(box)
    photos = now.listed()
    time.sleep(0.95)
    (outcome,) = now(photos)
    assert isinstance(outcome, Downloaded)
    assert outcome.attempts == 1
    assert statuses(box) == [200]
    assert methods(box) == ["bib", "bib"]


def test_a_link_that_says_it_lives_for_no_time(serve: Start, run: Make) -> None:
    """A life of no seconds says nothing: the link is used as any other, and nothing is asked again."""
    box = serve(aged(0))
    box.faults.append(Fault(status=200, body=data_of(box)))  # the sandbox takes it at its word
    assert run(box).saved().attempts == 1
    assert methods(box) == ["bib"]


def test_pause_that_outlives_the_link(serve: Start, run: Make) -> None:
    """After a pause in which its life has ended, a link is renewed before it is sent."""
    box = serve(Fault(nth=1, status=503, headers={"Retry-After": "1"}), box={"link_life_s": 1})
    now = run(box)
    assert now.saved().attempts == 2
    assert statuses(box) == [503, 200]


def test_renewed_link_to_another_host(serve: Start, run: Make) -> None:
    """A link that is renewed after a pause and leads elsewhere is used there, by that host's turn."""
    other = serve()
    box = serve(Fault(nth=1, status=503, headers={"Retry-After": "1"}), box={"link_life_s": 1})

    def mutate(answer: dict[str, Any]) -> None:
        answer["data"]["presigned_urls"][0]["url"] = other.link(only(box).image_id)

    box.faults.append(Fault(server="api", nth=2, mutate=mutate))
    now = run(box)
    assert now.saved().attempts == 2
    assert (statuses(box), statuses(other)) == ([503], [200])
    assert methods(box) == ["bib", "bib"]


def test_date_of_a_link_does_not_matter(serve: Start, run: Make) -> None:
    """A link is used whatever its date says: clocks may differ by hours."""
    box = serve(box={"clock_offset_s": -30_000})
    run(box).saved()
    assert methods(box) == ["bib"]


def test_link_without_a_life(serve: Start, run: Make) -> None:
    """A link that does not say how long it lives is used until it is refused."""

    def mutate(answer: dict[str, Any]) -> None:
        (item,) = answer["data"]["presigned_urls"]
        item["url"] = item["url"].partition("?")[0] + "?token=1"

    box = serve(Fault(server="api", nth=1, mutate=mutate), expired(nth=1))
    assert run(box).saved().attempts == 1


@pytest.mark.parametrize("life_s", [1, 3600])
def test_fresh_link_refused_twice(serve: Start, run: Make, life_s: int) -> None:
    """A store that refuses every link for its age has failed the photo, and the others go on."""
    box = serve(photos=3, size=30_000, box={"link_life_s": life_s})
    bad = next(iter(box.world.photos))
    box.faults = [expired(path=bad)]
    now = run(box)
    first, *others = now()
    assert isinstance(first, Failed)
    assert (first.error.code, first.attempts, first.is_missing) == ("link_expired", 0, False)
    assert len(box.requests_to("store", contains=bad)) == 3
    assert all(isinstance(outcome, Downloaded) for outcome in others)


def test_fresh_links_refused_once_each(serve: Start, run: Make) -> None:
    """A fresh link that is refused counts until one is accepted: later ones are another matter."""
    refused = [expired(nth=number) for number in (1, 2, 4, 5)]
    box = serve(*refused[:2], Fault(nth=3, cut_after=CUT), *refused[2:])
    assert run(box).saved().attempts == 2
    assert len(box.requests_to("store")) == 6


def test_photo_that_left_its_page(serve: Start, run: Make) -> None:
    """A photo that its page does not list any more is asked for by its id."""
    box = serve(expired(nth=1), photos=2)
    first, second = box.world.photos
    now = run(box)
    photos = now.listed()
    box.world.bibs[BIB] = [second]
    assert all(isinstance(outcome, Downloaded) for outcome in now(photos))
    assert methods(box) == ["bib", "bib", "image_id"]
    assert files_in(now.root) == objects(box)
    assert f'"identifier": "{first}"'.encode() in box.requests_to("api")[-1].body


@pytest.mark.parametrize("how", ["400", "404", "failed_urls"])
def test_photo_that_is_gone(serve: Start, run: Make, how: str) -> None:
    """A photo that the service does not know any more, in whatever words, is missing and has not failed."""
    box = serve(expired(), photos=2)
    first, second = box.world.photos
    now = run(box)
    photos = now.listed()
    box.world.bibs[BIB] = [second]
    if how == "failed_urls":
        box.faults.append(Fault(server="api", nth=2, mutate=lambda answer: answer["data"].update(unlisted(first))))
    elif how == "404":
        box.faults.append(Fault(server="api", nth=2, status=404))
    else:
        box.world.photos[first].has_original = False
    outcome = now(photos[:1])[0]
    assert isinstance(outcome, Failed)
    assert outcome.is_missing
    assert outcome.error.code == "not_found"
    assert methods(box)[:3] == ["bib", "bib", "image_id"]


def unlisted(image_id: str) -> dict[str, Any]:
    """A page with nothing but a photo that cannot be had."""
    return {"presigned_urls": [], "failed_urls": [{"image_id": image_id, "error": "gone", "path": None}]}


def test_renewal_that_fails(serve: Start, run: Make) -> None:
    """A photo whose link cannot be renewed has failed, and is not missing."""
    box = serve(expired(), Fault(server="api", nth=range(2, 100), status=500))
    outcome = run(box, retries=1).failed()
    assert (outcome.error.code, outcome.is_missing) == ("http_500", False)
    assert statuses(box, "api") == [200, 500, 500]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/o/{id}.jpg",
        "https:///o/{id}.jpg",
        "https://-x-.é/o/{id}.jpg",
        "https://[::1/o/{id}.jpg",
        "https://xn--/o/{id}.jpg",
        "https://example.com/o o/{id}.jpg",
        "ftp://127.0.0.1/o/{id}.jpg",
    ],
)
def test_link_that_cannot_be_used(serve: Start, run: Make, url: str) -> None:
    """A link that is none, or that is not safe, is its photo's error at once, and the others go on."""
    box = serve(photos=2)
    first = next(iter(box.world.photos))

    def mutate(answer: dict[str, Any]) -> None:
        answer["data"]["presigned_urls"][0]["url"] = url.format(id=first)

    box.faults = [Fault(server="api", mutate=mutate)]
    now = run(box)
    bad, good = now()
    assert isinstance(bad, Failed)
    assert bad.error.code == "unusable_link"
    assert now.of(RetryScheduled) == []
    assert isinstance(good, Downloaded)


def test_photo_without_a_link(serve: Start, run: Make, tmp_path: Path) -> None:
    """A photo to which there is no link is missing."""
    now = run(serve())
    (outcome,) = now([Photo("a", "a.jpg", ".jpg", "a", Method.IMAGE, 1)])
    assert isinstance(outcome, Failed)
    assert outcome.is_missing
