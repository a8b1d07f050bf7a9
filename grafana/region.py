"""Dashboard *Region*: the whole county at a glance."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import flux, panels
from grafana.flux import STREETLIGHT, WASTE_BIN


def build() -> Dashboard:
    """Devices that report, lamps lit, bins due, faults and energy: as numbers, on a map and per municipality."""
    lamps = flux.latest(STREETLIGHT, "dim_level")
    faults = flux.latest(STREETLIGHT, "faults")
    due = flux.with_places(WASTE_BIN, "filling_level")
    located = "|> filter(fn: (r) => exists r.latitude and exists r.longitude)"
    return panels.board(
        "kreispuls-region",
        "Region",
        "Der Kreis auf einen Blick",
        [
            panels.number(
                "Devices reporting",
                "Geräte, die sich im gewählten Zeitraum gemeldet haben",
                flux.query(
                    flux.last_heard(), '|> count(column: "device_id")', '|> rename(columns: {device_id: "_value"})'
                ),
            ),
            panels.number("Lamps lit", "Leuchten, die gerade leuchten", flux.count_where(lamps, flux.FLAG_LIT)),
            panels.number(
                "Bins above threshold",
                "Behälter über der Schwelle ihrer Gemeinde",
                flux.count_where(due, flux.FLAG_DUE),
                steps=panels.NONE_IS_GOOD,
            ),
            panels.number(
                "Open faults",
                "Leuchten, die selbst eine Störung melden",
                flux.count_where(faults, flux.FLAG_FAULT),
                steps=panels.NONE_IS_GOOD,
            ),
            panels.number(
                "Energy today",
                "Strom der Beleuchtung seit Mitternacht",
                flux.energy_today("|> group()", "|> sum()"),
                unit="kwatth",
                decimals=1,
            ),
            panels.number(
                "Lighting power",
                "Leistung der Beleuchtung jetzt",
                flux.query(flux.latest(STREETLIGHT, "active_power_w"), "|> sum()"),
                unit="watt",
                decimals=None,
            ),
            panels.places_map(
                "Map",
                "Behälter nach Füllstand, Leuchten nach Helligkeit",
                {
                    "bins": flux.with_places(WASTE_BIN, "filling_level", located),
                    "lamps": flux.with_places(STREETLIGHT, "dim_level", located),
                },
                layers=[
                    panels.layer("Lamps", "lamps", "dim_level"),
                    panels.layer("Waste bins", "bins", "filling_level"),
                ],
            ),
            panels.rows(
                "Municipalities",
                "Die Gemeinden im Vergleich",
                {
                    "reporting": flux.query(
                        flux.last_heard(),
                        '|> group(columns: ["municipality"])',
                        '|> count(column: "device_id")',
                        "|> group()",
                        '|> rename(columns: {device_id: "reporting"})',
                    ),
                    "lit": flux.count_where_by_municipality(lamps, flux.FLAG_LIT, "lit"),
                    "dimmed": flux.mean_by_municipality(lamps, "mean_dim_level"),
                    "energy": flux.energy_today(
                        '|> group(columns: ["municipality"])',
                        "|> sum()",
                        "|> group()",
                        '|> rename(columns: {_value: "energy_kwh"})',
                    ),
                    "faults": flux.count_where_by_municipality(faults, flux.FLAG_FAULT, "faults"),
                    "level": flux.mean_by_municipality(flux.latest(WASTE_BIN, "filling_level"), "mean_filling_level"),
                    "due": flux.count_where_by_municipality(due, flux.FLAG_DUE, "due"),
                },
                join_by="municipality",
                columns={
                    "municipality": ("Municipality", ""),
                    "reporting": ("Devices", "short"),
                    "lit": ("Lamps lit", "short"),
                    "mean_dim_level": ("Mean dim level", "percentunit"),
                    "energy_kwh": ("Energy today", "kwatth"),
                    "faults": ("Faults", "short"),
                    "mean_filling_level": ("Mean filling level", "percentunit"),
                    "due": ("Bins due", "short"),
                },
                coloured={"faults": panels.NONE_IS_GOOD, "due": panels.NONE_IS_GOOD},
                height=12,
            ),
            panels.lines(
                "Lighting power",
                "Leistung der Beleuchtung je Gemeinde",
                flux.sum_of_latest_over_time(STREETLIGHT, "active_power_w"),
                unit="watt",
                stacked=True,
            ),
            panels.lines(
                "Mean filling level",
                "Mittlerer Füllstand je Gemeinde",
                flux.mean_over_time(WASTE_BIN, "filling_level"),
                unit="percentunit",
                top=1,
            ),
        ],
        start="now-24h",
        variables=[panels.municipality_variable()],
    )
