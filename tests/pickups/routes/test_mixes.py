"""Which fleets are tried."""

from pickups.routes.mixes import MAX_MIXES, least_vehicles, mixes
from tests.pickups.routes.routing_problems import HOUR, bin_at, problem, truck


def test_a_small_fleet_is_tried_in_all_mixes_the_whole_last() -> None:
    one = problem([0, 0, 1], [bin_at(2)], truck(count=1), truck(name="van", count=2))
    bins = range(1)
    assert sorted(mixes(one, bins)) == [(0, 1), (1, 0), (1, 1)], "no more vehicles than bins"
    two = problem([0, 0, 1, 2], [bin_at(2), bin_at(3)], truck(count=1), truck(name="van", count=2))
    assert set(mixes(two, range(2))) == {(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)}
    assert mixes(two, range(2))[-1] == (1, 2)


def test_a_large_fleet_is_sampled() -> None:
    kinds = [truck(name=name, count=8) for name in "abcd"]
    bins = [bin_at(number + 2) for number in range(40)]
    found = mixes(problem([0, 0, *range(40)], bins, *kinds), range(40))
    assert len(found) <= MAX_MIXES
    assert len(set(found)) == len(found)
    assert found[-1] == (8, 8, 8, 8)
    assert all(0 <= count <= 8 for mix in found for count in mix)


def test_required_service_bounds_the_fleet_from_below() -> None:
    """Ten hours of service and a kilometre to each are more than a shift of eight hours."""
    bins = [bin_at(number + 2, service_s=HOUR) for number in range(10)]
    one = problem([0, 0, *range(1, 11)], bins, truck(count=3))
    assert least_vehicles(one, range(10)) == 2
    assert (1,) not in mixes(one, range(10))
