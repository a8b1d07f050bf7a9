import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PayloadError
from core.topics import DeviceTopic, Topics

TOPICS = Topics("kreispuls/v1")


@given(
    st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True),
    st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    st.sampled_from(["event", "command", "alert"]),
    st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True),
)
def test_parse_gives_back_what_build_took(
    municipality: str, kind: str, device_id: str, channel: str, name: str
) -> None:
    topic = TOPICS.build(municipality, kind, device_id, channel, name)
    assert TOPICS.parse(topic) == DeviceTopic(municipality, kind, device_id, channel, name)


@given(st.text(max_size=80) | st.text(max_size=60).map(lambda end: f"kreispuls/v1/{end}"))
def test_any_text_parses_or_raises_payload_error(topic: str) -> None:
    try:
        parsed = TOPICS.parse(topic)
    except PayloadError:
        return
    assert TOPICS.build(parsed.municipality, parsed.device_type, parsed.device_id, parsed.channel, parsed.name) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "kreispuls/v1/Marburg/streetlight/l1/event/up",
        "kreispuls/v1/marburg/streetlight/l 1/event/up",
        "kreispuls/v1/marburg/streetlight/l1/up",
        "kreispuls/v1/marburg/streetlight/l1/event/up/",
        "kreispuls/v1/marburg/streetlight/l1/event/up\n",
        "kreispuls/v2/marburg/streetlight/l1/event/up",
        "kreispuls/v1/märburg/streetlight/l1/event/up",
        f"kreispuls/v1/marburg/streetlight/{'l' * 65}/event/up",
        "kreispuls/v1/_platform/ingest/w1/platform/status",
    ],
)
def test_wrong_topics_are_refused(topic: str) -> None:
    with pytest.raises(PayloadError, match="is not kreispuls/v1/"):
        TOPICS.parse(topic)


def test_topics_are_spelled_as_the_interface_says() -> None:
    assert TOPICS.event("marburg", "streetlight", "l1", "up") == "kreispuls/v1/marburg/streetlight/l1/event/up"
    assert TOPICS.command("marburg", "streetlight", "l1", "set_light") == (
        "kreispuls/v1/marburg/streetlight/l1/command/set_light"
    )
