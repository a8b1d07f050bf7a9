"""Builders of bins and municipalities for the planner's tests."""

from collections.abc import Callable

import pytest

from core.device import DisposalSite, Municipality, Place, Vehicle
from core.pickup import DueBin, DueReason


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
