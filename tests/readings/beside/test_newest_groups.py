"""What devices said last: whatever the order and however it is put together, each value is the newest one."""

from hypothesis import given
from hypothesis import strategies as st

from core.quantity import Value
from readings.beside.newest_groups import Said, decode_groups, encode, newest_said, with_groups

readings = st.lists(
    st.tuples(
        st.just("lamp-1") | st.just("lamp-2"),
        st.just("streetlight"),
        st.just("marburg"),
        st.integers(0, 5),
        st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9), min_size=1),
    ),
    max_size=12,
)


@given(readings, st.integers(0, 12))
def test_the_newest_of_each_value_in_groups_of_one_instant(said: list[Said], cut: int) -> None:
    """In one go, or in two parts that are put together; of one instant what was said last."""
    expected: dict[tuple[str, str], tuple[int, Value]] = {}
    for device_id, _, _, at_us, values in said:
        for name, value in values.items():
            if expected.get((device_id, name), (-1, 0))[0] <= at_us:
                expected[device_id, name] = (at_us, value)
    first, second = newest_said(said[:cut]), newest_said(said[cut:])
    joined = {key: with_groups(first.get(key, ()), second.get(key, ())) for key in first.keys() | second.keys()}
    for found in (newest_said(said), joined):
        given = [
            ((key[0], name), (at_us, value))
            for key, groups in found.items()
            for at_us, values in groups
            for name, value in values.items()
        ]
        assert len(given) == len(expected)
        assert dict(given) == expected
        for groups in found.values():
            assert len({at_us for at_us, _ in groups}) == len(groups)


def test_values_keep_their_type() -> None:
    values: dict[str, Value] = {"a": 1.0, "b": True, "c": 1, "d": "1"}
    groups = decode_groups(encode([(5, values)]))
    assert groups == [(5, values)]
    assert {name: type(value) for name, value in groups[0][1].items()} == {"a": float, "b": bool, "c": int, "d": str}
