"""Rows as values of a dataclass, and back: columns are named as its fields."""

from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@lru_cache
def _names(kind: type["DataclassInstance"]) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def from_row(kind: type[T], row: Row[Any], **others: Any) -> T:
    """The value of a row; `others` are fields that are kept in another form, or elsewhere.

    Columns that are no field are left out. A field that is neither a column nor among the others has its default.
    """
    names = _names(kind)
    values = {name: value for name, value in zip(row._fields, row, strict=True) if name in names}
    return kind(**(values | others))


def to_row(value: "DataclassInstance") -> dict[str, Any]:
    """The fields of a value by their names, as they are."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
