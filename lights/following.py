"""Which lamps follow what they are told: those that do not answer are marked, and who keeps alerts hears of it."""

from collections.abc import Iterable

from lights.lamp_state import LampState


class Following:
    """Marks come from commands that were repeated often enough; an answer or a report takes them off."""

    def __init__(self) -> None:
        self.unresponsive: set[str] = set()
        self._news: dict[str, bool] = {}

    def gave_up(self, lamp_id: str, state: LampState) -> None:
        """A lamp has not answered, however often it was told."""
        self.unresponsive.add(lamp_id)
        self._note(lamp_id, state, follows=False)

    def follows(self, lamp_id: str, state: LampState) -> None:
        """A lamp has answered, or shows what it was told."""
        self._note(lamp_id, state, follows=True)

    def is_back(self, lamp_id: str) -> bool:
        """A lamp has spoken: whether it was marked, as it no longer is."""
        was_marked = lamp_id in self.unresponsive
        self.unresponsive.discard(lamp_id)
        return was_marked

    def forget(self, lamp_ids: Iterable[str]) -> None:
        """These lamps are no longer under control."""
        self.unresponsive.difference_update(lamp_ids)

    def take_news(self) -> list[tuple[str, bool]]:
        """Lamps that since the last call have been marked (False), or follow us again (True).

        That a lamp speaks is not enough to follow. After a start each lamp is told of once when it first follows: who
        keeps marks for longer than we live can take them off.
        """
        news, self._news = self._news, {}
        return list(news.items())

    def _note(self, lamp_id: str, state: LampState, *, follows: bool) -> None:
        if state.follows is not follows:
            state.follows = follows
            self._news[lamp_id] = follows
