"""Dashboard *Operations*: is the platform itself well."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.stat import Panel as Stat

from grafana import flux, panels
from grafana.flux import SILENT_AFTER_S, STREETLIGHT, WASTE_BIN

LAG: Final = ((None, "green"), (1.0, "yellow"), (10.0, "red"))


def build() -> Dashboard:
    """For whoever keeps the platform running: flow, losses, lag, and devices that fell silent."""
    return panels.board(
        "kreispuls-operations",
        "Operations",
        "Betrieb der Plattform: Nachrichten, Abgewiesenes, Verzug, stumme Geräte",
        [
            panels.number(
                "Messages per second",
                "Nachrichten je Sekunde, Mittel der letzten fünf Minuten",
                flux.query(_counter("received", "|> range(start: -5m)"), "|> mean()", "|> group()", "|> sum()"),
                unit="mps",
                decimals=1,
            ),
            panels.number(
                "Rejected",
                "Abgewiesene Nachrichten im gewählten Zeitraum",
                flux.query(_ingest("rejected"), "|> difference(nonNegative: true)", "|> group()", "|> sum()"),
                steps=panels.NONE_IS_GOOD,
            ),
            panels.number(
                "Lag",
                "Zeit vom Empfang bis sicher gespeichert, langsamste Messung zuletzt",
                flux.query(_ingest("lag_s"), "|> last()", "|> group()", "|> max()", '|> keep(columns: ["_value"])'),
                unit="s",
                decimals=None,
                steps=LAG,
            ),
            panels.number(
                "Connected devices",
                "Verbundene Geräte",
                flux.query(_ingest("connected_devices"), "|> last()", "|> group()", "|> sum()"),
            ),
            _silent("Silent lamps", "Leuchten, die länger als drei Stunden schweigen", STREETLIGHT),
            _silent("Silent bins", "Behälter, die länger als sechs Stunden schweigen", WASTE_BIN),
            panels.lines(
                "Messages per second",
                "Nachrichten je Sekunde: empfangen und gespeichert",
                {"received": _rate("received"), "stored": _rate("stored")},
                unit="mps",
                series="${__field.name} ${__field.labels.session}",
            ),
            panels.lines(
                "Rejected per second",
                "Abgewiesene Nachrichten je Sekunde",
                _rate("rejected"),
                unit="mps",
                series="${__field.labels.session}",
            ),
            panels.lines(
                "Lag",
                "Zeit vom Empfang bis sicher gespeichert, langsamste je Abschnitt",
                _over_time("lag_s", "max"),
                unit="s",
                series="${__field.labels.session}",
            ),
            panels.lines(
                "Readings in the largest batch",
                "Messungen im größten Stapel",
                _over_time("batch_readings", "max"),
                series="${__field.labels.session}",
            ),
            panels.lines(
                "Readings stored",
                "Gespeicherte Messungen je Viertelstunde und Geräteart, aus den Messungen selbst gezählt",
                {"lamps": _stored(STREETLIGHT, "dim_level"), "bins": _stored(WASTE_BIN, "filling_level")},
                series="${__field.labels.device_type}",
                bars=True,
                stacked=True,
            ),
            panels.rows(
                "Device silence",
                "Zeit seit der letzten Messung jedes Geräts, längste zuerst; sieben Tage stehen für alles darüber",
                flux.query(_silence(), '|> sort(columns: ["silence_s"], desc: true)', "|> limit(n: 200)"),
                columns={
                    "device_id": ("Device", ""),
                    "device_type": ("Type", ""),
                    "municipality": ("Municipality", ""),
                    "silence_s": ("Silent for", "s"),
                },
                coloured={"silence_s": ((None, "green"), (10_800, "yellow"), (21_600, "red"))},
            ),
        ],
        start="now-6h",
    )


def _ingest(field: str, time_range: str = flux.IN_RANGE) -> str:
    return flux.query(
        "from(bucket: v.defaultBucket)",
        time_range,
        f'|> filter(fn: (r) => r._measurement == "ingest" and r._field == "{field}")',
    )


def _counter(field: str, time_range: str = flux.IN_RANGE) -> str:
    return flux.query(_ingest(field, time_range), "|> derivative(unit: 1s, nonNegative: true)")


def _rate(field: str) -> str:
    return flux.query(_counter(field), "|> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)")


def _over_time(field: str, function: str) -> str:
    return flux.query(_ingest(field), f"|> aggregateWindow(every: v.windowPeriod, fn: {function}, createEmpty: false)")


def _stored(device_type: str, quantity: str) -> str:
    return flux.query(
        "from(bucket: v.defaultBucket)",
        flux.IN_RANGE,
        f'|> filter(fn: (r) => r._measurement == "{device_type}" and r._field == "{quantity}")',
        '|> rename(columns: {_measurement: "device_type"})',
        '|> group(columns: ["device_type"])',
        "|> aggregateWindow(every: 15m, fn: count, createEmpty: false)",
    )


def _silence() -> str:
    """Seconds since the last reading of each device, 7 days for one that is registered and has said nothing since."""
    return flux.query(
        'import "date"\n',
        f"heard = {flux.last_heard('|> range(start: -7d)', extra='')}",
        '|> rename(columns: {_measurement: "device_type"})',
        "\nregistered = from(bucket: v.defaultBucket)",
        "|> range(start: -1d)",
        '|> filter(fn: (r) => r._measurement == "device" and r._field == "threshold")',
        "|> last()",
        "|> group()",
        '|> keep(columns: ["_time", "device_type", "device_id", "municipality"])',
        "|> map(fn: (r) => ({r with _time: date.sub(d: 7d, from: now())}))",
        "\nunion(tables: [heard, registered])",
        '|> group(columns: ["device_id"])',
        '|> sort(columns: ["_time"])',
        '|> last(column: "_time")',
        "|> group()",
        "|> map(fn: (r) => ({r with silence_s: float(v: int(v: now()) - int(v: r._time)) / 1000000000.0}))",
    )


def _silent(title: str, german: str, device_type: str) -> Stat:
    of_type = f'|> filter(fn: (r) => r.device_type == "{device_type}")'
    flag = f"if r.silence_s > {SILENT_AFTER_S[device_type]}.0 then 1 else 0"
    return panels.number(
        title, german, flux.count_where(flux.query(_silence(), of_type), flag), steps=panels.NONE_IS_GOOD
    )
