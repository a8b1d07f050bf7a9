"""When which lamp has to be seen to next: a heap, so that a tick of the control costs what is due and not all lamps."""

import heapq
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from lights.lamp_state import FOREVER, LampState

_LAST_STEP: Final = FOREVER - timedelta(days=1)


class Deadlines:
    """The deadlines of lamps by id: one that is near, and apart from it the next step of the schedule.

    Apart, because the step is planned again and again with what happens until then.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []

    @property
    def first(self) -> datetime | None:
        """When one may be due; None: there is none."""
        return self._heap[0][0] if self._heap else None

    def plan(self, lamp_id: str, state: LampState, at: datetime) -> None:
        """See to a lamp at an instant, or earlier if that is planned."""
        if at < state.due_at:
            state.due_at = at
            heapq.heappush(self._heap, (at, lamp_id))

    def plan_step(self, lamp_id: str, state: LampState, step: datetime) -> None:
        """See to a lamp when its schedule changes or is to be renewed, instead of at the step planned before."""
        at = FOREVER if step >= _LAST_STEP else step + timedelta(seconds=state.spread_s)
        if at != state.step_at:
            state.step_at = at
            heapq.heappush(self._heap, (at, lamp_id))

    def take(self, now: datetime, states: Mapping[str, LampState]) -> tuple[str, LampState] | None:
        """The next lamp that is due, its deadline done with; None: no more until later."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, lamp_id = heapq.heappop(heap)
            state = states.get(lamp_id)
            if state is None or at not in (state.due_at, state.step_at):
                continue  # it has another deadline now, or is gone
            if state.due_at == at:
                state.due_at = FOREVER
            if state.step_at == at:
                state.step_at = FOREVER
            return lamp_id, state
        return None
