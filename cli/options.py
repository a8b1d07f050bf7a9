"""Options of the form KEY=VALUE, shared by commands."""

from collections.abc import Iterable

from core.errors import InvalidInputError


def read_pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` texts as a mapping.

    Raises:
        InvalidInputError: one is not of this form, or a key comes twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not key or not equals or not value:
            raise InvalidInputError(f"{option}: expected KEY=VALUE, got {text[:80]!r}")
        if key in pairs:
            raise InvalidInputError(f"{option}: {key} is given twice")
        pairs[key] = value
    return pairs
