"""Where things lie on the sheet's map."""

import math

import pytest

from pickups.sheet.map import Box, arrows, detail_of, is_crowded, place_labels, scale_bar, thinned, view_of

BOX = Box(10, 50, 190, 150)
M_PER_DEGREE = math.pi * 6_371_008.8 / 180


def test_a_map_holds_all_at_one_scale_with_north_up() -> None:
    south, north = (50.80, 8.70), (50.90, 8.70)
    east = (50.80, 8.80)
    view = view_of([south, north], [east], BOX)
    assert all(BOX.holds(view.point(position)) for position in (south, north, east))
    assert view.point(north)[1] < view.point(south)[1]
    assert view.point(east)[0] > view.point(south)[0]
    north_mm = math.dist(view.point(south), view.point(north))
    east_mm = math.dist(view.point(south), view.point(east))
    assert north_mm * view.m_per_mm == pytest.approx(0.1 * M_PER_DEGREE, rel=1e-6)
    assert east_mm / north_mm == pytest.approx(math.cos(math.radians(50.8)), rel=1e-3)


def test_stops_far_from_the_depot_are_not_a_small_heap() -> None:
    stops = [(50.80, 8.70), (50.81, 8.71), (50.805, 8.70), (50.805, 8.71)]
    far = (51.5, 9.5)
    view = view_of(stops, [far], BOX)
    assert not BOX.holds(view.point(far))
    assert BOX.holds(view.at_edge(view.point(far), 3))
    assert math.dist(view.point(stops[0]), view.point(stops[1])) > 100


def test_a_map_of_few_stops_shows_the_whole_way() -> None:
    far = (51.5, 9.5)
    view = view_of([(50.80, 8.70), (50.81, 8.71), (50.805, 8.70)], [far], BOX)
    assert BOX.holds(view.point(far))


def test_one_spot_is_a_map_too() -> None:
    view = view_of([(50.8, 8.7)], [(50.8, 8.7)], BOX)
    assert view.point((50.8, 8.7)) == (BOX.x + BOX.width / 2, BOX.y + BOX.height / 2)
    assert view.m_per_mm * BOX.height == 200


@pytest.mark.parametrize(("metres", "expected"), [(80, 50), (1234, 1000), (2000, 2000), (4999, 2000), (7, 5)])
def test_the_scale_bar_is_a_round_number(metres: float, expected: int) -> None:
    view = view_of([(50.8, 8.7)], [], BOX)
    assert scale_bar(view, metres / view.m_per_mm + 1e-9) == expected


def test_labels_cover_nothing_and_stay_near() -> None:
    points = [(50.0 + 3 * (number % 5), 100.0 + 3 * (number // 5)) for number in range(25)]
    labels = place_labels(points, [(4.4, 4.4)] * 25, BOX)
    placed = [label for label in labels if label is not None]
    assert len(placed) == 25
    assert placed[0] == points[0]
    for index, (x, y) in enumerate(placed):
        assert math.dist((x, y), points[index]) <= 16.1
        assert all(abs(x - a) >= 4.4 - 1e-9 or abs(y - b) >= 4.4 - 1e-9 for a, b in placed[:index])


def test_a_crowd_gets_a_map_of_its_own() -> None:
    crowd = [(50.80 + number % 12 / 5000, 8.70 + number // 12 / 5000) for number in range(144)]
    villages = [(50.70, 8.60), (50.90, 8.85), (50.72, 8.83)]
    view = view_of([*crowd, *villages], [], BOX)
    numbers = [(view.point(stop), str(number)) for number, stop in enumerate(crowd, 1)]
    assert is_crowded(numbers, BOX)
    detail = detail_of([*crowd, *villages], view, BOX)
    assert detail is not None
    frame = view.frame(detail)
    assert detail.m_per_mm * 1.8 <= view.m_per_mm
    for stop in crowd:
        assert frame.holds(view.point(stop)) == BOX.holds(detail.point(stop))
    spread = [(50.7, 8.6), (50.7, 8.9), (50.9, 8.6), (50.9, 8.9)]
    assert detail_of(spread, view_of(spread, [], BOX), BOX) is None


def test_a_line_loses_only_what_nobody_sees() -> None:
    assert thinned([(0, 0), (0.1, 0), (0.15, 0), (5, 0), (5.1, 0)]) == [(0, 0), (5, 0), (5.1, 0)]
    assert thinned([(1, 1)]) == [(1, 1)]
    assert thinned([]) == []


def test_arrows_point_along_the_way() -> None:
    found = arrows([(0, 0), (0, 20), (60, 20)], every_mm=30)
    assert [point for point, _ in found] == [(0, 15), (25, 20), (55, 20)]
    assert [turn for _, turn in found] == [math.pi / 2, 0, 0]
