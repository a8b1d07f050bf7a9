"""Builders of bins and municipalities for the planner's tests."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from core.device import DisposalSite, Municipality, Place, Vehicle
from core.pickup import DueBin, DueReason, Pause, PauseKind, Plan, PlanState, Route, Stop


@pytest.fixture
def due_bin() -> Callable[..., DueBin]:
    def build(
        device_id: str, latitude: float | None = 50.8, longitude: float | None = 8.77, **changes: object
    ) -> DueBin:
        values: dict[str, object] = {
            "device_id": device_id,
            "municipality": "marburg",
            "name": f"Bin {device_id}",
            "latitude": latitude,
            "longitude": longitude,
            "filling_level": 0.9,
            "observed_at": None,
            "threshold": 0.8,
            "reasons": (DueReason.ABOVE_THRESHOLD,),
            "forecast": None,
            "volume_l": 240.0,
        }
        return DueBin(**(values | changes))  # type: ignore[arg-type]

    return build


@pytest.fixture
def marburg() -> Callable[..., Municipality]:
    def build(
        *vehicles: Vehicle, depot: Place | None = None, disposal_site: DisposalSite | None = None
    ) -> Municipality:
        return Municipality(
            municipality="marburg",
            name="Marburg",
            depot=depot or Place("Bauhof", 50.80, 8.76),
            disposal_sites=(disposal_site,) if disposal_site else (),
            vehicles=vehicles or (Vehicle("truck", 1, 10_000.0, 8 * 3600),),
        )

    return build


@pytest.fixture
def driven_plan() -> Callable[..., Plan]:
    """A plan with one route along roads: break after stop 1, unloading after stop 2, both named."""

    def build(stops: int = 3, **changes: object) -> Plan:
        made = tuple(
            Stop(
                stop_id=f"stop-{number}",
                sequence=number,
                device_id=f"bin-{number}",
                name=f"Platz {number}",
                latitude=round(50.80 + number / 100, 4),
                longitude=round(8.70 + number / 100, 4),
                filling_level=0.9,
                volume_l=240.0,
                reasons=(DueReason.ABOVE_THRESHOLD,),
                arrival_s=600 * number,
                distance_m=1000 * number,
                street="Köhlersgrund 7",
                remark="Schlüssel beim Hausmeister",
                waste_kind="residual",
            )
            for number in range(1, stops + 1)
        )
        pauses = (
            Pause(kind=PauseKind.BREAK, after=1, arrival_s=660, duration_s=1800, distance_m=1000),
            Pause(
                kind=PauseKind.UNLOADING,
                after=2,
                arrival_s=3000,
                duration_s=900,
                distance_m=2500,
                name="Deponie",
                latitude=50.9,
                longitude=8.9,
            ),
        )
        places = [(50.80, 8.70), *((stop.latitude, stop.longitude) for stop in made), (50.80, 8.70)]
        legs = tuple((a, (a[0], b[1]), b) for a, b in pairwise(places))  # along two streets each
        route = Route(
            route_id="r1",
            vehicle="Müllwagen",
            stops=made,
            distance_m=12_340,
            duration_s=9000,
            load_l=240.0 * stops,
            start_s=6 * 3600 + 300,
            waste_kind="residual",
            pauses=pauses,
            legs=legs,
        )
        values: dict[str, object] = {
            "plan_id": "plan-1",
            "municipality": "marburg",
            "date": date(2026, 5, 6),
            "state": PlanState.DONE,
            "progress": 1.0,
            "created_at": datetime(2026, 5, 6, 2, tzinfo=UTC),
            "distance_source": "osm",
            "depot_name": "Bauhof",
            "depot_latitude": 50.80,
            "depot_longitude": 8.70,
            "disposal_name": "Deponie",
            "disposal_latitude": 50.9,
            "disposal_longitude": 8.9,
            "routes": (route,),
        }
        return Plan(**(values | changes))  # type: ignore[arg-type]

    return build
