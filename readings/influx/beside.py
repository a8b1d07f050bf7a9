"""What is kept beside InfluxDB follows its bucket: newest values at once, hourly totals by a job."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from core.clock import to_epoch_us
from core.reading import DeviceObservation, Reading
from devices.registry import device_types
from readings.beside.hourly_run import Part, Run
from readings.beside.opened import Beside
from readings.calls import TotalRow, TotalsQuery
from readings.contract import HOUR_US, Totals, add_totals, rows_of
from readings.influx import answers, flux
from readings.influx.reads import Ask

GRACE: Final = timedelta(minutes=10)
"""An hour is rolled up so long after its end: most of what belongs to it is there, the rest is late."""
REACHES_BACK: Final = timedelta(days=800)
"""What a bucket held from longer ago when the totals began is answered from the readings."""
VALUES_PER_RUN: Final = 200_000
"""A run asks for as many hours of municipalities as should have so many values: some 15 MB of an answer."""
MOST_PER_RUN: Final = 500


class InfluxBeside:
    """Newest values and hourly totals of one bucket.

    Args:
        ask: sends a Flux query to the bucket.
    """

    def __init__(self, beside: Beside, ask: Ask) -> None:
        self._newest = beside.newest
        self._hours = beside.hours
        self._beside = beside
        self._ask = ask
        self._per_run = 10

    def of(self, bucket_id: str) -> bool:
        """Whether all is there and of this bucket."""
        return self._newest.complete(bucket_id)

    def renew(self, bucket_id: str, now: datetime, last_points: Callable[[], list[DeviceObservation]]) -> None:
        """Make all anew from the bucket; what is written meanwhile counts. The totals then come by `roll_up`."""
        now_hour = to_epoch_us(now) // HOUR_US
        since_us = to_epoch_us(now - REACHES_BACK)
        self._hours.begin(now_hour)
        self._newest.fill(bucket_id, last_points)
        if self._newest.whose():
            first_us = answers.first_instant(self._ask(lambda text: flux.first_instant(text, since_us)))
            first_hour = min((since_us if first_us is None else first_us) // HOUR_US, now_hour)
            self._hours.reach(first_hour, first_hour)
        else:  # nothing there: from now on everything marks itself, also what is of long ago
            self._hours.reach(None, now_hour)

    def written(self, readings: Sequence[Reading]) -> None:
        """After these readings were written to the bucket."""
        self._newest.write(readings)
        marking_us = self._hours.marking_hour() * HOUR_US
        late = [
            ((each.municipality, each.device_type), observed_us // HOUR_US)
            for each in readings
            if (observed_us := to_epoch_us(each.observed_at)) < marking_us
        ]
        if late:
            self._hours.mark(set(late))

    def delete(self, device_id: str, before_us: int, delete: Callable[[], None]) -> None:
        """Delete a device's readings before an instant; its hours are stale before it and after it."""
        answer = self._ask(lambda text: flux.hours_of_device(text, device_id, before_us))
        hours = list(answers.hours_of_device(answer))
        self._hours.mark(hours)
        delete()
        self._hours.mark(hours)
        self._newest.keep(lambda _, __, observed_us: observed_us >= before_us, device_id=device_id)

    def forget(self, before_us: int, quantity: str | None, municipality: str | None, spared: Collection[str]) -> None:
        """After values before an instant were deleted, of one quantity or all, of one municipality or all but some."""
        self._hours.forget(before_us, quantity, municipality, spared)
        self._newest.keep(
            lambda of, name, observed_us: (
                observed_us >= before_us
                or quantity not in (None, name)
                or municipality not in (None, of)
                or of in spared
            )
        )

    def latest(
        self, device_ids: Collection[str] | None, municipality: str | None, device_type: str | None
    ) -> list[DeviceObservation]:
        """Answer as `ReadingStore.latest` does."""
        return self._newest.latest(device_ids, municipality, device_type)

    def totals(self, query: TotalsQuery, name: str, ask: Callable[[TotalsQuery], list[TotalRow]]) -> list[TotalRow]:
        """Whole hours from here, the rest as `ask` answers it."""
        rolled = self._hours.totals(query, name)
        if rolled is None:
            return ask(query)
        rows, (from_us, end_us) = rolled
        if (from_us, end_us) == (query.from_us, query.end_us):
            return rows
        totals: Totals = {}
        add_totals(totals, rows, query.aggregate)
        for edge_from_us, edge_end_us in ((query.from_us, from_us), (end_us, query.end_us)):
            if edge_from_us < edge_end_us:
                add_totals(totals, ask(replace(query, from_us=edge_from_us, end_us=edge_end_us)), query.aggregate)
        return rows_of(totals)

    def roll_up(self, now: datetime, within: timedelta) -> bool:
        """Work as `ReadingStore.roll_up` does."""
        deadline = time.monotonic() + within.total_seconds()
        self._hours.advance(to_epoch_us(now - GRACE) // HOUR_US, self._newest.whose)
        while run := self._hours.next_run(self._per_run):
            if time.monotonic() > deadline:
                return False
            self._hours.take(run, self._made(run))
        return True

    def close(self) -> None:
        """Give back connections."""
        self._beside.close()

    def _made(self, run: Run) -> dict[tuple[str, int, str], Part]:
        if run.device_type not in device_types():
            return {}
        answer = self._ask(lambda text: flux.points(text, run.device_type, run.spans()))
        made, values = answers.hours(answer)
        self._per_run = max(1, min(MOST_PER_RUN, VALUES_PER_RUN * len(run.stamps) // max(1, values), 2 * self._per_run))
        return made
