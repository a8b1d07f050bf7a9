"""The solver's search, without the warnings that PyVRP writes about problems that have no full answer."""

import warnings
from typing import Final

from pyvrp import IteratedLocalSearchParams, PenaltyParams, ProblemData, Solution, SolveParams, solve
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.search import NeighbourhoodParams, PerturbationParams
from pyvrp.stop import StoppingCriterion

# Bins that do not fit are an everyday answer here, and the plan names them.
warnings.filterwarnings("ignore", category=PenaltyBoundWarning)


_LARGE: Final = 300
"""Clients from which on the search is set to walk rather than to look around; measured in docs/pickups.md."""
_WALKING: Final = IteratedLocalSearchParams(exhaustive_on_best=False, history_length=100)
_LATE_FOR_A_PRIZE_S: Final = 100
"""A second too late costs at most the hundredth part of the largest prize: a stop takes longer than this, so one more
that does not fit is no gain. With PyVRP's own limit a prize above any way buys an hour, and no answer can be driven."""
SMALL_STEPS: Final = SolveParams(
    neighbourhood=NeighbourhoodParams(num_neighbours=20), perturbation=PerturbationParams(max_perturbations=10)
)
"""For problems of capacity alone: several times the iterations, each disturbing less; measured in docs/pickups.md."""


def search(
    data: ProblemData,
    stop: StoppingCriterion,
    seed: int,
    *,
    begin: Solution | None = None,
    params: SolveParams | None = None,
) -> Solution:
    """The best solution found until `stop`, from `begin` on; it may be infeasible."""
    if params is None:
        params = SolveParams(ils=_WALKING) if data.num_clients >= _LARGE else SolveParams()
        dearest = max((client.prize for client in data.clients()), default=0) / _LATE_FOR_A_PRIZE_S
        if dearest > params.penalty.max_penalty:
            params = SolveParams(
                penalty=PenaltyParams(max_penalty=dearest),
                ils=_WALKING,
                neighbourhood=SMALL_STEPS.neighbourhood,
                perturbation=SMALL_STEPS.perturbation,
            )
    return solve(data, stop, seed=seed, collect_stats=False, display=False, params=params, initial_solution=begin).best
