"""The sender `smtp` against real mail servers: what each reply and each loss means (F3, F5)."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from stream.senders.sender import Accepted, Declined, NotNow, Unsure
from stream.senders.smtp import SOON
from tests.integration.postbox import (
    LOSS,
    SILENCE,
    Postbox,
    letter,
    posted,
    smtp,
)
from tests.stored import AT
from tests.waiting import until

#: More than the system's buffers hold, so that some of it is unsent when the other end is gone.
HUGE = 16 << 20

# --- the good way --------------------------------------------------------------------------------


async def test_a_message_is_handed_over_once_and_by_its_key() -> None:
    """F2: one recipient, and the Message-ID and Date of every later attempt too."""
    async with posted() as box, smtp(box) as sender:
        assert await sender.send(letter()) == Accepted("2.0.0 OK: queued as Q1")
        assert await sender.send(letter()) == Accepted("2.0.0 OK: queued as Q1")
    first, second = box.letters
    sent = letter()
    assert (first.mail_from, first.rcpt_tos) == ("shop@example.com", [sent.message["to"]])
    assert f"SIZE={len(first.original_content)}" in first.mail_options
    assert first.original_content == second.original_content
    message, _ = box.messages()
    assert message["Message-ID"] == f"<{sent.effect_id}@example.com>"
    assert message["Date"].datetime == AT.replace(microsecond=0)
    assert (message["From"], message["To"]) == ("Shop <shop@example.com>", sent.message["to"])
    assert message["Subject"] == "Thanks"
    assert message.get_content() == "Your receipt.\r\n"


async def test_text_beyond_ascii_long_lines_and_leading_dots_arrive_as_they_were() -> None:
    text = "\n".join(["Grüße 🎉", ".", "..two", "." * 2000, "x" * 5000, "ü" * 3000, "", "end"])
    html = f"<p>.\n{'<b>ß</b>' * 1000}</p>"
    said = {
        "subject": "Grüße 🎉, " + "日本" * 80,
        "text": text,
        "html": html,
        "from": '"Müller, Söhne <GmbH>" <post@bücher.example>',
        "reply_to": "Hilfe <hilfe@example.com>",
    }
    async with posted() as box, smtp(box) as sender:
        assert isinstance(await sender.send(letter(**said)), Accepted)
    (message,) = box.messages()
    assert message["Subject"] == said["subject"]
    (author,) = message["From"].addresses
    assert author.display_name == "Müller, Söhne <GmbH>"
    assert author.addr_spec == "post@xn--bcher-kva.example"
    assert message["Message-ID"] == f"<{letter().effect_id}@xn--bcher-kva.example>"
    assert message["Reply-To"].addresses[0].addr_spec == "hilfe@example.com"
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert plain.get_content().splitlines() == text.splitlines()
    assert rich.get_content_type() == "text/html"
    assert rich.get_content().splitlines() == html.splitlines()
    content = box.letters[0].original_content
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 78
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")


async def test_html_alone_is_sent_as_html() -> None:
    sent = replace(letter(), message={"to": "ann@example.com", "subject": "S", "html": "<b>hi</b>"})
    async with posted() as box, smtp(box) as sender:
        assert isinstance(await sender.send(sent), Accepted)
    (message,) = box.messages()
    assert (message.get_content_type(), message.get_content()) == ("text/html", "<b>hi</b>\r\n")


async def test_letters_beyond_ascii_before_the_at_sign_need_a_server_that_takes_them() -> None:
    to = "jürgen@bücher.example"
    async with posted(enable_SMTPUTF8=True) as box, smtp(box) as sender:
        assert isinstance(await sender.send(letter(to=to)), Accepted)
    assert box.letters[0].rcpt_tos == ["jürgen@xn--bcher-kva.example"]
    assert "SMTPUTF8" in box.letters[0].mail_options
    assert "To: jürgen@xn--bcher-kva.example\r\n".encode() in box.letters[0].original_content
    async with posted(enable_SMTPUTF8=False) as box, smtp(box) as sender:
        outcome = await sender.send(letter(to=to))
        assert isinstance(outcome, Declined)
        assert outcome.code == "smtputf8_missing"


# --- what a server says --------------------------------------------------------------------------

STAGES = ("MAIL", "RCPT", "DATA")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("reply", ["450 4.2.0 busy", "451 4.3.0 local error", "452 4.2.2 full"])
async def test_a_transient_reply_puts_the_message_off(stage: str, reply: str) -> None:
    """F5: 4yz is not now, with the server's code and words, and after a minute."""
    async with posted(Postbox({stage: reply})) as box, smtp(box) as sender:
        outcome = await sender.send(letter())
        code, text = reply.split(" ", 1)
        assert isinstance(outcome, NotNow)
        assert (outcome.code, outcome.retry_after) == (f"smtp_{code}", SOON)
        assert outcome.text.startswith(text)
        box.replies.clear()
        assert isinstance(await sender.send(letter()), Accepted)
    assert box.connections == 1
    assert len(box.letters) == 1


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("reply", ["550 5.1.1 No such user", "552 5.3.4 Too big", "554 5.7.1 No"])
async def test_a_permanent_reply_declines_the_message(stage: str, reply: str) -> None:
    """F5: 5yz is for good, with the server's code and words; the connection serves the next."""
    async with posted(Postbox({stage: reply})) as box, smtp(box) as sender:
        outcome = await sender.send(letter())
        code, text = reply.split(" ", 1)
        assert isinstance(outcome, Declined)
        assert outcome.code == f"smtp_{code}"
        assert outcome.text.startswith(text)
        box.replies.clear()
        assert isinstance(await sender.send(letter()), Accepted)
    assert box.connections == 1


@pytest.mark.parametrize("stage", STAGES)
async def test_a_server_that_closes_is_left_and_greeted_anew(stage: str) -> None:
    """F5: a 421 is not now, whatever it answers, and ends the connection."""
    async with posted(Postbox({stage: "421 4.3.2 going down"})) as box, smtp(box) as sender:
        assert await sender.send(letter()) == NotNow(
            "smtp_421",
            f"4.3.2 going down (in answer to {'the message' if stage == 'DATA' else stage})",
        )
        box.replies.clear()
        assert isinstance(await sender.send(letter()), Accepted)
    assert box.connections == 2


async def test_a_message_over_the_servers_limit_is_declined_before_it_is_sent() -> None:
    async with posted(data_size_limit=1000) as box, smtp(box) as sender:
        outcome = await sender.send(letter(text="x" * 2000))
        assert isinstance(outcome, Declined)
        assert outcome.code == "smtp_552"


@pytest.mark.parametrize("reply", ["999 what", "354 go on", "hello"])
async def test_an_answer_that_smtp_does_not_know_is_believed_in_neither_way(reply: str) -> None:
    """F3: before the end of the message it was not sent; after it nobody knows."""
    async with posted(Postbox({"RCPT": reply})) as box, smtp(box) as sender:
        assert isinstance(await sender.send(letter()), NotNow)
    async with posted(Postbox({"DATA": reply})) as box, smtp(box) as sender:
        assert isinstance(await sender.send(letter()), Unsure)


# --- what is lost --------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["MAIL", "RCPT"])
async def test_a_connection_lost_before_the_message_is_not_now(stage: str) -> None:
    """F3: nothing was handed over."""
    async with posted(Postbox({stage: LOSS})) as box, smtp(box) as sender:
        outcome = await sender.send(letter())
        assert isinstance(outcome, NotNow)
        assert (outcome.code, outcome.retry_after) == ("smtp_disconnected", None)


async def test_a_connection_lost_amid_the_message_is_not_now() -> None:
    """F3: the end of the data was not sent, so the server must have dropped what it had."""
    async with posted(Postbox(amid=1000)) as box, smtp(box) as sender:
        outcome = await sender.send(letter(text="x" * HUGE))
        assert isinstance(outcome, NotNow)
        assert outcome.code == "smtp_disconnected"
        box.amid = None
        assert isinstance(await sender.send(letter()), Accepted)
    assert len(box.letters) == 1


@pytest.mark.parametrize("keeps", [True, False])
async def test_an_answer_lost_after_the_message_is_unsure(keeps: bool) -> None:
    """F3: the server may have it, and SMTP knows no keys; it must not be sent again."""
    async with posted(Postbox({"DATA": LOSS}, keeps=keeps)) as box, smtp(box) as sender:
        assert not sender.honours_keys
        outcome = await sender.send(letter())
        assert isinstance(outcome, Unsure)
        assert outcome.code == "smtp_disconnected"
    assert len(box.letters) == keeps


@pytest.mark.parametrize(("stage", "outcome"), [("RCPT", NotNow), ("DATA", Unsure)])
async def test_silence_ends_with_the_time_limit(stage: str, outcome: type) -> None:
    """F3: before the end of the message it was not sent; after it nobody knows."""
    async with (
        posted(Postbox({stage: SILENCE})) as box,
        smtp(box, smtp_timeout="0.3") as sender,
    ):
        said = await sender.send(letter())
        assert isinstance(said, outcome)
        assert (said.code, said.text[-20:]) == ("smtp_timeout", "no answer within 0.3 s"[-20:])
        await until(lambda: box.open_now == 0)


async def test_a_cancelled_send_leaves_no_connection() -> None:
    async with posted(Postbox({"RCPT": SILENCE})) as box, smtp(box) as sender:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await sender.send(letter())
        await until(lambda: box.open_now == 0)
        box.replies.clear()
        assert isinstance(await sender.send(letter()), Accepted)


async def test_nobody_at_the_port_is_not_now() -> None:
    async with posted() as box:
        pass
    async with smtp(box) as sender:
        outcome = await sender.send(letter())
        assert isinstance(outcome, NotNow)
        assert (outcome.code, outcome.retry_after) == ("smtp_unreachable", None)


# --- connections ---------------------------------------------------------------------------------


async def test_connections_are_few_used_again_and_closed_in_order() -> None:
    async with posted() as box:
        async with smtp(box, smtp_connections=3) as sender:
            for _ in range(3):
                async with asyncio.TaskGroup() as group:
                    sends = [group.create_task(sender.send(letter(each))) for each in range(20)]
                assert all(isinstance(each.result(), Accepted) for each in sends)
            assert (box.connections, box.most_open) == (3, 3)
            assert box.commands.count("RSET") == 57
        await until(lambda: box.open_now == 0)
    assert box.commands.count("QUIT") == 3
    assert len(box.letters) == 60


async def test_a_connection_that_died_while_idle_is_replaced_unnoticed() -> None:
    async with posted() as box, smtp(box) as sender:
        assert isinstance(await sender.send(letter()), Accepted)
        box.lose_connections()
        assert isinstance(await sender.send(letter()), Accepted)
    assert box.connections == 2


# --- what cannot be sent -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"to": "ann"}, "to_invalid"),
        ({"to": "ann@example.com, eve@example.com"}, "to_invalid"),
        ({"to": "ann@example.com> SIZE=1"}, "to_invalid"),
        ({"to": "ann@example.com\r\nRCPT TO:<eve@example.com>"}, "to_invalid"),
        ({"from": "Shop\r\nBcc: eve@example.com <shop@example.com>"}, "from_invalid"),
        ({"reply_to": "a@example.com\r\nBcc: eve@example.com"}, "reply_to_invalid"),
        ({"subject": "Thanks\r\nBcc: eve@example.com"}, "subject_invalid"),
        ({"text": "\ud83c"}, "text_invalid"),
    ],
)
async def test_what_would_break_the_message_is_declined(said: dict[str, str], code: str) -> None:
    """F5: nothing can make a header, a command or a recipient of its own."""
    async with posted() as box, smtp(box) as sender:
        outcome = await sender.send(letter(**said))
        assert isinstance(outcome, Declined)
        assert outcome.code == code
    assert box.connections == 0


async def test_somebody_has_to_be_the_sender() -> None:
    async with posted() as box, smtp(box, smtp_from=None) as sender:
        outcome = await sender.send(letter())
        assert isinstance(outcome, Declined)
        assert outcome.code == "from_missing"
        assert "WAITLINE_SMTP_FROM" in outcome.text
        assert isinstance(await sender.send(letter(**{"from": "a@example.com"})), Accepted)
    assert box.letters[0].mail_from == "a@example.com"
