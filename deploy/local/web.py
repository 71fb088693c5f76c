"""Requests of the demo, each shown as the curl line that does the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import httpx

from deploy.local.telling import StoryError, Teller


class Web:
    """The HTTP interface at an address, for one key."""

    def __init__(self, teller: Teller, url: str, key: str) -> None:
        self._teller = teller
        self._url = url
        self._key = key

    def is_ready(self) -> bool | None:
        """Return True once the server can do its work, None before."""
        try:
            return httpx.get(f"{self._url}/readyz", trust_env=False).is_success or None
        except httpx.TransportError:
            return None

    def post(self, path: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        """Post as if it were typed here."""
        said = json.dumps(body)
        self._teller.show_line(curl(f"{self._url}{path}", self._key, said, **headers))
        answer = self._ask("POST", path, said, headers)
        self._teller.show_answer(f"{answer.status_code} {answer.text}")
        return answer

    def get(self, path: str) -> Any:
        """Return a document as if it were asked for here, and show it."""
        self._teller.show_line(curl(f"{self._url}{path}", self._key))
        answer = self._ask("GET", path)
        self._teller.show_document(answer.text)
        return answer.json()

    def look(self, path: str) -> Any:
        """Return a document unseen, None if there is none."""
        answer = self._ask("GET", path, accepted=404)
        return None if answer.status_code == 404 else answer.json()

    def _ask(
        self,
        method: str,
        path: str,
        said: str | None = None,
        headers: Mapping[str, str] | None = None,
        accepted: int | None = None,
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self._key}", **_headers(headers or {})}
        answer = httpx.request(
            method, f"{self._url}{path}", content=said, headers=sent, timeout=30, trust_env=False
        )
        if not answer.is_success and answer.status_code != accepted:
            raise StoryError(f"{method} {path} was answered {answer.status_code} {answer.text}")
        return answer


def curl(url: str, key: str, said: str | None = None, **headers: str) -> str:
    """Return a request as a line for a shell; with something said it is a POST."""
    words = ["curl", url, "-H", f"Authorization: Bearer {key}"]
    for name, value in _headers(headers).items():
        words += ["-H", f"{name}: {value}"]
    if said is not None:
        words += ["-d", said]
    return shlex.join(words)


def _headers(named: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their own names: an underscore is how Python writes a dash."""
    return {name.replace("_", "-").title(): value for name, value in named.items()}
