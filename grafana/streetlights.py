"""Dashboard *Streetlights*: energy, savings, dim level, presence and faults."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import flux, panels
from grafana.flux import STREETLIGHT

MONTH = "30d"
"""Energy is shown of so long, whatever the dashboard's time range is."""
STATE = ("dim_level", "active_power_w", "active_energy_kwh", "operating_hours_h")


def build() -> Dashboard:
    """For the lighting operator: what the chosen lamps do, use and report."""
    lamps = flux.latest(STREETLIGHT, "dim_level", by_device=True)
    faults = flux.latest(STREETLIGHT, "faults", by_device=True)
    return panels.board(
        "kreispuls-streetlights",
        "Streetlights",
        "Straßenbeleuchtung: Energie, Helligkeit, Anwesenheit, Störungen",
        [
            panels.number(
                "Lamps reporting",
                "Leuchten, die sich im gewählten Zeitraum gemeldet haben",
                flux.query(lamps, "|> count()"),
            ),
            panels.number("Lamps lit", "Leuchten, die gerade leuchten", flux.count_where(lamps, flux.FLAG_LIT)),
            panels.number(
                "Mean dim level", "Mittlere Helligkeit jetzt", flux.query(lamps, "|> mean()"), unit="percentunit"
            ),
            panels.number(
                "Power",
                "Leistung jetzt",
                flux.query(flux.latest(STREETLIGHT, "active_power_w", by_device=True), "|> sum()"),
                unit="watt",
                decimals=None,
            ),
            panels.number(
                "Energy today",
                "Strom seit Mitternacht",
                flux.energy_today("|> group()", "|> sum()", by_device=True),
                unit="kwatth",
                decimals=1,
            ),
            panels.number(
                "Lamps with faults",
                "Leuchten, die selbst eine Störung melden",
                flux.count_where(faults, flux.FLAG_FAULT),
                steps=panels.NONE_IS_GOOD,
            ),
            panels.number(
                "Energy", "Strom der letzten 30 Tage", flux.energy_total("energy_kwh"), unit="kwatth", width=6
            ).time_from(MONTH),
            panels.number(
                "Saving",
                "Ersparnis der letzten 30 Tage gegenüber immer 100 % von Sonnenuntergang bis Sonnenaufgang",
                flux.saving_share(),
                unit="percentunit",
                decimals=1,
                width=6,
            ).time_from(MONTH),
            panels.number(
                "CO2 saved",
                "Vermiedenes CO2 der letzten 30 Tage",
                flux.energy_total("co2_saved_kg"),
                unit="masskg",
                width=6,
            ).time_from(MONTH),
            panels.number(
                "Hours unknown",
                "Leuchtenstunden der letzten 30 Tage, deren Strom unbekannt ist",
                flux.energy_total("hours_unknown"),
                unit="h",
                width=6,
            ).time_from(MONTH),
            panels.lines(
                "Energy per day",
                "Strom je Tag und Gemeinde",
                flux.energy_per_day("energy_kwh"),
                unit="kwatth",
                bars=True,
                stacked=True,
            ).time_from(MONTH),
            panels.lines(
                "Saved energy per day",
                "Ersparnis je Tag und Gemeinde gegenüber immer 100 %",
                flux.energy_per_day("saving_kwh"),
                unit="kwatth",
                bars=True,
                stacked=True,
            ).time_from(MONTH),
            panels.lines(
                "Dim level",
                "Mittlere Helligkeit je Gemeinde",
                flux.mean_over_time(STREETLIGHT, "dim_level", by_device=True),
                unit="percentunit",
                top=1,
            ),
            panels.lines(
                "Power",
                "Leistung je Gemeinde",
                flux.sum_of_latest_over_time(STREETLIGHT, "active_power_w", by_device=True),
                unit="watt",
                stacked=True,
            ),
            panels.lines(
                "Energy per hour",
                "Strom je Stunde und Gemeinde",
                flux.counter_per_hour(STREETLIGHT, "active_energy_kwh", by_device=True),
                unit="kwatth",
                bars=True,
                stacked=True,
            ),
            panels.lines(
                "Presence per hour",
                "Erkannte Anwesenheit je Stunde und Gemeinde",
                flux.counter_per_hour(STREETLIGHT, "presence_count", by_device=True),
                bars=True,
                stacked=True,
            ),
            panels.rows(
                "Faults",
                "Leuchten, die selbst eine Störung melden, neueste zuerst",
                flux.query(
                    faults,
                    '|> filter(fn: (r) => r._value != "")',
                    '|> keep(columns: ["_time", "device_id", "municipality", "_value"])',
                    '|> sort(columns: ["_time"], desc: true)',
                    "|> limit(n: 200)",
                ),
                columns={
                    "_time": ("Last report", "dateTimeFromNow"),
                    "device_id": ("Lamp", ""),
                    "municipality": ("Municipality", ""),
                    "_value": ("Faults", ""),
                },
            ),
            panels.rows(
                "Lamps",
                "Zustand der Leuchten, hellste zuerst",
                flux.query(
                    flux.latest(STREETLIGHT, *STATE, by_device=True),
                    '|> pivot(rowKey: ["device_id", "municipality"], columnKey: ["_field"], valueColumn: "_value")',
                    '|> sort(columns: ["dim_level", "active_power_w"], desc: true)',
                    "|> limit(n: 200)",
                ),
                columns={
                    "device_id": ("Lamp", ""),
                    "municipality": ("Municipality", ""),
                    "dim_level": ("Dim level", "percentunit"),
                    "active_power_w": ("Power", "watt"),
                    "active_energy_kwh": ("Energy", "kwatth"),
                    "operating_hours_h": ("Hours of light", "h"),
                },
            ),
        ],
        start="now-24h",
        variables=[panels.municipality_variable(), panels.device_variable(STREETLIGHT)],
    )
