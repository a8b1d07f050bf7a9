"""A server or a tool that tests need and that is not there: a skip, and where it is required a failure."""

import os
from typing import NoReturn

import pytest


def missing(what: str, how: str, require: str) -> NoReturn:
    """Skip, saying what to install; where `require` is set in the environment, fail."""
    if os.environ.get(require):
        pytest.fail(f"{what} is required here ({require}) and missing: {how}")
    pytest.skip(f"{what} is missing: {how}")
