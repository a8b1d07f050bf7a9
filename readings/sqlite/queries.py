"""SQL texts of the SQLite backend's reads; every outside value is a parameter, every name is of our own catalogue."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from core.reading import Aggregate, GroupBy
from readings.calls import SeriesQuery, TotalsQuery
from readings.sqlite.statements import TypeTables

Parameters = dict[str, object]

_START_OF_INTERVAL: Final = "t - ((t % :every) + :every) % :every"
"""Multiples of `every` since 1970 for instants before it too (SQLite's remainder has the sign of the dividend)."""

_AGGREGATE: Final[Mapping[Aggregate, str]] = {
    Aggregate.MEAN: "avg(v)",
    Aggregate.MIN: "min(v)",
    Aggregate.MAX: "max(v)",
    Aggregate.SUM: "total(v)",  # as a double: sum() of large counters would overflow
    Aggregate.COUNT: "count(v)",
}


def select_latest(table: TypeTables, device_ids: str | None, municipality: str | None) -> tuple[str, Parameters]:
    """Rows of device id, type, municipality, then value and instant per quantity. `device_ids` is a JSON array."""
    columns = ", ".join(f'"{name}", "{name}@"' for name in table.quantities)
    where = ["device_type = :device_type"]
    if municipality is not None:
        where.append("municipality = :municipality")
    if device_ids is not None:
        where.append("device_id IN (SELECT value FROM json_each(:device_ids))")
    sql = (
        f"SELECT device_id, device_type, municipality, {columns} "  # noqa: S608 - names of our own catalogue
        f"FROM devices CROSS JOIN {table.latest} ON device = key "
        f"WHERE {' AND '.join(where)}"
    )
    return sql, {"device_type": table.device_type, "municipality": municipality, "device_ids": device_ids}


def select_rows(
    table: TypeTables, keys: Sequence[int], query: SeriesQuery, names: Sequence[str]
) -> tuple[str, Parameters]:
    """Rows of observed_us, then a value or NULL per quantity; of the keys in their order at the same instant."""
    columns = ", ".join(f'"{name}"' for name in names)
    some = " OR ".join(f'"{name}" IS NOT NULL' for name in names)
    order = " ".join(f"WHEN {key} THEN {rank}" for rank, key in enumerate(keys))
    limit = "" if query.limit is None else f"LIMIT {(query.limit + 1) * len(keys)}"
    sql = (
        f"SELECT observed_us, {columns} FROM {table.readings} WHERE {_of(keys)} "  # noqa: S608 - keys are our integers
        f"AND observed_us >= :from AND observed_us < :end AND ({some}) "
        f"ORDER BY observed_us, CASE device {order} END {limit}"
    )
    return sql, {"from": query.from_us, "end": query.end_us}


def select_aggregated(
    query: SeriesQuery, name: str, sources: Sequence[tuple[TypeTables, Sequence[int]]]
) -> tuple[str, Parameters]:
    """Rows of interval start and aggregate of one quantity, from these keys of these tables."""
    column = f'"{name}"'
    span = "observed_us >= :from AND observed_us < :end"
    inside = _observations(column, sources, span)
    if query.aggregate is Aggregate.TIME_WEIGHTED_MEAN:
        sql = _time_weighted(inside, _observations(column, sources, "observed_us < :from"))
    elif query.aggregate is Aggregate.LAST:
        # The bare column comes from the row of max(t): https://www.sqlite.org/lang_select.html#bareagg
        sql = f"SELECT {_START_OF_INTERVAL} AS i, v, max(t) FROM ({inside}) GROUP BY i"  # noqa: S608
    else:
        sql = f"SELECT {_START_OF_INTERVAL} AS i, {_AGGREGATE[query.aggregate]} FROM ({inside}) GROUP BY i"  # noqa: S608
    limit = "" if query.limit is None else f" LIMIT {query.limit + 1}"
    return f"{sql} ORDER BY i{limit}", {"from": query.from_us, "end": query.end_us, "every": query.every_us}


def select_totals(query: TotalsQuery, name: str, tables: Sequence[TypeTables]) -> tuple[str, Parameters]:
    """Rows of interval start, group, aggregate and count over these tables."""
    group = {
        GroupBy.MUNICIPALITY: "municipality",
        GroupBy.DEVICE_TYPE: "device_type",
        GroupBy.STREET: "street",
        GroupBy.DEVICE: "device_id",
    }[query.group_by]
    streets = (
        "(SELECT d.*, s.value AS street FROM devices AS d JOIN json_each(:streets) AS s ON s.key = d.device_id)"
        if query.group_by is GroupBy.STREET
        else "devices"
    )
    narrowed = "" if query.municipality is None else "AND municipality = :municipality "
    union = " UNION ALL ".join(
        f'SELECT {group} AS g, observed_us AS t, "{name}" AS v '  # noqa: S608 - names of our own catalogue
        f"FROM {streets} AS d CROSS JOIN {table.readings} AS r ON r.device = d.key "
        f"WHERE device_type = '{table.device_type}' {narrowed}"
        f'AND observed_us >= :from AND observed_us < :end AND "{name}" IS NOT NULL'
        for table in tables
    )
    sql = (
        f"SELECT {_START_OF_INTERVAL} AS i, g, {_AGGREGATE[query.aggregate]}, count(v) "  # noqa: S608
        f"FROM ({union}) GROUP BY i, g"
    )
    return sql, _totals_parameters(query)


_ROLLED: Final[Mapping[Aggregate, str]] = {
    Aggregate.MEAN: "total(s) / sum(n)",
    Aggregate.MIN: "min(lo)",
    Aggregate.MAX: "max(hi)",
    Aggregate.SUM: "total(s)",
    Aggregate.COUNT: "sum(n)",
}


def select_totals_of_hours(query: TotalsQuery, name: str, tables: Sequence[TypeTables]) -> tuple[str, Parameters]:
    """As `select_totals`, of whole hours from the rollups of municipalities and device types."""
    types = ", ".join(f"'{table.device_type}'" for table in tables)
    narrowed = "" if query.municipality is None else "AND municipality = :municipality "
    sql = (
        f"SELECT {_START_OF_INTERVAL} AS i, g, {_ROLLED[query.aggregate]}, sum(n) "  # noqa: S608 - our own names
        f"FROM (SELECT hour * 3600000000 AS t, {query.group_by} AS g, n, s, lo, hi "
        f'FROM "hourly_{name}" WHERE hour >= :from / 3600000000 AND hour < :end / 3600000000 '
        f"AND device_type IN ({types}) {narrowed}) GROUP BY i, g"
    )
    return sql, _totals_parameters(query)


def select_totals_of_days(query: TotalsQuery, name: str, tables: Sequence[TypeTables]) -> tuple[str, Parameters]:
    """As `select_totals` by street or device, of whole days from the rollups of devices."""
    by_street = query.group_by is GroupBy.STREET
    group = "street.value" if by_street else "d.device_id"
    streets = "JOIN json_each(:streets) AS street ON street.key = d.device_id" if by_street else ""
    types = ", ".join(f"'{table.device_type}'" for table in tables)
    narrowed = "" if query.municipality is None else "AND municipality = :municipality "
    sql = (
        f"SELECT {_START_OF_INTERVAL} AS i, g, {_ROLLED[query.aggregate]}, sum(n) "  # noqa: S608 - our own names
        f"FROM (SELECT day * 86400000000 AS t, {group} AS g, n, s, lo, hi FROM devices AS d {streets} "
        f'CROSS JOIN "daily_{name}" AS r ON r.device = d.key '
        "WHERE day >= :from / 86400000000 AND day < :end / 86400000000 "
        f"AND device_type IN ({types}) {narrowed}) GROUP BY i, g"
    )
    return sql, _totals_parameters(query)


def _totals_parameters(query: TotalsQuery) -> Parameters:
    return {
        "from": query.from_us,
        "end": query.end_us,
        "every": query.every_us,
        "municipality": query.municipality,
        "streets": json.dumps(dict(query.streets)),
    }


def _of(keys: Sequence[int]) -> str:
    return f"device IN ({', '.join(map(str, keys))})"


def _observations(column: str, sources: Sequence[tuple[TypeTables, Sequence[int]]], span: str) -> str:
    return " UNION ALL ".join(
        f"SELECT observed_us AS t, {column} AS v FROM {table.readings} "  # noqa: S608 - our integers and names
        f"WHERE {_of(keys)} AND {span} AND {column} IS NOT NULL"
        for table, keys in sources
    )


def _time_weighted(inside: str, earlier: str) -> str:
    """Each value weighs as long as it holds; `prev_v` held from the interval's start until its first."""
    return f"""
        WITH observations AS (
            SELECT t, v FROM ({inside})
            UNION ALL SELECT t, v FROM (SELECT t, v FROM ({earlier}) ORDER BY t DESC LIMIT 1)
        ), neighbours AS (
            SELECT t, v, lag(t) OVER w AS prev_t, lag(v) OVER w AS prev_v, lead(t, 1, :end) OVER w AS next_t,
                {_START_OF_INTERVAL} AS i
            FROM observations WINDOW w AS (ORDER BY t)
        ), held AS (
            SELECT i, v, min(next_t, i + :every) - t AS us, prev_v,
                CASE WHEN prev_t < max(i, :from) THEN t - max(i, :from) ELSE 0 END AS carried_us
            FROM neighbours WHERE t >= :from
        )
        SELECT i, (total(1.0 * v * us) + total(1.0 * prev_v * carried_us)) / total(us + carried_us)
        FROM held GROUP BY i"""  # noqa: S608 - `inside` and `earlier` are of our own names and integers
