"""Many photos: one thread that lists, a few that transfer, and one place where all their updates arrive.

Threads are daemons: one that sits in a read cannot be interrupted, and the end of a run does not wait for it.
Nothing is lost by that, since every byte received is in a partial file already.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from ninepic_cli.errors import ExitStatus, MachineError, NinepicError, StoppedError, ThreadLimitError, unforeseen
from ninepic_cli.models import Busy, Outcome, Photo
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.text import posix_text
from ninepic_cli.updates import PhotoFinished, PhotoFound, PhotoRequeued, PhotoStarted, Update, WarningRaised

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

_FILES_A_JOB, _OTHER_FILES = 4, 24
_LOOK_AHEAD = 60  # photos listed and not yet begun: a page, so that the next is asked for while this one is fetched
_MOST_UPDATES = 1000
_TICK_S = 0.1
_PAUSE_S = 0.01  # in which updates and photos gather: a thread woken for each of them keeps the others from their work
_REQUEUE_S = 0.5  # before a photo that another process holds is looked at again
_MOST_REQUEUED = 200  # photos put back, before the oldest of them are taken up between new ones
_GRACE_S = 0.8  # for workers to put down their work when the run is cut short


def affordable_jobs(wanted: int) -> int:
    """As many of the wanted jobs as the limit of open files allows; the limit is raised where it may be.

    A job takes a connection, and a partial file twice and its folder while it becomes a photo; the rest is for the
    listing, renewals, standard streams and locks.
    """
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _OTHER_FILES + _FILES_A_JOB * wanted
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    goal = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(wanted, (soft - _OTHER_FILES) // _FILES_A_JOB))


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended: to its end, by an error that dooms it, or by a signal."""

    error: NinepicError | None = None
    signum: int | None = None


@dataclass(frozen=True, slots=True)
class _ThreadEnded:
    """A thread ended, with its work or by an error."""

    error: NinepicError | None = None
    is_urgent: bool = False  # it ends the run at once; else photos that are listed are brought first


class UpdateQueue:
    """Where threads put what happened.

    Bounded, so that threads which are faster than whoever shows it (200,000 photos that are all there) wait. The bound
    is looked at and not enforced: a lock for each update costs more than an update too many.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Update | _ThreadEnded] = queue.SimpleQueue()

    def put(self, update: Update | _ThreadEnded) -> None:
        """Add an update; not from the thread that takes them."""
        while self._queue.qsize() >= _MOST_UPDATES:
            time.sleep(_PAUSE_S)
        self._queue.put(update)

    def rest(self) -> Iterator[Update]:
        """What is left when nobody waits any more."""
        with suppress(queue.Empty):
            while True:
                update = self._queue.get_nowait()
                if not isinstance(update, _ThreadEnded):
                    yield update

    def take(self) -> Update | _ThreadEnded | None:
        """The next update, or None where there is none for a moment."""
        if self._queue.empty():
            time.sleep(_PAUSE_S)
        try:
            return self._queue.get(timeout=_TICK_S)
        except queue.Empty:
            return None


def download_photos(
    entries: Iterable[Photo | Update],
    transfer: Callable[[Photo], Outcome | Busy],
    *,
    jobs: int,
    stop: CancelToken,
    updates: UpdateQueue,
    on_update: Callable[[Update | None], None],
) -> RunEnd:
    """Transfer every photo of a listing.

    Where the listing breaks off, those that it has brought are transferred first, as their links are in hand. A signal,
    this machine and a store that is given up end the run at once.

    Args:
        entries: photos in listing order, and updates that need no transfer; iterated in a thread of its own.
        transfer: brings one photo onto the disk; called by `jobs` threads at once.
        jobs: photos in flight; fewer where the system does not allow as many threads.
        stop: says when the run is to end, and is set then.
        updates: where all threads put what happened.
        on_update: told of everything, in the calling thread; of None several times a second.
    """
    backlog = _Backlog(stop)
    listing, work = partial(_list, entries, backlog, updates), partial(_work, backlog, transfer, updates)
    tasks = [(listing, backlog, updates, MachineError), *[(work, backlog, updates, NinepicError)] * jobs]
    threads = [threading.Thread(target=_run, args=task, daemon=True) for task in tasks]
    running = _start_threads(threads)
    if running < 2:
        stop.fail(ThreadLimitError())
    elif running <= jobs:
        words = f"{running - 1} parallel downloads instead of {jobs}: thread limit reached"
        updates.put(WarningRaised(words + posix_text(" (ulimit -u, ulimit -v, pids.max)")))
    return _process_updates(threads[1:running], stop, updates, on_update) if running else RunEnd(stop.error)


def _start_threads(threads: list[threading.Thread]) -> int:
    """Start threads, as many of the first ones as the system allows; how many these are."""
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            return number
    return len(threads)


def _process_updates(
    workers: Sequence[threading.Thread],
    stop: CancelToken,
    updates: UpdateQueue,
    on_update: Callable[[Update | None], None],
) -> RunEnd:
    """Hand on updates until all threads have ended, or the run is cut short and their grace is over."""
    ending, running, deadline_s = RunEnd(), len(workers) + 1, float("inf")
    while running and time.monotonic() < deadline_s:
        update = updates.take()
        if isinstance(update, _ThreadEnded):
            running -= 1
        elif (bug := _deliver(update, on_update)) and not stop.is_set:
            stop.fail(bug)
        if stop.is_set:
            continue
        if cause := _end_reason(update, stop):
            ending = _worse_end(ending, cause)
        is_urgent = stop.is_interrupted or stop.error or (isinstance(update, _ThreadEnded) and update.is_urgent)
        if is_urgent or (ending != RunEnd() and not any(map(threading.Thread.is_alive, workers))):
            deadline_s = time.monotonic() + _GRACE_S
            stop.set()
    for update in updates.rest():
        _deliver(update, on_update)  # photos that were finished in the last moment count
    return ending


def _worse_end(ending: RunEnd, cause: RunEnd) -> RunEnd:
    """How a run ends that was ending already: as it began to, unless by a signal, a bug or this machine."""
    is_grave = cause.error is not None and cause.error.exit_status in {ExitStatus.BUG, ExitStatus.MACHINE}
    return cause if ending == RunEnd() or cause.signum or is_grave else ending


def _deliver(update: Update | None, on_update: Callable[[Update | None], None]) -> NinepicError | None:
    """Hand on an update; a fault in showing or counting it ends the run in order, and not in a traceback."""
    try:
        on_update(update)
    except Exception as error:  # noqa: BLE001 (whatever it is)
        return unforeseen(error)
    return None


def _end_reason(update: Update | _ThreadEnded | None, stop: CancelToken) -> RunEnd | None:
    """Why the run ends now, if it does."""
    if stop.is_interrupted:
        return RunEnd(signum=stop.signum)
    error = stop.error or (update.error if isinstance(update, _ThreadEnded) else None)
    return RunEnd(error) if error else None


class _Backlog:
    """Photos to take up: those listed, and those that another process held when they were taken up."""

    def __init__(self, stop: CancelToken) -> None:
        self._stop = stop
        self._listed: queue.SimpleQueue[Photo | None] = queue.SimpleQueue()
        self._is_listed = False
        self._is_closed = False
        self._requeued: deque[tuple[float, Photo]] = deque()

    def add(self, photo: Photo) -> None:
        """Add a photo, once there is room; raises StoppedError when no more are taken."""
        while self._listed.qsize() >= _LOOK_AHEAD and not self._is_closed:
            self._stop.wait(_PAUSE_S)
        if self._is_closed:
            raise StoppedError("the run is ending")
        self._listed.put(photo)

    def close(self) -> None:
        """End the listing: no more photos are taken, and workers end when those in hand are done."""
        self._is_closed = True
        self._listed.put(None)

    def put_back(self, photo: Photo) -> None:
        """Add a photo that was held: its turn comes at the end, or when many wait."""
        self._requeued.append((time.monotonic() + _REQUEUE_S, photo))

    def next(self) -> Photo | None:
        """The next photo; None when there are no more."""
        while True:
            self._stop.check()
            if self._is_listed or len(self._requeued) > _MOST_REQUEUED:
                photo = self._next_requeued()
                if photo is not None:
                    return photo
            if self._is_listed:
                if not self._requeued:
                    return None
                self._stop.wait(_TICK_S)
            elif (photo := self._next_listed()) is not None:
                return photo

    def _next_requeued(self) -> Photo | None:
        try:
            due_s, photo = self._requeued.popleft()
        except IndexError:
            return None
        if due_s <= time.monotonic():
            return photo
        self._requeued.appendleft((due_s, photo))
        return None

    def _next_listed(self) -> Photo | None:
        try:
            photo = self._listed.get(timeout=_TICK_S)
        except queue.Empty:
            return None
        if photo is None:
            self._is_listed = True
            self._listed.put(None)  # wakes up the next worker
        return photo


def _list(entries: Iterable[Photo | Update], backlog: _Backlog, updates: UpdateQueue) -> None:
    for entry in entries:
        if isinstance(entry, Photo):
            updates.put(PhotoFound(entry))
            backlog.add(entry)
        else:
            updates.put(entry)


def _work(backlog: _Backlog, transfer: Callable[[Photo], Outcome | Busy], updates: UpdateQueue) -> None:
    while (photo := backlog.next()) is not None:
        updates.put(PhotoStarted(photo))
        outcome = transfer(photo)
        if isinstance(outcome, Busy):
            updates.put(PhotoRequeued(photo))
            backlog.put_back(photo)
        else:
            updates.put(PhotoFinished(photo, outcome))


def _run(work: Callable[[], None], backlog: _Backlog, updates: UpdateQueue, urgent: type[NinepicError]) -> None:
    """A thread: does its work, and reports its end; an error of an `urgent` kind ends the run at once."""
    end = _ThreadEnded()
    try:
        with suppress(StoppedError):
            work()
    except Exception as error:  # noqa: BLE001 (the calling thread deals with it)
        known = error if isinstance(error, NinepicError) else unforeseen(error)
        end = _ThreadEnded(known, is_urgent=isinstance(error, urgent) or isinstance(known, MachineError))
    backlog.close()
    updates.put(end)
