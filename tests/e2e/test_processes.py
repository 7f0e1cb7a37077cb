"""Several runs in one folder at once: each photo crosses the wire once, and nobody waits for the dead."""

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.clock import until
from tests.support.command import Ninepic, Start
from tests.support.files import partials_in, photos_in

SIZE = 400_000


def expected(box: Sandbox) -> dict[str, bytes]:
    """What the folder of bib 1234 has to hold in the end."""
    return {f"{image_id}.jpg": box.world.photo_bytes(image_id) for image_id in box.world.bibs["1234"]}


def fetched(box: Sandbox) -> Counter[str]:
    """How often each photo was asked for."""
    return Counter(request.path for request in box.requests_to("store"))


def wait_until_it_fetches(folder: Path, least: int = 3) -> None:
    """Wait until a run has parts of some photos on disk."""
    until(lambda: len(partials_in(folder)) >= least)


@pytest.fixture
def box(sandbox: Start) -> Sandbox:
    """A store that is slow enough for runs to meet."""
    return sandbox(World.generate(photos=40, size=SIZE), store_rate=1_000_000)


def test_three_at_once(ninepic: Ninepic, box: Sandbox, tmp_path: Path) -> None:
    """Three runs for one bib share the work: all end well, and each photo was asked for once."""
    folder = tmp_path / "photos"
    runs = [ninepic.start("bib", "1234", "-o", folder) for _ in range(3)]
    assert [run.result().status for run in runs] == [0, 0, 0]
    assert photos_in(folder) == expected(box)
    assert set(fetched(box).values()) == {1}
    assert not (folder / ".ninepic").exists()


def test_different_bibs(ninepic: Ninepic, box: Sandbox, tmp_path: Path) -> None:
    """Runs for different bibs that share photos do not fetch those twice."""
    ids = box.world.bibs["1234"]
    box.world.bibs.update({"1": ids[:30], "2": ids[10:]})
    folder = tmp_path / "photos"
    runs = [ninepic.start("bib", bib, "-o", folder) for bib in ("1", "2")]
    assert [run.result().status for run in runs] == [0, 0]
    assert photos_in(folder) == expected(box)
    assert set(fetched(box).values()) == {1}


def test_one_is_killed(ninepic: Ninepic, box: Sandbox, tmp_path: Path) -> None:
    """Photos that a killed run held are taken over at once, and continued where it left off."""
    folder = tmp_path / "photos"
    first = ninepic.start("bib", "1234", "-o", folder)
    wait_until_it_fetches(folder)
    second = ninepic.start("bib", "1234", "-o", folder)
    first.kill()
    first.result()
    killed_s = time.monotonic()
    assert second.result().status == 0
    assert time.monotonic() - killed_s < 20  # of a time-out of 30 s
    assert photos_in(folder) == expected(box)
    assert not (folder / ".ninepic").exists()
    continued = [request for request in box.requests_to("store") if request.status == 206]
    assert continued
    assert all(
        request.path in {each.path for each in box.requests_to("store") if each.status == 200} for request in continued
    )


def test_one_is_stopped(ninepic: Ninepic, box: Sandbox, tmp_path: Path) -> None:
    """Photos that a stopped run holds are taken over after --timeout; the stopped one ends well when it goes on."""
    folder = tmp_path / "photos"
    first = ninepic.start("bib", "1234", "-o", folder)
    wait_until_it_fetches(folder)
    first.send_signal(signal.SIGSTOP)
    try:
        assert ninepic("bib", "1234", "-o", folder, "--timeout", "2").status == 0
        assert photos_in(folder) == expected(box)
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.result().status == 0
    assert photos_in(folder) == expected(box)
    assert not (folder / ".ninepic").exists()


def test_one_is_interrupted(ninepic: Ninepic, box: Sandbox, tmp_path: Path) -> None:
    """A run that is interrupted leaves the rest to the other."""
    folder = tmp_path / "photos"
    runs = [ninepic.start("bib", "1234", "-o", folder) for _ in range(2)]
    wait_until_it_fetches(folder)
    runs[0].send_signal(signal.SIGINT)
    assert runs[0].result().status == -signal.SIGINT
    assert runs[1].result().status == 0
    assert photos_in(folder) == expected(box)
    assert not (folder / ".ninepic").exists()


def test_without_locks(ninepic: Ninepic, box: Sandbox, tmp_path: Path) -> None:
    """Where there are no locks photos may cross the wire twice, and are whole all the same."""
    folder = tmp_path / "photos"
    (folder / ".ninepic" / "lock").mkdir(parents=True)  # no file can be made there
    runs = [ninepic.start("bib", "1234", "-o", folder) for _ in range(2)]
    assert [run.result().status for run in runs] == [0, 0]
    assert photos_in(folder) == expected(box)
    assert [path.name for path in (folder / ".ninepic").iterdir()] == ["lock"]


def test_without_locks_a_run_resumes_its_own(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Where there are no locks a photo that was cut is continued by the run that began it."""
    box = sandbox(World.generate(photos=1, size=SIZE), faults=[Fault(cut_after=0.6, nth=1)])
    folder = tmp_path / "photos"
    (folder / ".ninepic" / "lock").mkdir(parents=True)
    assert ninepic("bib", "1234", "-o", folder).status == 0
    assert photos_in(folder) == expected(box)
    assert [request.status for request in box.requests_to("store")] == [200, 206]


def test_what_a_killed_run_left_private_goes(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Partials that nobody can take up (no strong ETag) go with the next run that is alone."""
    world = World.generate(photos=10, size=SIZE)
    for photo in world.photos.values():
        photo.etag = "weak"
    box = sandbox(world, store_rate=500_000)
    folder = tmp_path / "photos"
    first = ninepic.start("bib", "1234", "-o", folder)
    wait_until_it_fetches(folder)
    first.kill()
    first.result()
    assert list((folder / ".ninepic").glob("*.tmp"))
    assert ninepic("bib", "1234", "-o", folder).status == 0
    assert photos_in(folder) == expected(box)
    assert not (folder / ".ninepic").exists()


def test_a_photo_of_two_bibs_in_one_run(ninepic: Ninepic, box: Sandbox, tmp_path: Path) -> None:
    """A photo that one run is asked for twice, for one folder, is fetched once."""
    ids = box.world.bibs["1234"]
    box.world.bibs.update({"1": ids[:20], "2": ids[:20]})
    done = ninepic("bib", "1", "2", "-o", tmp_path / "photos", "--name", "{filename}", "--jobs", "16", "--json")
    assert done.status == 0
    assert set(fetched(box).values()) == {1}
    assert len(done.photos("downloaded")) == 20
    assert len(done.photos("skipped")) == 20
