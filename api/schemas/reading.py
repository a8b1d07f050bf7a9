"""Readings as the API gives them: latest values, series, totals."""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from api.schemas.fields import DeviceId, Shown, Slug, TimeOut
from core.quantity import CATALOGUE, Kind, Value, split_faults
from core.reading import DeviceObservation, Observation

ValueOut = bool | int | float | str | list[str]
"""A value as JSON; `faults` is an array of names."""


class ValueShown(BaseModel):
    """A value and when it was true."""

    value: ValueOut = Field(examples=[0.72])
    observed_at: TimeOut


class LatestShown(BaseModel):
    """The newest value of each quantity of one device."""

    device_id: DeviceId
    device_type: str = Field(examples=["waste_bin"])
    municipality: Slug
    values: dict[str, ValueShown] = Field(
        examples=[{"filling_level": {"value": 0.72, "observed_at": "2026-05-04T06:00:00Z"}}]
    )


class ObservationShown(BaseModel):
    """One value at one instant; with `every` the aggregate of the interval that starts then."""

    quantity: str = Field(examples=["filling_level"])
    observed_at: TimeOut
    value: ValueOut = Field(examples=[0.72])


class TotalShown(Shown):
    """An aggregate over a group for the interval that starts at `start`."""

    group: str = Field(examples=["marburg"])
    start: TimeOut
    value: float = Field(examples=[12.5])
    count: int = Field(description="observations in it", examples=[48])


def show_value(quantity: str, value: Value) -> ValueOut:
    """A kept value as the API gives it."""
    if quantity in CATALOGUE and CATALOGUE[quantity].kind is Kind.FAULTS and isinstance(value, str):
        return split_faults(value)
    return value


def show_observation(observation: Observation) -> ObservationShown:
    """An observation as the API gives it."""
    return ObservationShown(
        quantity=observation.quantity,
        observed_at=observation.observed_at,
        value=show_value(observation.quantity, observation.value),
    )


def values_by_device(observations: Iterable[DeviceObservation]) -> dict[str, dict[str, ValueShown]]:
    """Newest values by device id and quantity."""
    found: dict[str, dict[str, ValueShown]] = {}
    for one in observations:
        shown = ValueShown(value=show_value(one.quantity, one.value), observed_at=one.observed_at)
        found.setdefault(one.device_id, {})[one.quantity] = shown
    return found
