"""Readings are kept whatever their store does: there while it answers, else on the spool, which drains by itself."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from datetime import datetime
from typing import Final

from core.errors import StorageError, StorageUnavailableError
from core.logs import RepeatedTrouble
from core.reading import Reading
from ingest import metrics
from ingest.spool.spool import Spool
from ingest.wait_for_database import RETRY_S
from readings.store import ReadingStore

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 1.0
"""A store that takes longer for a batch is slow: the batch is spooled, which lets its messages be acknowledged."""


class SpooledReadings:
    """The store with the spool before it. Readings reach the store in the order of the calls of `write`.

    While anything is spooled, everything goes behind it. All writing to the store is done by one thread, so a write
    that was given up waiting for ends before anything newer begins.

    Args:
        reject: keeps a spooled reading that the store refuses, with the reason.
        erased: the devices whose readings were deleted on request, and when: of what waits, nothing older is stored.
    """

    def __init__(
        self,
        store: ReadingStore,
        spool: Spool,
        *,
        reject: Callable[[Reading, str], None],
        erased: Callable[[], Mapping[str, datetime]],
    ) -> None:
        self._erased = erased
        self._store = store
        self._spool = spool
        self._reject = reject
        self._stopping = threading.Event()
        self._filled = threading.Event()
        self._trouble = RepeatedTrouble(logger, "readings go to the spool")
        self._store_thread = ThreadPoolExecutor(1, thread_name_prefix="readings")
        self._drain_thread = threading.Thread(target=self._drain, name="spool")

    def start(self) -> None:
        """Open the spool and begin to store what an earlier run left in it.

        Raises:
            StorageUnavailableError: the spool cannot be opened.
        """
        self._spool.open()
        self._drain_thread.start()

    def stop(self) -> None:
        """Finish the write in hand; what is spooled stays for the next start. Nothing is written afterwards."""
        self._stopping.set()
        self._filled.set()
        self._store_thread.shutdown(cancel_futures=True)
        self._drain_thread.join()
        self._spool.close()

    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all durably, in the store or on the spool, as `ReadingStore.write` promises.

        Raises:
            StorageUnavailableError: the store is away and the spool takes no more.
            StorageError: the store refused.
        """
        if not self._spool.empty:
            self._to_spool(readings)
            return
        writing = self._store_thread.submit(self._write_now, list(readings))
        wait([writing], PATIENCE_S)
        if not writing.done():
            try:
                self._to_spool(readings)
            except StorageUnavailableError:
                writing.result()  # slow is all there is: giving up here would write the same again and again
            else:
                self._failed(f"the store has not answered within {PATIENCE_S:g} s")
                return
        try:
            writing.result()
        except StorageUnavailableError as error:
            self._failed(str(error))
            self._to_spool(readings)
        else:
            metrics.stored.inc(len(readings))

    def _write_now(self, readings: list[Reading]) -> None:
        try:
            self._store.write(readings)
        except StorageUnavailableError:
            raise
        except Exception as refusal:
            # A token that was withdrawn or a bucket that was deleted refuses every reading, and no reading is to blame.
            try:
                self._store.ping()
            except StorageError as error:
                raise StorageUnavailableError(f"{refusal}; and {error}") from refusal
            raise

    def _to_spool(self, readings: Sequence[Reading]) -> None:
        self._spool.append(readings)
        metrics.spooled.inc(len(readings))
        self._filled.set()

    def _failed(self, reason: str) -> None:
        metrics.store_failures.inc()
        self._trouble.happened(reason)

    def _drain(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            try:
                drained = self._drain_oldest()
            except StorageUnavailableError as error:
                self._failed(str(error))
            except Exception:  # this thread must go on: what is spooled is acknowledged
                if not self._stopping.is_set():
                    logger.exception("draining the spool failed and is tried again")
            else:
                tries = 0
                if not drained:
                    self._trouble.over()
                    self._filled.wait()
                    self._filled.clear()
                continue
            self._stopping.wait(RETRY_S[min(tries, len(RETRY_S) - 1)])
            tries += 1

    def _drain_oldest(self) -> bool:
        """Store the oldest readings of the spool; False: there are none."""
        waiting = self._spool.oldest()
        if waiting is None:
            return False
        if waiting.readings:
            self._store_unless_erased(waiting.readings)
        self._spool.remove(waiting)
        return True

    def _store_unless_erased(self, readings: list[Reading]) -> None:
        erased = self._erased()
        self._store_spooled([each for each in readings if not _older(each, erased)])
        # The store may have taken long, for these or for a write that was given up waiting for: it is looked at again.
        erased = self._erased()
        for device_id in {each.device_id for each in readings if _older(each, erased)}:
            self._store.delete(device_id=device_id, before=erased[device_id])

    def _store_spooled(self, readings: list[Reading]) -> None:
        writing = self._store_thread.submit(self._write_now, readings)
        try:
            writing.result()
        except (StorageUnavailableError, CancelledError):
            raise
        except Exception as error:
            if len(readings) > 1:
                for reading in readings:
                    self._store_spooled([reading])
                return
            logger.exception("a spooled reading of device %s was refused by the store", readings[0].device_id)
            self._reject(readings[0], f"refused by the store: {error}")
        else:
            metrics.stored.inc(len(readings))


def _older(reading: Reading, erased: Mapping[str, datetime]) -> bool:
    erased_at = erased.get(reading.device_id)
    return erased_at is not None and reading.received_at < erased_at
