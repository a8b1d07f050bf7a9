"""Cursors give back what they hold, and nothing else passes for one."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cursor import decode_cursor, encode_cursor
from core.errors import InvalidInputError

LARGEST = 2**63 - 1


@given(st.integers(-LARGEST, LARGEST), st.text(max_size=100), st.datetimes(timezones=st.just(UTC)))
def test_a_cursor_gives_back_what_it_holds(number: int, text: str, instant: datetime) -> None:
    assert decode_cursor(encode_cursor(number, text, instant), int, str, datetime) == (number, text, instant)


def test_parts_of_other_kinds_are_an_input_error() -> None:
    for parts in (("1",), (1, 2), (), (LARGEST,)):
        with pytest.raises(InvalidInputError, match="cursor"):
            decode_cursor(encode_cursor(*parts), datetime)


@given(st.text())
def test_any_other_text_is_an_input_error(text: str) -> None:
    with pytest.raises(InvalidInputError, match="cursor"):
        decode_cursor(text, int, str, int)


@given(st.binary())
def test_any_bytes_are_an_input_error(content: bytes) -> None:
    with pytest.raises(InvalidInputError, match="cursor"):
        decode_cursor(base64.urlsafe_b64encode(content).decode(), int, str, int)
