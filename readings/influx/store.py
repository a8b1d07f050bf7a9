"""Readings in InfluxDB 2; the only file that imports its client library."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import urlsplit

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.dialect import Dialect
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from core.clock import from_epoch_us, utc_now
from core.counter import CounterSpan
from core.device import is_device_id, is_municipality
from core.errors import SettingsError, StorageError, StorageUnavailableError
from core.quantity import CATALOGUE
from core.reading import DeviceObservation, Reading
from readings.beside.opened import Beside
from readings.calls import MAX_US, MIN_US, CountersQuery, SeriesQuery, TotalRow, TotalsQuery, clamp_us
from readings.contract import check_delete
from readings.influx import flux, reads
from readings.influx.answers import parse_rows
from readings.influx.beside import InfluxBeside
from readings.influx.counters import counter_spans
from readings.influx.flux import Flux
from readings.influx.line_protocol import encode_lines
from readings.store import ReadingStore

LINES_PER_REQUEST: Final = 5_000
"""What InfluxData recommends for a batch."""
DEFAULT_APART: Final = frozenset({"presence"})
"""Personal data, for which there is always a retention."""
_ANSWER: Final = Dialect(header=True, delimiter=",", annotations=[], comment_prefix="#")  # type: ignore[no-untyped-call]
_MICROSECONDS: Final = cast(WritePrecision, WritePrecision.US)  # the library's constants are plain texts
_TIMEOUT_MS: Final = (5_000, 120_000)
MAX_REASON: Final = 300
_PING_TIMEOUT_MS: Final = (2_000, 3_000)
_UNAVAILABLE: Final = frozenset({0, None, 408, 429, 500, 502, 503, 504})


class InfluxReadings(ReadingStore):
    """A `ReadingStore` in a bucket, which is made when it is missing and the token may do so. Safe for threads.

    Args:
        apart: quantities that can be forgotten; what was written while they were not named here can not.
        beside: where newest values and hourly totals are kept; every writer must have it. Without, the server is asked,
            which takes seconds. It is closed with this store, and made anew when it is not of this bucket.
        must_answer: False: a server that does not answer now is asked for the bucket before the first write instead.

    Raises:
        SettingsError: URL or token cannot be right.
        StorageUnavailableError: the server does not answer, and it must.
        StorageError: the server refuses the token, or there is no such organisation or bucket.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        org: str,
        bucket: str,
        apart: Collection[str] = DEFAULT_APART,
        beside: Beside | None = None,
        must_answer: bool = True,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise SettingsError("INFLUXDB_V2_URL: expected http://host:8086 or https://...")
        if not token.strip() or not token.isascii() or not token.isprintable():
            raise SettingsError("INFLUXDB_V2_TOKEN: expected a token with read and write on the bucket")
        self._url, self._org, self._bucket = url, org, bucket
        self._apart = frozenset(apart)
        self._beside = None if beside is None else InfluxBeside(beside, self._query)
        self._client: Any = InfluxDBClient(url=url, token=token, org=org, timeout=_TIMEOUT_MS)
        self._ping_client: Any = InfluxDBClient(url=url, token=token, org=org, timeout=_PING_TIMEOUT_MS)
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        self._threads = ThreadPoolExecutor(reads.PARALLEL_QUERIES, "influxdb-query")
        self._is_ready = False
        try:
            self._make_ready(self._client if must_answer else self._ping_client)
        except StorageUnavailableError:
            if must_answer:
                self.close()
                raise
        except BaseException:
            self.close()
            raise

    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all; the server answers when they are in its log on disk. See `ReadingStore`."""
        self.write_lines(list(encode_lines(readings, self._apart)))
        if self._beside is not None:
            self._beside.written(readings)

    def renew(self, now: datetime) -> None:
        """Take the newest values from the bucket again, begin the hourly totals anew; see `ReadingStore`."""
        self._renew(self._ensure_bucket(self._client), now)

    def write_lines(self, lines: Sequence[str]) -> None:
        """Keep lines in line protocol, times in microseconds; see `KeepsOperations`."""
        self._make_ready(self._client)
        for first in range(0, len(lines), LINES_PER_REQUEST):
            record = "\n".join(lines[first : first + LINES_PER_REQUEST]).encode()
            with self._translated():
                self._write_api.write(self._bucket, self._org, record, _MICROSECONDS)

    def latest(
        self,
        *,
        device_ids: Collection[str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[DeviceObservation]:
        """The newest values; see `ReadingStore`."""
        if self._beside is not None:
            return self._beside.latest(device_ids, municipality, device_type)
        return reads.last_points(self._query, self._threads, device_ids, municipality, device_type)

    def _series(self, query: SeriesQuery) -> Mapping[tuple[int, str], Any]:
        return reads.series(self._query, query)

    def _totals(self, query: TotalsQuery, quantity: str) -> list[TotalRow]:
        def ask(part: TotalsQuery) -> list[TotalRow]:
            return reads.totals(self._query, self._threads, part, quantity)

        return ask(query) if self._beside is None else self._beside.totals(query, quantity, ask)

    def _counters(self, query: CountersQuery) -> list[CounterSpan]:
        return counter_spans(self._query, self._threads, query)

    def delete(self, *, device_id: str | None = None, before: datetime | None = None) -> None:
        """Delete on the server; see `ReadingStore`."""
        check_delete(device_id, before)
        before_us = MAX_US if before is None else clamp_us(before)
        if device_id is not None and not is_device_id(device_id):
            return  # nothing can have been kept; all others have no quote
        if device_id is None:
            self._delete(before_us, "")
            if self._beside is not None:
                self._beside.forget(before_us, None, None, ())
        elif self._beside is None:
            self._delete(before_us, f'device_id="{device_id}"')
        else:
            self._beside.delete(device_id, before_us, lambda: self._delete(before_us, f'device_id="{device_id}"'))

    def forget(
        self, quantity: str, before: datetime, *, municipality: str | None = None, spared: Collection[str] = ()
    ) -> None:
        """Delete the series of a quantity that is kept apart; see `ReadingStore`.

        Raises:
            StorageError: some values stand in one point with others, written while the quantity was not kept apart.
        """
        if quantity not in CATALOGUE or municipality in spared:
            return
        if municipality is not None and not is_municipality(municipality):
            return
        whose = [f'municipality!="{each}"' for each in sorted(spared) if is_municipality(each)]
        if municipality is not None:
            whose = [f'municipality="{municipality}"']
        before_us = clamp_us(before)
        self._delete(before_us, " AND ".join([f'quantity="{quantity}"', *whose]))
        if self._beside is not None:
            self._beside.forget(before_us, quantity, municipality, spared)
        together = self._query(lambda query: flux.kept_together(query, quantity, before_us, municipality, spared))
        left = sorted(name for _, name in parse_rows(together, "result", "municipality"))
        if left:
            raise StorageError(
                f"InfluxDB at {self._url}, bucket {self._bucket}: {quantity} before {before:%Y-%m-%d %H:%M} UTC stays "
                f"in {', '.join(left)}: written while no retention was set for it, in one point with other values"
            )

    def _delete(self, before_us: int, predicate: str) -> None:
        if before_us == MIN_US:
            return
        with self._translated():
            self._client.delete_api().delete(
                _nanoseconds(MIN_US, 0),
                _nanoseconds(before_us - 1, 999),  # the server deletes the last instant too
                predicate,
                self._bucket,
                self._org,
            )

    def roll_up(self, now: datetime, *, within: timedelta = timedelta(seconds=10)) -> bool:
        """Bring the hourly totals up to date; see `ReadingStore`."""
        return self._beside is None or self._beside.roll_up(now, within)

    def ping(self) -> None:
        """Ask for no points, which tries server, token and bucket; see `ReadingStore`."""
        self._query(flux.nothing, self._ping_client)

    def close(self) -> None:
        """Give back threads and connections; see `ReadingStore`."""
        self._threads.shutdown(cancel_futures=True)
        self._client.close()
        self._ping_client.close()
        if self._beside is not None:
            self._beside.close()

    def _query(self, build: Callable[[Flux], None], client: Any = None) -> str:
        query = Flux(self._bucket)
        build(query)
        with self._translated():
            response = (client or self._client).query_api().query_raw(query.text, self._org, _ANSWER, query.parameters)
            return str(response.data, "utf-8")

    def _make_ready(self, client: Any) -> None:
        """See to the bucket and to what is kept beside it, once."""
        if self._is_ready:
            return
        bucket_id = self._ensure_bucket(client)
        if self._beside is not None and not self._beside.of(bucket_id):
            self._renew(bucket_id, utc_now())
        self._is_ready = True

    def _renew(self, bucket_id: str, now: datetime) -> None:
        if self._beside is not None:
            of_all = (self._query, self._threads, None, None, None)
            self._beside.renew(bucket_id, now, lambda: reads.last_points(*of_all, apart=True))

    def _ensure_bucket(self, client: Any) -> str:
        """The bucket's id; it is made when it is missing."""
        buckets = client.buckets_api()
        with self._translated():
            bucket = buckets.find_bucket_by_name(self._bucket)
            if bucket is None:
                try:
                    bucket = buckets.create_bucket(bucket_name=self._bucket, org=self._org)
                except ApiException:
                    bucket = buckets.find_bucket_by_name(self._bucket)
                    if bucket is None:  # not another process that was faster
                        raise
            return str(bucket.id)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            kind = StorageUnavailableError if error.status in _UNAVAILABLE else StorageError
            raise kind(f"InfluxDB at {self._url}, bucket {self._bucket}: {_reason(error)}") from error
        except InfluxDBError as error:  # without an answer: the library itself cannot go on
            raise StorageError(f"InfluxDB at {self._url}, bucket {self._bucket}: {error.message}") from error
        except HTTPError as error:
            raise StorageUnavailableError(f"InfluxDB at {self._url} does not answer: {type(error).__name__}") from error


def _nanoseconds(microseconds: int, nanoseconds: int) -> str:
    return f"{from_epoch_us(microseconds):%Y-%m-%dT%H:%M:%S.%f}{nanoseconds:03d}Z"


def _reason(error: ApiException) -> str:
    """The server's own sentence where it gives one."""
    try:
        message = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    return f"{message[:MAX_REASON]} (HTTP {error.status})"
