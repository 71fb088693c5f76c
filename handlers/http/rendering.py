"""What the dialects share: the base of their documents, and instants with milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

#: A part of the run record.
Part = Mapping[str, Any]

#: The length of an instant in the record: `2026-06-08T14:15:00.000000Z`.
_LENGTH = 27

#: An instant as `2026-06-08T14:15:00.000Z`.
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Document(BaseModel):
    """A JSON object of a dialect: what it does not name may not be in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def rendered(self) -> dict[str, Any]:
        """Return the object as JSON has it, without what was left out."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)


def omitted() -> Any:
    """Return the default of a field that is left out, not null, where it does not apply."""
    return Field(default_factory=_nothing)


def fitting(document: type[Document], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can stand in a document of what somebody wrote, who could write anything.

    What is of no type that the document has for it is left out, as if nobody had said it.
    """
    return {
        key: value
        for key, value in said.items()
        if key in document.model_fields and _fits(document, key, value)
    }


def milliseconds(text: str) -> str:
    """Return an instant of the record, which has microseconds, with milliseconds."""
    assert len(text) == _LENGTH, f"{text!r:.40} is no instant of a record"
    return f"{text[:23]}Z"


def optional_milliseconds(text: str | None) -> str | None:
    """Return an instant as `milliseconds` does, and none as None."""
    return None if text is None else milliseconds(text)


def _nothing() -> None:
    return None


def _fits(document: type[Document], field: str, value: object) -> bool:
    try:
        _reader(document, field).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _reader(document: type[Document], field: str) -> TypeAdapter[Any]:
    annotation = document.model_fields[field].annotation
    assert annotation is not None, "every field of a document has a type"
    return TypeAdapter(annotation)
