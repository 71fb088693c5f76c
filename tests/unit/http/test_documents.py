"""What an OpenAPI document tells, and what an application answers where no route does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from starlette.types import ASGIApp

from handlers.http.app import DIALECTS, make_app
from handlers.http.body import BodyLimits
from handlers.http.bucket import Buckets
from handlers.http.dialect import Dialect
from handlers.http.gatekeeper import Gatekeeper
from handlers.http.rendering import fitting
from handlers.http.revkeen.automations import (
    AutomationCreation,
    AutomationDocument,
    created_file,
)
from handlers.http.sendrealm.automations import (
    AutomationCreation as TheirCreation,
    created_file as their_file,
)
from handlers.http.services import Services
from handlers.http.watch import Answered, Means
from handlers.publishing.publish import parse_automation


class Nobody:
    """Counts nothing."""

    def begin(self) -> None:
        pass

    def end(self, answered: Answered) -> None:
        pass


def application() -> ASGIApp:
    """Return the application; nothing of what is asked here needs a service."""

    async def none(_key_id: str) -> None:
        return None

    gatekeeper = Gatekeeper(none, Buckets(1, 1), cast("Any", None))
    lacking = dict.fromkeys(Services.__struct_fields__) | {"gatekeeper": gatekeeper}
    services = Services(**cast("Any", lacking))
    means = Means(Nobody(), lambda: 0.0, lambda: UUID(int=1), "errors")
    return make_app(services, {}, BodyLimits(1000, 5), means)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application()), base_url="http://x")


async def document(dialect: Dialect) -> Mapping[str, Any]:
    async with client() as asked:
        first = (await asked.get(f"{dialect.prefix}/openapi.json")).json()
        again = (await asked.get(f"{dialect.prefix}/openapi.json")).json()
    assert again == first
    return cast("Mapping[str, Any]", first)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
async def test_each_operation_tells_the_statuses_that_it_may_answer(dialect: Dialect) -> None:
    refusals = {"400", "401", "403", "404", "408", "409", "413", "422", "429", "500", "503"}
    told = await document(dialect)
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            successes = {status for status in answers if status.startswith("2")}
            assert set(answers) - successes == refusals, f"{method} {path}"
            assert successes
            assert operation["security"]
            for status in ("429", "503"):
                assert list(answers[status]["headers"]) == ["Retry-After"]
            for parameter in set(path.split("/")):
                if parameter.startswith("{"):
                    named = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
                    assert parameter.strip("{}") in named, f"{method} {path}"
    assert "HTTPValidationError" not in told["components"]["schemas"]


async def test_a_success_tells_the_headers_of_the_allowance() -> None:
    resend, sendrealm, revkeen = [await document(dialect) for dialect in DIALECTS]
    listed = resend["paths"]["/automations"]["get"]["responses"]["200"]["headers"]
    assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(listed)
    assert "headers" not in sendrealm["paths"]["/automations"]["get"]["responses"]["200"]
    listed = revkeen["paths"]["/v2/automations"]["get"]["responses"]["200"]["headers"]
    assert "RevKeen-Version" in listed


async def test_a_method_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    async with client() as asked:
        refused = await asked.request("PUT", "/topics/x")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PATCH, DELETE")
        refused = await asked.request("OPTIONS", "/revkeen/v2/automations")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
async def test_a_path_with_a_line_feed_is_answered_in_the_dialects_words(dialect: Dialect) -> None:
    async with client() as asked:
        odd = await asked.get(f"{dialect.prefix}/no%0Awhere")
        usual = await asked.get(f"{dialect.prefix}/nowhere")
    assert (odd.status_code, odd.json()) == (404, usual.json())


def test_what_somebody_noted_stands_only_where_it_fits() -> None:
    noted = {
        "objective": "Keep them",
        "description": 7,
        "risk_profile": None,
        "source_thread_id": "x",
        "plan": [1],
        "unheard_of": 1,
    }
    assert fitting(AutomationDocument, noted) == {"objective": "Keep them", "plan": [1]}


async def test_the_automations_that_documents_show_can_be_created() -> None:
    _, sendrealm, revkeen = [await document(dialect) for dialect in DIALECTS]
    shown = {}
    for name, told in (("sendrealm", sendrealm), ("revkeen", revkeen)):
        [shown[name]] = told["components"]["schemas"]["AutomationCreation"]["examples"]
    drawn = their_file(TheirCreation.model_validate(shown["sendrealm"]))
    assert not parse_automation(drawn).is_enabled
    planned = created_file(AutomationCreation.model_validate(shown["revkeen"]))
    assert parse_automation(planned).is_enabled
