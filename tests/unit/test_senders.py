"""Which sender carries what, as the settings say."""

from pathlib import Path
from typing import get_args

import pytest

from state.effect import Channel
from stream.config import ConfigError, Settings
from stream.senders.choice import SENDERS, concurrency, open_senders
from stream.senders.recorder import Recorder
from stream.senders.smtp import Smtp

SMTP = {"sender": "smtp", "smtp_host": "mail.example.com"}


def test_every_sender_that_can_be_chosen_is_there() -> None:
    for name in ("sender", "push_sender"):
        assert set(get_args(Settings.model_fields[name].annotation)) <= SENDERS.keys()


def test_messages_are_recorded_unless_a_mail_server_is_chosen_for_mail() -> None:
    recording, sending = open_senders(Settings()), open_senders(Settings(**SMTP))
    assert recording.keys() == sending.keys() == set(get_args(Channel))
    assert [type(each) for each in recording.values()] == [Recorder, Recorder]
    assert isinstance(sending["email"], Smtp)
    assert isinstance(sending["push"], Recorder)


def test_the_port_follows_from_the_encryption() -> None:
    for changes, port in (
        ({}, 587),
        ({"smtp_tls": "tls"}, 465),
        ({"smtp_tls": "none"}, 25),
        ({"smtp_port": 2525}, 2525),
    ):
        sender = open_senders(Settings(**SMTP, **changes))["email"]
        assert sender._server.port == port


def test_no_more_messages_are_claimed_than_there_are_connections() -> None:
    """F3: one that waited for a connection while its lease ran out would count as unknown."""
    assert concurrency(Settings(smtp_connections=3)) == 16
    assert concurrency(Settings(**SMTP, smtp_connections=3)) == 3
    assert concurrency(Settings(**SMTP, smtp_connections=30)) == 16


def test_a_file_without_certificates_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="WAITLINE_SMTP_CA_FILE: expected certificates"):
        open_senders(Settings(**SMTP, smtp_ca_file=tmp_path / "ca.pem"))
