"""What municipalities set differently from the rules that ship with the device types."""

from collections.abc import Mapping

from sqlalchemy import Engine, delete, select

from core.errors import NotFoundError
from sql.transaction import put_rows, reading, writing
from state.revision import bump_revision
from state.tables import rule_overrides


class RuleOverrides:
    """One set of values per municipality and rule; every change grows the registry's revision."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> dict[str, dict[str, dict[str, object]]]:
        """Overrides by municipality and rule."""
        query = select(rule_overrides).order_by(rule_overrides.c.municipality, rule_overrides.c.rule)
        overrides: dict[str, dict[str, dict[str, object]]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                overrides.setdefault(row.municipality, {})[row.rule] = row.override
        return overrides

    def put(self, municipality: str, rule: str, override: Mapping[str, object]) -> None:
        """Set or replace as a whole; values are what JSON can hold."""
        row = {"municipality": municipality, "rule": rule, "override": dict(override)}
        with writing(self._engine) as connection:
            put_rows(connection, rule_overrides, [row])
            bump_revision(connection)

    def delete(self, municipality: str, rule: str) -> None:
        """Let the rule apply as it ships.

        Raises:
            NotFoundError: the municipality has no override of this rule.
        """
        here = (rule_overrides.c.municipality == municipality) & (rule_overrides.c.rule == rule)
        with writing(self._engine) as connection:
            if connection.execute(delete(rule_overrides).where(here)).rowcount == 0:
                raise NotFoundError(f"no override of rule {rule!r} in municipality {municipality!r}")
            bump_revision(connection)
