"""Ways from a Valhalla server (https://valhalla.github.io/valhalla/api/): locate, sources_to_targets, route."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from core.geo import great_circle_m
from core.travel import Position, TravelMatrix, TruckProfile
from roads.geometry import simplified
from roads.service import RoutingService, chains_of, chunks, no_positions, too_far, whole_matrix
from roads.tags import HEAVY_OVER_T
from roads.tolerances import LINE_TOLERANCE_M

SOURCE: Final = "valhalla"
_SIDE: Final = 50
"""Sources and targets of one question: `max_matrix_location_pairs` is 2,500 by default."""
_LOCATIONS: Final = 20
"""A route may have so many: `max_locations` is 20 by default."""


class ValhallaRoads:
    """A Valhalla server at a base URL: costing `auto`, for vehicles over 3.5 t `truck` with weight and size."""

    def __init__(self, url: str) -> None:
        self._service = RoutingService("Valhalla", url)

    def matrix(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> TravelMatrix:
        """Positions are looked up first, since one that is off the roads would spoil a whole question."""
        unreachable = no_positions(positions)
        unreachable |= self._off_roads(
            [index for index in range(len(positions)) if index not in unreachable], positions, truck
        )
        good = [index for index in range(len(positions)) if index not in unreachable]
        metres, seconds = (np.full((len(positions), len(positions)), np.nan) for _ in range(2))
        for rows in chunks(len(good), _SIDE):
            sources = [good[row] for row in rows]
            for columns in chunks(len(good), _SIDE):
                targets = [good[column] for column in columns]
                body = {
                    "sources": [_location(positions[index]) for index in sources],
                    "targets": [_location(positions[index]) for index in targets],
                    **_costing(truck),
                }
                answer = self._ask("/sources_to_targets", body, "a matrix")
                try:
                    block = np.ix_(sources, targets)
                    metres[block] = 1000.0 * _cells(answer["sources_to_targets"], "distance")
                    seconds[block] = _cells(answer["sources_to_targets"], "time")
                except (KeyError, ValueError, TypeError) as error:
                    raise self._service.not_as_documented("a matrix", error) from error
        return whole_matrix(metres, seconds, SOURCE, unreachable)

    def legs(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> list[list[Position]]:
        """Route service, without instructions."""
        legs: list[list[Position]] = []
        for part in chains_of(len(positions), _LOCATIONS):
            body = {
                "locations": [_location(positions[index]) for index in part],
                "directions_type": "none",
                **_costing(truck),
            }
            answer = self._ask("/route", body, "a route")
            try:
                found = [simplified(decode_polyline(leg["shape"]), LINE_TOLERANCE_M) for leg in answer["trip"]["legs"]]
                if len(found) != len(part) - 1:
                    raise ValueError(f"{len(found)} legs between {len(part)} positions")
            except (KeyError, IndexError, ValueError, TypeError) as error:
                raise self._service.not_as_documented("a route", error) from error
            legs += found
        return legs

    def check(self, *, fix: bool = False) -> str:  # noqa: ARG002
        """Its own status."""
        answer = self._service.ask("/status")
        if "version" not in answer:
            raise self._service.refused("its status", answer.get("error", "this is no Valhalla"))
        return f"{self._service.place} answers, version {str(answer['version'])[:40]}"

    def _off_roads(
        self, indices: Sequence[int], positions: Sequence[Position], truck: TruckProfile | None
    ) -> dict[int, str]:
        """Those without a street within reach."""
        found: dict[int, str] = {}
        for part in chunks(len(indices), _SIDE):
            asked = [indices[row] for row in part]
            body = {"locations": [_location(positions[index]) for index in asked], "verbose": False, **_costing(truck)}
            answer = self._service.ask_list("/locate", body)
            try:
                for index, place in zip(asked, answer, strict=True):
                    edges = place.get("edges") or []
                    away = [
                        great_circle_m(*positions[index], edge["correlated_lat"], edge["correlated_lon"])
                        for edge in edges
                    ]
                    if why := too_far(min(away, default=None)):
                        found[index] = why
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise self._service.not_as_documented("where positions are", error) from error
        return found

    def _ask(self, path: str, body: dict[str, Any], asked: str) -> dict[str, Any]:
        answer = self._service.ask(path, body=body)
        if "error" in answer:
            raise self._service.refused(asked, answer["error"])
        return answer


def decode_polyline(text: str) -> list[Position]:
    """Positions of an encoded polyline with six decimals (https://valhalla.github.io/valhalla/decoding/).

    Raises:
        ValueError: it ends within a number, or holds fewer than two positions.
    """
    numbers: list[int] = []
    value = shift = 0
    for sign in text:
        bits = ord(sign) - 63
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits < 0x20:  # noqa: PLR2004  the last of a number
            numbers.append(~(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    if shift or len(numbers) % 2 or len(numbers) < 4:  # noqa: PLR2004  two positions
        raise ValueError("a torn polyline")
    latitudes, longitudes = np.cumsum(numbers[::2]) / 1e6, np.cumsum(numbers[1::2]) / 1e6
    return list(zip(latitudes.tolist(), longitudes.tolist(), strict=True))


def _cells(rows: Any, key: str) -> Any:
    return np.array([[cell[key] for cell in row] for row in rows], dtype=np.float64)


def _location(position: Position) -> dict[str, float]:
    return {"lat": round(position[0], 6), "lon": round(position[1], 6)}


def _costing(truck: TruckProfile | None) -> dict[str, Any]:
    if truck is None or (truck.weight_t or 0.0) <= HEAVY_OVER_T:
        sizes = {"height": truck and truck.height_m, "width": truck and truck.width_m}
        name = "auto"
    else:
        sizes = {"weight": truck.weight_t, "height": truck.height_m, "width": truck.width_m}
        name = "truck"
    options = {key: value for key, value in sizes.items() if value is not None}
    return {"costing": name, "units": "kilometers", "costing_options": {name: options}}
