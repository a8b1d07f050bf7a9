"""The table of what pickups are compared with."""

from typing import Final

from sqlalchemy import Column, Double, Table

from sql.columns import Text
from sql.metadata import metadata

weekly_rounds: Final = Table(
    "weekly_rounds",
    metadata,
    Column("municipality", Text, primary_key=True),
    Column("made_for", Text, nullable=False, comment="changes with the bins, places and vehicles it was found for"),
    Column("distance_m", Double, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("fuel_l", Double, nullable=False),
    Column("distance_source", Text, nullable=False),
    comment="what emptying all bins of a municipality once takes, estimated",
)
