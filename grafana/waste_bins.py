"""Dashboard *Waste bins*: levels, map, what is due, and a simple outlook until the forecast is here."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import flux, panels
from grafana.flux import WASTE_BIN

FULLEST = 12


def build() -> Dashboard:
    """For the waste service: how full the chosen bins are, and which to drive to."""
    levels = flux.latest(WASTE_BIN, "filling_level", by_device=True)
    return panels.board(
        "kreispuls-waste-bins",
        "Waste bins",
        "Abfallbehälter: Füllstände, Karte, fällige Leerungen",
        [
            panels.number(
                "Bins reporting",
                "Behälter, die sich im gewählten Zeitraum gemeldet haben",
                flux.query(levels, "|> count()"),
                width=6,
            ),
            panels.number(
                "Bins due",
                "Behälter über der Schwelle ihrer Gemeinde",
                flux.count_where(flux.with_places(WASTE_BIN, "filling_level", by_device=True), flux.FLAG_DUE),
                steps=panels.NONE_IS_GOOD,
                width=6,
            ),
            panels.number(
                "Mean filling level",
                "Mittlerer Füllstand",
                flux.query(levels, "|> mean()"),
                unit="percentunit",
                steps=panels.GREEN_TO_RED,
                width=6,
            ),
            panels.number(
                "Fullest bin",
                "Höchster Füllstand",
                flux.query(levels, "|> max()", '|> keep(columns: ["_value"])'),
                unit="percentunit",
                steps=panels.GREEN_TO_RED,
                width=6,
            ),
            panels.places_map(
                "Map",
                "Behälter nach Füllstand",
                {
                    "bins": flux.with_places(
                        WASTE_BIN,
                        "filling_level",
                        "|> filter(fn: (r) => exists r.latitude and exists r.longitude)",
                        by_device=True,
                    )
                },
                layers=[panels.layer("Waste bins", "bins", "filling_level")],
            ),
            panels.rows(
                "Due",
                "Fällige Leerungen, vollste zuerst",
                flux.with_places(
                    WASTE_BIN,
                    "filling_level",
                    "|> filter(fn: (r) => r.filling_level >= r.threshold)",
                    '|> sort(columns: ["filling_level"], desc: true)',
                    "|> limit(n: 200)",
                    by_device=True,
                ),
                columns={
                    "device_id": ("Bin", ""),
                    "municipality": ("Municipality", ""),
                    "street": ("Street", ""),
                    "filling_level": ("Level", "percentunit"),
                    "threshold": ("Threshold", "percentunit"),
                    "observed_at": ("Last report", "dateTimeFromNow"),
                },
                coloured={"filling_level": panels.GREEN_TO_RED},
                height=12,
            ),
            panels.lines(
                "Levels of the fullest bins",
                f"Füllstand der {FULLEST} vollsten Behälter",
                flux.query(
                    f"fullest = {levels}",
                    f"|> top(n: {FULLEST})",
                    '|> findColumn(fn: (key) => true, column: "device_id")\n',
                    flux.readings(WASTE_BIN, "filling_level", by_device=True),
                    "|> filter(fn: (r) => contains(value: r.device_id, set: fullest))",
                    "|> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)",
                ),
                unit="percentunit",
                series="${__field.labels.device_id}",
                top=1,
            ),
            panels.lines(
                "Mean filling level",
                "Mittlerer Füllstand je Gemeinde",
                flux.mean_over_time(WASTE_BIN, "filling_level", by_device=True),
                unit="percentunit",
                top=1,
            ),
            panels.bars(
                "Places",
                "Straßen und Plätze nach mittlerem Füllstand",
                flux.with_places(
                    WASTE_BIN,
                    "filling_level",
                    '|> group(columns: ["municipality", "street"])',
                    '|> mean(column: "filling_level")',
                    "|> group()",
                    '|> map(fn: (r) => ({place: r.municipality + " " + r.street, level: r.filling_level}))',
                    '|> sort(columns: ["level"], desc: true)',
                    "|> limit(n: 20)",
                    by_device=True,
                ),
                unit="percentunit",
                steps=panels.GREEN_TO_RED,
            ),
            panels.rows(
                "Outlook",
                "Wann ein Behälter seine Schwelle erreicht, wenn er sich füllt wie im Mittel des gewählten Zeitraums. "
                "Hält den Platz der Prognose frei.",
                _outlook(),
                columns={
                    "device_id": ("Bin", ""),
                    "municipality": ("Municipality", ""),
                    "street": ("Street", ""),
                    "filling_level": ("Level", "percentunit"),
                    "hours_left": ("Reaches its threshold in", "h"),
                },
                coloured={"filling_level": panels.GREEN_TO_RED},
            ),
        ],
        start="now-7d",
        variables=[panels.municipality_variable(), panels.device_variable(WASTE_BIN)],
    )


def _outlook() -> str:
    """Hours until the threshold at the mean rate of rise; sums of 6 h means, since single levels are noisy."""
    return flux.query(
        'import "join"\n',
        "hours = float(v: int(v: v.timeRangeStop) - int(v: v.timeRangeStart)) / 3600000000000.0",
        f"\nrises = {flux.readings(WASTE_BIN, 'filling_level', by_device=True)}",
        "|> aggregateWindow(every: 6h, fn: mean, createEmpty: false)",
        "|> difference()",
        "|> filter(fn: (r) => r._value > 0.0)",
        "|> sum()",
        "|> group()",
        f"\nlevels = {flux.latest(WASTE_BIN, 'filling_level', by_device=True)}",
        f"\nplaces = {flux.places(WASTE_BIN, by_device=True)}",
        "\nplaced = join.inner(left: levels, right: places, on: (l, r) => l.device_id == r.device_id,",
        "as: (l, r) => ({r with filling_level: l._value}))",
        "\njoin.inner(left: placed, right: rises, on: (l, r) => l.device_id == r.device_id,",
        "as: (l, r) => ({l with hours_left: if l.filling_level >= l.threshold then 0.0",
        "else (l.threshold - l.filling_level) * hours / r._value}))",
        '|> sort(columns: ["hours_left"])',
        "|> limit(n: 50)",
    )
