"""The writer thread of ingest: makes batches durable step by step, then acknowledges them to the broker."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from actions.register_devices import discover_device
from core.clock import format_rfc3339, utc_now
from core.command import Command
from core.device import Connection, Device
from core.errors import StorageError, StorageUnavailableError
from core.logs import RepeatedTrouble
from core.reading import Reading
from core.rejected import RejectedMessage
from core.settings import Settings
from core.topics import Topics
from ingest import metrics
from ingest.batch_queue import BatchQueue
from ingest.keeping.decoding import Understood, rejection
from ingest.keeping.receipt import take_first_receipts
from ingest.pipe import Heard
from ingest.spool.spool import Spool
from ingest.spool.spooled_readings import SpooledReadings
from ingest.wait_for_database import RETRY_S
from mqtt.client import Message
from readings.store import ReadingStore
from rules.engine import AlertChange
from state.state import State

logger = logging.getLogger(__name__)


Item = Understood | Command | AlertChange | Heard


class Writer:
    """Takes messages and commands from a queue, a batch at a time by size or age.

    Args:
        judge: what a batch's readings change of the alerts.
        welcome: told of devices that have become known with a batch, before its readings are judged.
        apply: keeps and tells these changes, safe to repeat.
        acknowledge: tells the broker that messages are safe with us.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        state: State,
        readings: ReadingStore,
        judge: Callable[[list[Reading], datetime], list[AlertChange]],
        welcome: Callable[[Device], None],
        apply: Callable[[list[AlertChange]], None],
        acknowledge: Callable[[list[Message]], None],
    ) -> None:
        self._settings = settings
        self._state = state
        # A folder for each session at the broker: several ingests may share the data directory.
        spool_folder = settings.spool_dir / quote(settings.ingest_session, safe="")
        spool = Spool(spool_folder, settings.spool_max_mb * 1_000_000)
        self._readings = SpooledReadings(readings, spool, reject=self._reject_spooled, erased=state.erasures.all)
        self._judge = judge
        self._welcome = welcome
        self._apply = apply
        self._acknowledge = acknowledge
        self._topics = Topics(settings.mqtt_topic_root)
        self._intake: BatchQueue[Item] = BatchQueue(
            largest=settings.batch_max_readings, max_age_s=settings.batch_max_age_ms / 1000
        )
        self._seen_lock = threading.Lock()
        self._seen: dict[str, datetime] = {}
        self._connections: dict[str, Connection] = {}
        self._stopping = self._intake.closed
        self._trouble = RepeatedTrouble(logger, "storing a batch")
        self._thread = threading.Thread(target=self._write_batches, name="writer")
        self.heard_until: datetime | None = None
        """All that devices had said by then is stored and judged; None: nobody tells how far that is."""

    def start(self) -> None:
        """Start the threads.

        Raises:
            StorageUnavailableError: the spool cannot be opened.
        """
        self._readings.start()
        self._thread.start()

    def stop(self) -> None:
        """Take no more; finish and acknowledge what is in hand, unless a store is away: then the broker keeps it."""
        self._intake.close()
        self._thread.join()
        self._readings.stop()
        try:
            self.write_seen()
        except StorageError as error:
            logger.warning("last-seen times not written: %s", error)

    def put(self, item: Item) -> bool:
        """Hand over a message, a command sent or a change of an alert; waits while too many wait. False: stopping."""
        return self._intake.put(item)

    def expect_heard(self) -> None:
        """From now on it is told how far all is heard."""
        self.heard_until = self.heard_until or datetime.min.replace(tzinfo=UTC)

    def write_seen(self) -> None:
        """Write when each device was last heard and which are connected; together, not with each batch."""
        with self._seen_lock:
            seen, self._seen = self._seen, {}
            connections, self._connections = self._connections, {}
        try:
            if seen:
                self._state.devices.seen(seen)
            if connections:
                self._state.devices.connected(connections)
        except StorageError:
            with self._seen_lock:  # newer ones win
                self._seen = {**seen, **self._seen}
                self._connections = {**connections, **self._connections}
            raise

    def _write_batches(self) -> None:
        while len(self._intake) or not self._stopping.is_set():
            batch = self._intake.take()
            if batch and not self._settle(batch):
                return  # stopping while the store is down: unacknowledged, so the broker sends all of it again

    def _settle(self, items: list[Item]) -> bool:
        """Make everything of a batch durable, each step again until it works; False when told to stop before."""
        now = utc_now()
        batch = [item for item in items if isinstance(item, Understood)]
        commands = [item for item in items if isinstance(item, Command)]
        commands += [command for understood in batch for command in understood.commands]
        readings: list[Reading] = []
        changes = [item for item in items if isinstance(item, AlertChange)]
        steps: list[Callable[[], None]] = [
            lambda: take_first_receipts(batch, self._state.receipts),
            lambda: readings.extend(understood.reading for understood in batch if understood.reading is not None),
            lambda: self._write_readings(readings, batch),
            lambda: self._write_newcomers(batch),
            lambda: self._state.commands.add(commands) if commands else None,
            lambda: self._write_answers(batch),
            lambda: self._write_rejected(batch),
            lambda: changes.extend(self._judge(readings, now)),
            lambda: self._apply(changes),
        ]
        for step in steps:
            if not self._until_done(step):
                return False
        self._acknowledge([understood.message for understood in batch])
        self._count(batch, readings)
        for item in items:
            if isinstance(item, Heard):
                self.heard_until = datetime.fromtimestamp(item.at_s, UTC)
        return True

    def _until_done(self, step: Callable[[], None]) -> bool:
        tries = 0
        while True:
            try:
                step()
            except StorageError as error:
                metrics.store_failures.inc()
                self._trouble.happened(str(error))
                pause = RETRY_S[min(tries, len(RETRY_S) - 1)]
                tries += 1
                if self._stopping.wait(pause) and tries > 1:
                    return False
            except Exception:  # a fault of ours in one step must not stop the stream
                logger.exception("a step of storing a batch failed and is left out")
                return True
            else:
                self._trouble.over()
                return True

    def _write_readings(self, readings: list[Reading], batch: list[Understood]) -> None:
        if not readings:
            return
        try:
            self._readings.write(readings)
        except StorageUnavailableError:
            raise
        except Exception:  # nothing that fails here may end in an acknowledgement without the reading
            logger.exception("a batch of %d readings was refused, trying them one by one", len(readings))
            self._write_one_by_one(batch)
            readings[:] = [understood.reading for understood in batch if understood.reading is not None]

    def _write_one_by_one(self, batch: list[Understood]) -> None:
        """The store refuses something in the batch: find it, keep the others; what is refused becomes rejected."""
        for understood in batch:
            if understood.reading is None:
                continue
            try:
                self._readings.write([understood.reading])
            except StorageUnavailableError:
                raise
            except Exception as error:
                logger.exception("a reading on %s was refused by the store", understood.message.topic)
                understood.reading = None
                understood.rejected.append(
                    rejection(
                        understood, f"refused by the store: {error}", self._topics.parse(understood.message.topic)
                    )
                )

    def _reject_spooled(self, reading: Reading, reason: str) -> None:
        """The message is gone; its values in the platform's own form are kept in its place."""
        said = {"observed_at": format_rfc3339(reading.observed_at), **reading.values}
        payload = msgspec.json.encode(said)
        key = (reading.municipality, reading.device_type, reading.device_id)
        message = RejectedMessage(
            topic=self._topics.event(*key, "up"),
            payload=payload,
            payload_size=len(payload),
            reason=reason,
            received_at=reading.received_at,
            municipality=reading.municipality,
            device_type=reading.device_type,
            device_id=reading.device_id,
        )
        self._state.rejected.add([message])
        metrics.rejected.inc()

    def _write_newcomers(self, batch: list[Understood]) -> None:
        for understood in batch:
            newcomer = understood.newcomer
            if newcomer is None:
                continue
            known = discover_device(self._state, newcomer, self._settings.max_discovered)
            understood.newcomer = None
            if known is not None:
                self._welcome(known)

    def _write_answers(self, batch: list[Understood]) -> None:
        for understood in batch:
            answer = understood.answer
            if answer is not None:
                self._state.commands.answer(answer.command_id, answer.result, answer.detail, understood.received_at)

    def _write_rejected(self, batch: list[Understood]) -> None:
        new = [message for each in batch if not each.message.repeated for message in each.rejected]
        again = [message for each in batch if each.message.repeated for message in each.rejected]
        self._state.rejected.add(new)
        metrics.rejected.inc(len(new) + self._state.rejected.add_missing(again))

    def _count(self, batch: list[Understood], readings: list[Reading]) -> None:
        with self._seen_lock:
            for understood in batch:
                if understood.reading is not None:
                    self._seen[understood.reading.device_id] = understood.received_at
                if understood.connection is not None:
                    self._connections[understood.connection[0]] = understood.connection[1]
        metrics.note_durable(readings, utc_now())
        metrics.waiting.set(len(self._intake))
        if batch:
            metrics.batch_size.observe(len(batch))
            lag_s = (utc_now() - batch[0].received_at).total_seconds()
            metrics.lag.set(lag_s)
            metrics.recent.note(lag_s, len(readings))
            metrics.unknown_keys.inc(sum(understood.unknown_keys for understood in batch))
