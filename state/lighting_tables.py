"""Tables of the lighting plan: groups of lamps, municipalities' profiles, event nights."""

from typing import Final

from sqlalchemy import Column, Date, Index, Table

from sql.columns import Json, Text
from sql.metadata import metadata

light_groups: Final = Table(
    "light_groups",
    metadata,
    Column("light_group_id", Text, primary_key=True),
    Column("municipality", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("lighting_profile", Text),
    Column("device_ids", Json, nullable=False),
    Column("street", Text),
    Column("circuit", Text),
    Index("ix_light_groups_municipality", "municipality", "light_group_id"),
)

lighting_profiles: Final = Table(
    "lighting_profiles",
    metadata,
    Column("municipality", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("profile", Json, nullable=False, comment="as the API takes it"),
)

event_nights: Final = Table(
    "event_nights",
    metadata,
    Column("municipality", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("first", Date, nullable=False, comment="local date on which its first night begins"),
    Column("last", Date, nullable=False, comment="and its last one"),
    comment="nights with full light",
)
