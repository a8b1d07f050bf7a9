"""Orders become tours with instants."""

from pickups.routes.problem import VisitKind, Window
from pickups.routes.timing import timed, worked_s
from pickups.routes.windows import joined, last_begin_s, next_begin_s
from tests.pickups.routes.routing_problems import HOUR, bin_at, problem, truck


def test_it_leaves_as_late_as_it_can_and_is_home_as_soon() -> None:
    """The bin, five minutes away, may be emptied from eight on: leave at 7:55, home at 8:17."""
    one = problem([0, 0, 5], [bin_at(2, windows=(Window(8 * HOUR, 9 * HOUR),))])
    tour = timed(one, one.vehicles[0], (0,))
    assert tour is not None
    assert (tour.start_s, tour.end_s) == (8 * HOUR - 300, 8 * HOUR + 120 + 300 + 600)


def test_a_paid_hour_of_waiting_is_avoided_by_leaving_later() -> None:
    """The near place is open from six to seven and from nine on, the far one from nine on."""
    near = bin_at(2, windows=(Window(6 * HOUR, 7 * HOUR), Window(9 * HOUR, 10 * HOUR)))
    far = bin_at(3, windows=(Window(9 * HOUR, 12 * HOUR),))
    paid = problem([0, 0, 5, 6], [near, far], truck(cost_per_s=1))
    tour = timed(paid, paid.vehicles[0], (0, 1))
    assert tour is not None
    assert worked_s(tour) == 2 * 360 + 2 * 120 + 600


def test_no_legal_instants_is_no_tour() -> None:
    one = problem([0, 0, 5], [bin_at(2, service_s=7 * HOUR)])
    assert timed(one, one.vehicles[0], (0,)) is None, "seven hours at one place without a break"


def test_a_break_is_taken_while_waiting_anyway() -> None:
    """Three hours of service, three and a half hours of waiting, one hour of service: the break costs no time."""
    one = problem(
        [0, 0, 0, 0],
        [
            bin_at(2, service_s=3 * HOUR, windows=(Window(6 * HOUR, 6 * HOUR),)),
            bin_at(3, service_s=HOUR, windows=(Window(12 * HOUR + 1800, 13 * HOUR),)),
        ],
    )
    tour = timed(one, one.vehicles[0], (0, 1))
    assert tour is not None
    assert tour.end_s == 13 * HOUR + 1800 + 600
    assert [visit.kind for visit in tour.visits].count(VisitKind.BREAK) == 1


def test_windows() -> None:
    assert joined((Window(5, 9), Window(1, 4), Window(20, 10))) == (Window(1, 9),)
    assert next_begin_s((Window(1, 4), Window(8, 9)), 5) == 8
    assert next_begin_s((Window(1, 4),), 5) is None
    assert next_begin_s((), 5) == 5
    assert last_begin_s((Window(1, 4), Window(8, 9)), 7) == 4
    assert last_begin_s((Window(8, 9),), 7) is None
