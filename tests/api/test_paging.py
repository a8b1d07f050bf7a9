"""Pages of lists that no repository pages."""

from hypothesis import given
from hypothesis import strategies as st

from api.paging import Paging, page_of


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
