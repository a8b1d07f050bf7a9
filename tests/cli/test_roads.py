"""`kreispuls roads route` and what `kreispuls check` says of roads."""

import json
from pathlib import Path

import osmium
import pytest
from osmium.osm.mutable import Node, Way
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import KreispulsError

A, B, SEA = "50.0,9.0", "50.01,9.0", "54.5,7.0"


@pytest.fixture
def extract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Path:
    """One street north; broker and stores fail at once."""
    path = tmp_path / "street.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        writer.add_node(Node(id=1, location=(9.0, 50.0), version=1))
        writer.add_node(Node(id=2, location=(9.0, 50.01), version=1))
        tags = {"highway": "residential", "maxheight": "3.5"}
        writer.add_way(Way(id=1, nodes=[1, 2], tags=tags, version=1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KREISPULS_OSM_PBF", str(path))
    monkeypatch.setenv("KREISPULS_MQTT_URL", f"mqtt://127.0.0.1:{free_port}")
    monkeypatch.setenv("KREISPULS_STATE_URL", "sqlite:////proc/nowhere/state.db")
    monkeypatch.setenv("KREISPULS_READINGS_URL", "sqlite:////proc/nowhere/readings.db")
    monkeypatch.setattr("cli.check.CONNECT_WITHIN_S", 0.05)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("extract")
def test_a_route_is_printed_leg_by_leg() -> None:
    ended = run("roads", "route", A, B, A)
    assert ended.exit_code == 0, ended.exception
    legs = ended.stdout.splitlines()
    assert legs[0].split() == [A, "->", B, "1.11", "km", "2.7", "min"]
    assert legs[-1] == "2.22 km, 5.3 min, osm"


def test_a_route_as_geojson(extract: Path) -> None:
    printed = run("roads", "route", A, B, "--geojson", "-")
    document = json.loads(printed.stdout)
    feature = document["features"][0]
    assert feature["geometry"] == {"type": "LineString", "coordinates": [[9.0, 50.0], [9.0, 50.01]]}
    assert feature["properties"] == {"leg": 0, "distance_m": 1112, "duration_s": 160, "source": "osm"}
    written = run("roads", "route", A, B, "--geojson", "way.geojson")
    assert "1.11 km" in written.stdout
    assert json.loads((extract.parent / "way.geojson").read_text()) == document


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((A, SEA), "54.5,7.0: no road within 300 m"),
        ((A, B, "--height", "3.6"), "50.0,9.0: no road that the vehicle may use"),
        ((A,), "two positions"),
        ((A, "Vaduz"), "'Vaduz' is no position"),
        ((A, "95,9"), "'95,9' is not within 90 degrees"),
        ((A, B, "--geojson", "nowhere/way.geojson"), "cannot be written"),
    ],
)
@pytest.mark.usefixtures("extract")
def test_what_is_wrong_is_one_sentence(arguments: tuple[str, ...], says: str) -> None:
    ended = run("roads", "route", *arguments)
    assert isinstance(ended.exception, KreispulsError)
    assert says in str(ended.exception)


def test_check_prepares_roads_only_when_asked(extract: Path) -> None:
    assert "street.osm.pbf, 1 ways, 1 streets" in run("check").stdout
    folder = extract.parent / "data" / "roads"
    assert not folder.exists()
    assert "works  roads: " in run("check", "--fix").stdout
    assert len(list(folder.glob("*.npz"))) == 1


def test_check_names_an_extract_that_cannot_be_read(extract: Path) -> None:
    extract.write_bytes(extract.read_bytes()[:60])
    ended = run("check")
    assert ended.exit_code == 1
    assert f"fails  roads: the OpenStreetMap extract {extract} cannot be read: " in ended.stdout
