"""The solver's search, without the warnings that PyVRP writes about problems that have no full answer."""

import warnings

from pyvrp import ProblemData, Solution, solve
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.stop import StoppingCriterion

# Bins that do not fit are an everyday answer here, and the plan names them.
warnings.filterwarnings("ignore", category=PenaltyBoundWarning)


def search(data: ProblemData, stop: StoppingCriterion, seed: int, begin: Solution | None = None) -> Solution:
    """The best solution found until `stop`, from `begin` on; it may be infeasible."""
    return solve(data, stop, seed=seed, collect_stats=False, display=False, initial_solution=begin).best
