"""What the tags of OpenStreetMap say about a way or a node; pure.

Keys and values as the OpenStreetMap wiki has them (Key:access, Key:oneway, Key:maxspeed, Key:maxweight, Key:barrier,
Relation:restriction). Two kinds of vehicle are told apart: light (motorcar, goods) and heavy (hgv).
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

Tags = Mapping[str, str]
LIGHT: Final = 1
HEAVY: Final = 2
HEAVY_OVER_T: Final = 3.5
"""Gross weight above which a vehicle is heavy (Key:hgv; StVO section 3)."""


class Access(IntEnum):
    """Who may drive along."""

    NO = 0
    DESTINATION = 1
    """Only where the way begins or ends there."""
    YES = 2


@dataclass(frozen=True, slots=True)
class RoadKind:
    """What matters of a way besides its speed; roads of one kind that meet end to end are one road.

    Limits in tonnes and metres, infinite where there is none. `overweight`: access for what is heavier. `dual`: the
    speed limits of lorries outside towns do not fall to 60 km/h. `stops`: a vehicle may stand there and a person walk.
    """

    forward_light: Access
    forward_heavy: Access
    backward_light: Access
    backward_heavy: Access
    max_weight_t: float = math.inf
    max_height_m: float = math.inf
    max_width_m: float = math.inf
    overweight: Access = Access.NO
    dual: bool = False
    stops: bool = True

    def turned(self) -> "RoadKind":
        """The same road drawn from its other end."""
        return RoadKind(
            self.backward_light,
            self.backward_heavy,
            self.forward_light,
            self.forward_heavy,
            self.max_weight_t,
            self.max_height_m,
            self.max_width_m,
            self.overweight,
            self.dual,
            self.stops,
        )


USUAL_AND_MOST_KMH: Final[Mapping[str, tuple[int, int]]] = {
    "motorway": (100, 120),
    "motorway_link": (50, 70),
    "trunk": (80, 100),
    "trunk_link": (45, 70),
    "primary": (60, 85),
    "primary_link": (40, 60),
    "secondary": (55, 80),
    "secondary_link": (35, 50),
    "tertiary": (45, 70),
    "tertiary_link": (30, 45),
    "unclassified": (35, 55),
    "residential": (25, 35),
    "living_street": (7, 7),
    "pedestrian": (7, 7),
    "service": (12, 20),
    "track": (12, 15),
    "road": (30, 50),
}
"""Mean speeds on the way by class where no limit is tagged, and the most that is driven whatever the limit (chosen)."""
SHARE_OF_LIMIT: Final = 0.85
"""Mean speed on a free road for each km/h of its limit (chosen; OSRM's car profile takes 0.8)."""
_ALLOWED: Final = {
    **dict.fromkeys(("yes", "permissive", "designated", "official", "public"), Access.YES),
    **dict.fromkeys(("destination", "delivery", "customers", "discouraged"), Access.DESTINATION),
    **dict.fromkeys(
        ("no", "private", "agricultural", "forestry", "agricultural;forestry", "forestry;agricultural", "permit",
         "military", "emergency", "psv", "bus", "residents", "employees", "use_sidepath", "dismount"), Access.NO),
}  # fmt: skip
_KEYS: Final = {
    LIGHT: ("goods", "motorcar", "motor_vehicle", "vehicle", "access"),
    HEAVY: ("hgv", "motorcar", "motor_vehicle", "vehicle", "access"),
}
"""The most specific first. Sign 251 is tagged `motorcar=no` and means everything on four wheels, lorries too."""
_ONEWAY_KEYS: Final = {
    LIGHT: ("oneway:motor_vehicle", "oneway"),
    HEAVY: ("oneway:hgv", "oneway:motor_vehicle", "oneway"),
}
_BLOCKING: Final = frozenset(
    ("block", "bollard", "chain", "cycle_barrier", "debris", "full-height_turnstile", "hampshire_gate", "horse_stile",
     "jersey_barrier", "kissing_gate", "log", "motorcycle_barrier", "planter", "rope", "stile", "turnstile",
     "wicket_gate")
)  # fmt: skip
_HEIGHTS: Final = ("maxheight", "maxheight:physical")
_WIDTHS: Final = ("maxwidth", "maxwidth:physical")
LIMITS: Final = (*_HEIGHTS, *_WIDTHS, "maxweight", "maxweight:hgv", "maxweightrating", "maxweightrating:hgv")
"""Keys of limits that also stand on nodes."""
_FREE: Final = RoadKind(Access.YES, Access.YES, Access.YES, Access.YES, stops=False)
_NO_STANDING: Final = frozenset(("motorway", "motorway_link", "trunk_link"))
_IMPLICIT_KMH: Final = {"walk": 7, "urban": 50, "rural": 100, "living_street": 7, "bicycle_road": 30, "school": 30}
_SPARED: Final = re.compile(r"(none|no) *@ *\(?(destination|delivery)")
_NUMBER: Final = re.compile(r"(\d+(?:[.,]\d+)?)\s*([a-z'\"]*)(?:\s*(\d+(?:[.,]\d+)?)\s*(?:\"|in|'')?)?")


def road_kind(tags: Tags) -> RoadKind | None:
    """What the way is for vehicles; None: no road for any of them."""
    highway = tags.get("highway", "")
    if highway not in USUAL_AND_MOST_KMH or tags.get("service") == "emergency_access":
        return None
    accesses = {
        (vehicle, direction): _directed(tags, vehicle, direction)
        for vehicle in (LIGHT, HEAVY)
        for direction in ("forward", "backward")
    }
    if not any(accesses.values()):
        return None
    weight, overweight = _weight_limit(tags)
    return RoadKind(
        accesses[LIGHT, "forward"],
        accesses[HEAVY, "forward"],
        accesses[LIGHT, "backward"],
        accesses[HEAVY, "backward"],
        weight,
        _least(tags, _HEIGHTS, metres),
        _least(tags, _WIDTHS, metres),
        overweight,
        highway in ("motorway", "trunk"),
        _stops(tags),
    )


def passage(tags: Tags) -> RoadKind | None:
    """What a node lets through, as if it were a way; None: everything.

    Its access counts where it has a barrier, its limits wherever it stands: bars are often tagged with theirs alone.
    """
    light, heavy = Access.YES, Access.YES
    if "barrier" in tags:
        closed = tags["barrier"] in _BLOCKING or tags.get("locked") == "yes"
        unsaid = Access.NO if closed else Access.YES
        light, heavy = (
            unsaid if (said := _said(tags, _KEYS[vehicle], "")) is None else said for vehicle in (LIGHT, HEAVY)
        )
    weight, overweight = _weight_limit(tags)
    kind = RoadKind(
        light,
        heavy,
        light,
        heavy,
        weight,
        _least(tags, _HEIGHTS, metres),
        _least(tags, _WIDTHS, metres),
        overweight,
        stops=False,
    )
    return None if kind == _FREE else kind


def speed_kmh(tags: Tags) -> int:
    """The mean speed of a car on the way, at least 5 km/h."""
    usual, most = USUAL_AND_MOST_KMH[tags["highway"]]
    if tags["highway"] == "track" and tags.get("tracktype", "grade1") != "grade1":
        usual = 8
    limits = [
        limit
        for key in ("maxspeed", "maxspeed:forward", "maxspeed:backward")
        if (limit := limit_kmh(tags.get(key, ""))) is not None
    ]
    if not limits:
        keys = ("maxspeed:type", "source:maxspeed", "zone:maxspeed", "zone:traffic")
        limits = [limit for key in keys if (limit := limit_kmh(tags.get(key, ""))) is not None]
    return max(5, round(min(most, SHARE_OF_LIMIT * min(limits)) if limits else usual))


def limit_kmh(text: str) -> float | None:
    """A speed limit: `50`, `30 mph`, `DE:urban`, `DE:zone:30`, `walk`; None: none or not understood."""
    found = []
    for part in text.lower().split(";"):
        name = part.strip().rsplit(":", 1)[-1].removeprefix("zone")
        if name in _IMPLICIT_KMH:
            found.append(float(_IMPLICIT_KMH[name]))
        elif (match := _NUMBER.fullmatch(name)) and match[2] in ("", "mph", "kmh", "knots"):
            number = float(match[1].replace(",", "."))
            found.append(number * {"mph": 1.609344, "knots": 1.852}.get(match[2], 1.0))
    return min((limit for limit in found if limit > 0), default=None)


def tonnes(text: str) -> float | None:
    """A weight limit in tonnes: `7.5`, `3,5 t`, `7500 kg`, `3 st` (short tons), `16000 lbs`."""
    match = _NUMBER.fullmatch(text.strip().lower())
    factor = {"": 1.0, "t": 1.0, "to": 1.0, "kg": 0.001, "st": 0.90718474, "lbs": 0.00045359237}
    if match is None or match[3] or match[2] not in factor:
        return None
    return float(match[1].replace(",", ".")) * factor[match[2]]


def metres(text: str) -> float | None:
    """A height or width in metres: `3.8`, `3,8 m`, `380 cm`, `12'6"`, `12 ft`."""
    match = _NUMBER.fullmatch(text.strip().lower())
    if match is None:
        return None
    number = float(match[1].replace(",", "."))
    if match[2] in ("'", "ft"):
        return number * 0.3048 + float((match[3] or "0").replace(",", ".")) * 0.0254
    factor = {"": 1.0, "m": 1.0, "cm": 0.01, "in": 0.0254, '"': 0.0254}
    return number * factor[match[2]] if match[2] in factor and not match[3] else None


def is_blocked(tags: Tags) -> bool:
    """Whether a node's barrier stops all motor vehicles. A gate does only where its access or lock says so."""
    kind = passage(tags)
    return kind is not None and kind.forward_light is kind.forward_heavy is Access.NO


def restricted_turn(tags: Tags) -> tuple[bool, int] | None:
    """Whether a restriction relation allows only (True) or forbids (False) the turn, and for which vehicles."""
    for key, vehicles in (
        ("restriction", LIGHT | HEAVY),
        ("restriction:motor_vehicle", LIGHT | HEAVY),
        ("restriction:hgv", HEAVY),
        ("restriction:motorcar", LIGHT),
        ("restriction:goods", LIGHT),
    ):
        value = tags.get(key, "")
        if value.startswith(("no_", "only_")):
            excepted = {name.strip() for name in tags.get("except", "").split(";")}
            spared = (LIGHT if excepted & {"motorcar", "goods", "motor_vehicle"} else 0) | (
                HEAVY if excepted & {"hgv", "motor_vehicle"} else 0
            )
            left = vehicles & ~spared
            return (value.startswith("only_"), left) if left else None
    return None


def _directed(tags: Tags, vehicle: int, direction: str) -> Access:
    access = _said(tags, _KEYS[vehicle][: -1 if tags["highway"] == "pedestrian" else None], direction)
    if access is None:
        access = _unsaid(tags)
    return access if _goes(tags, vehicle, direction) else Access.NO


def _said(tags: Tags, keys: tuple[str, ...], direction: str) -> Access | None:
    """By the most specific tag whose value is known."""
    for key in keys:
        access = _ALLOWED.get(tags.get(f"{key}:{direction}", tags.get(key, "")))
        if access is not None:
            return access
    return None


def _unsaid(tags: Tags) -> Access:
    """Tracks and driveways lead to places, not through; a grassy track or a pedestrian street leads nowhere."""
    highway = tags["highway"]
    if highway == "pedestrian" or (highway == "track" and tags.get("tracktype") in ("grade4", "grade5")):
        return Access.NO
    if highway == "track" or tags.get("service") in ("driveway", "parking_aisle", "drive-through"):
        return Access.DESTINATION
    return Access.YES


def _goes(tags: Tags, vehicle: int, direction: str) -> bool:
    value = next((tags[key] for key in _ONEWAY_KEYS[vehicle] if key in tags), "")
    if value == "reversible":
        return False
    if value in ("-1", "reverse"):
        return direction == "backward"
    implied = tags["highway"] == "motorway" or tags.get("junction") in ("roundabout", "circular")
    if value in ("yes", "true", "1") or (implied and value not in ("no", "false", "0", "alternating")):
        return direction == "forward"
    return True


def _stops(tags: Tags) -> bool:
    """StVO section 18 forbids to stop on motorways and what is signed alike; nobody walks to a bin from a tunnel."""
    is_inside = tags.get("tunnel", "no") not in ("no", "building_passage") or tags.get("bridge", "no") != "no"
    return not (tags["highway"] in _NO_STANDING or tags.get("motorroad") == "yes" or is_inside)


def _weight_limit(tags: Tags) -> tuple[float, Access]:
    keys = ("maxweight", "maxweight:hgv", "maxweightrating", "maxweightrating:hgv")
    spared = any(_SPARED.search(tags.get(f"{key}:conditional", "")) for key in keys)
    return _least(tags, keys, tonnes), Access.DESTINATION if spared else Access.NO


def _least(tags: Tags, keys: tuple[str, ...], parse: Callable[[str], float | None]) -> float:
    found = [limit for key in keys if (limit := parse(tags.get(key, ""))) is not None]
    return min(found, default=math.inf)
