"""OSRM and Valhalla over real HTTP: a small server that answers in the form their documentation shows.

OSRM HTTP API v1, table, route and nearest services (project-osrm.org/docs/v5.24.0/api/); Valhalla sources_to_targets,
route, locate and status (valhalla.github.io/valhalla/api/). Answers are computed on a plane where that is enough.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import RoadsError
from core.settings import Settings
from core.travel import Position, TruckProfile
from roads import RoadEngine, open_roads
from roads.valhalla import decode_polyline

Answer = tuple[int, Any]


@dataclass
class Service:
    """Answers each path by a function of its query or body; keeps what was asked."""

    answer: Callable[[str, dict[str, Any]], Answer] = lambda _path, _body: (404, {})
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    port: int = 0

    def roads(self, engine: str) -> RoadEngine:
        return open_roads(Settings(_env_file=None, roads_url=f"{engine}+http://127.0.0.1:{self.port}"))


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._say(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})

        def do_POST(self) -> None:
            self._say(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _say(self, path: str, body: dict[str, Any]) -> None:
            made.asked.append((path, body))
            status, answer = made.answer(path, body)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def metres(start: Position, end: Position) -> float:
    """A world in which a thousandth of a degree is 100 m, and way back takes 7 m more."""
    return (abs(start[0] - end[0]) + abs(start[1] - end[1])) * 100_000 + (7.0 if end < start else 0.0)


def positions(count: int) -> list[Position]:
    return [(50 + index / 1000, 9 + index * index / 1_000_000) for index in range(count)]


def expected(places: list[Position]) -> list[list[int]]:
    return [[round(metres(a, b)) for b in places] for a in places]


def osrm(path: str, query: dict[str, Any]) -> Answer:
    service, _, _, text = path.lstrip("/").split("/")
    pairs = [place.split(",") for place in text.split(";")]
    places = [(float(latitude), float(longitude)) for longitude, latitude in pairs]
    if service == "nearest":
        return 400, {"code": "NoSegment", "message": "Could not find a matching segments for coordinate"}
    if service == "route":

        def step(start: Position, end: Position) -> dict[str, Any]:
            return {
                "distance": 1,
                "geometry": {"type": "LineString", "coordinates": [[start[1], start[0]], [end[1], end[0]]]},
            }

        def leg(start: Position, end: Position) -> dict[str, Any]:
            corner = (start[0], end[1])
            return {"distance": 1, "duration": 1, "steps": [step(start, corner), step(corner, end), step(end, end)]}

        legs = [leg(a, b) for a, b in pairwise(places)]
        return 200, {"code": "Ok", "routes": [{"legs": legs, "distance": 1, "duration": 1}], "waypoints": []}
    if len(places) > 100:
        return 400, {"code": "TooBig", "message": "Too many table coordinates"}
    sources, targets = (
        [places[int(number)] for number in query[key].split(";")] for key in ("sources", "destinations")
    )
    cut_off = [(50.003, 9.000009)]
    table = [[None if {a, b} & set(cut_off) and a != b else metres(a, b) for b in targets] for a in sources]
    return 200, {
        "code": "Ok",
        "distances": table,
        "durations": [[None if cell is None else cell / 10 for cell in row] for row in table],
        "sources": [
            {"location": [9, 50], "name": "", "distance": 301.5 if place[0] == 50.004 else 12.5} for place in sources
        ],
        "destinations": [{"location": [9, 50], "name": "", "distance": 12.5} for _ in targets],
    }


def encoded(places: list[Position]) -> str:
    """The encoding as Google documents the polyline algorithm, with six decimals."""
    text, before = "", (0, 0)
    for place in places:
        now = (round(place[0] * 1e6), round(place[1] * 1e6))
        for value in (now[0] - before[0], now[1] - before[1]):
            bits = ~(value << 1) if value < 0 else value << 1
            while bits >= 0x20:
                text += chr((0x20 | (bits & 0x1F)) + 63)
                bits >>= 5
            text += chr(bits + 63)
        before = now
    return text


def valhalla(path: str, body: dict[str, Any]) -> Answer:
    def places(key: str) -> list[Position]:
        return [(each["lat"], each["lon"]) for each in body[key]]

    if path == "/status":
        return 200, {"version": "3.5.1", "tileset_last_modified": 1, "available_actions": ["status"]}
    if path == "/locate":
        return 200, [
            {"input_lat": lat, "input_lon": lon, "nodes": None,
             "edges": None if lat == 50.004 else [{"way_id": 1, "correlated_lat": lat + 0.0001, "correlated_lon": lon}]}
            for lat, lon in places("locations")
        ]  # fmt: skip
    if path == "/route":
        stops = places("locations")
        if len(stops) > 20:
            return 400, {"error_code": 150, "error": "Exceeded max locations: 20", "status_code": 400}
        legs = [{"shape": encoded([a, (a[0], b[1]), b])} for a, b in pairwise(stops)]
        return 200, {"trip": {"legs": legs, "status": 0, "units": "kilometers"}}
    sources, targets = places("sources"), places("targets")
    if len(sources) * len(targets) > 2500:
        return 400, {"error_code": 150, "error": "Exceeded max locations: 2500", "status_code": 400}
    cut_off = {(50.003, 9.000009)}
    cells = [
        [
            {"distance": None, "time": None, "from_index": i, "to_index": j}
            if {a, b} & cut_off and a != b
            else {"distance": metres(a, b) / 1000, "time": metres(a, b) / 10, "from_index": i, "to_index": j}
            for j, b in enumerate(targets)
        ]
        for i, a in enumerate(sources)
    ]
    return 200, {"sources_to_targets": cells, "units": "kilometers"}


ENGINES = [("osrm", osrm), ("valhalla", valhalla)]


@pytest.mark.parametrize(("engine", "answer"), ENGINES)
def test_a_matrix_is_put_together_from_parts_that_the_service_allows(
    service: Service, engine: str, answer: Callable[..., Answer]
) -> None:
    service.answer = answer
    places = positions(120)
    matrix = service.roads(engine).matrix(places)
    assert matrix.source == engine
    wanted = expected(places)
    rows = [index for index in range(120) if index not in (3, 4)]
    assert matrix.unreachable == {3: "no way to or from the others", 4: "no road within 300 m"}
    for row in rows:
        assert matrix.distances_m[row][rows].tolist() == [wanted[row][column] for column in rows]
        assert matrix.durations_s[row, 0] == pytest.approx(wanted[row][0] / 10, abs=0.6)


@pytest.mark.parametrize(("engine", "answer"), ENGINES)
def test_legs_have_their_lines(service: Service, engine: str, answer: Callable[..., Answer]) -> None:
    service.answer = answer
    places = [(50 + (index % 7) / 100, 9 + index / 100) for index in range(130)]
    legs = service.roads(engine).legs(places)
    assert len(legs) == 129
    for leg, start, end in zip(legs, places, places[1:], strict=False):
        corners = [start, (start[0], end[1]), end]
        assert len(leg) == 3
        assert [pytest.approx(place, abs=2e-6) for place in corners] == leg


@pytest.mark.parametrize(("engine", "answer"), ENGINES)
def test_few_or_useless_positions(service: Service, engine: str, answer: Callable[..., Answer]) -> None:
    service.answer = answer
    roads = service.roads(engine)
    assert roads.matrix([]).distances_m.shape == (0, 0)
    assert roads.legs([(50.0, 9.0)]) == []
    assert service.asked == []
    matrix = roads.matrix([(50.0, 9.0), (float("nan"), 9.0), (120.0, 9.0)])
    assert sorted(matrix.unreachable) == [1, 2]


@pytest.mark.parametrize(("engine", "answer"), ENGINES)
def test_check_says_that_it_answers(service: Service, engine: str, answer: Callable[..., Answer]) -> None:
    service.answer = answer
    said = service.roads(engine).check()
    assert f"at 127.0.0.1:{service.port} answers" in said


def test_valhalla_is_told_the_truck(service: Service) -> None:
    service.answer = valhalla
    roads = service.roads("valhalla")
    roads.matrix(positions(2), TruckProfile(weight_t=18.0, height_m=3.7, width_m=2.55))
    roads.matrix(positions(2), TruckProfile(weight_t=3.5, height_m=2.2))
    costings = [body["costing"] for path, body in service.asked if path == "/sources_to_targets"]
    assert costings == ["truck", "auto"]
    assert service.asked[0][1]["costing_options"] == {"truck": {"weight": 18.0, "height": 3.7, "width": 2.55}}
    assert service.asked[-1][1]["costing_options"] == {"auto": {"height": 2.2}}


REFUSED = {"code": "InvalidQuery", "message": "Query malformed", "error": "Query malformed"}
FOUND = [{"edges": [{"correlated_lat": 50, "correlated_lon": 9}]}] * 2


@pytest.mark.parametrize(
    ("status", "content", "says"),
    [
        (400, REFUSED, "refused .*malformed"),
        (500, {}, "answered with status 500"),
        (200, b"<html>", "no JSON"),
        (200, b"3", "no JSON object"),
        (200, {"code": "Ok", "distances": [[1, 2]], "sources_to_targets": [[{}]]}, "not documented"),
        (200, {"code": "Ok", "distances": "x", "durations": "x", "sources": []}, "not documented"),
    ],
)
@pytest.mark.parametrize("engine", ["osrm", "valhalla"])
def test_what_is_no_answer_is_one_error_that_names_the_service(
    service: Service, engine: str, status: int, content: object, says: str
) -> None:
    service.answer = lambda path, _body: (200, FOUND) if path == "/locate" else (status, content)
    roads = service.roads(engine)
    with pytest.raises(RoadsError, match=says) as raised:
        roads.matrix([(50.0, 9.0), (50.0, 9.001)])
    assert f"127.0.0.1:{service.port}" in str(raised.value)
    with pytest.raises(RoadsError):
        roads.legs([(50.0, 9.0), (50.0, 9.001)])


@pytest.mark.parametrize(("status", "content"), [(400, REFUSED), (200, b"3"), (200, [{}, {"edges": [{}]}])])
def test_places_that_valhalla_does_not_find_as_documented(service: Service, status: int, content: object) -> None:
    service.answer = lambda _path, _body: (status, content)
    with pytest.raises(RoadsError, match=r"not documented|no list"):
        service.roads("valhalla").matrix([(50.0, 9.0), (50.0, 9.001)])


def test_an_answer_without_end_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roads.service.MAX_BYTES", 1000)
    service.answer = lambda _path, _body: (200, b"[" + b" " * 2000 + b"]")
    with pytest.raises(RoadsError, match="more than"):
        service.roads("osrm").matrix(positions(2))


@pytest.mark.parametrize("engine", ["osrm", "valhalla"])
def test_a_service_that_is_not_there_is_named_without_its_password(free_port: int, engine: str) -> None:
    roads = open_roads(Settings(_env_file=None, roads_url=f"{engine}+http://me:secret@127.0.0.1:{free_port}"))
    for ask in (roads.check, lambda: roads.matrix(positions(2)), lambda: roads.legs(positions(2))):
        with pytest.raises(RoadsError, match=f"127.0.0.1:{free_port} does not answer") as raised:
            ask()
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://host", "osrm+ftp://host", "osrm+http://", "osrm+http://host:99999"])
def test_a_wrong_url_stops_the_program(url: str) -> None:
    with pytest.raises(ValueError, match="roads_url"):
        Settings(_env_file=None, roads_url=url)


def test_a_known_polyline() -> None:
    """The last is the example of Google's description of the algorithm, with six decimals."""
    line = [(50.000001, 9.0), (49.999, 9.5), (-12.345678, -179.999999)]
    assert decode_polyline(encoded(line)) == [pytest.approx(place) for place in line]
    assert decode_polyline("_izlhA~rlgdF_{geC~ywl@_kwzCn`{nI") == [
        pytest.approx(place) for place in [(38.5, -120.2), (40.7, -120.95), (43.252, -126.453)]
    ]
    with pytest.raises(ValueError, match="torn"):
        decode_polyline("_izlhA~rlgdF_{geC~ywl@_kwzCn`{n")
