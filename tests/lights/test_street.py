from core.device import Device
from lights.street import StreetRow, adjoining, street_rows

METRE_NORTH = 1 / 111_195


def lamp(
    name: str, street: str | None, north_m: float | None, order: int | None = None, town: str = "marburg"
) -> Device:
    return Device(
        device_id=name,
        device_type="streetlight",
        municipality=town,
        street=street,
        latitude=None if north_m is None else 50.8 + north_m * METRE_NORTH,
        longitude=None if north_m is None else 8.78,
        attributes={} if order is None else {"street_order": order},
    )


def rounded(rows: list[StreetRow]) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    return [(row.lamps, tuple(round(along) for along in row.along_m)) for row in rows]


def test_a_row_tells_how_far_along_the_street_each_lamp_stands() -> None:
    lamps = [lamp("b", "A", 25, 2), lamp("a", "A", 0, 1), lamp("c", "A", 65, 3)]
    assert rounded(street_rows(lamps)) == [(("a", "b", "c"), (0, 25, 65))]


def test_a_large_gap_parts_a_street_and_a_lamp_without_street_stands_alone() -> None:
    lamps = [lamp("a", "A", 0, 1), lamp("b", "A", 30, 2), lamp("c", "A", 200, 3), lamp("x", None, 10)]
    assert rounded(street_rows(lamps)) == [(("a", "b"), (0, 30)), (("c",), (0,)), (("x",), (0,))]


def test_ordered_by_hand_and_without_position_lamps_stand_as_usual() -> None:
    lamps = [lamp("a", "A", None, 1), lamp("b", "A", None, 2)]
    assert rounded(street_rows(lamps)) == [(("a", "b"), (0, 30))]


def test_where_streets_meet_the_nearest_lamp_of_the_other_adjoins() -> None:
    lamps = [
        lamp("a1", "A", 0),
        lamp("a2", "A", 30),
        lamp("b1", "B", -20),
        lamp("b2", "B", -50),
        lamp("c1", "C", 34),
        lamp("elsewhere", "D", 1, town="kirchhain"),
        lamp("nowhere", "E", None),
    ]
    assert adjoining(lamps) == {"a1": ("b1", "c1"), "a2": ("c1",), "b1": ("a1",), "c1": ("a2",)}
