"""The day's tours for a pickup problem: screened, solved, timed with legal breaks, and checked before they are shown."""

from collections.abc import Callable

from pyvrp.stop import MaxRuntime

from core.errors import PlanningError
from pickups.problem import LeftOut, Problem, Solution
from pickups.pyvrp_model import PyvrpModel
from pickups.route_checker import violations
from pickups.screening import unservable, usable
from pickups.search import search
from pickups.timing import cost, timed


def solve(
    problem: Problem,
    *,
    time_limit_s: float,
    seed: int,
    processes: int | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Solution:
    """The cheapest tours found that empty the required candidates and the optional ones worth their way."""
    problem_used = usable(problem)
    impossible = unservable(problem_used)
    indices = [index for index in range(len(problem.candidates)) if index not in impossible]
    mix = tuple(kind.count for kind in problem_used.vehicles)
    model = PyvrpModel(problem_used, indices)
    best = search(model.data(mix), MaxRuntime(time_limit_s), seed)
    orders = model.orders(best, mix)
    tours = []
    total = 0
    for kind, order in orders:
        tour = timed(problem_used, problem_used.vehicles[kind], order)
        if tour is None:
            raise PlanningError("no legal times")
        tours.append(tour)
        total += cost(problem_used, problem_used.vehicles[kind], tour)
    served = {index for _, order in orders for index in order if index >= 0}
    left = [LeftOut(problem.candidates[i].device_id, "not worth the way") for i in indices if i not in served]
    total += sum(c.prize for i, c in enumerate(problem.candidates) if not c.required and i not in served)
    solution = Solution(tours=tuple(tours), left_out=(*impossible.values(), *left), cost=total)
    wrong = violations(problem, solution)
    if wrong:
        raise PlanningError("; ".join(wrong[:3]))
    return solution
