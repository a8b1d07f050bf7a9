"""Fleets on the shipped region."""

from collections.abc import Callable

import pytest

from core.device import Device
from core.topics import Topics
from simulators.faults import FaultKind, Injection
from simulators.fleet import Fleet, build_fleet
from simulators.region import Region, load_region
from simulators.streetlight import Lamp
from simulators.uplink import Uplink
from simulators.waste_bin import Bin
from simulators.world import World


@pytest.fixture(scope="session")
def region() -> Region:
    return load_region("marburg-biedenkopf")


@pytest.fixture
def make_fleet(region: Region) -> Callable[..., Fleet]:
    def make(lamps: int = 300, bins: int = 80, seed: int = 0) -> Fleet:
        return build_fleet(region, lamps=lamps, bins=bins, seed=seed)

    return make


@pytest.fixture
def world(region: Region) -> World:
    return World(region, 0)


@pytest.fixture
def make_lamp(world: World) -> Callable[..., Lamp]:
    """A lamp of 26 W in Marburg, new, with a fault from `since_s` on if wanted."""

    def make(fault: FaultKind | None = None, since_s: float = 0.0) -> Lamp:
        device = Device(
            device_id="lamp-1",
            device_type="streetlight",
            municipality="marburg",
            attributes={"rated_power_w": 26, "street_order": 1, "circuit": "marburg-001", "lighting_class": "P4"},
        )
        injection = Injection(fault, 0.0, since_s) if fault else None
        lamp = Lamp(device, world, Uplink(device, Topics("kreispuls/v1"), injection), 0)
        lamp.hours_h = 0.0
        lamp.energy_kwh = 0.0
        return lamp

    return make


@pytest.fixture
def make_bin(world: World) -> Callable[..., Bin]:
    """A bin of 70 l in Marburg with a sensor of the wanted kind."""

    def make(
        fault: FaultKind | None = None,
        since_s: float = 0.0,
        *,
        place_type: str = "park",
        volume_l: float = 70,
        sensor: str = "distance_m",
    ) -> Bin:
        device = Device(
            device_id="bin-1",
            device_type="waste_bin",
            municipality="marburg",
            attributes={
                "height_m": 0.75,
                "sensor_offset_m": 0.1,
                "volume_l": volume_l,
                "place_type": place_type,
                "sensor": sensor,
            },
        )
        injection = Injection(fault, 0.0, since_s) if fault else None
        return Bin(device, world, Uplink(device, Topics("kreispuls/v1"), injection), 0)

    return make
