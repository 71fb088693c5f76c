"""The contracts that others build on: generated from the models, never written twice."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from stream.decoding.schemas import schemas, write

FOLDER = Path(__file__).parents[2] / "deploy" / "schemas"
TEXTS = schemas()


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(TEXTS[name]))


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for below in node.values() for found in references(below)]
    return (
        [found for below in node for found in references(below)] if isinstance(node, list) else []
    )


def test_the_files_in_deploy_are_what_the_models_say() -> None:
    """E2: JSON Schema and AsyncAPI are generated; `stream.decoding.schemas` writes them anew."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == TEXTS


def test_the_files_are_written_where_one_asks(tmp_path: Path) -> None:
    write(tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(TEXTS)


@pytest.mark.parametrize("name", [name for name in TEXTS if name.endswith(".json")])
def test_every_schema_is_a_json_schema(name: str) -> None:
    """E2: what is generated can be used by any validator."""
    jsonschema.Draft202012Validator.check_schema(json.loads(TEXTS[name]))


def test_the_documented_event_satisfies_its_schema() -> None:
    validator("event.schema.json").validate(
        {
            "id": "evt_1",
            "event": "order.completed",
            "occurred_at": "2026-11-22T10:00:00Z",
            "email": "ann@example.com",
            "payload": {"order_id": "o-1", "total": 30},
        }
    )


@pytest.mark.parametrize(
    "document",
    [
        {"email": "ann@example.com"},
        {"event": "e"},
        {"event": "e", "email": None},
        {"event": "", "email": "ann@example.com"},
        {"event": "a\nb", "email": "ann@example.com"},
        {"event": "e", "email": "ann@example.com", "payload": []},
        {"event": "e", "email": "ann@example.com", "id": 5},
        {"event": "e", "external_id": "x" * 513},
    ],
    ids=str,
)
def test_a_validator_refuses_what_the_decoder_refuses(document: object) -> None:
    """E2: a producer's own tests catch it before the quarantine does."""
    assert not validator("event.schema.json").is_valid(document)


def test_a_contact_event_is_told_by_its_name() -> None:
    contact = validator("contact-event.schema.json")
    survivor = {"external_id": "u-1"}
    merged = {"event": "contact.merged", **survivor, "payload": {"from": {"anonymous_id": "a"}}}
    assert contact.is_valid(merged)
    assert not contact.is_valid({**merged, "payload": {}})
    assert not contact.is_valid({**merged, "event": "order.completed"})


def test_a_receipt_satisfies_its_schema() -> None:
    validator("receipt.schema.json").validate(
        {
            "event_id": "evt_1",
            "event": "order.completed",
            "topic": "waitline.events",
            "partition": 0,
            "offset": 7,
            "contact_id": "77616974-6c69-8000-8000-000000000001",
            "processed_at": "2026-11-22T10:00:00.000000Z",
            "did": [{"subject": "automation", "verdict": "started", "run_id": "r"}],
            "ended": [{"run_id": "r", "status": "completed", "reason": "completed_end"}],
        }
    )


def test_asyncapi_points_only_at_what_is_there() -> None:
    """E2: AsyncAPI names the four topics and the schema of each record."""
    document = yaml.safe_load(TEXTS["asyncapi.yaml"])
    assert document["asyncapi"] == "3.0.0"
    assert [channel["address"] for channel in document["channels"].values()] == [
        "waitline.events",
        "waitline.contacts",
        "waitline.receipts",
        "waitline.dead-letters",
    ]
    for reference in references(document):
        if reference.startswith("./"):
            assert reference[2:] in TEXTS
            continue
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
