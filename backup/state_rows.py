"""The state database as neutral rows: JSON lines that SQLite and PostgreSQL give and take alike."""

import base64
import json
import math
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from typing import IO, Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine

from backup.archive import ArchiveReader, ArchiveWriter, Kind, Report, StatePart, StateTable
from core.clock import format_rfc3339, parse_rfc3339
from core.errors import ConflictError, InvalidInputError
from sql.columns import Instant, Json, Text
from sql.transaction import place, translated_errors
from state.tables import metadata
from state.upgrade import ONE_UPGRADE, migrations_config

MAX_LINE_BYTES: Final = 64 << 20
ROWS_AT_ONCE: Final = 1000
_VERSIONS: Final = "alembic_version"

# The first that fits counts.
_KIND_OF_TYPE: Final[list[tuple[type[Any], Kind]]] = [
    (Instant, Kind.INSTANT),
    (Json, Kind.JSON),
    (Text, Kind.TEXT),
    (sa.LargeBinary, Kind.BYTES),
    (sa.Boolean, Kind.BOOLEAN),
    (sa.Date, Kind.DATE),
    (sa.Float, Kind.FLOAT),
    (sa.Integer, Kind.INTEGER),
    (sa.String, Kind.TEXT),
]
_TYPE_OF_KIND: Final[dict[Kind, Any]] = {
    Kind.TEXT: Text,
    Kind.INTEGER: sa.BigInteger,
    Kind.FLOAT: sa.Double,
    Kind.BOOLEAN: sa.Boolean,
    Kind.INSTANT: Instant,
    Kind.DATE: sa.Date,
    Kind.JSON: Json,
    Kind.BYTES: sa.LargeBinary,
}
_PYTHON_TYPE: Final[dict[Kind, type[Any]]] = {Kind.TEXT: str, Kind.INTEGER: int, Kind.BOOLEAN: bool}


def kind_of(column: sa.Column[Any]) -> Kind:
    """How a column is written.

    Raises:
        TypeError: its type is not known here.
    """
    for column_type, kind in _KIND_OF_TYPE:
        if isinstance(column.type, column_type):
            return kind
    raise TypeError(f"{column}: a backup does not know columns of type {column.type!r}")


def export_state(engine: Engine, archive: ArchiveWriter, report: Report) -> StatePart:
    """Write all rows as of one instant; programs may go on writing meanwhile.

    Raises:
        ConflictError: the tables are of another version than this program.
        StorageUnavailableError: the database cannot be reached now.
    """
    with translated_errors(engine.url), engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # SQLite shows one state per transaction anyway
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            return _export(connection, archive, report)


def _export(connection: Connection, archive: ArchiveWriter, report: Report) -> StatePart:
    revision, head = _revision(connection), _scripts(connection).get_current_head()
    if revision is None or revision != head:
        raise ConflictError(
            f"state database {place(connection.engine.url)}: its tables are of revision {revision or 'none'}, this "
            f"version of Kreispuls has {head}: make the backup with the version that runs"
        )
    counts = {
        table: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }
    total, done, tables = sum(counts.values()), 0, []
    for table, rows in counts.items():
        kinds = {column.name: kind_of(column) for column in table.columns}
        id_column = table.autoincrement_column
        last_id = _last_id(connection, table, id_column) if id_column is not None else 0
        described = StateTable(
            name=table.name, columns=kinds, rows=rows, id_column=id_column.name if id_column is not None else None,
            last_id=last_id,
        )  # fmt: skip
        order = sa.select(table).order_by(*table.primary_key.columns)
        with archive.member(described.member) as member:
            found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(order)
            for batch in found.partitions():
                member.write(b"".join(_line(kinds, row) for row in batch))
                done += len(batch)
                report("state", done, total)
        tables.append(described)
    return StatePart(backend=_backend(connection), revision=revision, tables=tables)


def is_empty(connection: Connection) -> bool:
    """Whether there are no rows of ours (but the counter that the first migration puts there)."""
    there = set(sa.inspect(connection).get_table_names())
    return not any(
        connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        for table in metadata.sorted_tables
        if table.name in there and table.name != "revision"
    )


def clear(connection: Connection) -> None:
    """Take all tables away, in the caller's transaction.

    Raises:
        ConflictError: they were made by a newer version.
    """
    if _revision(connection) is None:
        return
    try:
        with ONE_UPGRADE:
            command.downgrade(migrations_config(connection), "base")
    except CommandError as error:
        raise ConflictError(f"state database {place(connection.engine.url)}: of another version, {error}") from error


def import_state(connection: Connection, archive: ArchiveReader, report: Report) -> None:
    """Make the tables as they were, fill them, and bring them up to date; in the caller's transaction.

    Raises:
        InvalidInputError: a row is not of the form that the manifest says, or the schema is not known here.
    """
    part = archive.manifest.state
    _upgrade(connection, part.revision, archive.manifest.version)
    _check_schema(connection, part)
    for described in reversed(part.tables):
        connection.execute(sa.delete(sa.table(described.name)))
    total, done = sum(described.rows for described in part.tables), 0
    for described in part.tables:
        target = sa.table(
            described.name, *(sa.column(name, _TYPE_OF_KIND[kind]) for name, kind in described.columns.items())
        )
        found = 0
        with archive.reading(described.member) as stream:
            rows = _rows(stream, described)
            while batch := list(islice(rows, ROWS_AT_ONCE)):
                connection.execute(sa.insert(target), batch)
                found += len(batch)
                report("state", done + found, total)
        if found != described.rows:
            raise InvalidInputError(f"{described.member}: {found} rows instead of {described.rows}")
        done += found
        if described.id_column is not None and described.last_id:
            _set_last_id(connection, described.name, described.id_column, described.last_id)
    _upgrade(connection, "head", archive.manifest.version)


def _line(kinds: dict[str, Kind], row: sa.Row[Any]) -> bytes:
    values = [None if value is None else _encode(kind, value) for kind, value in zip(kinds.values(), row, strict=True)]
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _encode(kind: Kind, value: Any) -> Any:
    match kind:
        case Kind.INSTANT:
            return format_rfc3339(value)
        case Kind.DATE:
            return value.isoformat()
        case Kind.BYTES:
            return base64.b64encode(value).decode()
        case Kind.FLOAT:
            return float(value) if math.isfinite(value) else str(float(value))
        case _:
            return value


_DECODE: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.INSTANT: parse_rfc3339,
    Kind.DATE: date.fromisoformat,
    Kind.BYTES: lambda text: base64.b64decode(text, validate=True),
    Kind.FLOAT: float,
    Kind.JSON: lambda value: value,
}


def _decode(kind: Kind, value: Any) -> Any:
    decode = _DECODE.get(kind)
    if decode is not None:
        return decode(value)
    if type(value) is not _PYTHON_TYPE[kind]:
        raise TypeError(f"{type(value).__name__} instead of {kind}")
    return value


def _rows(stream: IO[bytes], described: StateTable) -> Iterator[dict[str, Any]]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        try:
            yield {
                name: None if value is None else _decode(kind, value)
                for (name, kind), value in zip(described.columns.items(), json.loads(line), strict=True)
            }
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInputError(f"{described.member}, line {number}: {error}") from error


def _check_schema(connection: Connection, part: StatePart) -> None:
    inspector = sa.inspect(connection)
    made = {
        name: {column["name"] for column in inspector.get_columns(name)}
        for name in inspector.get_table_names()
        if name != _VERSIONS
    }
    told = {described.name: set(described.columns) for described in part.tables}
    wrong = sorted(name for name in made.keys() | told.keys() if made.get(name) != told.get(name))
    if wrong:
        raise InvalidInputError(
            f"the archive's table {wrong[0]} is not as revision {part.revision} of the schema has it"
        )


def _last_id(connection: Connection, table: sa.Table, column: sa.Column[int]) -> int:
    """The highest number ever given, so that the number of a row that was deleted never comes back."""
    highest = connection.execute(sa.select(sa.func.max(column))).scalar() or 0
    if connection.dialect.name == "postgresql":
        given = connection.execute(
            sa.text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, :column)::regclass)"),
            {"table": table.name, "column": column.name},
        ).scalar()
    elif _counts_for_ever(connection, table.name):
        given = connection.execute(
            sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table"), {"table": table.name}
        ).scalar()
    else:
        given = 0
    return max(highest, given or 0)


def _set_last_id(connection: Connection, table: str, column: str, last_id: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("SELECT setval(pg_get_serial_sequence(:table, :column)::regclass, :last_id)"),
            {"table": table, "column": column, "last_id": last_id},
        )
    elif _counts_for_ever(connection, table):
        parameters = {"table": table, "last_id": last_id}
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :table"), parameters)
        connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last_id)"), parameters)


def _counts_for_ever(connection: Connection, table: str) -> bool:
    sql = connection.execute(
        sa.text("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = :table"), {"table": table}
    ).scalar()
    return "AUTOINCREMENT" in (sql or "")


def _upgrade(connection: Connection, revision: str, version: str) -> None:
    try:
        with ONE_UPGRADE:
            command.upgrade(migrations_config(connection), revision)
    except CommandError as error:
        raise InvalidInputError(
            f"the archive was made by Kreispuls {version} with revision {revision} of the schema, "
            "which this version does not know"
        ) from error


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _scripts(connection: Connection) -> ScriptDirectory:
    return ScriptDirectory.from_config(migrations_config(connection))


def _backend(connection: Connection) -> Any:
    return connection.dialect.name
