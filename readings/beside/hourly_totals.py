"""Hourly totals beside a store that adds up slowly: tables of the state database, and what of them is no longer right.

Per municipality, device type, hour and quantity: count, sum, minimum and maximum over all devices. From `from_hour` on
and before `rolled_hour` every hour that is not stale is right. Before `marking_hour` whoever writes marks what changes.
A stamp is drawn anew with each change, so that one who computed from an older state sees that it was one. Derived data,
as `newest_values`.
"""

import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    Integer,
    MetaData,
    Select,
    Table,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    text,
)

from core.reading import Aggregate, GroupBy
from readings.beside.hourly_run import Part, Run
from readings.calls import TotalRow, TotalsQuery
from readings.contract import HOUR_US
from sql.columns import Text
from sql.page import given
from sql.transaction import insert_into, put_rows, reading, writing

MARKS_PER_TRANSACTION: Final = 10_000
NEVER: Final = 2**40
"""An hour after all others, and negative one before them."""

Whose = tuple[str, str]
"""Municipality, device type."""

_metadata: Final = MetaData()
_hours: Final = Table(
    "hourly_totals",
    _metadata,
    Column("quantity", Text, primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False, comment="since 1970"),
    Column("device_type", Text, primary_key=True),
    Column("municipality", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("s", Double),
    Column("lo", Double),
    Column("hi", Double),
    sqlite_with_rowid=False,
)
_GROUP: Final = {GroupBy.MUNICIPALITY: _hours.c.municipality, GroupBy.DEVICE_TYPE: _hours.c.device_type}
"""Others are not kept."""
_stale: Final = Table(
    "hourly_totals_stale",
    _metadata,
    Column("device_type", Text, primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("municipality", Text, primary_key=True),
    Column("stamp", BigInteger, nullable=False),
)
_IN_ORDER: Final = (_stale.c.municipality, _stale.c.device_type, _stale.c.hour)
"""Everybody locks marks in this order."""
_reach: Final = Table(
    "hourly_totals_reach",
    _metadata,
    Column("one", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("from_hour", BigInteger, nullable=False),
    Column("marking_hour", BigInteger, nullable=False),
    Column("rolled_hour", BigInteger, nullable=False),
)


class HourlyTotals:
    """Safe for several threads and programs. Every method raises StorageUnavailableError and StorageError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":  # else two programs make the tables at once
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('hourly_totals'))"))
            _metadata.create_all(connection)
            connection.execute(
                insert_into(connection, _reach)
                .values(one=1, from_hour=-NEVER, marking_hour=-NEVER, rolled_hour=-NEVER)
                .on_conflict_do_nothing()
            )

    def begin(self, marking_hour: int) -> None:
        """Begin anew with nothing: from now on all that is written before this hour is marked; `reach` comes next."""
        with writing(self._engine) as connection:
            _hours.drop(connection)  # and not only its rows: an earlier version laid it out otherwise
            _hours.create(connection)
            connection.execute(_stale.delete())
            connection.execute(_reach.update().values(from_hour=-NEVER, marking_hour=marking_hour, rolled_hour=-NEVER))

    def reach(self, from_hour: int | None, rolled_hour: int) -> None:
        """From this hour on (None: from ever) and before the other all is right that is not marked."""
        from_hour = -NEVER if from_hour is None else from_hour
        with writing(self._engine) as connection:
            connection.execute(_reach.update().values(from_hour=from_hour, rolled_hour=rolled_hour))

    def marking_hour(self) -> int:
        """What was written into an hour before this one is late: whoever wrote it marks the hour."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(_reach.c.marking_hour)).scalar_one())

    def mark(self, hours: Collection[tuple[Whose, int]]) -> None:
        """These hours are no longer right."""
        in_order = sorted(hours)
        for first in range(0, len(in_order), MARKS_PER_TRANSACTION):
            with writing(self._engine) as connection:
                (from_hour,) = connection.execute(select(_reach.c.from_hour)).one()
                _mark(
                    connection,
                    [each for each in in_order[first : first + MARKS_PER_TRANSACTION] if each[1] >= from_hour],
                )

    def advance(self, hour: int, everybody: Callable[[], Collection[Whose]]) -> None:
        """Reach up to an hour: mark all there may be between, while what is written meanwhile marks itself.

        Args:
            hour: the first that is not over.
            everybody: municipalities and device types of which there may be readings.
        """
        with writing(self._engine) as connection:
            connection.execute(_reach.update().where(_reach.c.marking_hour < hour).values(marking_hour=hour))
            rolled, marking = connection.execute(select(_reach.c.rolled_hour, _reach.c.marking_hour)).one()
        if not -NEVER < rolled < marking:
            return
        self.mark({(whose, each) for whose in everybody() for each in range(rolled, marking)})
        with writing(self._engine) as connection:
            connection.execute(_reach.update().where(_reach.c.rolled_hour < marking).values(rolled_hour=marking))

    def next_run(self, most: int) -> Run | None:
        """Stale hours of one device type, oldest first, at most so many of municipalities; None: nothing is stale."""
        with reading(self._engine) as connection:
            kind = connection.execute(select(func.min(_stale.c.device_type))).scalar_one()
            if kind is None:
                return None
            marks = connection.execute(
                select(_stale.c.municipality, _stale.c.hour, _stale.c.stamp)
                .where(_stale.c.device_type == kind)
                .order_by(_stale.c.hour, _stale.c.municipality)
                .limit(most)
            ).all()
        return Run(kind, {(row[0], row[1]): row[2] for row in marks})

    def take(self, run: Run, made: Mapping[tuple[str, int, str], Part]) -> None:
        """Keep what was computed, by (municipality, hour, quantity), of those hours that did not change meanwhile."""
        hours = [hour for _, hour in run.stamps]
        first_hour, last_hour = min(hours), max(hours)
        inside = (_stale.c.device_type == run.device_type, _stale.c.hour.between(first_hour, last_hour))
        with writing(self._engine) as connection:
            now = connection.execute(
                select(_stale.c.municipality, _stale.c.hour, _stale.c.stamp)
                .where(*inside)
                .order_by(*_IN_ORDER)
                .with_for_update()
            ).all()
            right = {(row[0], row[1]) for row in now if run.stamps.get((row[0], row[1])) == row[2]}
            if not right:
                return
            there = connection.execute(
                select(_hours.c.quantity, _hours.c.hour, _hours.c.device_type, _hours.c.municipality).where(
                    _hours.c.device_type == run.device_type, _hours.c.hour.between(first_hour, last_hour)
                )
            ).all()
            gone = [row for row in there if (row[3], row[1]) in right and (row[3], row[1], row[0]) not in made]
            if gone:
                connection.execute(
                    text(
                        "DELETE FROM hourly_totals WHERE quantity = :quantity AND hour = :hour "
                        "AND device_type = :type AND municipality = :of"
                    ),
                    [dict(zip(("quantity", "hour", "type", "of"), row, strict=True)) for row in gone],
                )
            rows = [
                {"quantity": name, "hour": hour, "device_type": run.device_type, "municipality": municipality}
                | dict(zip(("n", "s", "lo", "hi"), part, strict=True))
                for (municipality, hour, name), part in sorted(made.items())
                if (municipality, hour) in right
            ]
            if rows:
                put_rows(connection, _hours, rows)
            done = [{"the_hour": hour, "the_municipality": municipality} for municipality, hour in sorted(right)]
            whose = (_stale.c.hour == bindparam("the_hour"), _stale.c.municipality == bindparam("the_municipality"))
            connection.execute(_stale.delete().where(_stale.c.device_type == run.device_type, *whose), done)

    def forget(self, before_us: int, quantity: str | None, municipality: str | None, spared: Collection[str]) -> None:
        """After values before an instant were deleted (None: of all quantities, of all municipalities)."""
        hour = before_us // HOUR_US
        of = []
        if municipality is not None:
            of.append(_hours.c.municipality == municipality)
        if spared:
            of.append(_hours.c.municipality.not_in(sorted(spared)))
        named = [] if quantity is None else [_hours.c.quantity == quantity]
        with writing(self._engine) as connection:
            connection.execute(_hours.delete().where(_hours.c.hour < hour, *of, *named))
            # What is being computed from values that are deleted now must not be taken.
            connection.execute(
                select(_stale.c.hour).where(_stale.c.hour <= hour).order_by(*_IN_ORDER).with_for_update()
            )
            connection.execute(_stale.update().where(_stale.c.hour <= hour).values(stamp=_stamp()))
            if before_us % HOUR_US:
                cut = select(_hours.c.municipality, _hours.c.device_type).where(_hours.c.hour == hour, *of).distinct()
                _mark(connection, sorted(((row[0], row[1]), hour) for row in connection.execute(cut)))

    def totals(self, query: TotalsQuery, name: str) -> tuple[list[TotalRow], tuple[int, int]] | None:
        """Rows of whole hours, and the span that they cover (microseconds); None: the readings have to be asked."""
        if query.group_by not in _GROUP or query.every_us % HOUR_US:
            return None
        with reading(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            from_hour, rolled = connection.execute(select(_reach.c.from_hour, _reach.c.rolled_hour)).one()
            first = max(-(-query.from_us // HOUR_US), from_hour)
            end = min(query.end_us // HOUR_US, rolled)
            if first >= end:
                return None
            stale = connection.execute(
                select(func.min(_stale.c.hour)).where(_stale.c.hour >= first, _stale.c.hour < end)
            ).scalar_one()
            end = end if stale is None else stale
            if first >= end:
                return None
            found = connection.execute(_totals(query, name, first, end)).all()
        return [(hour * HOUR_US, of, math.nan if value is None else value, n) for hour, of, value, n in found], (
            first * HOUR_US,
            end * HOUR_US,
        )


def _totals(query: TotalsQuery, name: str, first_hour: int, end_hour: int) -> Select[Any]:
    """Rows of (hour that an interval starts with, group, value, count)."""
    hours: ColumnElement[int] = literal_column(str(query.every_us // HOUR_US))  # no parameter: what is grouped by
    start = _hours.c.hour - (_hours.c.hour % hours + hours) % hours  # a remainder is negative before 1970
    group = _GROUP[query.group_by]
    n = cast(func.sum(_hours.c.n), BigInteger)
    total = case((func.count(_hours.c.s) == func.count(), func.sum(_hours.c.s)))  # else one was no finite number
    value = {
        Aggregate.MEAN: total / n,
        Aggregate.MIN: func.min(_hours.c.lo),
        Aggregate.MAX: func.max(_hours.c.hi),
        Aggregate.SUM: total,
        Aggregate.COUNT: n,
    }[query.aggregate]
    rows = select(start, group, value, n).where(
        _hours.c.quantity == name, _hours.c.hour >= first_hour, _hours.c.hour < end_hour
    )
    rows = given(rows, _hours, municipality=query.municipality, device_type=query.device_type)
    return rows.group_by(start, group)


def _mark(connection: Connection, hours: Iterable[tuple[Whose, int]]) -> None:
    rows = [
        {"device_type": kind, "hour": hour, "municipality": municipality, "stamp": _stamp()}
        for (municipality, kind), hour in hours
    ]
    if rows:
        put_rows(connection, _stale, rows)


def _stamp() -> int:
    return random.getrandbits(62)
