"""Addresses and headers of an e-mail: what is taken, and that no text becomes anything else."""

import email
import re
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import example, given, strategies as st
from msgspec.structs import replace

from stream.mailbox import Mailbox, parse_mailbox
from stream.senders.smtp_letter import LetterError, write_letter
from tests.stored import AT, effect

SHOP = Mailbox("Shop", "shop", "example.com")

#: Anything but the line breaks that are refused, and halves of pairs that no text has.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=300)


def written(**said: object) -> tuple[bytes, EmailMessage]:
    made = effect(1, 7, AT)
    letter = write_letter(replace(made, message={**made.message, **said}), SHOP)
    return letter.content, email.message_from_bytes(letter.content, policy=policy.default)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ann@example.com", ("", "ann", "example.com")),
        (" ann+x@EXAMPLE.com ", ("", "ann+x", "EXAMPLE.com")),
        ("<ann@example.com>", ("", "ann", "example.com")),
        ("Ann Lee <ann@example.com>", ("Ann Lee", "ann", "example.com")),
        ('"Lee, \\"Ann\\" <x>" <ann@example.com>', ('Lee, "Ann" <x>', "ann", "example.com")),
        ("Müller <jürgen@bücher.example>", ("Müller", "jürgen", "xn--bcher-kva.example")),
        ("root@localhost", ("", "root", "localhost")),
    ],
)
def test_an_address_is_understood(text: str, meant: tuple[str, str, str]) -> None:
    assert parse_mailbox(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@@example.com",
        "ann@example.com, eve@example.com",
        "ann@example..com",
        ".ann@example.com",
        "ann lee@example.com",
        "ann@example.com>",
        "Ann <ann@example.com> SIZE=1",
        "ann@example.com\n",
        "A\r\nB <ann@example.com>",
        "A\x00 <ann@example.com>",
        "A\u2028 <ann@example.com>",
        '"ann lee"@example.com',
        "ann@exam ple.com",
        "ann@[127.0.0.1]",
        "a" * 65 + "@example.com",
        "ann@" + "a." * 130 + "com",
        # Python's IDNA would make another domain of it: strasse.example.
        "ann@straße.example",
    ],
)
def test_what_is_not_one_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an address such as"):
        parse_mailbox(text)


@given(subject=texts, name=texts)
@example(subject="=?utf-8?q?x?=", name='"Eve" <eve@example.com>, Ann')
@example(subject=" 0", name="0 ")
@example(subject=" led  and trailed ", name="a\\")
@example(subject="word " * 40 + "x" * 900, name="Ü, B <eve@example.com>, " + "d" * 200)
@example(subject="🎉" * 100, name="x\u2028Bcc: eve@example.com")
def test_any_subject_and_name_arrive_as_they_were_and_add_no_header(
    subject: str, name: str
) -> None:
    """F2: what people are called cannot change who gets a message, or from whom."""
    made = effect(1, 7, AT)
    letter = write_letter(
        replace(made, message={**made.message, "subject": subject}),
        Mailbox(name, "shop", "example.com"),
    )
    head, _, _ = letter.content.partition(b"\r\n\r\n")
    assert re.fullmatch(rb"[ -~]*(\r\n[ -~]*)*", head)
    lines = head.split(b"\r\n")
    names = [line.split(b":")[0] for line in lines if not line.startswith(b" ")]
    assert [each for each in names if each not in MIME] == HEADERS
    assert all(line.strip() for line in lines)
    encoded = [len(line) for line in lines if b"=?utf-8?b?" in line]
    assert max(encoded, default=0) <= 76
    read = email.message_from_bytes(letter.content, policy=policy.compat32)
    assert decoded(read["Subject"]) == subject
    shown, _, address = read["From"].rpartition("\n <") if name else ("", "", read["From"] + ">")
    assert address == "shop@example.com>"
    if shown.startswith('"'):
        assert re.sub(r"\\(.)", r"\1", shown.rstrip("\r")[1:-1]) == name
    else:
        assert decoded(shown) == name


MIME = {b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"}
HEADERS = [b"Message-ID", b"Date", b"From", b"To", b"Subject"]


def decoded(value: str) -> str:
    """Return a header as a reader shows it: unfolded, encoded words put together."""
    unfolded = re.sub(r"\r?\n ", " ", value.rstrip("\r"))
    words = re.sub(r"\?= =\?", "?==?", unfolded)
    return "".join(
        part if isinstance(part, str) else part.decode(charset or "ascii")
        for part, charset in email.header.decode_header(words)
    )


def test_the_same_effect_is_the_same_letter() -> None:
    """F2: a later attempt has the Message-ID and the Date of the first."""
    content, message = written()
    assert written()[0] == content
    assert message["Message-ID"] == f"<{effect(1, 7, AT).effect_id}@example.com>"
    assert message["Date"].datetime == AT.replace(microsecond=0)


def test_a_plain_subject_stays_readable_in_the_raw_message() -> None:
    content, message = written(subject="Your order of the day is on its way to you, " * 3 + "Ann")
    assert b"=?" not in content
    assert message["Subject"] == "Your order of the day is on its way to you, " * 3 + "Ann"


def test_who_a_message_is_from_is_said_by_the_step_first() -> None:
    _, message = written(**{"from": "Help <help@example.org>"})
    assert message["From"] == "Help <help@example.org>"
    made = effect(1, 7, AT)
    with pytest.raises(LetterError, match="WAITLINE_SMTP_FROM") as raised:
        write_letter(made, None)
    assert raised.value.code == "from_missing"
