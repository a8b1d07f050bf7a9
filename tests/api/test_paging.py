"""Cursors and pages of lists that no repository pages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import Paging, decode_cursor, encode_cursor, page_of
from core.errors import InvalidInputError


@given(st.integers(), st.text())
def test_a_cursor_gives_back_what_it_holds(number: int, text: str) -> None:
    assert decode_cursor(encode_cursor(number, text), int, str) == (number, text)


@given(st.text())
def test_any_other_text_is_an_input_error(text: str) -> None:
    with pytest.raises(InvalidInputError):
        decode_cursor(text, int, str, int)


@given(st.binary())
def test_any_bytes_are_an_input_error(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        decode_cursor(base64.urlsafe_b64encode(content).decode(), int, str, int)


@given(st.lists(st.text(), unique=True), st.integers(min_value=1, max_value=5))
def test_pages_join_to_the_whole(items: list[str], limit: int) -> None:
    joined: list[str] = []
    cursor = None
    while True:
        page, cursor = page_of(items, str, Paging(limit, cursor))
        assert len(page) <= limit
        joined += page
        if cursor is None:
            break
    assert joined == items


def test_what_came_before_meanwhile_hides_and_repeats_nothing() -> None:
    _, cursor = page_of(["b", "c", "d"], str, Paging(2))
    assert page_of(["a", "b", "c", "d"], str, Paging(2, cursor)) == (["d"], None)


def test_where_the_last_item_is_gone_it_goes_on_where_that_stood() -> None:
    _, cursor = page_of(["b", "c", "d"], str, Paging(2))
    assert page_of(["b", "d"], str, Paging(2, cursor)) == (["d"], None)
