"""Ways from an OSRM server (HTTP API v1: https://project-osrm.org/docs/v5.24.0/api/).

The server's profile decides what vehicles may drive: a truck's size is not sent, since OSRM takes none.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from core.travel import Position, TravelMatrix, TruckProfile
from roads.geometry import simplified
from roads.service import RoutingService, chains_of, chunks, no_positions, too_far, whole_matrix
from roads.tolerances import LINE_TOLERANCE_M

SOURCE: Final = "osrm"
_HALF_TABLE: Final = 50
"""Sources and destinations of one question: together no more than `osrm-routed --max-table-size` by default, 100."""
_VIAS: Final = 100
"""Positions of one route; `--max-viaroute-size` is 500 by default, but addresses are to stay short."""


class OsrmRoads:
    """An OSRM server at a base URL; the profile in its addresses is `driving`, which it ignores."""

    def __init__(self, url: str) -> None:
        self._service = RoutingService("OSRM", url)

    def matrix(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> TravelMatrix:  # noqa: ARG002
        """Table service, in parts; a position that OSRM moves further than 300 m to a street is left out."""
        unreachable = no_positions(positions)
        good = [index for index in range(len(positions)) if index not in unreachable]
        metres, seconds = (np.full((len(positions), len(positions)), np.nan) for _ in range(2))
        for rows in chunks(len(good), _HALF_TABLE):
            sources = [good[row] for row in rows]
            for columns in chunks(len(good), _HALF_TABLE):
                targets = [good[column] for column in columns]
                answer = self._table([positions[index] for index in sources], [positions[index] for index in targets])
                try:
                    block = np.ix_(sources, targets)
                    metres[block] = np.array(answer["distances"], dtype=np.float64)
                    seconds[block] = np.array(answer["durations"], dtype=np.float64)
                    moved = [waypoint.get("distance", 0.0) for waypoint in answer["sources"]]
                    found = zip(sources, moved, strict=True)
                    unreachable |= {index: why for index, away in found if (why := too_far(away))}
                except (KeyError, ValueError, TypeError, AttributeError) as error:
                    raise self._service.not_as_documented("a table", error) from error
        return whole_matrix(metres, seconds, SOURCE, unreachable)

    def legs(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> list[list[Position]]:  # noqa: ARG002
        """Route service. It may turn round at a position, as the table supposes."""
        legs: list[list[Position]] = []
        for part in chains_of(len(positions), _VIAS):
            answer = self._service.ask(
                f"/route/v1/driving/{_coordinates([positions[index] for index in part])}",
                query={"overview": "false", "steps": "true", "geometries": "geojson", "continue_straight": "false"},
            )
            if answer.get("code") != "Ok":
                raise self._service.refused("a route", answer.get("message", answer.get("code")))
            try:
                found = [_line(leg) for leg in answer["routes"][0]["legs"]]
                if len(found) != len(part) - 1:
                    raise ValueError(f"{len(found)} legs between {len(part)} positions")
            except (KeyError, IndexError, ValueError, TypeError) as error:
                raise self._service.not_as_documented("a route", error) from error
            legs += found
        return legs

    def check(self, *, fix: bool = False) -> str:  # noqa: ARG002
        """Ask for the street nearest to nowhere; any answer of OSRM's will do."""
        answer = self._service.ask("/nearest/v1/driving/0,0")
        if "code" not in answer:
            raise self._service.refused("the nearest street", "this is no OSRM")
        return f"{self._service.place} answers"

    def _table(self, sources: list[Position], targets: list[Position]) -> dict[str, Any]:
        count = len(sources) + len(targets)
        answer = self._service.ask(
            f"/table/v1/driving/{_coordinates([*sources, *targets])}",
            query={
                "sources": ";".join(map(str, range(len(sources)))),
                "destinations": ";".join(map(str, range(len(sources), count))),
                "annotations": "duration,distance",
            },
        )
        if answer.get("code") != "Ok":
            raise self._service.refused("a table", answer.get("message", answer.get("code")))
        return answer


def _coordinates(positions: Sequence[Position]) -> str:
    return ";".join(f"{longitude:.6f},{latitude:.6f}" for latitude, longitude in positions)


def _line(leg: dict[str, Any]) -> list[Position]:
    """Steps overlap at their ends."""
    line: list[Position] = []
    for step in leg["steps"]:
        points = [(float(latitude), float(longitude)) for longitude, latitude in step["geometry"]["coordinates"]]
        line += points[1:] if line and points and line[-1] == points[0] else points
    if not line:
        raise ValueError("a leg without a line")
    return simplified(line if len(line) > 1 else line * 2, LINE_TOLERANCE_M)
