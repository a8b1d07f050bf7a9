"""Which of two forms of an answer a client would rather have."""

from typing import Final

CSV: Final = "text/csv"


def prefers_csv(accept: str | None) -> bool:
    """Whether an `Accept` header (RFC 9110, 12.5.1) ranks CSV above JSON; JSON where it does not say."""
    return accept is not None and _quality(accept, CSV) > _quality(accept, "application/json")


def _quality(accept: str, media_type: str) -> float:
    """The weight of a media type: that of the most specific range which covers it."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    found: dict[str, float] = {}
    for part in accept.split(","):
        name, _, parameters = part.partition(";")
        found[name.strip().lower()] = _weight(parameters)
    return next((found[name] for name in ranges if name in found), 0.0)


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
