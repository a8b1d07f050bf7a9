"""What bins hold and how long emptying one takes, by waste and container kind: the two TOML files beside this one."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from core.device import Attribute

DEFAULT_WASTE_KIND: Final = "residual"


def waste_kind(attributes: Mapping[str, Attribute]) -> str:
    """The attribute `waste_kind`; missing: residual."""
    given = attributes.get("waste_kind")
    return given.strip() if isinstance(given, str) and given.strip() else DEFAULT_WASTE_KIND


def density_kg_per_l(kind: str) -> float:
    """What a litre of a waste kind weighs when it lies loose; an unknown one weighs as residual waste."""
    kinds = _toml("waste_kinds.toml")
    return float(kinds.get(kind, kinds[DEFAULT_WASTE_KIND])["kg_per_l"])


def service_s(attributes: Mapping[str, Attribute], volume_l: float) -> int:
    """Seconds from stopping at a bin to driving on.

    The attribute `service_s` where it is a number from 0 to 3600, else that of the attribute `container_kind`; one that
    the file does not know, or none, is judged by its volume.
    """
    own = attributes.get("service_s")
    if isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own <= _LONGEST_S:
        return round(own)
    kinds = _toml("container_kinds.toml")
    kind = kinds.get(str(attributes.get("container_kind")))
    if kind is None:
        kind = next(each for each in kinds.values() if volume_l <= each.get("up_to_l", volume_l))
    return int(kind["service_s"])


_LONGEST_S: Final = 3600


@cache
def _toml(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("pickups").joinpath(name).read_text(encoding="utf-8"))
