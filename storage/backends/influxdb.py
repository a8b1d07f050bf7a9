"""Readings in InfluxDB 2; the only file that imports its client library."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from influxdb_client import Dialect, InfluxDBClient, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from core.clock import from_epoch_us, to_epoch_us
from core.device import is_device_id
from core.errors import SettingsError, StorageError, StorageUnavailableError
from core.quantity import CATALOGUE
from core.reading import Aggregate, DeviceObservation, Observation, Reading, Total
from devices.registry import device_types
from storage.backends import flux
from storage.backends.contract import (
    MAX_US,
    MIN_US,
    SeriesQuery,
    check_delete,
    clamp_us,
    interval_start,
    series_query,
    totals_query,
)
from storage.backends.flux import Flux, parse_rows
from storage.backends.line_protocol import encode_lines
from storage.readings import GroupBy

LINES_PER_REQUEST: Final = 5_000
"""What InfluxData recommends for a batch."""
MAX_DEVICE_FILTER: Final = 100
"""More device ids than this are chosen here and not by the server."""
_ANSWER: Final = Dialect(header=True, delimiter=",", annotations=[], comment_prefix="#")
_TIMEOUT_MS: Final = (5_000, 120_000)
_PING_TIMEOUT_MS: Final = (2_000, 3_000)
_UNAVAILABLE: Final = frozenset({0, None, 408, 429, 500, 502, 503, 504})


class InfluxReadings:
    """A `ReadingStore` in a bucket, which is made when it is missing and the token may do so. Safe for threads.

    Raises:
        SettingsError: URL or token cannot be right.
        StorageUnavailableError: the server does not answer.
        StorageError: the server refuses the token, or there is no such organisation or bucket.
    """

    def __init__(self, *, url: str, token: str, org: str, bucket: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise SettingsError("INFLUXDB_V2_URL: expected http://host:8086 or https://...")
        if not token.strip() or not token.isascii():
            raise SettingsError("INFLUXDB_V2_TOKEN: expected a token with read and write on the bucket")
        self._url, self._org, self._bucket = url, org, bucket
        self._client = InfluxDBClient(url=url, token=token, org=org, timeout=_TIMEOUT_MS)
        self._ping_client = InfluxDBClient(url=url, token=token, org=org, timeout=_PING_TIMEOUT_MS)
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        self._threads = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "influxdb-query")
        try:
            self._ensure_bucket()
        except BaseException:
            self.close()
            raise

    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all; the server answers when they are in its log on disk. See `ReadingStore`."""
        lines = list(encode_lines(readings))
        for first in range(0, len(lines), LINES_PER_REQUEST):
            record = "\n".join(lines[first : first + LINES_PER_REQUEST]).encode()
            with self._translated():
                self._write_api.write(self._bucket, self._org, record, write_precision=WritePrecision.US)

    def latest(
        self,
        *,
        device_ids: Collection[str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[DeviceObservation]:
        """The newest values; see `ReadingStore`. Many devices are asked for one quantity at a time, in parallel."""
        ids = None if device_ids is None else frozenset(device_ids)
        if (ids is not None and not ids) or (device_type is not None and device_type not in device_types()):
            return []
        names = sorted(CATALOGUE if device_type is None else device_types()[device_type].quantities)
        filters: list[tuple[str, Iterable[str]]] = []
        if municipality is not None:
            filters.append(("municipality", [municipality]))
        if device_type is not None:
            filters.append(("_measurement", [device_type]))
        few = ids is not None and len(ids) <= MAX_DEVICE_FILTER
        if ids is not None and few:
            filters.append(("device_id", sorted(ids)))
        columns = ("device_id", "_field", "_time", "_measurement", "municipality", "_value")
        newest: dict[tuple[str, str], tuple[str, ...]] = {}
        for answer in self._threads.map(
            lambda fields: self._query(lambda query: flux.latest(query, MAX_US, ("_field", fields), *filters)),
            [names] if few else [[name] for name in names],
        ):
            for row in parse_rows(answer, *columns):
                if ids is None or row[0] in ids:
                    newest[row[:2]] = max(newest.get(row[:2], row), row, key=_rank)
        return [
            DeviceObservation(device_id, kind, of_municipality, name, datetime.fromisoformat(at), _VALUE[name](value))
            for (device_id, name), (_, _, at, kind, of_municipality, value) in sorted(newest.items())
        ]
