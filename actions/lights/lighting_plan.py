"""Reads what decides on the light of all lamps from the state database."""

import logging
import math

from core.errors import InvalidInputError
from core.settings import Settings
from devices.positions import Middle, middles
from lights.assignment import LightingPlan
from lights.catalogue import ProfileEntry, parse_entry, profile_of
from lights.profile import LightingProfile, PresenceResponse, standby_profile
from lights.sun import POSITION_DIGITS
from state.state import State

logger = logging.getLogger(__name__)


def read_lighting_plan(state: State, settings: Settings) -> LightingPlan:
    """The lighting plan as it stands; it changes with the registry's revision.

    Raises:
        StorageError: the state database failed.
    """
    return LightingPlan(
        default=default_profile(settings),
        zone=settings.zone,
        profiles={(place, name): profile_of(name, entry) for (place, name), entry in municipal_profiles(state).items()},
        groups=state.lighting.groups(),
        events=state.lighting.events(),
        municipalities=state.municipalities.all(),
        middles={name: _roughly(middle) for name, middle in middles(state.devices.positions("streetlight")).items()},
        state=settings.holidays_state,
    )


def _roughly(middle: Middle) -> Middle:
    """So near that the sun is the same: a lamp more changes no lighting plan."""
    reach_km = 10.0 * math.ceil(middle.reach_km / 10) if math.isfinite(middle.reach_km) else middle.reach_km
    return Middle(round(middle.latitude, POSITION_DIGITS), round(middle.longitude, POSITION_DIGITS), reach_km)


def municipal_profiles(state: State) -> dict[tuple[str, str], ProfileEntry]:
    """The profiles of municipalities by municipality and name.

    One that this version cannot read is reported and left out: its lamps follow what is more general.

    Raises:
        StorageError: the state database failed.
    """
    found: dict[tuple[str, str], ProfileEntry] = {}
    for (municipality, name), data in state.lighting.profiles().items():
        try:
            found[municipality, name] = parse_entry(name, data, f"municipality {municipality}")
        except InvalidInputError as error:
            logger.error("lighting profile left out: %s", error)
    return found


def default_profile(settings: Settings) -> LightingProfile:
    """The profile of lamps that nothing is said of: what the settings say of presence."""
    return standby_profile(
        PresenceResponse(
            dim_level=settings.presence_dim_level,
            standby_dim_level=settings.standby_dim_level,
            hold_s=settings.presence_hold_s,
            fade_s=settings.presence_fade_s,
            lamps_ahead=settings.presence_neighbours,
        )
    )
