"""Flux queries of the dashboards, put together from the few steps that they share.

Grafana replaces `v.defaultBucket`, `v.timeRangeStart`, `v.timeRangeStop`, `v.windowPeriod` and the dashboard's
variables; `:regex` escapes their values, so that no value can become part of the query.
"""

from typing import Final

from core.settings import Settings
from rules.catalogue import rule_named

TIMEZONE: Final = str(Settings.model_fields["timezone"].default)
"""Where a day begins."""

STREETLIGHT: Final = "streetlight"
WASTE_BIN: Final = "waste_bin"
SILENT_AFTER_S: Final = {
    rule.device_type: int(rule.parameters["silent_s"]) for rule in rule_named("communication_failure")
}

MUNICIPALITY: Final = "|> filter(fn: (r) => r.municipality =~ /^${municipality:regex}$/)"
DEVICE: Final = "|> filter(fn: (r) => r.device_id =~ /^${device:regex}$/)"
IN_RANGE: Final = "|> range(start: v.timeRangeStart, stop: v.timeRangeStop)"

FLAG_LIT: Final = "if r._value > 0.0 then 1 else 0"
FLAG_FAULT: Final = 'if r._value != "" then 1 else 0'
FLAG_DUE: Final = "if r.filling_level >= r.threshold then 1 else 0"


def query(*steps: str) -> str:
    """Steps below each other, one query."""
    return "\n  ".join(steps)


def readings(device_type: str, *quantities: str, by_device: bool = False, time_range: str = IN_RANGE) -> str:
    """What devices of a type said about some quantities, one table per device and quantity."""
    fields = " or ".join(f'r._field == "{quantity}"' for quantity in quantities)
    return query(
        "from(bucket: v.defaultBucket)",
        time_range,
        f'|> filter(fn: (r) => r._measurement == "{device_type}" and ({fields}))',
        *([MUNICIPALITY, DEVICE] if by_device else [MUNICIPALITY]),
    )


def latest(device_type: str, *quantities: str, by_device: bool = False) -> str:
    """The newest value of each device and quantity, all in one table."""
    return query(readings(device_type, *quantities, by_device=by_device), "|> last()", "|> group()")


def count_where(rows: str, flag: str) -> str:
    """How many rows have a flag; 0 when none has."""
    # `r with`: a map that makes one column only gives no rows (InfluxDB 2.8.0).
    return query(rows, f"|> map(fn: (r) => ({{r with _value: {flag}}}))", "|> sum()")


def count_where_by_municipality(rows: str, flag: str, column: str) -> str:
    """The same for each municipality, in a column of the given name."""
    return query(
        rows,
        f"|> map(fn: (r) => ({{municipality: r.municipality, {column}: {flag}}}))",
        '|> group(columns: ["municipality"])',
        f'|> sum(column: "{column}")',
        "|> group()",
    )


def mean_by_municipality(rows: str, column: str) -> str:
    """The mean of all rows of a municipality, in a column of the given name."""
    return query(
        rows,
        '|> group(columns: ["municipality"])',
        "|> mean()",
        "|> group()",
        f'|> rename(columns: {{_value: "{column}"}})',
    )


def last_heard(time_range: str = IN_RANGE, extra: str = MUNICIPALITY) -> str:
    """Each device once, with the time of its newest reading of any quantity."""
    return query(
        "from(bucket: v.defaultBucket)",
        time_range,
        f'|> filter(fn: (r) => r._measurement == "{STREETLIGHT}" or r._measurement == "{WASTE_BIN}")',
        *([extra] if extra else []),
        "|> last()",
        '|> keep(columns: ["_time", "_measurement", "device_id", "municipality"])',
        '|> group(columns: ["device_id"])',
        '|> sort(columns: ["_time"])',
        '|> last(column: "_time")',
        "|> group()",
    )


def places(device_type: str, *, by_device: bool = False) -> str:
    """The registry as ingest wrote it last: device_id, municipality, street, latitude, longitude, threshold."""
    return query(
        "from(bucket: v.defaultBucket)",
        "|> range(start: -1d)",
        f'|> filter(fn: (r) => r._measurement == "device" and r.device_type == "{device_type}")',
        '|> filter(fn: (r) => r._field == "latitude" or r._field == "longitude" or r._field == "threshold")',
        *([MUNICIPALITY, DEVICE] if by_device else [MUNICIPALITY]),
        "|> last()",
        '|> group(columns: ["device_id", "_field"])',
        '|> sort(columns: ["_time"])',
        "|> last()",
        "|> group()",
        '|> map(fn: (r) => ({r with street: if exists r.street then r.street else ""}))',
        '|> pivot(rowKey: ["device_id", "municipality", "street"], columnKey: ["_field"], valueColumn: "_value")',
    )


def with_places(device_type: str, quantity: str, *then: str, by_device: bool = False) -> str:
    """The newest value of a quantity (a column of its name) of every registered device, beside its place."""
    return query(
        'import "join"\n',
        f"levels = {latest(device_type, quantity, by_device=by_device)}",
        f"\nplaces = {places(device_type, by_device=by_device)}",
        "\njoin.inner(left: levels, right: places, on: (l, r) => l.device_id == r.device_id,",
        f"as: (l, r) => ({{r with {quantity}: l._value, observed_at: l._time}}))",
        *then,
    )


def counter_per_hour(device_type: str, quantity: str, *, by_device: bool = False) -> str:
    """How much a counter grew in each hour, summed per municipality; a reset counts as no growth."""
    return query(
        readings(device_type, quantity, by_device=by_device),
        '|> aggregateWindow(every: 1h, fn: last, createEmpty: false, timeSrc: "_start")',
        "|> difference(nonNegative: true)",
        '|> group(columns: ["municipality"])',
        '|> aggregateWindow(every: 1h, fn: sum, createEmpty: false, timeSrc: "_start")',
    )


def energy_today(*then: str, by_device: bool = False) -> str:
    """Energy in kWh since local midnight, one row per lamp; counted from the last reading of the hour before."""
    return query(
        f'import "date"\nimport "timezone"\n\noption location = timezone.location(name: "{TIMEZONE}")\n',
        readings(
            STREETLIGHT,
            "active_energy_kwh",
            by_device=by_device,
            time_range="|> range(start: date.sub(d: 1h, from: date.truncate(t: now(), unit: 1d)))",
        ),
        "|> aggregateWindow(every: 1h, fn: last, createEmpty: false)",
        "|> difference(nonNegative: true)",
        *then,
    )


def energy(*fields: str) -> str:
    """Figures of the chosen municipalities per local day, as `actions.lights.energy_report` wrote them."""
    some = " or ".join(f'r._field == "{name}"' for name in fields)
    return query(
        "from(bucket: v.defaultBucket)",
        IN_RANGE,
        f'|> filter(fn: (r) => r._measurement == "energy" and ({some}))',
        MUNICIPALITY,
    )


def energy_total(field: str) -> str:
    """The sum of a figure over all days and municipalities."""
    return query(energy(field), "|> group()", "|> sum()")


def energy_per_day(field: str) -> str:
    """A figure of each day per municipality."""
    return query(energy(field), '|> keep(columns: ["_time", "_value", "municipality"])')


def saving_share() -> str:
    """What was saved by what always 100 % would have taken."""
    return query(
        energy("saving_kwh", "reference_kwh"),
        "|> group()",
        "|> reduce(identity: {saving: 0.0, reference: 0.0}, fn: (r, accumulator) => ({",
        '  saving: accumulator.saving + (if r._field == "saving_kwh" then r._value else 0.0),',
        '  reference: accumulator.reference + (if r._field == "reference_kwh" then r._value else 0.0)}))',
        "|> filter(fn: (r) => r.reference > 0.0)",
        "|> map(fn: (r) => ({r with _value: r.saving / r.reference}))",
        '|> keep(columns: ["_value"])',
    )


def sum_of_latest_over_time(device_type: str, quantity: str, *, by_device: bool = False) -> str:
    """Per municipality the sum over its devices, each with its newest value until it says another.

    Lamps that change nothing report once an hour only: windows are at least 15 minutes, and begin before the range.
    """
    return query(
        'import "date"\n\nevery = if int(v: v.windowPeriod) > int(v: 15m) then v.windowPeriod else 15m\n',
        readings(
            device_type,
            quantity,
            by_device=by_device,
            time_range="|> range(start: date.sub(d: 2h, from: v.timeRangeStart), stop: v.timeRangeStop)",
        ),
        '|> aggregateWindow(every: every, fn: mean, timeSrc: "_start")',
        "|> fill(usePrevious: true)",
        "|> filter(fn: (r) => r._time >= v.timeRangeStart and exists r._value)",
        '|> group(columns: ["municipality"])',
        '|> aggregateWindow(every: every, fn: sum, createEmpty: false, timeSrc: "_start")',
    )


def mean_over_time(device_type: str, quantity: str, *, by_device: bool = False) -> str:
    """Per municipality the mean of its devices' means in each window."""
    return query(
        readings(device_type, quantity, by_device=by_device),
        '|> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false, timeSrc: "_start")',
        '|> group(columns: ["municipality"])',
        '|> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false, timeSrc: "_start")',
    )


def tag_values(tag: str, *conditions: str) -> str:
    """For a variable: the values of a tag among the devices that meet all conditions and spoke in the last 30 days."""
    return (
        'import "influxdata/influxdb/schema"\n\n'
        f'schema.tagValues(bucket: v.defaultBucket, tag: "{tag}", start: -30d, '
        f"predicate: (r) => {' and '.join(conditions)})"
    )
