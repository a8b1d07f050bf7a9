"""Readings as InfluxDB line protocol: measurement = device type, tags = device and municipality, fields = quantities.

A quantity that must be deletable alone is kept apart, in a line with the tag `quantity`: InfluxDB 2 deletes by time and
tags, never single fields. The series differ, the measurement and the field do not, so readers need not know.

Format: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/. Written here and not with the client
library's `Point`, which takes three to five times as long (benchmarks/reading_stores.py); keys are checked against
patterns that leave nothing to escape in a tag.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from math import isfinite
from typing import Final

from core.clock import to_epoch_us
from core.quantity import Kind, Quantity, Value
from core.reading import Reading
from devices.registry import device_types
from readings.calls import MAX_US, MIN_US
from readings.contract import check_instant, check_key, refuse_values


def encode_lines(readings: Iterable[Reading], apart: frozenset[str] = frozenset()) -> Iterator[str]:
    """One line per reading, and one per value of a quantity kept apart, without line ends; instants in microseconds.

    Raises:
        StorageError: a reading cannot be kept; names the part that is wrong.
    """
    for reading in readings:
        start = _line_start(reading.device_id, reading.device_type, reading.municipality)
        observed_us = to_epoch_us(reading.observed_at)
        if not MIN_US <= observed_us < MAX_US:
            check_instant(reading.device_id, observed_us)
        encoders = _encoders(reading.device_type)
        together: list[str] = []
        alone: list[str] = []
        try:
            for name, value in reading.values.items():
                if name in apart:
                    alone.append(f"{start},quantity={name} {encoders[name](value)} {observed_us}")
                else:
                    together.append(encoders[name](value))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise refuse_values(reading.device_id, reading.device_type, reading.values) from error
        if together:
            yield f"{start} {','.join(together)} {observed_us}"
        yield from alone


@lru_cache(maxsize=100_000)
def _line_start(device_id: str, device_type: str, municipality: str) -> str:
    check_key(device_id, device_type, municipality)
    return f"{device_type},device_id={device_id},municipality={municipality}"


@cache
def _encoders(device_type: str) -> Mapping[str, Callable[[Value], str]]:
    kind = device_types()[device_type]
    return {name: _encoder(kind.quantity(name)) for name in kind.quantities}


def _encoder(quantity: Quantity) -> Callable[[Value], str]:
    return _ENCODER[quantity.kind](f"{quantity.name}=")


def _number(field: str) -> Callable[[Value], str]:
    def encode(value: Value) -> str:
        number = float(value)
        if not isfinite(number):
            raise ValueError("not finite")
        return f"{field}{number!r}"

    return encode


def _integer(field: str) -> Callable[[Value], str]:
    return lambda value: f"{field}{int(value)}i"


def _boolean(field: str) -> Callable[[Value], str]:
    return lambda value: f"{field}{'true' if value else 'false'}"


def _string(field: str) -> Callable[[Value], str]:
    def encode(value: Value) -> str:
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'{field}"{escaped}"'

    return encode


_ENCODER: Final[Mapping[Kind, Callable[[str], Callable[[Value], str]]]] = {
    Kind.NUMBER: _number,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.CHOICE: _string,
    Kind.FAULTS: _string,
}
