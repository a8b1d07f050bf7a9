"""Which bins a day's plan must empty, which it may, and what they hold.

Wouda, Aerts-Veenstra and van Foreest 2024 (arXiv 2409.13386): a bin must be emptied when it overflows before the next
chance almost surely; else leaving it out costs the price of an overflow times its probability, and the routes decide
whether the way to it is worth that.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from core.device import Device, Municipality
from core.errors import InvalidInputError
from core.pickup import DueReason, Forecast
from pickups.catalogue import density_kg_per_l, service_s, waste_kind
from pickups.due import Level, is_served, reasons_for, volume_l
from pickups.hours import collection_windows
from pickups.routes.problem import LeftOut, Window

NO_POSITION: Final = "no position"
_ASKED_FOR_LEVEL: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A bin that must (`required`) or may be emptied, leaving it out costing `prize_eur` euros.

    `is_due`: the due list has it; others are only offered because a vehicle may pass by.
    `urgency`: from 1 to 4, see `urgency_of`; of those that must be emptied and find no room the least urgent stay.
    `content_l` and `weight_kg`: what it is expected to hold; `vehicles`: names of those that may go there, None: all.
    """

    device: Device
    position: tuple[float, float]
    level: Level | None
    volume_l: float
    content_l: int
    weight_kg: int
    service_s: int
    waste_kind: str
    reasons: tuple[DueReason, ...]
    overflow_probability: float | None
    is_due: bool
    required: bool
    urgency: float
    prize_eur: float
    windows: tuple[Window, ...]
    vehicles: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of bins on the morning of a day, by device id.

    `levels`: the newest; `requested`: those with an open request; `today`: expected at the end of the day;
    `next_chance`: expected when they could be emptied next, with the probability that they are full by then.
    """

    levels: Mapping[str, Level]
    requested: Collection[str]
    today: Mapping[str, Forecast]
    next_chance: Mapping[str, Forecast]
    odd: Mapping[str, str] = field(default_factory=dict)
    """Bins that stand where none can be, each with a clause that says so."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The bins for the routes to choose from, and those due that are not among them, with the reason."""

    choices: tuple[Choice, ...]
    left_out: tuple[LeftOut, ...]


def choose(devices: Iterable[Device], known: Known, municipalities: Mapping[str, Municipality]) -> Chosen:
    """The bins of a day, by id.

    A bin must be emptied when somebody asked for it, when its level is at its municipality's `required_level`, or when
    it overflows before the next chance with the municipality's `required_probability`. Where a forecast tells no
    probability, the threshold decides: the level, or the one expected, has reached it. Others may be emptied if that is
    worth it, those over the threshold among them: a bin at 85 % that fills slowly can wait. Those below the
    municipality's `least_level`, and those whose prize does not even pay for the time at the bin, are not offered.
    Devices that are no bins, or not in service, are passed over. `municipalities`: all of the devices', by slug.
    """
    choices, left_out = [], []
    for device in sorted(devices, key=lambda device: device.device_id):
        if not is_served(device):
            continue
        found = _choice(device, known, municipalities[device.municipality])
        if isinstance(found, Choice):
            choices.append(found)
        elif found is not None:
            left_out.append(found)
    return Chosen(tuple(choices), tuple(left_out))


def _choice(device: Device, known: Known, municipality: Municipality) -> Choice | LeftOut | None:
    level, expected = known.levels.get(device.device_id), known.today.get(device.device_id)
    reasons = reasons_for(device, level, municipality.filling_threshold, known.requested, expected)
    later = known.next_chance.get(device.device_id)
    probability = later.overflow_probability if later else None
    if probability is None:
        required = bool(reasons)
    else:
        required = (
            DueReason.REQUESTED in reasons
            or probability >= municipality.required_probability
            or (level is not None and level.filling_level >= municipality.required_level)
        )
    prize_eur = 0.0 if probability is None else municipality.overflow_cost * probability
    litres = volume_l(device)
    takes_s = service_s(device.attributes, litres)
    is_empty = level is not None and level.filling_level < municipality.least_level
    if not required and (is_empty or prize_eur <= _cost_eur(municipality, takes_s)):
        if not reasons:
            return None
        return LeftOut(
            device.device_id, f"can wait: full before the next collection with probability {probability:.2g}"
        )
    if device.latitude is None or device.longitude is None:
        return LeftOut(device.device_id, NO_POSITION)
    if device.device_id in known.odd:
        return LeftOut(device.device_id, known.odd[device.device_id])
    try:
        windows = collection_windows(device.attributes, takes_s)
        vehicles = _access(device, municipality)
    except InvalidInputError as error:
        return LeftOut(device.device_id, str(error))
    kind = waste_kind(device.attributes)
    content_l = litres * _level_at_visit(level, expected)
    return Choice(
        device=device,
        position=(device.latitude, device.longitude),
        level=level,
        volume_l=litres,
        content_l=math.ceil(content_l),
        weight_kg=math.ceil(content_l * density_kg_per_l(kind)),
        service_s=takes_s,
        waste_kind=kind,
        reasons=reasons or (DueReason.FORECAST,),
        overflow_probability=probability,
        is_due=bool(reasons) or required,
        required=required,
        urgency=urgency_of(level, reasons),
        prize_eur=prize_eur,
        windows=windows,
        vehicles=vehicles,
    )


def urgency_of(level: Level | None, reasons: Collection[DueReason]) -> float:
    """What a bin counts beside others on a day on which not all find room: 1 up to half full, 4 when it is full.

    One that somebody asked for counts as one at four fifths at least, one never measured as full. Assumed: a full bin
    outweighs a detour of some minutes to one that can wait, and never a street of such.
    """
    filling_level = 1.0 if level is None else level.filling_level
    asked_for = _ASKED_FOR_LEVEL if DueReason.REQUESTED in reasons else 0.0
    return 1.0 + 3.0 * min(1.0, max(0.0, 2.0 * max(filling_level, asked_for) - 1.0))


def _level_at_visit(level: Level | None, expected: Forecast | None) -> float:
    """What the bin holds when the vehicle comes (0-1): what is expected by the evening; never measured: it is full."""
    if level is None:
        return 1.0
    return min(1.0, max(level.filling_level, expected.filling_level if expected else 0.0))


def _cost_eur(municipality: Municipality, seconds: int) -> float:
    return min((vehicle.cost_per_hour for vehicle in municipality.vehicles), default=0.0) * seconds / 3600


def _access(device: Device, municipality: Municipality) -> frozenset[str] | None:
    given = device.attributes.get("vehicles")
    if given is None:
        return None
    names = frozenset(name.strip() for name in str(given).split(",") if name.strip())
    if not names & {vehicle.name for vehicle in municipality.vehicles}:
        raise InvalidInputError(
            f"vehicles {str(given)[:80]!r} names no vehicle of municipality {municipality.municipality}"
        )
    return names
