"""Contacts as Resend shows them, drawn from what is known of a person."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from handlers.http.resend.instants import instant
from state.contact import Contact, contact_uuid


class ContactItem(BaseModel):
    """A contact in a list; whose address is not known has an empty one: clients take no null."""

    id: UUID
    email: str
    first_name: str | None
    last_name: str | None
    created_at: str
    unsubscribed: bool


class PropertyValue(BaseModel):
    """A property as it is read: Resend has two types, a boolean is the string true or false."""

    value: str | int | float
    type: Literal["string", "number"]


class ContactView(ContactItem):
    """A contact with its properties."""

    object: Literal["contact"] = "contact"
    properties: dict[str, PropertyValue]


def contact_item(contact: Contact) -> ContactItem:
    """Return a contact for a list."""
    fields = contact.profile.fields
    return ContactItem(
        id=contact_uuid(contact.contact_id),
        email=contact.value_of("email") or "",
        first_name=_text(fields.get("first_name")),
        last_name=_text(fields.get("last_name")),
        created_at=instant(contact.created_at),
        unsubscribed=contact.profile.is_unsubscribed,
    )


def contact_view(contact: Contact) -> ContactView:
    """Return a contact with its properties, each with its type."""
    properties = contact.profile.properties.items()
    return ContactView(
        **contact_item(contact).model_dump(),
        properties={name: property_value(value) for name, value in properties},
    )


def property_value(value: object) -> PropertyValue:
    """Return a property with its type; it was written without."""
    if isinstance(value, bool):
        return PropertyValue(value="true" if value else "false", type="string")
    if isinstance(value, int | float):
        return PropertyValue(value=value, type="number")
    return PropertyValue(value=str(value), type="string")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
