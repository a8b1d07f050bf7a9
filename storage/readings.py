"""ReadingStore, the interface of time-series storage; its sentences are the tests that every backend passes."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from core.errors import SettingsError
from core.reading import Aggregate, DeviceObservation, Observation, Reading, Total
from core.settings import Settings


class GroupBy(StrEnum):
    """What totals are grouped by."""

    MUNICIPALITY = "municipality"
    DEVICE_TYPE = "device_type"
    STREET = "street"


TOTAL_AGGREGATES = (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.SUM, Aggregate.COUNT)


class ReadingStore(Protocol):
    """Keeps readings. Times are aware UTC and kept to the microsecond; values keep their type."""

    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all, durably, or raise and keep nothing that a repetition would not make right.

        The same (device, instant) again overwrites the values it names and leaves the others: safe to repeat.

        Raises:
            StorageUnavailableError: the store cannot be reached now.
            StorageError: the store refused.
        """

    def latest(
        self,
        *,
        device_ids: Collection[str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[DeviceObservation]:
        """The newest value by `observed_at` of each quantity of each device, ordered by device and quantity.

        Filters narrow together; None means any. A late reading never takes the place of a newer one.
        """

    def series(
        self,
        device_id: str,
        quantities: Collection[str] | None,
        start: datetime,
        end: datetime,
        *,
        every: timedelta | None = None,
        aggregate: Aggregate | None = None,
        limit: int | None = None,
        after: tuple[datetime, str] | None = None,
    ) -> list[Observation]:
        """Observations of one device, ascending by (observed_at, quantity), `start <= observed_at < end`.

        With `every`, one observation per quantity and interval that has any, aggregated by the server (`aggregate`,
        default mean), dated at the interval's start; intervals are multiples of `every` since 1970-01-01T00:00Z, of which
        only the part inside [start, end) counts. Aggregates are numbers (a boolean counts as 0 or 1); quantities that
        are no numbers give only `last` and `count`. `quantities` None means all. `limit` and `after` page: only items
        after that (observed_at, quantity).
        """

    def totals(
        self,
        quantity: str,
        start: datetime,
        end: datetime,
        *,
        group_by: GroupBy,
        every: timedelta,
        aggregate: Aggregate = Aggregate.MEAN,
        streets: Mapping[str, str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[Total]:
        """An aggregate (one of TOTAL_AGGREGATES) over all observations of a group per interval, by (start, group).

        Grouping by street needs `streets`: device id to street; devices without one are left out. Raw rows are
        never read into Python.
        """

    def delete(self, *, device_id: str | None = None, before: datetime | None = None) -> None:
        """Delete what was observed before an instant, or all of a device, or both together (at least one is given).

        `latest` forgets what is deleted.
        """

    def ping(self) -> None:
        """Answer quickly.

        Raises:
            StorageUnavailableError: the store does not answer.
        """

    def close(self) -> None:
        """Give back connections; the store is not used afterwards."""


@runtime_checkable
class KeepsOperations(Protocol):
    """A backend that also keeps what `storage.operations` writes, for dashboards that ask it alone."""

    def write_lines(self, lines: Sequence[str]) -> None:
        """Keep lines in line protocol, times in microseconds.

        Raises:
            StorageError: the store did not take them.
        """


def open_readings(settings: Settings) -> ReadingStore:
    """Open the backend that `KREISPULS_READINGS_URL` names; makes what is missing (file, tables, bucket).

    Raises:
        SettingsError: the URL or a setting of the backend is wrong.
        StorageUnavailableError: the store does not answer.
    """
    if settings.readings_url.startswith("sqlite:///"):
        from storage.backends.sqlite import SqliteReadings  # noqa: PLC0415 - only the backend in use is loaded

        return SqliteReadings(settings.readings_url.removeprefix("sqlite:///"))
    if settings.readings_url.startswith("influxdb://"):
        from storage.backends.influxdb import InfluxReadings  # noqa: PLC0415

        return InfluxReadings(
            url=settings.influxdb_url,
            token=settings.influxdb_token.get_secret_value(),
            org=settings.influxdb_org,
            bucket=settings.influxdb_bucket,
        )
    raise SettingsError("KREISPULS_READINGS_URL: expected sqlite:///FILE or influxdb://")
