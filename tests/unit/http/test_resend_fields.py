"""Resend's routes as they are documented: every one has a table, and says every field of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI

from handlers.http.resend import DIALECT
from tests.unit.http import fields
from tests.unit.http.resend_fields import ANSWERS, ERROR, UNDOCUMENTED, rows_of

APP = FastAPI()
for _router in DIALECT.routers:
    APP.include_router(_router)
OPENAPI = APP.openapi()
DOCUMENTED = {name: answer for name, answer in ANSWERS.items() if name not in UNDOCUMENTED}


def operation(route: str) -> Mapping[str, Any]:
    method, path = route.split(" ")
    found: Mapping[str, Any] = OPENAPI["paths"][path][method.lower()]
    return found


def schema(route: str, status: int) -> Mapping[str, Any]:
    """Return what is documented of an answer, as a JSON Schema that stands by itself."""
    content = operation(route)["responses"][str(status)]["content"]
    named = content["application/json"]["schema"]
    known = OPENAPI["components"]["schemas"]
    here: Mapping[str, Any] = known[named["$ref"].rpartition("/")[2]] if "$ref" in named else named
    return {**here, "$defs": known}


def test_every_route_has_a_table() -> None:
    """A route that is new has to be told in the tables."""
    methods = {"get", "post", "patch", "delete", "put"}
    served = {
        f"{method.upper()} {path}"
        for path, operations in OPENAPI["paths"].items()
        for method in operations.keys() & methods
    }
    assert served == DOCUMENTED.keys()


@pytest.mark.parametrize("route", DOCUMENTED)
def test_each_route_documents_its_fields_and_no_others(route: str) -> None:
    answer = DOCUMENTED[route]
    done = [status for status in operation(route)["responses"] if int(status) < 300]
    assert done == [str(answer.status)]
    if answer.rows is not None:
        said = fields.fields_of_schema(schema(route, answer.status))
        assert sorted(said) == sorted(row.path for row in answer.rows)


@pytest.mark.parametrize(
    ("route", "row"),
    [pytest.param(route, row, id=f"{route} {row.path}") for route, row in rows_of(DOCUMENTED)],
)
def test_each_field_is_documented_as_the_table_says(route: str, row: fields.FieldRow) -> None:
    said = fields.fields_of_schema(schema(route, DOCUMENTED[route].status))
    assert fields.schema_misfits(row, said[row.path]) == []


@pytest.mark.parametrize("route", DOCUMENTED)
def test_each_refusal_is_documented_with_its_body(route: str) -> None:
    refusals = [int(status) for status in operation(route)["responses"] if int(status) >= 400]
    assert {401, 403, 404, 409, 422, 429, 500, 503} <= set(refusals)
    for status in refusals:
        said = fields.fields_of_schema(schema(route, status))
        assert sorted(said) == sorted(row.path for row in ERROR)
        for row in ERROR:
            assert fields.schema_misfits(row, said[row.path]) == []
