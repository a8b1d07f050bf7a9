"""The newest values of devices beside a store that cannot give them fast: one row per device in the state database.

InfluxDB takes about 30 µs per series to find the last point, 8 s for 35,000 lamps. The rows are made of what is written
and can be made anew at any time: they are no part of the state, its migrations and its backups.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Connection, Engine, MetaData, Table, func, select, text
from sqlalchemy import Text as SqlText

from core.clock import to_epoch_us
from core.quantity import Value
from core.reading import DeviceObservation, Reading
from storage.backends.newest import newest_of
from storage.columns import Text
from storage.transaction import insert_into, reading, writing

ROWS_AT_ONCE: Final = 2_000
"""Deleting works in transactions of so many rows, so that writers get in between."""
Newest = dict[str, tuple[int, Value]]
"""By quantity: microseconds since 1970, value."""
Identity = tuple[str, str, str]
"""Device id, device type, municipality."""
Keep = Callable[[str, str, int], bool]
"""Whether a value stays; of municipality, quantity, microseconds."""

_decode: Final = msgspec.json.Decoder(dict[str, tuple[int, float | int | bool | str]]).decode
_encode: Final = msgspec.json.Encoder().encode

_metadata: Final = MetaData()
_values: Final = Table(
    "newest_values",
    _metadata,
    Column("device_id", Text, primary_key=True),
    Column("device_type", Text, primary_key=True),
    Column("municipality", Text, primary_key=True),
    Column("said", SqlText, nullable=False, comment="JSON: quantity to [microseconds, value]"),
    postgresql_with={"fillfactor": 70},
)
_source: Final = Table(
    "newest_values_source",
    _metadata,
    Column("source", Text, primary_key=True, comment="what the newest values are those of; one row when complete"),
)
_ROWS: Final = {
    "postgresql": "unnest(CAST(:ids AS text[]), CAST(:types AS text[]), CAST(:municipalities AS text[]), "
    "CAST(:said AS text[])) AS new (device_id, device_type, municipality, said)",
    "sqlite": "(SELECT value ->> 0 AS device_id, value ->> 1 AS device_type, value ->> 2 AS municipality, "
    "value ->> 3 AS said FROM json_each(:rows))",
}
_AMONG: Final = {
    "postgresql": "device_id = ANY(CAST(:ids AS text[]))",
    "sqlite": "device_id IN (SELECT value FROM json_each(:ids))",
}
"""Lists of thousands are one parameter: one for each would take longer than all the rest of a write."""


class NewestValues:
    """Safe for several threads and programs: a value takes the place of one that is as old or older, in any order.

    Every method raises StorageUnavailableError and StorageError as `ReadingStore` does.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":  # else two programs make the tables at once
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('newest_values'))"))
            _metadata.create_all(connection)

    def complete(self, source: str) -> bool:
        """Whether `fill` has been done for this source."""
        with reading(self._engine) as connection:
            return list(connection.execute(select(_source.c.source)).scalars()) == [source]

    def fill(self, source: str, newest: Callable[[], Iterable[DeviceObservation]]) -> None:
        """Take what a source has in place of what is known; what is written meanwhile counts too."""
        with writing(self._engine) as connection:
            connection.execute(_source.delete())
        with reading(self._engine) as connection:
            rows = connection.execute(select(_values)).all()
        before: dict[Identity, Newest] = {(row[0], row[1], row[2]): _decode(row[3]) for row in rows}
        found: dict[Identity, Newest] = {}
        for one in newest():
            of_device = found.setdefault((one.device_id, one.device_type, one.municipality), {})
            of_device[one.quantity] = (to_epoch_us(one.observed_at), one.value)

        def renewed(key: Identity, known: Newest) -> Newest:
            old = before.get(key, {})
            meanwhile = {name: value for name, value in known.items() if old.get(name) != value}
            return _merged(found.get(key, {}), meanwhile)

        self._change(before.keys() | found.keys(), renewed)
        with writing(self._engine) as connection:
            connection.execute(insert_into(connection, _source).values(source=source).on_conflict_do_nothing())

    def write(self, readings: Iterable[Reading]) -> None:
        """Take what is as new or newer than what is known."""
        said: dict[Identity, Newest] = {}
        for each in readings:
            observed_us = to_epoch_us(each.observed_at)
            of_device = said.setdefault((each.device_id, each.device_type, each.municipality), {})
            for name, value in each.values.items():
                known = of_device.get(name)
                if known is None or known[0] <= observed_us:
                    of_device[name] = (observed_us, value)
        self._change(said, lambda key, known: _merged(known, said[key]))

    def latest(
        self, device_ids: Collection[str] | None, municipality: str | None, device_type: str | None
    ) -> list[DeviceObservation]:
        """As `ReadingStore.latest`."""
        where = ["true"]
        with reading(self._engine) as connection:
            dialect = connection.dialect.name
            if municipality is not None:
                where.append("municipality = :municipality")
            if device_type is not None:
                where.append("device_type = :device_type")
            if device_ids is not None:
                where.append(_AMONG[dialect])
            columns = "device_id, device_type, municipality, said"
            rows = connection.execute(
                text(f"SELECT {columns} FROM newest_values WHERE {' AND '.join(where)}"),  # noqa: S608 - our texts
                {"municipality": municipality, "device_type": device_type, "ids": _list(dialect, device_ids or ())},
            ).all()
        return newest_of(
            map(tuple, rows), lambda row: ((name, *value) for name, value in sorted(_decode(row[3]).items()))
        )

    def keep(self, keep: Keep, *, device_id: str | None = None) -> None:
        """Keep only these values, of one device or of all."""
        query = select(_values.c.device_id, _values.c.device_type, _values.c.municipality)
        if device_id is not None:
            query = query.where(_values.c.device_id == device_id)
        with reading(self._engine) as connection:
            keys = [(row[0], row[1], row[2]) for row in connection.execute(query)]
        self._change(
            keys,
            lambda key, known: {name: value for name, value in known.items() if keep(key[2], name, value[0])},
        )

    def count(self) -> int:
        """How many devices have any."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(func.count()).select_from(_values)).scalar_one())

    def whose(self) -> list[tuple[str, str]]:
        """Every municipality and device type of which there is a value."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_values.c.municipality, _values.c.device_type).distinct())
            return [(row[0], row[1]) for row in rows]

    def _change(self, keys: Iterable[Identity], change: Callable[[Identity, Newest], Newest]) -> None:
        """Rows become what is made of them; one without values goes."""
        in_order = sorted(keys)  # everybody locks rows in this order
        for first in range(0, len(in_order), ROWS_AT_ONCE):
            todo = in_order[first : first + ROWS_AT_ONCE]
            while todo:
                with writing(self._engine) as connection:
                    known = dict(_locked(connection, todo))
                    made = {key: change(key, newest) for key, newest in known.items()}
                    _put(connection, {key: newest for key, newest in made.items() if newest and newest != known[key]})
                    _remove(connection, [key for key, newest in made.items() if not newest])
                todo = [key for key in todo if key not in known]
                if todo:  # in a transaction of its own: who waits for another's new row must hold none that it wants
                    with writing(self._engine) as connection:
                        _put(connection, {key: {} for key in todo}, replace=False)


def _merged(known: Newest, said: Newest) -> Newest:
    """What is as new or newer takes the place."""
    newer = {name: value for name, value in said.items() if (old := known.get(name)) is None or old[0] <= value[0]}
    return {**known, **newer}


def _locked(connection: Connection, keys: Sequence[Identity]) -> Iterator[tuple[Identity, Newest]]:
    dialect = connection.dialect.name
    lock = "FOR UPDATE" if dialect == "postgresql" else ""  # on SQLite nobody else writes in this transaction
    query = text(
        f"SELECT device_id, device_type, municipality, said FROM newest_values WHERE {_AMONG[dialect]} "  # noqa: S608
        f"ORDER BY device_id, device_type, municipality {lock}"
    )
    wanted = frozenset(keys)
    for device_id, kind, municipality, said in connection.execute(
        query, {"ids": _list(dialect, [key[0] for key in keys])}
    ):
        if (device_id, kind, municipality) in wanted:
            yield (device_id, kind, municipality), _decode(said)


def _put(connection: Connection, rows: Mapping[Identity, Newest], *, replace: bool = True) -> None:
    if not rows:
        return
    dialect = connection.dialect.name
    given = [(*key, _encode(rows[key]).decode()) for key in sorted(rows)]
    parameters: dict[str, Any] = {"rows": _encode(given).decode()}
    if dialect == "postgresql":
        columns = map(list, zip(*given, strict=True))
        parameters = dict(zip(("ids", "types", "municipalities", "said"), columns, strict=True))
    then = "UPDATE SET said = excluded.said" if replace else "NOTHING"
    connection.execute(
        text(
            "INSERT INTO newest_values (device_id, device_type, municipality, said) "  # noqa: S608 - our names
            f"SELECT device_id, device_type, municipality, said FROM {_ROWS[dialect]} WHERE true "
            f"ON CONFLICT (device_id, device_type, municipality) DO {then}"
        ),
        parameters,
    )


def _remove(connection: Connection, keys: Sequence[Identity]) -> None:
    if keys:
        connection.execute(
            text("DELETE FROM newest_values WHERE device_id = :id AND device_type = :type AND municipality = :of"),
            [{"id": device_id, "type": kind, "of": municipality} for device_id, kind, municipality in keys],
        )


def _list(dialect: str, values: Collection[str]) -> list[str] | str:
    return list(values) if dialect == "postgresql" else _encode(list(values)).decode()
