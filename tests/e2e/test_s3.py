"""The whole job against a real S3 server: signatures, expiry, ranges and ETags are not ours here."""

import hashlib
import json
import math
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.inputs.filters import Shard
from ninepic_cli.sandbox.images import DrawnImage
from tests.support.command import Ninepic, completed
from tests.support.files import files_in
from tests.support.s3 import PART_SIZE, S3Service, running_server, s3_service  # noqa: F401 (fixtures)


def jpeg(name: str, size: int) -> bytes:
    """A photo of an exact size."""
    return b"".join(DrawnImage(name, size).iter_bytes(0, size))


@pytest.fixture(name="fetch")
def command(ninepic: Ninepic, s3: S3Service, tmp_path: Path) -> Callable[..., Any]:
    """Runs the command with JSON lines into the folder `out`."""
    ninepic.use(s3.environment)

    def fetch(*args: object) -> Any:
        return ninepic(*args, "--json", "-o", tmp_path / "out")

    return fetch


def stored(s3: S3Service, *names: str, size: int = 50_000, bib: str = "7") -> dict[str, bytes]:
    """Puts photos into the store and under a bib; their bytes by the names that they should get."""
    photos = {name: jpeg(name, size + 1000 * number) for number, name in enumerate(names)}
    for name, data in photos.items():
        s3.put(name, data)
    s3.bibs[bib] = list(names)
    return {f"{name}.jpg": data for name, data in photos.items()}


def of(s3: S3Service, name: str) -> list[tuple[str | None, str | None, int, int]]:
    """The requests for a photo: range, condition, status, bytes of the answer's body."""
    return [
        (each.headers.get("range"), each.headers.get("if-match"), each.status, each.passed)
        for each in s3.relay.exchanges
        if f"/{name}.jpg?" in each.target
    ]


def lose(s3: S3Service, after: int, *, match: str = "") -> None:
    """Cuts an answer after so many bytes, and from then on every connection before it is answered."""
    s3.relay.at(after, lambda _: s3.relay.cut(-1, match=match, times=math.inf), match=match)
    s3.relay.cut(after, match=match)


def test_a_bib_and_a_list_arrive_whole(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """Every photo of a bib of several pages and of a list is there, byte for byte, with the store's date and MD5."""
    expected = stored(s3, *(f"{number:08}-0000-4000-8000-000000000000" for number in range(70)), size=4000)
    s3.photos["00000001-0000-4000-8000-000000000000"] = "IMG_0001.JPG"
    expected["IMG_0001-00000001-0000-4000-8000-000000000000.JPG"] = expected.pop(
        "00000001-0000-4000-8000-000000000000.jpg"
    )
    began = time.time()
    result = fetch("bib", "7")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == expected
    md5s = {photo["filename"]: photo["md5"] for photo in result.photos("downloaded")}
    assert md5s == {name: hashlib.md5(data).hexdigest() for name, data in expected.items()}
    for path in (tmp_path / "out").iterdir():
        age_s = began - path.stat().st_mtime
        assert age_s > -2, "the date is that of the download"
        assert path.stat().st_mtime % 1 == 0

    names = list(s3.photos)[5:10]
    for name in names:
        (tmp_path / "out" / f"{name}.jpg").unlink()
    assert fetch("images", *names).status == 0
    assert files_in(tmp_path / "out") == expected

    # The requests as they crossed the wire.
    assert len(s3.relay.exchanges) == 75
    for exchange in s3.relay.exchanges:
        assert exchange.method == "GET"
        assert not {"x-api-key", "authorization", "cookie", "range", "if-match", "referer"} & exchange.headers.keys()
        assert exchange.headers["accept-encoding"] == "identity"
        assert not any(s3.environment["NINEPIC_API_KEY"] in value for value in exchange.headers.values())
    assert [request.body["method"] for request in s3.api_requests] == ["bib", "bib", "image_ids"]


def test_the_date_is_the_store_s(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """A photo's modification time is that of the object, not that of the download."""
    expected = stored(s3, "a")
    modified = s3.server.client.head_object(Bucket="originals", Key="imgs/456/large/a.jpg")["LastModified"]
    time.sleep(max(0.0, modified.timestamp() + 1.2 - time.time()))  # so that the two times differ
    assert fetch("image", "a").status == 0
    assert files_in(tmp_path / "out") == expected
    assert (tmp_path / "out" / "a.jpg").stat().st_mtime == modified.timestamp()


def test_a_second_run_asks_the_store_for_nothing(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """With everything there, a run makes its listing requests and no other."""
    expected = stored(s3, "a", "b", "c")
    assert fetch("bib", "7").status == 0
    result = fetch("bib", "7")
    assert (result.status, len(result.photos("skipped")), len(s3.relay.exchanges)) == (0, 3, 3)
    assert files_in(tmp_path / "out") == expected


def test_a_cut_costs_only_the_rest(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """After a cut, and after a reset, the same run asks for the missing bytes and for nothing else."""
    expected = stored(s3, "a", "b", size=300_000)
    s3.relay.cut(180_000, match="/a.jpg")
    s3.relay.cut(0, match="/b.jpg", reset=True)
    result = fetch("bib", "7")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == expected
    etag = f'"{hashlib.md5(expected["a.jpg"]).hexdigest()}"'
    assert of(s3, "a") == [(None, None, 200, 180_000), ("bytes=180000-", etag, 206, 120_000)]
    assert {photo["image_id"]: photo["attempts"] for photo in result.photos("downloaded")} == {"a": 2, "b": 2}


def test_the_next_run_fetches_only_the_rest(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """What one run could not finish, the next one continues where it broke off."""
    expected = stored(s3, "a", "b", size=300_000)
    lose(s3, 180_000, match="/a.jpg")
    result = fetch("bib", "7", "--retries", "0")
    assert result.status == 5, result.err
    assert not (tmp_path / "out" / "a.jpg").exists()
    s3.relay.heal()
    before = s3.relay.body_bytes
    assert fetch("bib", "7").status == 0
    assert files_in(tmp_path / "out") == expected
    assert of(s3, "a")[-1][0] == "bytes=180000-"
    assert s3.relay.body_bytes - before == 120_000


def test_a_photo_that_is_replaced_half_way_is_all_new(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """Another photo of the same length in the middle of a download leaves nothing of the old one."""
    old, new = (jpeg(name, 200_000) for name in ("old", "new"))
    s3.put("a", old)
    s3.relay.at(120_000, lambda _: s3.put("a", new))
    s3.relay.cut(120_000)
    result = fetch("image", "a")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == {"a.jpg": new}
    assert [status for _, _, status, _ in of(s3, "a")] == [200, 412, 200]


def test_a_photo_that_is_replaced_between_two_runs_is_all_new(
    s3: S3Service, fetch: Callable[..., Any], tmp_path: Path
) -> None:
    """A partial of a photo that has changed since is not continued."""
    s3.put("a", jpeg("old", 200_000))
    lose(s3, 120_000)
    assert fetch("image", "a", "--retries", "0").status == 5
    s3.relay.heal()
    s3.put("a", jpeg("new", 150_000))
    assert fetch("image", "a").status == 0
    assert files_in(tmp_path / "out") == {"a.jpg": jpeg("new", 150_000)}


def test_links_that_die_in_the_queue_are_renewed(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """Links valid for two seconds on a path that takes six: all photos arrive, and no try is counted as failed."""
    expected = stored(s3, *(f"p{number}" for number in range(24)), size=100_000)
    s3.link_life_s = 2
    s3.relay.rate = sum(map(len, expected.values())) / 6
    result = fetch("bib", "7", "-j", "2", "--retries", "0")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == expected
    assert {photo["attempts"] for photo in result.photos("downloaded")} == {1}
    assert 3 <= len(s3.api_requests) <= 12


def test_a_link_that_is_dead_on_arrival_is_renewed(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """A link that the store refuses for its age is replaced at once; one that never works is a failure of its own."""
    expected = stored(s3, "a", "b", "c")
    s3.stale |= {"a": 1, "c": 99}
    result = fetch("bib", "7")
    assert result.status == 5, result.err
    assert files_in(tmp_path / "out") == {name: data for name, data in expected.items() if name != "c.jpg"}
    assert [(photo["image_id"], photo["code"]) for photo in result.photos("failed")] == [("c", "link_expired")]


def test_a_photo_that_the_store_has_lost_is_missing(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """A key that the store does not know is not this run's failure: exit 4."""
    expected = stored(s3, "a", "b")
    s3.delete("b")
    result = fetch("bib", "7")
    assert result.status == 4, result.err
    assert [(photo["image_id"], photo["code"], photo["attempts"]) for photo in result.photos("missing")] == [
        ("b", "not_found", 1)
    ]
    assert files_in(tmp_path / "out") == {"a.jpg": expected["a.jpg"]}


def test_a_link_that_was_tampered_with_is_refused(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """A wrong signature fails that photo at once, and nothing of the link is shown."""
    expected = stored(s3, "a", "b")
    s3.tampered.add("b")
    result = fetch("bib", "7", "-v")
    assert result.status == 5, result.err
    assert [(photo["image_id"], photo["code"], photo["attempts"]) for photo in result.photos("failed")] == [
        ("b", "forbidden", 1)
    ]
    assert files_in(tmp_path / "out") == {"a.jpg": expected["a.jpg"]}
    assert "SignatureDoesNotMatch" in result.err
    for secret in ("X-Amz", s3.server.credentials.access_key, s3.environment["NINEPIC_API_KEY"]):
        assert secret not in result.err + result.out


def test_an_etag_that_is_no_md5_does_for_resuming(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """A photo uploaded in parts is checked by its length and continued by its ETag."""
    data = jpeg("big", PART_SIZE + 100_000)
    etag = s3.put("a", data, multipart=True)
    assert etag.endswith("-2")
    s3.relay.cut(PART_SIZE - 7)
    result = fetch("image", "a")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == {"a.jpg": data}
    assert of(s3, "a") == [
        (None, None, 200, PART_SIZE - 7),
        (f"bytes={PART_SIZE - 7}-", f'"{etag}"', 206, 100_007),
    ]


def test_a_partial_that_is_whole_is_finished(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """A run that ended between the last byte and the rename leaves next to nothing to fetch, and no 416."""
    data = jpeg("a", 100_000)
    s3.put("a", data)
    lose(s3, 60_000)
    assert fetch("image", "a", "--retries", "0").status == 5
    s3.relay.heal()
    (partial,) = (tmp_path / "out" / ".ninepic").iterdir()
    partial.write_bytes(data)
    before = s3.relay.body_bytes
    result = fetch("image", "a")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == {"a.jpg": data}
    assert [status for _, _, status, _ in of(s3, "a")[-1:]] == [206]
    assert s3.relay.body_bytes - before <= 1


@pytest.mark.parametrize("more", [b"", b"more than the photo has"])
def test_a_partial_that_is_not_the_photo_is_no_dead_end(
    s3: S3Service, fetch: Callable[..., Any], tmp_path: Path, more: bytes
) -> None:
    """A partial with wrong bytes, or longer than the photo, is thrown away."""
    data = jpeg("a", 100_000)
    s3.put("a", data)
    lose(s3, 60_000)
    assert fetch("image", "a", "--retries", "0").status == 5
    s3.relay.heal()
    (partial,) = (tmp_path / "out" / ".ninepic").iterdir()
    partial.write_bytes(bytes(len(data)) + more)
    result = fetch("image", "a")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == {"a.jpg": data}


def test_verify_asks_and_replaces_only_what_has_changed(
    s3: S3Service, fetch: Callable[..., Any], tmp_path: Path
) -> None:
    """`--existing verify` sends the MD5, is told 304 for the same photo and fetches the other one again."""
    expected = stored(s3, "a", "b")
    assert fetch("bib", "7").status == 0
    newer = jpeg("newer", len(expected["b.jpg"]))
    s3.put("b", newer)
    before = s3.relay.body_bytes
    result = fetch("bib", "7", "--existing", "verify")
    assert result.status == 0, result.err
    assert [photo["image_id"] for photo in result.photos("skipped")] == ["a"]
    assert [photo["image_id"] for photo in result.photos("downloaded")] == ["b"]
    assert files_in(tmp_path / "out") == {"a.jpg": expected["a.jpg"], "b.jpg": newer}
    last = {each.target.partition("?")[0].rpartition("/")[2]: each for each in s3.relay.exchanges[2:]}
    assert (last["a.jpg"].status, last["b.jpg"].status) == (304, 200)
    assert last["a.jpg"].headers["if-none-match"] == f'"{hashlib.md5(expected["a.jpg"]).hexdigest()}"'
    assert s3.relay.body_bytes - before == len(newer)


def test_verify_compares_lengths_where_the_etag_is_no_md5(
    s3: S3Service, fetch: Callable[..., Any], tmp_path: Path
) -> None:
    """A photo uploaded in parts counts as the same if its length is, without its bytes being sent."""
    data = jpeg("big", PART_SIZE + 100_000)
    s3.put("a", data, multipart=True)
    assert fetch("image", "a").status == 0
    before = s3.relay.body_bytes
    result = fetch("image", "a", "--existing", "verify")
    assert (result.status, len(result.photos("skipped"))) == (0, 1), result.err
    assert s3.relay.body_bytes - before < len(data)
    (tmp_path / "out" / "a.jpg").write_bytes(data[:-1000] + b"\xff\xd9")
    assert fetch("image", "a", "--existing", "verify").status == 0
    assert files_in(tmp_path / "out") == {"a.jpg": data}


def test_a_damaged_file_is_repaired(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """Files that another tool left half or empty under the final names are fetched, and only they."""
    expected = stored(s3, "a", "b", "c")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.jpg").write_bytes(expected["a.jpg"][:20_000])
    (out / "b.jpg").touch()
    (out / "c.jpg").write_bytes(expected["c.jpg"])
    assert fetch("bib", "7").status == 0
    assert files_in(out) == expected
    assert {each.target.partition("?")[0].rpartition("/")[2] for each in s3.relay.exchanges} == {"a.jpg", "b.jpg"}


def test_overwrite_fetches_everything_again_once(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """`--existing overwrite` fetches a photo again, and once though it was asked for twice."""
    expected = stored(s3, "a", "b")
    s3.bibs["8"] = ["a"]
    assert fetch("bib", "7").status == 0
    os.utime(tmp_path / "out" / "a.jpg", (0, 0))
    result = fetch("bib", "7", "8", "--name", "{filename}", "--existing", "overwrite")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == expected
    assert (len(of(s3, "a")), len(of(s3, "b"))) == (2, 2)


def test_a_face_search_arrives_whole(s3: S3Service, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """The photos of a face search are there, and the summary counts their bytes."""
    expected = stored(s3, "a", "b")
    s3.searches["1b4e28ba-2fa1-11d2-883f-0016d3cca427"] = ["b", "a"]
    result = fetch("selfie", "1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == expected
    assert json.loads(result.out.splitlines()[-1])["bytes"] == sum(map(len, expected.values()))


def test_a_whole_event_arrives(s3: S3Service, ninepic: Ninepic, fetch: Callable[..., Any], tmp_path: Path) -> None:
    """All photos of an event are there, in a folder and in a ZIP, byte for byte; a second run asks for none of them."""
    expected = stored(s3, *(f"{number:08}-0000-4000-8000-000000000000" for number in range(130)), size=4000)
    assert fetch("all").status == 0
    assert files_in(tmp_path / "out") == expected
    assert [request.what for request in s3.api_requests].count("images") == 2
    again = fetch("all")
    assert (again.status, len(again.photos("skipped")), len(s3.relay.exchanges)) == (0, 130, 130)

    result = ninepic("all", "--zip", "event.zip", "--shard", "1/4")
    assert result.status == 0, result.err
    with zipfile.ZipFile(ninepic.home / "event.zip") as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {name: data for name, data in expected.items() if Shard(1, 4).has(name.removesuffix(".jpg"))}
    if unzip := shutil.which("unzip"):
        assert "No errors detected" in completed([unzip, "-t", ninepic.home / "event.zip"]).out
