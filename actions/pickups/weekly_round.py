"""The weekly round that is kept for a municipality's bins: what a fixed schedule would drive."""

import hashlib
from collections.abc import Sequence

from core.device import Device, Municipality
from core.settings import Settings
from pickups.catalogue import waste_kind
from pickups.due import DEVICE_TYPE, is_served, volume_l
from state.devices import DeviceFilter
from state.pickup_history import WeeklyRound
from state.state import State


def weekly_bins(state: State, municipality: str) -> list[Device]:
    """The bins of a weekly round: all in service that have a position, by id."""
    bins = state.devices.all(DeviceFilter(municipality=municipality, device_type=DEVICE_TYPE))
    placed = [each for each in bins if is_served(each) and None not in (each.latitude, each.longitude)]
    return sorted(placed, key=lambda each: each.device_id)


def kept_round(state: State, municipality: Municipality, bins: Sequence[Device]) -> WeeklyRound | None:
    """The round kept for just these bins, places and vehicles; None: there is none yet."""
    kept = state.pickup_history.weekly_round(municipality.municipality)
    return kept if kept is not None and kept.made_for == stands_for(municipality, bins) else None


def knows_better(settings: Settings, kept: WeeklyRound) -> bool:
    """Whether a round was found as the crow flies and there are roads now."""
    has_roads = settings.osm_pbf is not None or bool(settings.roads_url)
    return has_roads and kept.distance_source.startswith("great_circle")


def stands_for(municipality: Municipality, bins: Sequence[Device]) -> str:
    """A short text that changes with everything that the round depends on."""
    parts = [
        (each.device_id, each.latitude, each.longitude, volume_l(each), waste_kind(each.attributes)) for each in bins
    ]
    places = (municipality.depot, municipality.disposal_sites, municipality.vehicles, municipality.collection_days)
    return hashlib.sha256(repr((parts, places)).encode()).hexdigest()[:32]
