"""Which of two forms of an answer a client would rather have."""

from typing import Final

CSV: Final = "text/csv"


def prefers_csv(accept: str | None) -> bool:
    """Whether an `Accept` header (RFC 9110, 12.5.1) ranks CSV above JSON, by weight or else by naming only CSV."""
    return accept is not None and _rank(accept, CSV) > _rank(accept, "application/json")


def _rank(accept: str, media_type: str) -> tuple[float, int]:
    """Weight and specificity of the most specific range that covers a media type."""
    ranges = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    found: dict[str, float] = {}
    for part in accept.split(","):
        name, _, parameters = part.partition(";")
        found[name.strip().lower()] = _weight(parameters)
    covering = [(specificity, found[name]) for specificity, name in enumerate(ranges) if name in found]
    if not covering:
        return 0.0, 0
    specificity, weight = max(covering)
    return (weight, specificity) if weight > 0 else (0.0, 0)


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
