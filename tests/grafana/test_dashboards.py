"""The dashboards as files: what the code builds, complete, escaped, asking only for what is written."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.device import Device
from core.quantity import CATALOGUE
from devices.registry import device_types
from grafana import build
from readings.influx.operations import EnergyDay, IngestReport, device_lines, energy_lines, ingest_lines

GRAFANA = Path(__file__).parents[2] / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
ESCAPED = r"=~ /\^\$\{(\w+):regex\}\$/"
Dashboard = dict[str, Any]


def load(file: Path) -> Dashboard:
    loaded: Dashboard = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def queries(dashboard: Dashboard) -> list[str]:
    return [
        *(target["query"] for panel in dashboard["panels"] for target in panel["targets"]),
        *(variable["query"] for variable in dashboard.get("templating", {}).get("list", [])),
    ]


def provisioned(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning" / name / "kreispuls.yaml").read_text())
    return loaded


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    return load(request.param)


def test_the_files_are_what_the_code_builds() -> None:
    """After a change of the code: python -m grafana.build."""
    assert {file.name: file.read_text(encoding="utf-8") for file in FILES} == build.dashboards()


def test_the_four_dashboards_are_there_under_names_of_their_own() -> None:
    dashboards = [load(file) for file in FILES]
    assert {dashboard["title"] for dashboard in dashboards} == {"Region", "Streetlights", "Waste bins", "Operations"}
    assert len({dashboard["uid"] for dashboard in dashboards}) == len(FILES)


def test_panels_have_numbers_of_their_own_titles_and_german_descriptions(dashboard: Dashboard) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_do_not_overlap(dashboard: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_query_goes_to_the_provisioned_data_source(dashboard: Dashboard) -> None:
    (source,) = provisioned("datasources")["datasources"]
    assert source["jsonData"]["version"] == "Flux"
    reference = {"type": source["type"], "uid": source["uid"]}
    for panel in dashboard["panels"]:
        assert panel["datasource"] == reference
        assert all(target["datasource"] == reference for target in panel["targets"])
    for variable in dashboard.get("templating", {}).get("list", []):
        assert variable["datasource"] == reference


def test_variables_reach_queries_only_escaped(dashboard: Dashboard) -> None:
    known = {variable["name"] for variable in dashboard.get("templating", {}).get("list", [])}
    for query in queries(dashboard):
        assert set(re.findall(ESCAPED, query)) <= known
        assert "$" not in re.sub(ESCAPED, "", query)


def test_only_what_is_written_is_asked_for(dashboard: Dashboard) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    device = Device(device_id="d", device_type="waste_bin", municipality="m", street="s", latitude=50.0, longitude=8.0)
    report = IngestReport(
        session="w", at=at, received=1, stored=1, rejected=1, lag_s=1.0, batch_readings=1, connected_devices=1
    )
    energy = EnergyDay(
        municipality="m",
        start=at,
        lamps=1,
        energy_kwh=1.0,
        estimated_kwh=0.0,
        reference_kwh=1.0,
        saving_kwh=0.0,
        co2_saved_kg=0.0,
        hours_unknown=0.0,
    )
    written = " ".join([*device_lines([device], [], at), *ingest_lines([report]), *energy_lines([energy])])
    fields = set(CATALOGUE) | set(re.findall(r"[ ,](\w+)=", written))
    for query in queries(dashboard):
        assert set(re.findall(r'r\._field == "(\w+)"', query)) <= fields
        assert set(re.findall(r'r\._measurement == "(\w+)"', query)) <= {*device_types(), "device", "ingest", "energy"}


def test_they_refresh_and_show_the_viewers_time(dashboard: Dashboard) -> None:
    assert dashboard["refresh"] == "30s"
    assert dashboard["timezone"] == "browser"
    for variable in dashboard.get("templating", {}).get("list", []):
        assert variable["current"]["value"] == "$__all"


def test_grafana_finds_them_where_compose_puts_them() -> None:
    (provider,) = provisioned("dashboards")["providers"]
    services = yaml.safe_load((GRAFANA.parent / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    (source,) = provisioned("datasources")["datasources"]
    token_file = re.fullmatch(r"\$__file\{(.+)/(\w+)\}", source["secureJsonData"]["token"])
    assert token_file
    assert mounts["grafana-token"] == token_file[1]
    written_to = dict(volume.split(":")[:2] for volume in services["grafana-token"]["volumes"])["grafana-token"]
    assert services["grafana-token"]["environment"]["TOKEN_FILE"] == f"{written_to}/{token_file[2]}"
    given = services["grafana"]["environment"]
    for text in (source["url"], source["jsonData"]["organization"], source["jsonData"]["defaultBucket"]):
        assert text.removeprefix("$") in given
