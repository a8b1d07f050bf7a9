"""ReadingStore, the interface of time-series storage; its sentences are the tests that every backend passes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from core.counter import CounterSpan
from core.reading import Aggregate, DeviceObservation, GroupBy, Observation, Reading, Total
from readings.calls import CountersQuery, SeriesQuery, TotalRow, TotalsQuery, counters_query, series_query, totals_query


class ReadingStore(ABC):
    """Keeps readings. Times are aware UTC, of the years 1678 to 2261, kept to the microsecond; values keep their type.

    Every method may be called from several threads, and several programs may use one store. Every method raises
    StorageUnavailableError when the store cannot be reached now and StorageError when it refuses or is damaged.
    """

    @abstractmethod
    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all, durably, or raise and keep nothing that a repetition would not make right.

        The same (device, instant) again overwrites the values it names and leaves the others: safe to repeat, in any
        order. A device that moves keeps its history in the municipality where it was observed.

        Raises:
            StorageUnavailableError: the store cannot be reached now.
            StorageError: the store refused; an unknown device type, a quantity that is not of the type, a number that
                is not finite, or a name that is none is refused with the whole batch.
        """

    @abstractmethod
    def latest(
        self,
        *,
        device_ids: Collection[str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[DeviceObservation]:
        """The newest value by `observed_at` of each quantity of each device, ordered by device and quantity.

        Filters narrow together which readings count; None means any. A late reading never takes the place of a newer
        one. If two municipalities observed a device at one instant, the one whose name sorts last counts.
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
        default mean), dated at the interval's start; intervals are multiples of `every` since 1970-01-01T00:00Z, of
        which only the part inside [start, end) counts. `last` is a value as it was written and `count` an integer, the
        others are floats (a boolean counts as 0 or 1); quantities that are no numbers give only `last` and `count`. An
        aggregate too large for a double is left out. In `time_weighted_mean` each value holds until the quantity's next
        observation, the interval's end or `end`; the last value before an interval, also before `start`, holds until
        its first observation; time before the very first observation counts for nothing.

        `quantities` None means all, unknown ones have no observations. `limit` and `after` page: at most so many, only
        those after that (observed_at, quantity).

        Raises:
            InvalidInputError: `every` is not longer than zero (or longer than 100 years), `aggregate` is given without
                it, or `limit` is less than 1.
        """
        query = series_query(
            device_id, quantities, start, end, every=every, aggregate=aggregate, limit=limit, after=after
        )
        return [] if query.empty else query.page(self._series(query))

    @abstractmethod
    def _series(self, query: SeriesQuery) -> Mapping[tuple[int, str], float | str]:
        """What was found by (microseconds, quantity), at least that of the page asked for."""

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

        Intervals as in `series`. A group by device is named by its id. Grouping by street needs `streets`: device id to
        street; devices without one are left out. Raw rows are never read into Python. Quantities that are no numbers
        are only counted.

        Raises:
            InvalidInputError: `every` as in `series`, another aggregate, or `streets` are missing.
        """
        query = totals_query(
            quantity,
            start,
            end,
            group_by=group_by,
            every=every,
            aggregate=aggregate,
            streets=streets,
            municipality=municipality,
            device_type=device_type,
        )
        return [] if query.empty else query.totals(self._totals(query, quantity))

    @abstractmethod
    def _totals(self, query: TotalsQuery, quantity: str) -> Iterable[TotalRow]:
        """The rows in any order."""

    def counters(
        self,
        quantity: str,
        bounds: Sequence[datetime],
        *,
        municipality: str | None = None,
        device_ids: Collection[str] | None = None,
    ) -> list[CounterSpan]:
        """What a counter of each device did between each bound and the next, by (device, municipality, interval).

        Intervals without a reading are left out. A device that moved has spans of each municipality in which it was
        observed. Readings are read into Python only where a counter went back or nothing is rolled up yet.

        Raises:
            InvalidInputError: the quantity is no counter, or the bounds do not ascend.
        """
        return self._counters(counters_query(quantity, bounds, municipality, device_ids))

    @abstractmethod
    def _counters(self, query: CountersQuery) -> list[CounterSpan]:
        """The spans in order."""

    @abstractmethod
    def delete(self, *, device_id: str | None = None, before: datetime | None = None) -> None:
        """Delete what was observed before an instant, or all of a device, or both together (at least one is given).

        `latest` forgets what is deleted; what is written afterwards counts again. Broken off, a repetition finishes it.

        Raises:
            InvalidInputError: neither is given.
        """

    @abstractmethod
    def forget(
        self, quantity: str, before: datetime, *, municipality: str | None = None, spared: Collection[str] = ()
    ) -> None:
        """Delete the values of one quantity observed before an instant: in one municipality, or in all but the spared.

        Everything else stays. What was made of the values is forgotten with them: every answer is as if they had never
        been written; what is written afterwards counts. Broken off, a repetition finishes it.

        Raises:
            StorageError: some values stay: InfluxDB deletes alone only what `KREISPULS_RETENTION_HOURS` named (or
                `presence`) when it was written.
        """

    @abstractmethod
    def roll_up(self, now: datetime, *, within: timedelta = timedelta(seconds=10)) -> bool:
        """Prepare what makes `series` and `totals` over long spans fast; work for about so long, say if all is done.

        Changes no answer, whatever is written, written late or deleted before, meanwhile or afterwards. Safe to break
        off and to repeat.
        """

    @abstractmethod
    def renew(self, now: datetime) -> None:
        """Make anew what is kept beside the readings, for a store that was restored or into which others wrote.

        What is written meanwhile counts.
        """

    @abstractmethod
    def ping(self) -> None:
        """Answer quickly.

        Raises:
            StorageUnavailableError: the store does not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back connections; the store is not used afterwards."""


@runtime_checkable
class KeepsOperations(Protocol):
    """A backend that also keeps what `readings.influx.operations` writes, for dashboards that ask it alone."""

    def write_lines(self, lines: Sequence[str]) -> None:
        """Keep lines in line protocol, times in microseconds.

        Raises:
            StorageError: the store did not take them.
        """
