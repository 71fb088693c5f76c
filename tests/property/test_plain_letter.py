"""A plain letter is the one that the standard library makes; it makes all that are not plain."""

from hypothesis import example, given, strategies as st

from stream.senders.plain_letter import LINE_MAX, plain_letter
from stream.senders.recorder import composed_letter

WORDS = st.text(st.sampled_from("ab Z09.,:;<>@\"'=?_-()\\\t\né"), max_size=40)
PEOPLE = st.sampled_from(
    [
        "ann@example.com",
        "a.b+c_d-e@x-1.example.org",
        "waitline@localhost",
        "Ann Lee <ann@example.com>",
        "a..b@example.com",
        ".a@example.com",
        "a@example.com, b@example.com",
        "jörg@example.com",
        "nobody",
        "",
    ]
)
TEXTS = st.text(st.sampled_from("ab \t\r\n.\x0b\x00é"), max_size=60)


@given(PEOPLE, WORDS, WORDS, TEXTS)
@example("ann@example.com", "Hello", "key", "Hi.\n\nBye.\n")
@example("ann@example.com", "", "key", "")
@example("ann@example.com", "x" * (LINE_MAX - len("Subject: ")), "key", "y" * LINE_MAX)
@example("ann@example.com", "x" * (LINE_MAX - len("Subject: ") - 1), "key", "y" * (LINE_MAX + 1))
@example("ann@example.com", " a", "b ", "From here")
@example("ann@example.com", "a  b", "=?utf-8?q?x?=", ".")
def test_a_plain_letter_is_byte_for_byte_the_composed_one(
    person: str, subject: str, key: str, text: str
) -> None:
    """F2: one message has one form, whichever way it was written."""
    headers = {"From": person, "To": person, "Subject": subject, "X-Waitline-Key": key}
    plain = plain_letter(headers, text)
    assert plain is None or plain == composed_letter(headers, text, None)


@given(st.sampled_from(["Subject", "X-Waitline-Key", "To"]), WORDS)
def test_no_value_begins_a_header_of_its_own(name: str, value: str) -> None:
    plain = plain_letter({name: value}, "")
    assert plain is None or plain.partition(b"\n\n")[0].count(b"\n") == 3


def test_an_ordinary_letter_is_plain() -> None:
    assert plain_letter({"To": "ann@example.com", "Subject": "Your receipt (no. 1)"}, "Thanks!")
