"""The spool: readings on disk, in order, while their store is away; files of records in one folder of one process."""

import errno
import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import StorageUnavailableError
from core.reading import Reading
from ingest import metrics
from ingest.spool.records import encode, scan

logger = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 1 << 20
"""A file is full from this size on: some 5,000 readings, what a store takes well in one go."""
LOCKED_S: Final = 5.0
"""How long the lock of another process is waited for."""


@dataclass(slots=True)
class Segment:
    """One file; `damaged` is how many damaged stretches of it have been reported."""

    path: Path
    size_bytes: int
    damaged: int = 0
    unreadable: bool = False


class Spool:
    """Appended to by one thread, drained by another, oldest first, a file at a time; a file goes when it is stored.

    There is no read position to keep: a file that was being drained when the process died is drained again from its
    beginning, before anything newer, which changes nothing in the store.

    Args:
        folder: made if missing; locked against a second process.
        max_bytes: `append` refuses beyond it; 0: always.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._segments: deque[Segment] = deque()
        self._unchecked: deque[Segment] = deque()
        self._bytes = 0
        self._next_number = 1
        self._open_file: int | None = None
        """Of the last segment, while there is room in it."""
        self._folder_file: int | None = None

    def open(self) -> None:
        """Find what an earlier run has left, in no time however much it is.

        Raises:
            StorageUnavailableError: the folder cannot be made or read, or another process uses it.
        """
        try:
            if not self._folder.is_dir():
                self._make_folder()
            self._folder_file = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            self._lock(self._folder_file)
            for path in sorted(self._folder.glob("*.spool")):
                self._find(path)
        except BlockingIOError as error:
            self.close()
            raise StorageUnavailableError(f"the spool {self._folder} is in use by another process") from error
        except OSError as error:
            self.close()
            raise self._unavailable(error) from error
        if self._segments:
            logger.warning("spool %s: %d bytes of an earlier run are stored first", self._folder, self._bytes)
        metrics.spool_bytes.set(self._bytes)

    def _make_folder(self) -> None:
        """A power cut must not take the folder with what is on disk in it."""
        missing = [folder for folder in (self._folder, *self._folder.parents) if not folder.is_dir()]
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            file = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def _find(self, path: Path) -> None:
        if path.stem.isdecimal():
            self._next_number = max(self._next_number, int(path.stem) + 1)
        segment = Segment(path, path.stat().st_size)
        self._segments.append(segment)
        self._unchecked.append(segment)
        self._bytes += segment.size_bytes

    def check_next(self) -> bool:
        """Look for damage in one more file of an earlier run, before the store is back; False: there is none left."""
        if self._unchecked:
            self.read(self._unchecked.popleft())
        return bool(self._unchecked)

    @staticmethod
    def _lock(folder_file: int) -> None:
        """Lock out other processes; one that is just ending, its parent killed, has a moment to do so."""
        deadline = time.monotonic() + LOCKED_S
        while True:
            try:
                fcntl.flock(folder_file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, however it ends
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def close(self) -> None:
        """Give back files and lock; what is spooled stays for the next start."""
        with self._guard:
            self._seal()
            if self._folder_file is not None:
                os.close(self._folder_file)
                self._folder_file = None

    @property
    def empty(self) -> bool:
        """Whether everything that was ever appended is stored."""
        return not self._segments

    @property
    def size_bytes(self) -> int:
        """What the files hold, drained ones of the oldest file included."""
        return self._bytes

    def append(self, readings: Sequence[Reading]) -> None:
        """Keep readings behind all others; on disk when this returns.

        Raises:
            StorageUnavailableError: the spool or its disk is full, or the disk fails; nothing is to be taken as kept.
            StorageError: a reading cannot be encoded.
        """
        data = encode(readings)
        with self._guard:
            if self._bytes + len(data) > self._max_bytes:
                raise StorageUnavailableError(
                    f"the spool {self._folder} is full: {self._bytes} of {self._max_bytes} bytes"
                )
            try:
                self._append(data)
            except OSError as error:
                raise self._unavailable(error) from error
            finally:
                metrics.spool_bytes.set(self._bytes)

    def _append(self, data: bytes) -> None:
        file, segment = self._open_file, self._segments[-1] if self._segments else None
        if file is None or segment is None:
            path = self._folder / f"{self._next_number:012d}.spool"
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._next_number += 1
            self._open_file, segment = file, Segment(path, 0)
            self._segments.append(segment)
        before = segment.size_bytes
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
            if not before:
                self._sync_folder()
        except OSError:
            self._undo(file, segment)
            raise
        segment.size_bytes += len(data)
        self._bytes += len(data)
        if segment.size_bytes >= SEGMENT_BYTES:
            self._seal()

    def _undo(self, file: int, segment: Segment) -> None:
        """Take back a part that was written; where even that fails, reading skips it as damaged."""
        try:
            os.ftruncate(file, segment.size_bytes)
        except OSError as error:
            logger.warning("spool file %s: ends in an incomplete record: %s", segment.path, error.strerror)
        self._seal()  # after a failed fsync nobody knows what the file holds: the next try gets a new one
        if not segment.size_bytes:
            self._segments.remove(segment)
            segment.path.unlink(missing_ok=True)

    def oldest(self) -> Segment | None:
        """The file to drain next; it is not appended to any more."""
        with self._guard:
            if not self._segments:
                return None
            if len(self._segments) == 1:
                self._seal()
            return self._segments[0]

    def read(self, segment: Segment) -> list[Reading]:
        """What a file holds, without what is damaged in it (logged and counted once)."""
        try:
            scanned = scan(segment.path.read_bytes())
        except OSError as error:
            if not segment.unreadable:
                segment.unreadable = True
                metrics.spool_corrupt.inc()
                logger.error(
                    "spool file %s cannot be read and is left for the next start: %s", segment.path, error.strerror
                )
            return []
        segment.unreadable = False
        if scanned.damaged > segment.damaged:
            metrics.spool_corrupt.inc(scanned.damaged - segment.damaged)
            segment.damaged = scanned.damaged
            logger.error(
                "spool file %s is damaged: %d bytes in %d places could not be read, %d readings could",
                segment.path,
                scanned.lost_bytes,
                scanned.damaged,
                len(scanned.readings),
            )
        return scanned.readings

    def remove(self, segment: Segment) -> None:
        """All of the oldest file is in the store."""
        with self._guard:
            try:
                if not segment.unreadable:
                    segment.path.unlink(missing_ok=True)
                    self._sync_folder()  # else it may be there again after a power cut, behind newer readings
            except OSError as error:
                logger.warning("spool file %s cannot be removed: %s", segment.path, error.strerror)
            self._segments.popleft()
            self._bytes -= segment.size_bytes
            metrics.spool_bytes.set(self._bytes)

    def _seal(self) -> None:
        if self._open_file is not None:
            os.close(self._open_file)
            self._open_file = None

    def _sync_folder(self) -> None:
        if self._folder_file is not None:
            os.fsync(self._folder_file)

    def _unavailable(self, error: OSError) -> StorageUnavailableError:
        what = "its disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        return StorageUnavailableError(f"the spool {self._folder} cannot be written: {what}")
