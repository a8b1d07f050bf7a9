"""What all tables of the state database stand on."""

from typing import Final

from sqlalchemy import BigInteger, Integer, MetaData

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)
COUNTED: Final = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself only in INTEGER
