"""Runs of the solver beside each other: worker processes that end with their parent, on cancel, and when they are done.

Processes are spawned (they share nothing with threads or sockets of the program) and get the problem once. A single
one is not started at all: then runs happen here, one after the other.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from pyvrp import Solution

from core.errors import PlanningCancelledError, PlanningError
from core.processes import end_with_parent
from pickups.routes.orders import Orders
from pickups.routes.problem import Problem
from pickups.routes.pyvrp_model import Mix, PyvrpModel
from pickups.routes.search import search

_LOOK_S: Final = 0.1
"""So often the parent looks whether it is cancelled, and a run looks at the clock."""
_KEPT_MODELS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One search: of these candidates with this mix, from `begin` on (None: from random tours).

    It ends after so many iterations, after `idle` of them without a better answer, or at `until` (time.monotonic).
    """

    candidates: tuple[int, ...]
    mix: Mix
    seed: int
    iterations: int
    idle: int
    until: float
    soft: bool = False
    margin_s: int = 0
    begin: Orders | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run found; `cost` is the model's. `feasible`: it may be driven; `spent`: the search found no more."""

    run: Run
    orders: Orders
    cost: int
    feasible: bool
    spent: bool


class Runner:
    """Runs searches of one problem and keeps its last models."""

    def __init__(self, problem: Problem, cancelled: Callable[[], bool]) -> None:
        self._problem = problem
        self._cancelled = cancelled
        self._models: dict[tuple[tuple[int, ...], bool, int], PyvrpModel] = {}

    def __call__(self, run: Run) -> Outcome:
        """What the search finds.

        Raises:
            PlanningCancelledError: it was cancelled.
        """
        model = self._model(run)
        data = model.data(run.mix)
        begin = model.solution(run.begin, run.mix, data) if run.begin is not None else None
        stop = _Stop(run, self._cancelled)
        best = search(data, stop, run.seed, begin=begin)
        return Outcome(
            run=run,
            orders=model.orders(best, run.mix),
            cost=_cost(best),
            feasible=best.is_feasible(),
            spent=stop.spent,
        )

    def _model(self, run: Run) -> PyvrpModel:
        key = (run.candidates, run.soft, run.margin_s)
        if key not in self._models:
            while len(self._models) >= _KEPT_MODELS:
                del self._models[next(iter(self._models))]
            self._models[key] = PyvrpModel(self._problem, run.candidates, soft=run.soft, margin_s=run.margin_s)
        return self._models[key]


class _Stop:
    """When a run ends; `spent` says whether it ended for want of anything better."""

    def __init__(self, run: Run, cancelled: Callable[[], bool]) -> None:
        self._run = run
        self._cancelled = cancelled
        self._iterations = self._idle = 0
        self._best: int | None = None
        self._next_look = 0.0

    @property
    def spent(self) -> bool:
        return self._idle >= self._run.idle

    def __call__(self, best_cost: int) -> bool:
        if self._best is None or best_cost < self._best:
            self._best, self._idle = best_cost, 0
        else:
            self._idle += 1
        self._iterations += 1
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_S
            if self._cancelled():
                raise PlanningCancelledError("the planning was cancelled")
        return self._iterations > self._run.iterations or self.spent or now >= self._run.until


class Workers:
    """Runs searches, as many at once as there are processes."""

    def __init__(
        self, runner: Runner, cancelled: Callable[[], bool], processes: Sequence[tuple[BaseProcess, Connection]]
    ) -> None:
        self._runner = runner
        self._cancelled = cancelled
        self._processes = processes
        self.count = max(1, len(processes))

    def outcomes(self, runs: Sequence[Run]) -> list[Outcome]:
        """What each of the runs found, in their order.

        Raises:
            PlanningCancelledError: it was cancelled.
            PlanningError: a process died.
        """
        if not self._processes:
            return [self._runner(run) for run in runs]
        found: dict[int, Outcome] = {}
        waiting = list(enumerate(runs))[::-1]
        idle = [connection for _, connection in self._processes]
        busy: dict[Connection, int] = {}
        while waiting or busy:
            while waiting and idle:
                number, run = waiting.pop()
                connection = idle.pop()
                connection.send(run)
                busy[connection] = number
            for ready in wait(list(busy), timeout=_LOOK_S):
                connection = next(one for one in busy if one is ready)
                found[busy.pop(connection)] = self._received(connection)
                idle.append(connection)
            if self._cancelled():
                raise PlanningCancelledError("the planning was cancelled")
        return [found[number] for number in range(len(runs))]

    def _received(self, connection: Connection) -> Outcome:
        try:
            answer = connection.recv()
        except (EOFError, OSError) as error:
            raise PlanningError("a process of the route solver died; there may be too little memory") from error
        if isinstance(answer, str):
            raise PlanningError(f"the route solver failed: {answer}")
        outcome: Outcome = answer
        return outcome


@contextmanager
def open_workers(problem: Problem, count: int, cancelled: Callable[[], bool]) -> Iterator[Workers]:
    """Workers for a problem; whatever happens, their processes are ended afterwards."""
    processes: list[tuple[BaseProcess, Connection]] = []
    try:
        if count > 1:
            context = multiprocessing.get_context("spawn")
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_work, args=(there,), daemon=True)
                process.start()
                there.close()
                processes.append((process, here))
            for _, here in processes:
                here.send(problem)
        yield Workers(Runner(problem, cancelled), cancelled, processes)
    finally:
        for ended, here in processes:
            here.close()
            ended.kill()
        for ended, _ in processes:
            ended.join()


def _work(connection: Connection) -> None:
    """A worker process: the problem, then runs, until the parent closes or dies."""
    end_with_parent()
    try:
        runner = Runner(connection.recv(), lambda: False)
        while True:
            connection.send(_answer(runner, connection.recv()))
    except (EOFError, OSError):
        return


def _answer(runner: Runner, run: Run) -> Outcome | str:
    try:
        return runner(run)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to say it
        return f"{type(error).__name__}: {error}"


def _cost(solution: Solution) -> int:
    """What the model charges; missing required bins are not in it."""
    return (
        solution.distance_cost()
        + solution.duration_cost()
        + solution.fixed_vehicle_cost()
        + solution.uncollected_prizes()
    )
