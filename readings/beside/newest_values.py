"""The newest values of devices beside a store that cannot give them fast, in the state database.

InfluxDB takes about 30 µs per series to find the last point, 8 s for 35,000 lamps. What is written is appended as it
comes, a row per batch, and from time to time folded into a row per device; both together are what is known. All is made
of what is written and can be made anew at any time: it is no part of the state, its migrations and its backups.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, Engine, Integer, LargeBinary, MetaData, Table, select, text

from core.clock import to_epoch_us
from core.quantity import Value
from core.reading import DeviceObservation, Reading
from readings.beside.newest_groups import (
    Groups,
    Identity,
    Said,
    decode_groups,
    decode_said,
    encode,
    newest_said,
    with_groups,
)
from readings.newest import newest_of
from sql.columns import Text
from sql.page import given
from sql.sqlite_rows import run_many
from sql.transaction import insert_into, reading, writing

ROWS_AT_ONCE: Final = 2_000
"""Changing all works in transactions of so many rows, so that writers get in between."""
FOLD_READINGS: Final = 10_000
FOLD_S: Final = 1.0
"""A program folds after so many readings or so long: each that is only appended costs `latest` about a microsecond."""
Keep = Callable[[str, str, int], bool]
"""Whether a value stays; of municipality, quantity, microseconds."""

_metadata: Final = MetaData()
_appended: Final = Table(
    "newest_appended",
    _metadata,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column(
        "said", LargeBinary, nullable=False, comment="MessagePack: readings that are not in the rows of devices yet"
    ),
)
_rows: Final = Table(
    "newest",
    _metadata,
    Column("device_id", Text, primary_key=True),
    Column("device_type", Text, primary_key=True),
    Column("municipality", Text, primary_key=True),
    Column("said", LargeBinary, nullable=False, comment="MessagePack: [microseconds, quantity to value], ..."),
    postgresql_with={"fillfactor": 70},
    sqlite_with_rowid=False,
)
_source: Final = Table(
    "newest_source",
    _metadata,
    Column("source", Text, primary_key=True, comment="what the newest values are those of; one row when complete"),
)
_FORMER: Final = ("newest_values", "newest_values_source")
"""Tables of earlier versions."""
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('newest'))")
_COLUMNS: Final = "device_id, device_type, municipality, said"
_PUT_ON_SQLITE: Final = f"INSERT OR REPLACE INTO newest ({_COLUMNS}) VALUES {{rows}}"  # noqa: S608 - our columns
_PUT_ON_POSTGRESQL: Final = text(
    f"INSERT INTO newest ({_COLUMNS}) SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:types AS text[]), "  # noqa: S608
    "CAST(:municipalities AS text[]), CAST(:said AS bytea[])) "
    "ON CONFLICT (device_id, device_type, municipality) DO UPDATE SET said = excluded.said"
)
_AMONG: Final = {
    "postgresql": "device_id = ANY(CAST(:ids AS text[]))",
    "sqlite": "device_id IN (SELECT value FROM json_each(:ids))",
}
"""Lists of thousands are one parameter: one for each would take longer than all the rest."""


class NewestValues:
    """Safe for several threads and programs: a value takes the place of one that is as old or older, in any order.

    Every method raises StorageUnavailableError and StorageError as `ReadingStore` does.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unfolded = 0
        self._fold_at_s = 0.0
        with self._changing() as connection:  # else two programs make the tables at once
            for name in _FORMER:
                connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            _metadata.create_all(connection)

    def complete(self, source: str) -> bool:
        """Whether `fill` has been done for this source."""
        with reading(self._engine) as connection:
            return list(connection.execute(select(_source.c.source)).scalars()) == [source]

    def fill(self, source: str, newest: Callable[[], Iterable[DeviceObservation]]) -> None:
        """Take what a source has in place of what is known; what is written meanwhile counts too."""
        with self._changing() as connection:
            connection.execute(_source.delete())
            _fold(connection)
            before = _decoded(connection.execute(select(_rows)))
        found = newest_said(
            (one.device_id, one.device_type, one.municipality, to_epoch_us(one.observed_at), {one.quantity: one.value})
            for one in newest()
        )

        def renewed(key: Identity, known: Groups) -> Groups:
            old = {name: (at_us, each) for at_us, values in before.get(key, ()) for name, each in values.items()}
            meanwhile = [
                (at_us, {name: each for name, each in values.items() if old.get(name) != (at_us, each)})
                for at_us, values in known
            ]
            return with_groups(found.get(key, ()), meanwhile)

        self._change(before.keys() | found.keys(), renewed)
        with writing(self._engine) as connection:
            connection.execute(insert_into(connection, _source).values(source=source).on_conflict_do_nothing())

    def write(self, readings: Iterable[Reading]) -> None:
        """Take what is as new or newer than what is known."""
        said: list[Said] = [
            (each.device_id, each.device_type, each.municipality, to_epoch_us(each.observed_at), each.values)
            for each in readings
        ]
        if not said:
            return
        unfolded = self._unfolded + len(said)
        if unfolded < FOLD_READINGS and time.monotonic() < self._fold_at_s:
            with writing(self._engine) as connection:
                connection.execute(_appended.insert(), {"said": encode(said)})
            self._unfolded = unfolded
            return
        with self._changing() as connection:
            connection.execute(_appended.insert(), {"said": encode(said)})
            _fold(connection)
        self._unfolded, self._fold_at_s = 0, time.monotonic() + FOLD_S

    def latest(
        self, device_ids: Collection[str] | None, municipality: str | None, device_type: str | None
    ) -> list[DeviceObservation]:
        """Answer as `ReadingStore.latest` does."""
        where = ["true"]
        with reading(self._engine) as connection:
            dialect = connection.dialect.name
            if dialect == "postgresql":  # what is folded between the two questions would be in neither answer
                connection.execution_options(isolation_level="REPEATABLE READ")
            if municipality is not None:
                where.append("municipality = :municipality")
            if device_type is not None:
                where.append("device_type = :device_type")
            if device_ids is not None:
                where.append(_AMONG[dialect])
            answer = connection.execute(
                text(f"SELECT {_COLUMNS} FROM newest WHERE {' AND '.join(where)}"),  # noqa: S608 - our texts
                {"municipality": municipality, "device_type": device_type, "ids": _list(dialect, device_ids or ())},
            ).all()
            appended = connection.execute(select(_appended)).all()
        ids = None if device_ids is None else frozenset(device_ids)
        newer = newest_said(
            each
            for each in _in_order(appended)
            if (ids is None or each[0] in ids)
            and (municipality is None or each[2] == municipality)
            and (device_type is None or each[1] == device_type)
        )
        rows: list[tuple[Any, ...]] = [
            (*row[:3], with_groups(decode_groups(row[3]), newer.pop(row[:3]))) if row[:3] in newer else row
            for row in map(tuple, answer)
        ]
        rows += [(*key, groups) for key, groups in newer.items()]
        return newest_of(rows, _values_of)

    def keep(self, keep: Keep, *, device_id: str | None = None) -> None:
        """Keep only these values, of one device or of all."""
        query = given(select(_rows.c.device_id, _rows.c.device_type, _rows.c.municipality), _rows, device_id=device_id)
        with self._changing() as connection:
            _fold(connection)
            keys = [(row[0], row[1], row[2]) for row in connection.execute(query)]
        self._change(
            keys,
            lambda key, known: [
                (observed_us, kept)
                for observed_us, values in known
                if (kept := {name: each for name, each in values.items() if keep(key[2], name, observed_us)})
            ],
        )

    def whose(self) -> list[tuple[str, str]]:
        """Every municipality and device type of which there is a value."""
        with self._changing() as connection:
            _fold(connection)
            rows = connection.execute(select(_rows.c.municipality, _rows.c.device_type).distinct())
            return [(row[0], row[1]) for row in rows]

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction that nobody else folds or changes rows in; appending goes on (not on SQLite)."""
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_LOCK)
            yield connection

    def _change(self, keys: Iterable[Identity], change: Callable[[Identity, Groups], Groups]) -> None:
        """Rows become what is made of them; one without values goes."""
        in_order = sorted(keys)
        for first in range(0, len(in_order), ROWS_AT_ONCE):
            some = in_order[first : first + ROWS_AT_ONCE]
            with self._changing() as connection:
                known = _known(connection, some)
                made = {key: change(key, known.get(key, ())) for key in some}
                _put(connection, {key: newest for key, newest in made.items() if newest and newest != known.get(key)})
                _remove(connection, [key for key in some if key in known and not made[key]])


def _fold(connection: Connection) -> None:
    """Put what is appended into the rows of its devices: what is known stays the same."""
    appended = connection.execute(_appended.delete().returning(_appended.c.place, _appended.c.said)).all()
    newer = newest_said(_in_order(appended))
    known = _known(connection, newer)
    _put(connection, {key: with_groups(known.get(key, ()), newest) for key, newest in newer.items()})


def _in_order(appended: Iterable[Sequence[Any]]) -> Iterator[Said]:
    for _, said in sorted(map(tuple, appended)):
        yield from decode_said(said)


def _values_of(row: Sequence[Any]) -> list[tuple[str, int, Value]]:
    newest: Groups = decode_groups(row[3]) if isinstance(row[3], bytes) else row[3]
    return sorted((name, observed_us, each) for observed_us, values in newest for name, each in values.items())


def _decoded(rows: Iterable[Sequence[Any]]) -> dict[Identity, Groups]:
    return {(device_id, kind, municipality): decode_groups(said) for device_id, kind, municipality, said in rows}


def _known(connection: Connection, keys: Collection[Identity]) -> dict[Identity, Groups]:
    """What the rows of these devices say, whatever their types and municipalities."""
    dialect = connection.dialect.name
    query = f"SELECT {_COLUMNS} FROM newest WHERE {_AMONG[dialect]}"  # noqa: S608 - our texts
    return _decoded(connection.execute(text(query), {"ids": _list(dialect, {key[0] for key in keys})}))


def _put(connection: Connection, newest: Mapping[Identity, Groups]) -> None:
    rows = [(*key, encode(newest[key])) for key in sorted(newest)]
    if connection.dialect.name == "sqlite":
        run_many(connection, _PUT_ON_SQLITE, rows)
    elif rows:
        columns = map(list, zip(*rows, strict=True))
        parameters = dict(zip(("ids", "types", "municipalities", "said"), columns, strict=True))
        connection.execute(_PUT_ON_POSTGRESQL, parameters)


def _remove(connection: Connection, keys: Sequence[Identity]) -> None:
    if keys:
        connection.execute(
            text("DELETE FROM newest WHERE device_id = :id AND device_type = :type AND municipality = :of"),
            [{"id": device_id, "type": kind, "of": municipality} for device_id, kind, municipality in keys],
        )


def _list(dialect: str, values: Collection[str]) -> list[str] | str:
    return list(values) if dialect == "postgresql" else json.dumps(list(values))
