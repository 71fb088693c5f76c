"""The body of an e-mail: plain text, HTML, or both for the reader's program to choose from."""

from __future__ import annotations

from email.message import EmailMessage


def set_body(message: EmailMessage, text: object, html: object) -> None:
    """Give a message its body; without text and HTML it is empty."""
    if text is not None or html is None:
        message.set_content(str(text or ""))
        if html is not None:
            message.add_alternative(str(html), subtype="html")
    else:
        message.set_content(str(html), subtype="html")
