"""Which form a client would rather have."""

import pytest

from api.negotiation import prefers_csv


@pytest.mark.parametrize(
    ("accept", "csv"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/csv", True),
        ("Text/CSV; charset=utf-8", True),
        ("text/csv, */*", True),
        ("text/csv, application/json", False),
        ("text/csv, application/json;q=0.5", True),
        ("text/csv;q=0.5, application/json", False),
        ("text/*, application/json;q=0.9", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/csv;q=high", False),
        ("text/csv;q=0, */*", False),
        ("text/csv, */*;q=0.1", True),
    ],
)
def test_csv_only_where_it_ranks_above_json(accept: str | None, *, csv: bool) -> None:
    assert prefers_csv(accept) is csv
