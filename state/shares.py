"""Shares: which slot serves which municipality, and hand-overs from one slot to another."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Engine, select, update

from sql.transaction import insert_into, reading, writing
from state.tables import leases, shares


@dataclass(frozen=True, slots=True)
class Share:
    """A municipality goes over from the slot `former` to `slot` at the message whose payload is `marker`."""

    municipality: str
    slot: int
    former: int
    marker: str
    begun: bool = False
    """`slot` has come to the marker."""
    ended: bool = False
    """All that came to `former` before the marker is durable."""

    @property
    def settled(self) -> bool:
        """Whether the municipality has gone over."""
        return self.begun and self.ended


class Shares:
    """One share for each municipality that a slot has ever claimed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> dict[str, Share]:
        """Share by municipality."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(shares))
            return {
                row.municipality: Share(row.municipality, row.slot, row.former, row.marker, row.begun, row.ended)
                for row in rows
            }

    def claim(self, claims: Iterable[Share], lease: str, holder: str) -> None:
        """Begin these hand-overs, if `holder` has the lease; a municipality that is just going over is left out.

        Who takes the lease next sees every claim there has been.
        """
        with writing(self._engine) as connection:
            ours = select(leases.c.name).where(leases.c.name == lease, leases.c.holder == holder).with_for_update()
            if connection.execute(ours).first() is None:
                return
            for claim in claims:
                row = asdict(claim)
                at_rest = shares.c.begun & shares.c.ended & (shares.c.slot == claim.former)
                insert = insert_into(connection, shares).values(row)
                connection.execute(
                    insert.on_conflict_do_update(index_elements=["municipality"], set_=row, where=at_rest)
                )

    def begin(self, share: Share) -> None:
        """Keep that its slot has come to the marker; a hand-over that is over stays as it is."""
        self._mark(share, begun=True)

    def end(self, share: Share) -> None:
        """Keep that all that came to the former slot before the marker is durable."""
        self._mark(share, ended=True)

    def _mark(self, share: Share, **changes: bool) -> None:
        this = (shares.c.municipality == share.municipality) & (shares.c.marker == share.marker)
        with writing(self._engine) as connection:
            connection.execute(update(shares).where(this).values(changes))
