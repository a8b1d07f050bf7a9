"""What devices said last, as groups of values of one instant; pure. A value gives way to one as new or newer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from core.quantity import Value

Identity = tuple[str, str, str]
"""Device id, device type, municipality."""
Said = tuple[str, str, str, int, Mapping[str, Value]]
"""A reading: identity, microseconds since 1970, values by quantity."""
Groups = Sequence[tuple[int, Mapping[str, Value]]]
"""Microseconds since 1970 and values by quantity; no instant and no quantity is in two groups."""

_Values = dict[str, float | int | bool | str]
encode: Final = msgspec.msgpack.Encoder(enc_hook=dict).encode
"""Groups, or a list of `Said`, as MessagePack."""
decode_groups: Final = msgspec.msgpack.Decoder(list[tuple[int, _Values]]).decode
decode_said: Final = msgspec.msgpack.Decoder(list[tuple[str, str, str, int, _Values]]).decode


def newest_said(said: Iterable[Said]) -> dict[Identity, Groups]:
    """By device, from readings in any order; of one instant the last one counts."""
    found: dict[Identity, Groups] = {}
    for device_id, kind, municipality, observed_us, values in said:
        key = (device_id, kind, municipality)
        known = found.get(key)
        found[key] = [(observed_us, values)] if known is None else with_reading(known, observed_us, values)
    return found


def with_groups(known: Groups, later: Groups) -> Groups:
    """What is known after other groups were said too."""
    for observed_us, values in later:
        known = with_reading(known, observed_us, values)
    return known


def with_reading(known: Groups, observed_us: int, values: Mapping[str, Value]) -> Groups:
    """What is known after a reading was said too."""
    if len(known) == 1 and known[0][0] <= observed_us and known[0][1].keys() <= values.keys():
        return [(observed_us, values)]  # a device mostly says the same quantities
    groups: list[tuple[int, Mapping[str, Value]]] = []
    for at_us, group in known:
        if at_us > observed_us:
            groups.append((at_us, group))
            values = {name: each for name, each in values.items() if name not in group}
        elif at_us == observed_us:
            values = {**group, **values}
        elif rest := {name: each for name, each in group.items() if name not in values}:
            groups.append((at_us, rest))
    if values:
        groups.append((observed_us, values))
    return groups
