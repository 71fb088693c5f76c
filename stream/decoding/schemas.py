"""The contracts for producers and readers: JSON Schemas and AsyncAPI, generated from the models."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from stream.config import Settings
from stream.decoding import wire

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_FORMS: Mapping[str, type[BaseModel]] = {
    "event": wire.Event,
    "cloudevent": wire.CloudEvent,
    "contact-event": wire.ContactEvent,
    "receipt": wire.Receipt,
}


def schemas() -> dict[str, str]:
    """Return the text of each contract by its file's name."""
    texts = {_file(name): _json_schema(form) for name, form in _FORMS.items()}
    asyncapi = yaml.safe_dump(_asyncapi(), sort_keys=False, allow_unicode=True, width=100)
    return {**texts, "asyncapi.yaml": asyncapi}


def write(folder: Path) -> None:
    """Write all contracts into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


def _file(name: str) -> str:
    return f"{name}.schema.json"


def _json_schema(form: type[BaseModel]) -> str:
    document = {"$schema": _DRAFT, **form.model_json_schema(by_alias=True)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _asyncapi() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waitline",
            "version": "1",
            "description": "The records that Waitline reads from Kafka and writes to it.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": _channel("topics_events", ["event", "cloudevent", "cloudeventBinary"]),
            "contacts": _channel("topics_contacts", ["contactEvent"]),
            "receipts": _channel("topics_receipts", ["receipt"]),
            "deadLetters": _channel("topics_dead_letters", ["deadLetter"]),
        },
        "operations": {
            "receiveEvent": _operation("receive", "events"),
            "receiveContactEvent": _operation("receive", "contacts"),
            "sendReceipt": _operation("send", "receipts"),
            "sendDeadLetter": _operation("send", "deadLetters"),
        },
        "components": {"messages": _messages()},
    }


def _channel(setting: str, messages: list[str]) -> dict[str, Any]:
    field = Settings.model_fields[setting]
    default = field.default
    return {
        "address": default[0] if isinstance(default, tuple) else default,
        "description": field.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _messages() -> dict[str, Any]:
    attributes = wire.CloudEvent.model_json_schema()
    data = {"data", "data_base64"}
    headers = {
        "type": "object",
        "required": [f"ce_{name}" for name in attributes["required"]],
        "properties": {
            f"ce_{name}": {"type": "string", **_described(about)}
            for name, about in attributes["properties"].items()
            if name not in data
        },
    }
    return {
        "event": _message("An event in plain JSON.", "event"),
        "cloudevent": {
            **_message("An event as a structured CloudEvent.", "cloudevent"),
            "contentType": "application/cloudevents+json",
        },
        "cloudeventBinary": {
            "summary": "An event as a binary CloudEvent: attributes as headers, data as the value.",
            "headers": headers,
            "payload": {"type": "object"},
        },
        "contactEvent": _message("A contact event; CloudEvents are read too.", "contact-event"),
        "receipt": _message("What an event did, keyed by its id.", "receipt"),
        "deadLetter": {
            "summary": "A record that could not be understood.",
            "contentType": "application/octet-stream",
            "headers": wire.DeadLetterHeaders.model_json_schema(by_alias=True),
        },
    }


def _message(summary: str, form: str) -> dict[str, Any]:
    return {"summary": summary, "payload": {"$ref": f"./{_file(form)}"}}


def _described(about: Mapping[str, Any]) -> dict[str, str]:
    return {"description": about["description"]} if "description" in about else {}


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "deploy/schemas"))
