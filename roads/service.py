"""A routing service over HTTP: bounded answers, bounded waiting, one error; and what its answers have in common."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import numpy as np

from core.errors import RoadsError
from core.travel import Position, TravelMatrix
from roads.geometry import Floats
from roads.network import Array
from roads.tolerances import REACH_M

TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
MAX_BYTES: Final = 64 << 20


class RoutingService:
    """The service at a base URL; `name` is for people."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        parts = urlsplit(url)
        self.place = f"{name} at {parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self._url = url.rstrip("/")

    def ask(self, path: str, *, query: Mapping[str, str] | None = None, body: object = None) -> dict[str, Any]:
        """The JSON object that it answers; a GET, or with a body a POST of JSON.

        An answer with status 4xx is returned as well: both services say in it what is wrong.

        Raises:
            RoadsError: no answer, or one that is no JSON object or too large.
        """
        answer = self._answer(path, query, body)
        if not isinstance(answer, dict):
            raise RoadsError(f"{self.place} answered {path.split('/')[1]} with something that is no JSON object")
        return answer

    def ask_list(self, path: str, body: object) -> list[Any]:
        """As `ask`, for an answer that is a list."""
        answer = self._answer(path, None, body)
        if not isinstance(answer, list):
            raise RoadsError(f"{self.place} answered {path.split('/')[1]} with something that is no list")
        return answer

    def refused(self, asked: str, reason: object) -> RoadsError:
        """The error for an answer that says no."""
        return RoadsError(f"{self.place} refused {asked}: {str(reason)[:200]}")

    def not_as_documented(self, asked: str, error: Exception) -> RoadsError:
        """The error for an answer without what it should hold."""
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        return RoadsError(f"{self.place} answered {asked} in a form that is not documented ({reason})")

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=TIMEOUT, transport=httpx.HTTPTransport(retries=1))

    def _answer(self, path: str, query: Mapping[str, str] | None, body: object) -> Any:
        try:
            with self._client.stream(
                "GET" if body is None else "POST", self._url + path, params=query, json=body
            ) as response:
                text = bytearray()
                for part in response.iter_bytes():
                    text += part
                    if len(text) > MAX_BYTES:
                        raise RoadsError(f"{self.place} answered with more than {MAX_BYTES >> 20} MiB")
                if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                    raise RoadsError(f"{self.place} answered with status {response.status_code}")
            return msgspec.json.decode(text)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RoadsError(f"{self.place} does not answer: {error or type(error).__name__}") from error
        except msgspec.DecodeError as error:
            raise RoadsError(f"{self.place} answered with something that is no JSON") from error


def chunks(count: int, size: int) -> Iterator[range]:
    """0 to count in parts of at most size."""
    return (range(begin, min(begin + size, count)) for begin in range(0, count, size))


def chains_of(count: int, size: int) -> Iterator[range]:
    """0 to count in parts of at most size, each beginning with the last of the one before; none of fewer than two."""
    return (range(begin, min(begin + size, count)) for begin in range(0, max(count - 1, 0), size - 1))


def whole_matrix(metres: Floats, seconds: Floats, source: str, unreachable: Mapping[int, str]) -> TravelMatrix:
    """The matrix of what a service answered; nan stands for a way that it does not know.

    Positions are left out, those with most unknown ways first, until all ways between the others are known.
    """
    reasons = dict(unreachable)
    np.fill_diagonal(metres, 0.0)
    np.fill_diagonal(seconds, 0.0)
    gaps = ~(np.isfinite(metres) & np.isfinite(seconds))
    for index in reasons:
        gaps[index] = gaps[:, index] = False
    while gaps.any():
        worst = int(np.argmax(gaps.sum(axis=0) + gaps.sum(axis=1)))
        reasons[worst] = "no way to or from the others"
        gaps[worst] = gaps[:, worst] = False
    return TravelMatrix(
        distances_m=_whole(metres),
        durations_s=_whole(seconds),
        source=source,
        unreachable=dict(sorted(reasons.items())),
    )


def too_far(distance_m: float | None) -> str | None:
    """Why a position so far from its street is left out."""
    return f"no road within {REACH_M:.0f} m" if distance_m is None or distance_m > REACH_M else None


def no_positions(positions: Sequence[Position]) -> dict[int, str]:
    """Those that a service would refuse a whole question for."""
    return {
        index: "its position is no latitude and longitude"
        for index, (latitude, longitude) in enumerate(positions)
        if not (abs(latitude) <= 90 and abs(longitude) <= 180)  # noqa: PLR2004  also false for nan
    }


def _whole(values: Floats) -> Array:
    return np.rint(np.where(np.isfinite(values), values, 0.0)).astype(np.int64)
