"""Field tables: what a dialect's documents hold, a line a field, and how a document is held to one.

A line is `path type presence origin`. Paths name lists with `[]`, and objects whose keys are free
with `{}`. A type is one of `TYPES`, or the word that the field always says, in quotes, or all the
words that it may say, with `|` between. Presence is `always`, `nullable` (always there, null
when unknown), `null` (always there, and nothing is ever known) or `omitted` (left out where it does
not apply). Origin is `seed` or `docs` for what the sources show, `ours` for what they do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00")


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


TYPES = {
    "uuid": _is_uuid,
    "text": lambda value: isinstance(value, str) and value != "",
    "string": lambda value: isinstance(value, str),
    "moment": lambda value: isinstance(value, str) and MOMENT.fullmatch(value) is not None,
    "instant": lambda value: isinstance(value, str) and INSTANT.fullmatch(value) is not None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "scalar": lambda value: isinstance(value, str | int | float) and not isinstance(value, bool),
    "flag": lambda value: isinstance(value, bool),
    "true": lambda value: value is True,
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "json": lambda value: True,
}

#: What the JSON Schema of a field says, by its type.
SCHEMAS = {
    "uuid": {"type": "string", "format": "uuid"},
    "text": {"type": "string"},
    "string": {"type": "string"},
    "instant": {"type": "string"},
    "moment": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer"},
    "scalar": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "number"}]},
    "flag": {"type": "boolean"},
    "true": {"const": True},
    "object": {"type": "object"},
    "list": {"type": "array"},
    "json": {},
}


class FieldRow(NamedTuple):
    """A field of a document."""

    path: str
    type: str
    presence: str
    origin: str

    @property
    def may_be_null(self) -> bool:
        return self.presence in ("nullable", "null")

    @property
    def parent(self) -> str:
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2].removesuffix("[]").removesuffix("{}")

    @property
    def words(self) -> list[str]:
        """Return the words that the field may say, none where it may say others."""
        return [word.strip('"') for word in self.type.split("|")] if '"' in self.type else []

    def fits(self, value: object) -> bool:
        if value is None:
            return self.may_be_null or self.type == "json"
        if self.presence == "null":
            return False
        if self.words:
            return value in self.words
        return TYPES[self.type](value)


Table = Sequence[FieldRow]


def table(text: str) -> Table:
    """Return the table that lines of words mean."""
    return [FieldRow(*line.split()) for line in text.strip().splitlines()]


def names_below(rows: Table, parent: str) -> dict[str, FieldRow]:
    return {row.name: row for row in rows if row.parent == parent}


def parts(document: Any, path: str) -> list[Any]:
    """Return every object at a path of lists and objects, the document itself at the empty one."""
    if not path:
        return [document]
    here, _, rest = path.partition(".")
    below = document.get(here.removesuffix("[]").removesuffix("{}"))
    if here.endswith("{}"):
        several = list((below or {}).values())
    else:
        several = (below or []) if here.endswith("[]") else [below]
    return [part for one in several if one is not None for part in parts(one, rest)]


def misfits(document: Mapping[str, Any], rows: Table) -> list[str]:
    """Return what of a document is not as the table says."""
    found = []
    for parent in dict.fromkeys(row.parent for row in rows):
        known = names_below(rows, parent)
        for part in parts(document, parent):
            found += [f"{parent}: unknown {name}" for name in part.keys() - known.keys()]
            for name, row in known.items():
                if name not in part:
                    found += [] if row.presence == "omitted" else [f"{row.path}: missing"]
                elif not row.fits(part[name]):
                    found.append(f"{row.path}: {part[name]!r}")
    return found


def witnesses(documents: Iterable[Any], row: FieldRow) -> set[str]:
    """Return how a field is found over all documents: `absent`, `null`, `there`."""
    return {
        "absent" if row.name not in part else "null" if part[row.name] is None else "there"
        for document in documents
        for part in parts(document, row.parent)
    }


#: How a field has to be found over documents of every kind, by its presence.
WITNESSED = {
    "always": {"there"},
    "nullable": {"there", "null"},
    "null": {"null"},
    "omitted": {"there", "absent"},
}


def without_ours(document: Any, rows: Table, parent: str = "") -> Any:
    """Return a document without the fields that the sources do not show."""
    known = names_below(rows, parent)
    return {
        name: _below(value, rows, known[name])
        for name, value in document.items()
        if known[name].origin != "ours"
    }


def _below(value: Any, rows: Table, row: FieldRow) -> Any:
    if not any(one.parent == row.path for one in rows) or value is None:
        return value
    if isinstance(value, list):
        return [without_ours(one, rows, row.path) for one in value]
    return without_ours(value, rows, row.path)


# --- schemas --------------------------------------------------------------------------------------


class SchemaField(NamedTuple):
    """What a model's JSON Schema says of a field; what has a default is always there, too."""

    schema: Mapping[str, Any]
    is_null: bool
    is_required: bool
    has_default: bool


def schema_fields(model: type[BaseModel]) -> dict[str, SchemaField]:
    """Return every field of a model by its path, those of models below it too."""
    return fields_of_schema(model.model_json_schema(mode="serialization"))


def fields_of_schema(root: Mapping[str, Any]) -> dict[str, SchemaField]:
    """Return every field of a JSON Schema as `schema_fields` does; `$defs` are what it names."""
    return dict(_schema_fields(root, root, ""))


def _schema_fields(
    root: Mapping[str, Any], at: Mapping[str, Any], parent: str
) -> Iterator[tuple[str, SchemaField]]:
    for name, raw in at["properties"].items():
        schema, is_null = _resolved(root, raw)
        items = _resolved(root, schema.get("items", {}))[0]
        values = schema.get("additionalProperties", {})
        values = _resolved(root, values)[0] if isinstance(values, Mapping) else {}
        path = f"{parent}.{name}" if parent else name
        if "properties" in items:
            path += "[]"
        if "properties" in values:
            path += "{}"
        required = name in at.get("required", ())
        yield path, SchemaField(schema, is_null, required, "default" in raw)
        below = next((one for one in (items, values) if "properties" in one), schema)
        if "properties" in below:
            yield from _schema_fields(root, below, path)


def _resolved(root: Mapping[str, Any], raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return a schema with its reference followed, and whether null fits it too."""
    options = [one for one in raw.get("anyOf", [raw]) if one.get("type") != "null"]
    schema = options[0] if len(options) == 1 else {"anyOf": options}
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema, len(options) < len(raw.get("anyOf", options))


def schema_misfits(row: FieldRow, field: SchemaField) -> list[str]:
    """Return where a model's schema says something else of a field than the table."""
    wanted: Mapping[str, Any] = SCHEMAS.get(row.type, {})
    if row.words:
        wanted = {"enum": row.words} if row.words[1:] else {"const": row.words[0]}
    said = {key: field.schema.get(key) for key in wanted}
    found = [] if said == wanted else [f"{row.path}: {said}, not {wanted}"]
    if row.type != "json" and field.is_null != row.may_be_null:
        found.append(f"{row.path}: null {field.is_null}, not {row.may_be_null}")
    if (field.is_required or field.has_default) == (row.presence == "omitted"):
        found.append(f"{row.path}: required {field.is_required}")
    return found
