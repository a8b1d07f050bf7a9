"""What Grafana shows of ingest itself and of the registry, written where the time-series database takes it."""

from datetime import datetime
from typing import Final

from core.device import Connection
from core.settings import Settings
from ingest import metrics
from ingest.keeping.registry import Registry
from readings.influx.operations import IngestReport, device_lines, ingest_lines
from readings.store import KeepsOperations

DEVICES_EVERY_S: Final = 3600.0


class Operations:
    """Writes a report of this ingest, and the registry hourly and whenever it changed."""

    def __init__(self, settings: Settings, registry: Registry, store: KeepsOperations) -> None:
        self._session = settings.ingest_session
        self._registry = registry
        self._store = store
        self._written_revision: int | None = None
        self._written_at_s = 0.0

    def report(self, now: datetime) -> None:
        """Write how ingest is doing.

        Raises:
            StorageError: the store did not take it.
        """
        lag_s, batch_readings = metrics.recent.take()
        connected = sum(device.connection is Connection.ONLINE for device in self._registry.devices.values())
        report = IngestReport(
            session=self._session,
            at=now,
            received=metrics.total("kreispuls_messages_received"),
            stored=metrics.total("kreispuls_readings_stored"),
            rejected=metrics.total("kreispuls_messages_rejected"),
            lag_s=lag_s,
            batch_readings=batch_readings,
            connected_devices=connected,
        )
        self._store.write_lines(ingest_lines([report]))
        due = now.timestamp() - self._written_at_s >= DEVICES_EVERY_S
        if due or self._registry.revision != self._written_revision:
            revision = self._registry.revision
            self._store.write_lines(device_lines(self._registry.devices.values(), self._registry.municipalities, now))
            self._written_revision, self._written_at_s = revision, now.timestamp()
