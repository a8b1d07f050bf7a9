"""Paging: `limit` and `cursor` of every list, and pages of lists that no repository pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Query

from core.cursor import MAX_CURSOR, decode_cursor, encode_cursor

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="at most so many items")]
Cursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before; missing: the first page")
]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is asked for."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


async def _paging(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Paging:
    return Paging(limit, cursor)


PagingDep = Annotated[Paging, Depends(_paging)]


def page_of(items: Sequence[Item], key: Callable[[Item], str], paging: Paging) -> tuple[list[Item], str | None]:
    """One page of a whole list in the order it has, with the cursor of the next; keys are unique.

    The page begins after the item that was last on the page before; if that is gone meanwhile, where it stood.

    Raises:
        InvalidInputError: the cursor is none of ours.
    """
    begin = 0
    if paging.cursor is not None:
        position, last = decode_cursor(paging.cursor, int, str)
        begin = max(0, position)
        begin = next((index + 1 for index, item in enumerate(items) if key(item) == last), begin)
    end = begin + paging.limit
    page = list(items[begin:end])
    return page, encode_cursor(end - 1, key(page[-1])) if end < len(items) else None
