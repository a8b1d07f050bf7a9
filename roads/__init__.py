"""Ways by road: matrices and lines from an OpenStreetMap extract, a routing service, or great circles."""

from typing import Protocol

from core.settings import Settings
from core.travel import Roads


class RoadEngine(Roads, Protocol):
    """An engine that can say what it is."""

    def check(self, *, fix: bool = False) -> str:
        """What is used, in one sentence; with `fix`, what it prepares once is prepared now.

        Raises:
            RoadsError: it does not answer or cannot be read.
        """
        ...


def open_roads(settings: Settings) -> RoadEngine:
    """The engine that the settings name: a service's URL before an extract before great circles.

    Nothing is read or asked before the first question, so that this never fails; wrong settings did so earlier.
    """
    if settings.roads_url:
        from roads.osrm import OsrmRoads  # noqa: PLC0415  each engine loads its libraries only where it is used
        from roads.valhalla import ValhallaRoads  # noqa: PLC0415

        engine, _, url = settings.roads_url.partition("+")
        return OsrmRoads(url) if engine == "osrm" else ValhallaRoads(url)
    if settings.osm_pbf is not None:
        from roads.openstreetmap import OpenStreetMapRoads  # noqa: PLC0415

        return OpenStreetMapRoads(settings.osm_pbf, settings.data_dir / "roads")
    from roads.great_circle import GreatCircleRoads  # noqa: PLC0415

    return GreatCircleRoads()
