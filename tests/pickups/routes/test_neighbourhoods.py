"""Large days are searched in parts: never worse, nothing lost, no vehicle twice."""

import time
from collections import Counter

from pickups.routes.neighbourhoods import orders_in_parts
from pickups.routes.race import Course
from pickups.routes.solver_processes import Run, open_workers
from pickups.routes.timing import worth
from tests.pickups.routes.routing_problems import HOUR, bin_at, problem, truck

TOWNS = [0, 0, *(20 + number for number in range(8)), *(-20 - number for number in range(8))]
DAY = problem(
    TOWNS,
    [bin_at(number + 2, required=number % 4 > 0, prize=60_000, service_s=600) for number in range(16)],
    truck(count=3, capacity_l=500, fixed_cost=30_000, cost_per_s=1, max_duration_s=3 * HOUR),
    truck(name="lorry", capacity_l=900, fixed_cost=50_000),
)
EVERY = tuple(range(16))
WHOLE = (3, 1)


def test_parts_put_together_are_a_plan_and_no_worse_than_the_first_tours() -> None:
    until = time.monotonic() + 1.0
    with open_workers(DAY, 1, lambda: False) as workers:
        first = workers.outcomes(
            [Run(candidates=EVERY, mix=WHOLE, seed=5, iterations=20, idle=20, until=until)],
        )[0]
        found = orders_in_parts(workers, DAY, Course(candidates=EVERY, until=until), WHOLE, seed=5)
    assert found is not None
    stops = Counter(index for _, order in found for index in order if index >= 0)
    assert set(stops.values()) == {1}
    kinds = Counter(kind for kind, _ in found)
    assert kinds[0] <= 3
    assert kinds[1] <= 1
    assert worth(DAY, found, EVERY)[0] == 0, "all required bins, in time"
    assert worth(DAY, found, EVERY) <= worth(DAY, first.orders, EVERY)


def test_nothing_worth_its_way_is_no_tour() -> None:
    bins = [bin_at(number + 2, required=False, prize=1) for number in range(16)]
    one = problem(TOWNS, bins, truck(count=2))
    with open_workers(one, 1, lambda: False) as workers:
        course = Course(candidates=EVERY, until=time.monotonic() + 0.3)
        assert orders_in_parts(workers, one, course, (2,), seed=1) == ()
