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

from core.clock import from_epoch_us
from core.device import is_device_id
from core.errors import SettingsError, StorageError, StorageUnavailableError
from core.quantity import CATALOGUE
from core.reading import Aggregate, DeviceObservation, Observation, Reading, Total
from devices.registry import device_types
from storage.backends import flux, flux_answers
from storage.backends.contract import (
    MAX_US,
    MIN_US,
    check_delete,
    clamp_us,
    series_query,
    totals_query,
)
from storage.backends.flux import Flux
from storage.backends.flux_answers import parse_rows
from storage.backends.line_protocol import encode_lines
from storage.readings import GroupBy

LINES_PER_REQUEST: Final = 5_000
"""What InfluxData recommends for a batch."""
MAX_DEVICE_FILTER: Final = 100
"""More device ids than this are chosen here and not by the server."""
PARALLEL_QUERIES: Final = 4
_ANSWER: Final = Dialect(header=True, delimiter=",", annotations=[], comment_prefix="#")  # type: ignore[no-untyped-call]
_MICROSECONDS: Final = cast(WritePrecision, WritePrecision.US)  # the library's constants are plain texts
_TIMEOUT_MS: Final = (5_000, 120_000)
MAX_REASON: Final = 300
_PING_TIMEOUT_MS: Final = (2_000, 3_000)
_UNAVAILABLE: Final = frozenset({0, None, 408, 429, 500, 502, 503, 504})


class InfluxReadings:
    """A `ReadingStore` in a bucket, which is made when it is missing and the token may do so. Safe for threads.

    Args:
        must_answer: False: a server that does not answer now is asked for the bucket before the first write instead.

    Raises:
        SettingsError: URL or token cannot be right.
        StorageUnavailableError: the server does not answer, and it must.
        StorageError: the server refuses the token, or there is no such organisation or bucket.
    """

    def __init__(self, *, url: str, token: str, org: str, bucket: str, must_answer: bool = True) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise SettingsError("INFLUXDB_V2_URL: expected http://host:8086 or https://...")
        if not token.strip() or not token.isascii() or not token.isprintable():
            raise SettingsError("INFLUXDB_V2_TOKEN: expected a token with read and write on the bucket")
        self._url, self._org, self._bucket = url, org, bucket
        self._client: Any = InfluxDBClient(url=url, token=token, org=org, timeout=_TIMEOUT_MS)
        self._ping_client: Any = InfluxDBClient(url=url, token=token, org=org, timeout=_PING_TIMEOUT_MS)
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        self._threads = ThreadPoolExecutor(PARALLEL_QUERIES, "influxdb-query")
        self._has_bucket = False
        try:
            self._ensure_bucket(self._client if must_answer else self._ping_client)
        except StorageUnavailableError:
            if must_answer:
                self.close()
                raise
        except BaseException:
            self.close()
            raise

    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all; the server answers when they are in its log on disk. See `ReadingStore`."""
        self.write_lines(list(encode_lines(readings)))

    def write_lines(self, lines: Sequence[str]) -> None:
        """Keep lines in line protocol, times in microseconds; see `KeepsOperations`."""
        self._ensure_bucket(self._client)
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
        """The newest values; see `ReadingStore`. In parallel: a series costs the server 30 µs."""
        ids = None if device_ids is None else frozenset(device_ids)
        if (ids is not None and not ids) or (device_type is not None and device_type not in device_types()):
            return []
        names = sorted(CATALOGUE if device_type is None else device_types()[device_type].quantities)
        filters = flux.narrowed(municipality, device_type)
        few = ids is not None and len(ids) <= MAX_DEVICE_FILTER
        if ids is not None and few:
            filters.append(("device_id", sorted(ids)))
        answers = self._threads.map(
            lambda fields: self._query(lambda query: flux.latest(query, ("_field", fields), *filters)),
            [names] if few else [names[part::PARALLEL_QUERIES] for part in range(PARALLEL_QUERIES)],
        )
        newest: dict[tuple[str, str], tuple[datetime, str, str, str]] = {}
        for answer in answers:
            for device_id, name, at, kind, of_municipality, value in parse_rows(
                answer, "device_id", "_field", "_time", "_measurement", "municipality", "_value"
            ):
                if ids is None or device_id in ids:
                    found = (datetime.fromisoformat(at), kind, of_municipality, value)
                    known = newest.get((device_id, name))
                    if known is None or found > known:
                        newest[device_id, name] = found
        return [
            DeviceObservation(device_id, kind, of_municipality, name, at, flux_answers.parse_value(name, value))
            for (device_id, name), (at, kind, of_municipality, value) in sorted(newest.items())
        ]

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
        """Observations of one device; see `ReadingStore`."""
        query = series_query(
            device_id, quantities, start, end, every=every, aggregate=aggregate, limit=limit, after=after
        )
        if query.empty:
            return []
        if not query.every_us:
            return query.page(flux_answers.observed(self._query(lambda text: flux.observed(text, query))))
        if query.aggregate is Aggregate.TIME_WEIGHTED_MEAN:
            answer = self._query(lambda text: flux.time_weighted(text, query))
            return query.page(flux_answers.time_weighted(answer, query))
        answer = self._query(lambda text: flux.aggregated(text, query))
        return query.page(flux_answers.aggregated(answer, query))

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
        """An aggregate per group and interval; see `ReadingStore`. Streets are added up here, of devices."""
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
        if query.empty:
            return []
        part = Aggregate.SUM if aggregate is Aggregate.MEAN else aggregate
        known = CATALOGUE[quantity]
        counts = self._threads.submit(self._query, lambda text: flux.totals(text, query, known, Aggregate.COUNT))
        values = self._query(lambda text: flux.totals(text, query, known, part))
        return query.totals(flux_answers.totals(values, counts.result(), query))

    def delete(self, *, device_id: str | None = None, before: datetime | None = None) -> None:
        """Delete on the server; see `ReadingStore`."""
        check_delete(device_id, before)
        before_us = MAX_US if before is None else clamp_us(before)
        if before_us == MIN_US or (device_id is not None and not is_device_id(device_id)):
            return  # nothing of the kind can have been kept
        with self._translated():
            self._client.delete_api().delete(
                _nanoseconds(MIN_US, 0),
                _nanoseconds(before_us - 1, 999),  # the server deletes the last instant too
                "" if device_id is None else f'device_id="{device_id}"',  # checked above: no quote can be in it
                self._bucket,
                self._org,
            )

    def forget(
        self, quantity: str, before: datetime, *, municipality: str | None = None, spared: Collection[str] = ()
    ) -> None:
        """Refused: InfluxDB 2 deletes by time and tags, never single fields. See `ReadingStore`."""
        raise StorageError(
            f"InfluxDB at {self._url} cannot delete single quantities: {quantity} before {before:%Y-%m-%d %H:%M} UTC "
            f"of {municipality or 'all municipalities'}{f' but {len(spared)}' if spared else ''} stays"
        )

    def roll_up(self, now: datetime, *, within: timedelta = timedelta(0)) -> bool:  # noqa: ARG002 - the interface's
        """Nothing to do: InfluxDB answers from the readings themselves. See `ReadingStore`."""
        return True

    def ping(self) -> None:
        """Ask for no points, which tries server, token and bucket; see `ReadingStore`."""
        self._query(flux.nothing, self._ping_client)

    def close(self) -> None:
        """Give back threads and connections; see `ReadingStore`."""
        self._threads.shutdown(cancel_futures=True)
        self._client.close()
        self._ping_client.close()

    def _query(self, build: Callable[[Flux], None], client: Any = None) -> str:
        query = Flux(self._bucket)
        build(query)
        with self._translated():
            response = (client or self._client).query_api().query_raw(query.text, self._org, _ANSWER, query.parameters)
            return str(response.data, "utf-8")

    def _ensure_bucket(self, client: Any) -> None:
        if self._has_bucket:
            return
        buckets = client.buckets_api()
        with self._translated():
            if buckets.find_bucket_by_name(self._bucket) is None:
                try:
                    buckets.create_bucket(bucket_name=self._bucket, org=self._org)
                except ApiException:
                    if buckets.find_bucket_by_name(self._bucket) is None:  # not another process that was faster
                        raise
        self._has_bucket = True

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
