"""Reads region files: municipalities with their places, vehicles and streets, checked before anything starts."""

from collections import Counter
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.device import MUNICIPALITY_PATTERN, DisposalSite, Municipality, Place, Vehicle
from core.errors import SettingsError

_Latitude = Annotated[float, Field(ge=-60, le=60)]
"""Further from the equator there are nights without dusk, which the sun of the simulators does not know."""
_Longitude = Annotated[float, Field(ge=-180, le=180)]
_Name = Annotated[str, Field(min_length=1, max_length=100)]
_Slug = Annotated[str, Field(pattern=rf"^{MUNICIPALITY_PATTERN}$")]
LightingClass = Literal["M3", "M4", "M5", "M6", "C3", "C4", "C5", "P2", "P3", "P4", "P5", "P6"]
"""Lighting classes of EN 13201-2 that occur in small towns."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RegionPlace(_Entry):
    """A depot or disposal site; `simulated`: there is such a place, but not known to be here."""

    name: _Name
    latitude: _Latitude
    longitude: _Longitude
    simulated: bool = False

    @property
    def place(self) -> Place:
        """The core noun."""
        return Place(self.name, self.latitude, self.longitude)


class RegionDisposalSite(RegionPlace):
    """Where vehicles unload; seconds, of instants after local midnight."""

    unloading_s: Annotated[int, Field(ge=0, le=86_400)] = 900
    waste_kinds: list[_Name] = []
    open_from_s: Annotated[int, Field(ge=0, le=86_400)] | None = None
    open_until_s: Annotated[int, Field(ge=0, le=86_400)] | None = None

    @property
    def site(self) -> DisposalSite:
        """The disposal site as the registry keeps it."""
        return DisposalSite(**(self.model_dump(exclude={"simulated"}) | {"waste_kinds": tuple(self.waste_kinds)}))


class RegionVehicle(_Entry):
    """A kind of collection vehicle; litres of uncompacted waste, seconds, euros per kilometre, tonnes gross."""

    name: _Name
    count: Annotated[int, Field(ge=1, le=1000)]
    capacity_l: Annotated[float, Field(gt=0, le=100_000)]
    shift_s: Annotated[int, Field(gt=0, le=86_400)]
    capacity_kg: Annotated[float, Field(gt=0, le=100_000)] | None = None
    weight_t: Annotated[float, Field(gt=0, le=60)] | None = None
    cost_per_km: Annotated[float, Field(ge=0, le=100)] = 0.8
    fuel_l_per_100km: Annotated[float, Field(ge=0, le=200)] = 30.0
    waste_kinds: tuple[_Name, ...] = ()


class Street(_Entry):
    """A street with a row of lamps; `line` in GeoJSON order: [longitude, latitude]."""

    name: _Name
    line: Annotated[list[tuple[_Longitude, _Latitude]], Field(min_length=2)]
    spacing_m: Annotated[float, Field(ge=5, le=200)] = 30.0
    lighting_class: LightingClass = "P4"
    passages_per_day: Annotated[float, Field(ge=0, le=100_000)] = 60.0
    """How often somebody walks, rides or drives along it on a mean day."""


class RegionMunicipality(_Entry):
    """A municipality as the region file gives it; `population` is approximate."""

    municipality: _Slug
    name: _Name
    latitude: _Latitude
    longitude: _Longitude
    population: Annotated[int, Field(ge=1)]
    filling_threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    planning_hour: Annotated[int, Field(ge=0, le=23)] = 4
    collection_days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1)] = [1, 2, 3, 4, 5]
    collects_on_holidays: bool = False
    depot: RegionPlace
    disposal_sites: Annotated[list[RegionDisposalSite], Field(min_length=1)]
    vehicles: Annotated[list[RegionVehicle], Field(min_length=1)]
    streets: Annotated[list[Street], Field(min_length=1)]


class RegionEvent(_Entry):
    """A yearly feast that fills the bins of a municipality `factor` times as fast; dates are approximate."""

    name: _Name
    municipality: _Slug
    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]
    days: Annotated[int, Field(ge=1, le=60)]
    factor: Annotated[float, Field(ge=1, le=10)]


class PilotStreet(_Entry):
    """The street whose row of lamps is complete before any other lamp is placed."""

    municipality: _Slug
    street: _Name


class Region(_Entry):
    """A region file."""

    region: _Slug
    name: _Name
    note: str = ""
    timezone: str
    holidays_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    holidays_subdivision: str | None = None
    pilot_street: PilotStreet
    municipalities: Annotated[list[RegionMunicipality], Field(min_length=1)]
    events: list[RegionEvent] = []

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("expected a time zone name such as Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        counts = Counter(entry.municipality for entry in self.municipalities)
        for slug, count in counts.items():
            if count > 1:
                raise ValueError(f"municipality {slug} occurs {count} times")
        for event in self.events:
            if event.municipality not in counts:
                raise ValueError(f"event {event.name}: unknown municipality {event.municipality}")
        for entry in self.municipalities:
            names = Counter(street.name for street in entry.streets)
            double = [name for name, count in names.items() if count > 1]
            if double:
                raise ValueError(f"municipality {entry.municipality}: street {double[0]} occurs more than once")
        pilot = self.pilot_street
        if not any(
            entry.municipality == pilot.municipality and street.name == pilot.street
            for entry in self.municipalities
            for street in entry.streets
        ):
            raise ValueError(f"pilot_street: there is no {pilot.street} in {pilot.municipality}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """Local time."""
        return ZoneInfo(self.timezone)


def load_region(name_or_path: str | Path) -> Region:
    """Read a shipped region by its name (`marburg-biedenkopf`) or a region file by its path (ending in `.json`).

    Raises:
        SettingsError: there is none, or the file is wrong; names file and key.
    """
    text = str(name_or_path)
    if text.endswith(".json"):
        source: Path | Traversable = Path(text)
        shown = text
    else:
        file_name = f"{text}.json"
        known = sorted(file.name for file in files("simulators.regions").iterdir() if file.name.endswith(".json"))
        if file_name not in known:
            names = ", ".join(name.removesuffix(".json") for name in known)
            raise SettingsError(f"unknown region {ascii(text)[:80]}; known: {names}, or the path of a .json file")
        source = files("simulators.regions").joinpath(file_name)
        shown = f"simulators/regions/{file_name}"
    try:
        raw = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"region file {shown} cannot be read: {error}") from error
    try:
        return Region.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        where = f"{shown}: {key}" if key else shown
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def municipalities(region: Region) -> list[Municipality]:
    """The tenants of a region, in its order."""
    return [
        Municipality(
            municipality=entry.municipality,
            name=entry.name,
            latitude=entry.latitude,
            longitude=entry.longitude,
            filling_threshold=entry.filling_threshold,
            planning_hour=entry.planning_hour,
            collection_days=tuple(entry.collection_days),
            collects_on_holidays=entry.collects_on_holidays,
            depot=entry.depot.place,
            disposal_sites=tuple(site.site for site in entry.disposal_sites),
            vehicles=tuple(Vehicle(**vehicle.model_dump()) for vehicle in entry.vehicles),
        )
        for entry in region.municipalities
    ]
