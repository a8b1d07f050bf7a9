"""Commands in the state database: what was sent, and what became of it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from sqlalchemy import Engine, bindparam, delete, func, select, update

from core.command import Command, CommandState, Reason
from core.errors import InvalidInputError, NotFoundError
from sql.page import check_limit, given
from sql.records import from_row
from sql.sqlite_rows import bound, run_many
from sql.transaction import insert_into, reading, writing
from state.tables import commands, is_override, is_sent, is_withdrawn

LONGEST_HELD: Final = timedelta(days=2)
"""A step of a schedule is over within a day; overrides may last longer and are looked for apart."""
_COLUMNS: Final = tuple(column.name for column in commands.columns)
_values_of = attrgetter(*_COLUMNS)
_INSERT: Final = f"INSERT INTO commands ({', '.join(_COLUMNS)}) VALUES {{rows}} ON CONFLICT DO NOTHING"  # noqa: S608 - our columns


class Commands:
    """Commands with their fate."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, many: Sequence[Command]) -> None:
        """Keep all, or none; a known id stays as it is: safe to repeat."""
        if not many:
            return
        rows = [_values_of(command) for command in many]
        with writing(self._engine) as connection:
            if connection.dialect.name == "sqlite":
                run_many(connection, _INSERT, bound(connection, commands.columns, rows))
            else:
                insert = insert_into(connection, commands).on_conflict_do_nothing()
                connection.execute(insert, [dict(zip(_COLUMNS, row, strict=True)) for row in rows])

    def get(self, command_id: str) -> Command:
        """The command.

        Raises:
            NotFoundError: there is none with this id.
        """
        with reading(self._engine) as connection:
            row = connection.execute(select(commands).where(commands.c.command_id == command_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"no command {command_id!r}")
        return from_row(Command, row)

    def answer(self, command_id: str, state: CommandState, detail: str, at: datetime) -> bool:
        """Keep a device's answer, DONE or REJECTED; the first one counts, also one that comes after expiry.

        Returns False if the command is unknown.

        Raises:
            InvalidInputError: another state.
        """
        if state not in (CommandState.DONE, CommandState.REJECTED):
            raise InvalidInputError(f"command {command_id!r}: {state} is no answer")
        here = commands.c.command_id == command_id
        unanswered = commands.c.state.in_([CommandState.SENT, CommandState.EXPIRED])
        changes = {"state": state, "detail": detail, "answered_at": at}
        with writing(self._engine) as connection:
            if connection.execute(update(commands).where(here).where(unanswered).values(changes)).rowcount:
                return True
            return connection.execute(select(commands.c.command_id).where(here)).first() is not None

    def expire(self, now: datetime) -> int:
        """Mark what is unanswered past its `expires_at` as EXPIRED; returns how many."""
        overdue = update(commands).where(is_sent).where(commands.c.expires_at < now)
        with writing(self._engine) as connection:
            return connection.execute(overdue.values(state=CommandState.EXPIRED)).rowcount

    def withdraw(self, command_ids: Collection[str], detail: str) -> None:
        """Mark commands that never reached the broker as EXPIRED, with the reason; answered ones stay as they are."""
        if not command_ids:
            return
        unsent = update(commands).where(commands.c.command_id == bindparam("withdrawn")).where(is_sent)
        withdrawn = [{"withdrawn": command_id} for command_id in command_ids]
        with writing(self._engine) as connection:
            connection.execute(unsent.values(state=CommandState.EXPIRED, detail=detail), withdrawn)

    def recent(self, limit: int, municipality: str | None = None) -> list[Command]:
        """The newest commands (1-1000), newest first.

        Raises:
            InvalidInputError: wrong limit.
        """
        check_limit(limit)
        query = select(commands).order_by(commands.c.issued_at.desc(), commands.c.command_id.desc()).limit(limit)
        with reading(self._engine) as connection:
            rows = connection.execute(given(query, commands, municipality=municipality))
            return [from_row(Command, row) for row in rows]

    def held(self, now: datetime) -> list[Command]:
        """What lamps may still hold at `now`, by device: the newest command of each, and its override in force.

        Of commands that are SENT or DONE and were issued within `LONGEST_HELD`, those whose hold time has not passed.
        For light control that starts again: what it has told lamps need not be told once more.
        """
        newest_first = (commands.c.issued_at.desc(), commands.c.command_id.desc())
        rank = func.row_number().over(partition_by=commands.c.device_id, order_by=newest_first).label("rank")
        taken = commands.c.state.in_([CommandState.SENT, CommandState.DONE])
        ranked = select(commands, rank).where(taken).where(commands.c.issued_at > now - LONGEST_HELD).subquery()
        query = select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.device_id)
        with reading(self._engine) as connection:
            newest = [from_row(Command, row) for row in connection.execute(query)]
        found = {command.command_id: command for command in newest if _holds(command, now)}
        found |= {command.command_id: command for command in self.active_overrides(now)}
        return sorted(found.values(), key=lambda command: (command.device_id, command.issued_at))

    def active_overrides(self, now: datetime) -> list[Command]:
        """The override in force per device at `now`, by device.

        The newest of a device counts until its hold time has passed (None: never), also one that has EXPIRED: a command
        expires, what the operator wants does not. One that a lamp refused, or that was withdrawn, never counted.
        """
        newest_first = (commands.c.issued_at.desc(), commands.c.command_id.desc())
        rank = func.row_number().over(partition_by=commands.c.device_id, order_by=newest_first).label("rank")
        taken = (commands.c.state != CommandState.REJECTED) & ~is_withdrawn
        ranked = select(commands, rank).where(is_override).where(taken).subquery()
        query = select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.device_id)
        with reading(self._engine) as connection:
            newest = [from_row(Command, row) for row in connection.execute(query)]
        return [command for command in newest if _holds(command, now)]

    def prune(self, before: datetime, reason: Reason | None = None) -> int:
        """Delete what was issued before an instant, for one reason or any; returns how many."""
        old = delete(commands).where(commands.c.issued_at < before)
        if reason is not None:
            old = old.where(commands.c.reason == reason)
        with writing(self._engine) as connection:
            return connection.execute(old).rowcount


def _holds(command: Command, now: datetime) -> bool:
    return command.hold_s is None or (now - command.issued_at).total_seconds() < command.hold_s
