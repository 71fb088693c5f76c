"""Getting to a mail server: encrypted and logged in, or not at all, and loudly (F5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stream.senders.sender import Accepted, NotNow, Sender
from stream.senders.smtp import LATER
from tests.integration.postbox import (
    PASSWORD,
    USERNAME,
    Authority,
    authenticate,
    letter,
    made_authority,
    posted,
    smtp,
)

LOGIN = {"smtp_username": USERNAME, "smtp_password": PASSWORD}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return made_authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_it_is_encrypted_and_logged_in(tls: str, authority: Authority) -> None:
    options = {
        **({"starttls": authority.server} if tls == "starttls" else {"tls": authority.server}),
        "authenticator": authenticate,
        "auth_required": True,
        # aiosmtpd does not notice that the whole connection is encrypted.
        "auth_require_tls": tls == "starttls",
    }
    async with (
        posted(**options) as box,
        smtp(box, tls, smtp_ca_file=authority.ca_file, **LOGIN) as sender,
    ):
        assert isinstance(await sender.send(letter()), Accepted)
    assert box.commands == ["AUTH", "QUIT"]
    assert len(box.letters) == 1


async def assert_unusable(sender: Sender, code: str) -> None:
    """F5: not now, and loudly; the runs wait for the operator instead of failing."""
    with capture_logs() as logs:
        outcome = await sender.send(letter())
    assert isinstance(outcome, NotNow), outcome
    assert (outcome.code, outcome.retry_after) == (code, LATER)
    (said,) = logs
    assert (said["log_level"], said["event"], said["code"]) == ("error", "smtp.unusable", code)
    assert PASSWORD not in str(logs) + outcome.text


async def test_a_wrong_password_fails_no_run(authority: Authority) -> None:
    options = {"starttls": authority.server, "authenticator": authenticate, "auth_required": True}
    wrong = {**LOGIN, "smtp_password": "wrong"}
    async with posted(**options) as box:
        async with smtp(box, "starttls", smtp_ca_file=authority.ca_file, **wrong) as sender:
            await assert_unusable(sender, "smtp_535")
        async with smtp(box, "starttls", smtp_ca_file=authority.ca_file) as sender:
            await assert_unusable(sender, "smtp_530")
    assert box.letters == []


async def test_a_server_without_logins_gets_no_password(authority: Authority) -> None:
    async with (
        posted(starttls=authority.server, auth_exclude_mechanism=["LOGIN", "PLAIN"]) as box,
        smtp(box, "starttls", smtp_ca_file=authority.ca_file, **LOGIN) as sender,
    ):
        await assert_unusable(sender, "smtp_no_login")
    assert "AUTH" not in box.commands


async def test_without_starttls_nothing_is_sent_in_the_clear() -> None:
    async with posted() as box, smtp(box, "starttls", **LOGIN) as sender:
        await assert_unusable(sender, "smtp_no_starttls")
    assert (box.letters, "AUTH" in box.commands) == ([], False)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_that_is_not_trusted_gets_nothing(
    tls: str, authority: Authority, tmp_path: Path
) -> None:
    other = made_authority(tmp_path, "other")
    options = {tls: authority.server}
    async with posted(**options) as box:
        async with smtp(box, tls, smtp_ca_file=other.ca_file, **LOGIN) as sender:
            await assert_unusable(sender, "smtp_certificate")
        async with smtp(box, tls, **LOGIN) as sender:
            await assert_unusable(sender, "smtp_certificate")
    assert (box.letters, "AUTH" in box.commands) == ([], False)


async def test_tls_to_a_port_that_speaks_none_says_so() -> None:
    async with posted() as box, smtp(box, "tls") as sender:
        await assert_unusable(sender, "smtp_tls")


async def test_a_server_that_wants_encryption_is_not_written_to_without(
    authority: Authority,
) -> None:
    async with posted(starttls=authority.server) as box, smtp(box) as sender:
        await assert_unusable(sender, "smtp_530")
    assert box.letters == []
