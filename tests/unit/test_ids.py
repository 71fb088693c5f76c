"""Ids made in C are those that the standard library makes."""

from uuid import UUID, uuid5

from hypothesis import given, strategies as st

from state.ids import name_uuid, uuid_of


@given(st.uuids(), st.text())
def test_the_id_of_a_name_is_that_of_version_5(namespace: UUID, name: str) -> None:
    """S1, F2: ids derived from causes are the same in every release."""
    made = name_uuid(namespace, name)
    assert made == uuid5(namespace, name)
    assert str(made) == str(uuid5(namespace, name))
    assert made.version == 5


@given(st.uuids())
def test_it_is_a_uuid_like_any_other(known: UUID) -> None:
    made = uuid_of(known.bytes)
    assert isinstance(made, UUID)
    assert (made, hash(made), str(made)) == (known, hash(known), str(known))
