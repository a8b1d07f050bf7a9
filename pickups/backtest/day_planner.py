"""Routes for the many days of a backtest: the solver with little time a day, and no day solved twice."""

from dataclasses import dataclass, field
from typing import Final

from pickups.routes.planner import solve
from pickups.routes.problem import Candidate, Problem, Solution

PER_BIN_S: Final = 0.004
"""Search time for each bin offered, up to the limit: a handful of bins is solved in no time."""

_Key = tuple[tuple[str, bool, int], ...]


@dataclass(slots=True)
class DayPlanner:
    """Solves the days of one area: the same matrices, sites and vehicles every day.

    A day on which the same bins are offered at the same prizes has the solution of the first such day, unless what the
    bins hold could matter: `volumes_l` of the containers (by location) must fit into any vehicle together.
    """

    volumes_l: tuple[float, ...]
    time_limit_s: float
    seed: int
    _known: dict[_Key, Solution] = field(default_factory=dict)

    def __call__(self, problem: Problem) -> Solution:
        """The tours of a day."""
        offered = problem.candidates
        if sum(self.volumes_l[bin_.location] for bin_ in offered) > min(kind.capacity_l for kind in problem.vehicles):
            return self._solve(problem)
        key = tuple(map(_key, offered))
        if key not in self._known:
            self._known[key] = self._solve(problem)
        return self._known[key]

    def _solve(self, problem: Problem) -> Solution:
        limit_s = min(self.time_limit_s, PER_BIN_S * len(problem.candidates))
        return solve(problem, time_limit_s=limit_s, seed=self.seed, processes=1)


def _key(bin_: Candidate) -> tuple[str, bool, int]:
    return bin_.device_id, bin_.required, bin_.prize
