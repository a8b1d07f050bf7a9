"""Days under a policy: hand-computed weeks, nothing lost, nothing known in advance; with the real solver."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from core.travel import TravelMatrix
from pickups.backtest.day_planner import DayPlanner
from pickups.backtest.deposits import Deposits
from pickups.backtest.policies import Choice, FixedRounds, Morning, Policy, PrizeCollecting, Threshold
from pickups.backtest.replay import Area, Outcome, Sensor, replay, total
from pickups.filling.policy_forecast import PlaceForecast
from pickups.routes.problem import Candidate, Problem, Site, VehicleKind

MONDAY = date(2026, 3, 2)
EXACT = Sensor()


def area(*at_m: int, volume_l: float = 100.0) -> Area:
    """Bins along a road, the depot with the disposal site at its beginning; a metre a second."""
    places = np.array([*at_m, 0])
    metres = np.abs(places[:, None] - places[None, :]).astype(np.int64)
    home = len(at_m)
    return Area(
        name="road",
        volumes_l=np.full(len(at_m), volume_l),
        travel=TravelMatrix(distances_m=metres, durations_s=metres, source="by hand"),
        sites=(Site(name="tip", location=home, unload_s=600),),
        vehicles=(
            VehicleKind(
                name="truck", count=1, start=home, end=home, capacity_l=10_000,
                earliest_s=6 * 3600, latest_s=14 * 3600, max_duration_s=8 * 3600,
            ),
        ),
    )  # fmt: skip


def deposits(shares: object, first_day: date = MONDAY) -> Deposits:
    rows = np.array(shares, dtype=float)
    ids = tuple(f"bin{number}" for number in range(rows.shape[1]))
    return Deposits(device_ids=ids, first_day=first_day, shares=rows, seen=np.ones(rows.shape, dtype=bool))


def drive(where: Area, what: Deposits, policy: Policy, start: date = MONDAY, sensor: Sensor = EXACT) -> Outcome:
    plan = DayPlanner(tuple(where.volumes_l.tolist()), 0.02, 0)
    weekdays = [(what.first_day + timedelta(days=day)).weekday() < 5 for day in range(what.days)]
    return replay(where, what, policy, np.array(weekdays), plan, start=start, sensor=sensor, seed=5)


def test_five_days_of_two_bins_under_a_threshold() -> None:
    """Both on Wednesday and Friday: 4 km each, an unloading, two stops.

    Bin 0 (1 km) gets 0.4 a day: 0, 0.4, 0.8 -> emptied, 0.4, 0.8 -> emptied. Bin 1 (2 km) gets 0.5: 0, 0.5, 1.0 ->
    emptied, 0.5, 1.0 -> emptied.
    """
    found = drive(area(1000, 2000), deposits([[0.4, 0.5]] * 5), Threshold("", 0.75))
    assert (found.tours, found.stops, found.distance_m) == (2, 4, 8000)
    assert found.duration_s == 2 * (4000 + 600 + 2 * 180)
    assert found.levels_at_emptying == pytest.approx([0.8, 1.0, 0.8, 1.0])
    assert found.overflow_days == 0
    assert found.service_level == 1
    assert found.deposited == pytest.approx(450)
    assert found.emptied == pytest.approx(360)
    assert found.left == pytest.approx(90)


def test_five_days_of_two_bins_on_fixed_rounds() -> None:
    """Weekly on Mondays: nothing is in the bins then, both are visited; by Friday night bin 0 got 2.0 and bin 1 0.5."""
    found = drive(area(1000, 2000), deposits([[0.4, 0.1]] * 5), FixedRounds("", [1, 1]))
    assert (found.tours, found.stops, found.distance_m) == (1, 2, 4000)
    assert found.overflow_days == 3  # Wednesday 0.2, Thursday and Friday 0.4 each
    assert found.overflowed == pytest.approx(100)
    assert found.service_level == pytest.approx(0.7)
    assert found.overflow_share == pytest.approx(100 / 250)


def test_ours_waits_until_it_pays_and_takes_the_neighbour_along() -> None:
    """Alone, half a chance of overflow at 20 km is worth the 10 km; the neighbour's small one only on the way."""

    class Certain:
        def overflow_probability(self, levels: np.ndarray, day: date, days: int) -> np.ndarray:  # noqa: ARG002
            return np.where(levels > 0.7, 0.6, np.where(levels > 0.3, 0.05, 0.0))

    policy = PrizeCollecting(name="ours", learn=lambda *_: Certain(), rho_m=20_000)
    found = drive(area(5000, 4900), deposits([[0.4, 0.2]] * 3), policy)
    assert found.levels_at_emptying == pytest.approx([0.8, 0.4])
    assert (found.tours, found.distance_m) == (1, 10_000)


def ours(rho_m: float = 3000) -> PrizeCollecting:
    return PrizeCollecting(name="ours", learn=PlaceForecast, rho_m=rho_m, soon_m=200, learn_every=3)


@pytest.fixture
def random_weeks() -> Deposits:
    """Four weeks of six bins; the first two are history."""
    rng = np.random.Generator(np.random.PCG64(8))
    return deposits(rng.exponential(0.25, (28, 6)), MONDAY - timedelta(days=14))


@pytest.mark.parametrize("make", [ours, lambda: Threshold("", 0.6), lambda: FixedRounds("", [0, 1, 2, 3, 4, 1])])
def test_what_came_in_was_emptied_lies_in_the_bins_or_beside_them(make: object, random_weeks: Deposits) -> None:
    found = drive(area(1000, 1100, 1200, 3000, 3100, 9000), random_weeks, make(), sensor=Sensor(noise=0.01))  # type: ignore[operator]
    assert found.begun + found.deposited == pytest.approx(found.overflowed + found.emptied + found.left)
    assert found.overflowed > 0
    assert found.deposited == pytest.approx(100 * random_weeks.shares[14:].sum())
    assert len(found.levels_at_emptying) == found.stops


class Watched:
    """A policy that notes what it was told and chose."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy
        self.noted: list[tuple[date, list[float], list[bool], list[int]]] = []

    def choose(self, morning: Morning) -> Choice:
        choice = self._policy.choose(morning)
        assert len(morning.rises) == (morning.day - morning.first_day).days
        self.noted.append((morning.day, morning.levels.tolist(), choice.required.tolist(), choice.prizes.tolist()))
        return choice


def test_nothing_is_known_in_advance(random_weeks: Deposits) -> None:
    """With another future from the second Wednesday on, that morning and all before it are decided alike."""
    where = area(1000, 1100, 1200, 3000, 3100, 9000)
    wednesday = 14 + 9
    changed = random_weeks.shares.copy()
    changed[wednesday:] = 2 * changed[wednesday:][::-1] + 0.1
    as_it_was, otherwise = Watched(ours()), Watched(ours())
    drive(where, random_weeks, as_it_was)
    drive(where, replace(random_weeks, shares=changed), otherwise)
    until = MONDAY + timedelta(days=9)
    assert [note for note in as_it_was.noted if note[0] <= until] == [
        note for note in otherwise.noted if note[0] <= until
    ]
    assert as_it_was.noted != otherwise.noted


def test_the_same_seed_gives_the_same(random_weeks: Deposits) -> None:
    where = area(1000, 1100, 1200, 3000, 3100, 9000)
    assert drive(where, random_weeks, ours(), sensor=Sensor(0.05)) == drive(
        where, random_weeks, ours(), sensor=Sensor(0.05)
    )


def test_days_before_the_start_are_only_history(random_weeks: Deposits) -> None:
    found = drive(area(1, 1, 1, 1, 1, 1), random_weeks, Threshold("", 2.0))
    assert (found.days, found.bin_days, found.tours) == (14, 84, 0)


def test_sensors_say_steps_downwards_and_full_only_when_it_is() -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    assert Sensor(step=0.2).read(np.array([0.39, 0.4, 0.6, 0.99, 1.0]), rng) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    said = Sensor(noise=0.2).read(np.array([0.0, 0.95, 1.0] * 50), rng)
    assert said.min() == 0
    assert (said[1::3] < 1).all()
    assert (said[2::3] == 1).all()


def test_areas_add_up() -> None:
    one = Outcome(days=5, bin_days=10, tours=1, distance_m=100, overflow_days=1, levels_at_emptying=[0.5])
    other = Outcome(days=5, bin_days=30, tours=2, distance_m=50, overflow_days=0, levels_at_emptying=[0.9])
    both = total([one, other])
    assert (both.days, both.bin_days, both.tours, both.distance_m) == (5, 40, 3, 150)
    assert both.service_level == pytest.approx(0.975)
    assert both.mean_level == pytest.approx(0.7)


def problem(where: Area, volume_l: int) -> Problem:
    bins = tuple(
        Candidate(device_id=str(place), location=place, volume_l=volume_l, weight_kg=0, service_s=180)
        for place in range(len(where.volumes_l))
    )
    return Problem(travel=(where.travel,), candidates=bins, sites=where.sites, vehicles=where.vehicles)


def test_a_day_like_another_is_not_solved_again_unless_the_load_could_matter() -> None:
    light, heavy = area(1000, 2000), area(1000, 2000, volume_l=6000.0)
    plan = DayPlanner(tuple(light.volumes_l.tolist()), 0.02, 0)
    assert plan(problem(light, 50)) is plan(problem(light, 70))
    plan = DayPlanner(tuple(heavy.volumes_l.tolist()), 0.02, 0)
    one, two = plan(problem(heavy, 4000)), plan(problem(heavy, 6000))
    assert sum(tour.distance_m for tour in one.tours) == 4000
    assert sum(tour.distance_m for tour in two.tours) == 6000  # each bin fills more than half of the truck
