"""Finds what a fixed weekly schedule would drive: one round over all bins of a municipality, by the planner itself.

Estimated: a municipality's real schedule is not known here. The round is the cheapest that the solver finds for all
bins on the days of one week, so the comparison rather favours the schedule.
"""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import Final

from actions.pickups.bins_of_day import with_depot
from actions.pickups.routes import Search, plan_routes
from actions.pickups.weekly_round import kept_round, knows_better, stands_for, weekly_bins
from core.device import Device, Municipality
from core.errors import PlanningError
from core.settings import Settings
from core.travel import Roads
from pickups.catalogue import density_kg_per_l, service_s, waste_kind
from pickups.choosing import Choice, Chosen
from pickups.due import volume_l
from roads import open_roads
from state.pickup_history import WeeklyRound
from state.state import State, open_state

CONTENT: Final = 0.49
"""How full bins are at a round by the calendar: Groningen's mean level under the municipal rule (arXiv 2409.13386)."""
LEAST_SEARCH_S: Final = 0.5
MOST_SEARCH_S: Final = 10.0
SEARCH_S_PER_BIN: Final = 0.03
WORK_FOR_S: Final = 10.0
"""A run of the job looks for no further round after so long: planning waits for it."""


def find_round(
    state: State, roads: Roads, municipality: Municipality, bins: Sequence[Device], *, seed: int = 0
) -> WeeklyRound:
    """Find the round and keep it; one that cannot be driven is kept as none, of 0 metres. Half a second to ten.

    Raises:
        RoadsError: the road engine does not answer.
        StorageError: the round cannot be kept.
    """
    week = [replace(kind, count=kind.count * len(municipality.collection_days)) for kind in municipality.vehicles]
    choices = tuple(map(_choice, bins))
    whole_week = replace(with_depot(municipality, Chosen(choices, ())), vehicles=tuple(week))
    seconds = min(MOST_SEARCH_S, max(LEAST_SEARCH_S, SEARCH_S_PER_BIN * len(bins)))
    search = Search(seconds, seed, progress=lambda _: None, cancelled=lambda: False)
    made_for = stands_for(municipality, bins)
    try:
        found = plan_routes(choices, [whole_week], roads, search)
    except PlanningError:
        none = WeeklyRound(made_for, 0.0, 0.0, 0.0, "")
        state.pickup_history.keep_weekly_round(municipality.municipality, none)
        return none
    fuel = {kind.name: kind.fuel_l_per_100km for kind in municipality.vehicles}
    made = WeeklyRound(
        made_for,
        distance_m=float(sum(route.distance_m for route in found.routes)),
        duration_s=float(sum(route.duration_s for route in found.routes)),
        fuel_l=sum(route.distance_m / 100_000 * fuel.get(route.vehicle, 0.0) for route in found.routes),
        distance_source=found.source,
    )
    state.pickup_history.keep_weekly_round(municipality.municipality, made)
    return made


def find_missing_rounds(settings: Settings) -> None:
    """Find rounds that are missing or out of date, as many as come within ten seconds: a job, safe to repeat.

    Opens and closes its own store, so it may run in a process of its own.
    """
    until = monotonic() + WORK_FOR_S
    state = open_state(settings.state_url)
    try:
        for municipality in state.municipalities.all():
            bins = weekly_bins(state, municipality.municipality)
            kept = kept_round(state, municipality, bins)
            if bins and (kept is None or knows_better(settings, kept)):
                find_round(state, open_roads(settings), municipality, bins)
            if monotonic() > until:
                return
    finally:
        state.close()


def _choice(device: Device) -> Choice:
    litres = volume_l(device)
    kind = waste_kind(device.attributes)
    return Choice(
        device=device,
        position=(device.latitude or 0.0, device.longitude or 0.0),
        level=None,
        volume_l=litres,
        content_l=round(litres * CONTENT),
        weight_kg=round(litres * CONTENT * density_kg_per_l(kind)),
        service_s=service_s(device.attributes, litres),
        waste_kind=kind,
        reasons=(),
        overflow_probability=None,
        is_due=True,
        required=True,
        urgency=1.0,
        prize_eur=0.0,
        windows=(),
        vehicles=None,
    )
