"""Every query of every dashboard, run against a real InfluxDB that the simulator filled."""

import json
import re
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.lights.energy_report import energy_report
from core.settings import Settings
from lights.energy import EnergyGroup, EnergyInterval, bounds

FILES = sorted((Path(__file__).parents[2] / "grafana/dashboards").glob("*.json"))
BOARDS: list[dict[str, Any]] = [json.loads(file.read_text(encoding="utf-8")) for file in FILES]
PANELS = [
    pytest.param(board, panel, id=f"{board['title']}-{panel['title']}".replace(" ", "_"))
    for board in BOARDS
    for panel in board["panels"]
]
MAY_BE_EMPTY = {"street"}
Filled = Any
Panel = dict[str, Any]


def query_of(board: str, title: str, kind: str) -> str:
    (panel,) = (
        panel
        for candidate in BOARDS
        for panel in candidate["panels"]
        if (candidate["title"], panel["title"], panel["type"]) == (board, title, kind)
    )
    (target,) = panel["targets"]
    return str(target["query"])


def shown_from(board: dict[str, Any], panel: Panel) -> str:
    """The time range of a panel's own, else the dashboard's."""
    return f"now-{panel['timeFrom']}" if "timeFrom" in panel else str(board["time"]["from"])


def escaped(*values: str) -> str:
    """What Grafana makes of `${variable:regex}`: its regexEscape in packages/grafana-data/src/text/string.ts."""
    safe = [re.sub(r"[\\^$*+?.()|\[\]{}/]", lambda sign: "\\" + sign[0], value) for value in values]
    return safe[0] if len(safe) == 1 else f"({'|'.join(safe)})"


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_every_panel_query_returns_rows(filled: Filled, board: dict[str, Any], panel: Panel) -> None:
    for target in panel["targets"]:
        tables = filled.ask(target["query"], shown_from(board, panel))
        assert tables, target["query"]
        for table in tables:
            for row in table.rows:
                empty = {name for name in table.data if row[name] == ""} - MAY_BE_EMPTY
                assert not empty, (empty, row)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_grafana_can_show_what_comes_back(filled: Filled, board: dict[str, Any], panel: Panel) -> None:
    """Grafana's server makes labels of the group key and values of the other columns (pkg/tsdb/influxdb/flux)."""
    tables = [table for target in panel["targets"] for table in filled.ask(target["query"], shown_from(board, panel))]
    columns = {name for table in tables for name in table.data}
    match panel["type"]:
        case "timeseries":
            assert all(set(table.data) == {"_time", "_value"} for table in tables)
            labels = re.findall(r"__field\.labels\.(\w+)", panel["fieldConfig"]["defaults"]["displayName"])
            assert labels
            assert all(set(labels) <= table.group - {"_field", "_measurement"} for table in tables)
        case "stat":
            assert len(tables) == 1
            assert tables[0].data == ["_value"]
            assert len(tables[0].rows) == 1
        case "table":
            wanted = panel["transformations"]
            shown = next(step for step in wanted if step["id"] == "filterFieldsByName")["options"]["include"]["names"]
            assert set(shown) <= columns
            assert all(not table.group for table in tables)
        case "geomap":
            for layer in panel["options"]["layers"]:
                colour = layer["config"]["style"]["color"]["field"]
                assert {"latitude", "longitude", colour} <= columns
        case "bargauge":
            assert all(sorted(table.data) == ["level", "place"] for table in tables)
        case unknown:
            raise AssertionError(unknown)


class TestVariables:
    @pytest.mark.parametrize("board", [board for board in BOARDS if board["templating"]], ids=lambda b: b["title"])
    def test_they_list_what_is_there(self, filled: Filled, board: dict[str, Any]) -> None:
        for variable in board["templating"]["list"]:
            found = {row["_value"] for row in filled.rows(variable["query"])}
            spoke = filled.store.latest()
            if variable["name"] == "municipality":
                assert found == {observation.municipality for observation in spoke}
            else:
                kind = "streetlight" if board["title"] == "Streetlights" else "waste_bin"
                assert found == {seen.device_id for seen in spoke if seen.device_type == kind}

    def test_choosing_municipalities_narrows(self, filled: Filled) -> None:
        chosen = sorted({device.municipality for device in filled.fleet.devices})[:2]
        count = query_of("Region", "Devices reporting", "stat")
        (all_of_them,) = filled.rows(count)
        (of_two,) = filled.rows(count, municipality=escaped(*chosen))
        assert int(of_two["_value"]) == len(
            {seen.device_id for seen in filled.store.latest() if seen.municipality in chosen}
        )
        assert 0 < int(of_two["_value"]) < int(all_of_them["_value"])

    def test_choosing_one_device_narrows(self, filled: Filled) -> None:
        rows = filled.rows(query_of("Streetlights", "Lamps", "table"), device=escaped(filled.faulty))
        assert [row["device_id"] for row in rows] == [filled.faulty]

    @pytest.mark.parametrize("value", ['x") or true or (r._field == "', "a/b", ".*", "(", "\\"])
    def test_no_value_becomes_part_of_a_query(self, filled: Filled, value: str) -> None:
        assert filled.rows(query_of("Streetlights", "Lamps", "table"), municipality=escaped(value)) == []


class TestNumbers:
    """What the panels say is what the store says."""

    def value(self, filled: Filled, board: str, title: str) -> float:
        (row,) = filled.rows(query_of(board, title, "stat"))
        return float(row["_value"])

    def newest(self, filled: Filled, device_type: str, quantity: str) -> dict[str, Any]:
        latest = filled.store.latest(device_type=device_type)
        return {seen.device_id: seen.value for seen in latest if seen.quantity == quantity}

    def test_region(self, filled: Filled) -> None:
        lit = sum(level > 0 for level in self.newest(filled, "streetlight", "dim_level").values())
        assert self.value(filled, "Region", "Lamps lit") == lit
        power_w = sum(self.newest(filled, "streetlight", "active_power_w").values())
        assert self.value(filled, "Region", "Lighting power") == pytest.approx(power_w)
        faults = sum(bool(names) for names in self.newest(filled, "streetlight", "faults").values())
        assert self.value(filled, "Region", "Open faults") == faults >= 1
        thresholds = {entry.municipality: entry.filling_threshold for entry in filled.fleet.municipalities}
        homes = {device.device_id: device.municipality for device in filled.fleet.devices}
        levels = self.newest(filled, "waste_bin", "filling_level")
        due = sum(level >= thresholds[homes[device_id]] for device_id, level in levels.items())
        assert self.value(filled, "Region", "Bins above threshold") == due >= 1
        assert self.value(filled, "Waste bins", "Fullest bin") == max(levels.values())

    def test_energy_and_saving(self, filled: Filled) -> None:
        """As `/v1/energy` gives them for the local days that were written."""
        zone = Settings(_env_file=None).zone
        first = datetime.combine(filled.end.astimezone(zone).date() - timedelta(days=2), time(0), zone)
        of = bounds(first, filled.end, EnergyInterval.DAY, zone, most=3)
        totals = energy_report(filled.state, filled.store, of, group_by=EnergyGroup.MUNICIPALITY)
        saving = sum(total.saving_kwh or 0 for total in totals)
        reference = sum(total.reference_kwh or 0 for total in totals)
        used = sum(total.energy_kwh or 0 for total in totals)
        unknown = sum(total.hours_unknown for total in totals)
        for title, expected in {
            "Energy": used,
            "Saving": saving / reference,
            "CO2 saved": saving * 0.363,
            "Hours unknown": unknown,
        }.items():
            ((row,),) = (table.rows for table in filled.ask(query_of("Streetlights", title, "stat"), "now-30d"))
            assert float(row["_value"]) == pytest.approx(expected), title
        assert 0 < used < reference
        assert unknown > 0

    def test_the_fault_and_the_full_bin_are_listed(self, filled: Filled) -> None:
        assert filled.faulty in {row["device_id"] for row in filled.rows(query_of("Streetlights", "Faults", "table"))}
        assert filled.full in {row["device_id"] for row in filled.rows(query_of("Waste bins", "Due", "table"))}

    def test_operations(self, filled: Filled) -> None:
        """120 more received and 1 more rejected every 10 s."""
        assert self.value(filled, "Operations", "Messages per second") == pytest.approx(12.0)
        assert self.value(filled, "Operations", "Rejected") == 359
        assert self.value(filled, "Operations", "Lag") == 0.25
        assert self.value(filled, "Operations", "Connected devices") == 42

    def test_every_registered_device_has_its_silence(self, filled: Filled) -> None:
        silence = {
            row["device_id"]: float(row["silence_s"])
            for row in filled.rows(query_of("Operations", "Device silence", "table"))
        }
        assert set(silence) == {device.device_id for device in filled.fleet.devices}
        spoke = {seen.device_id for seen in filled.store.latest()}
        for device_id, seconds in silence.items():
            if device_id in spoke:
                assert seconds < 86_400 + 600
            else:
                assert seconds == pytest.approx(7 * 86_400, abs=1)
