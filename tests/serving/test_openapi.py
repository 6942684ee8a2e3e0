"""The server against its own OpenAPI document, by schemathesis: whatever the document allows gets an answer
that the document names.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from web_server import serving

from rankkit.serving import middleware

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (the extra dev)")
pytestmark = pytest.mark.fault


@schemathesis.serializer("application/x-rankkit")
def any_bytes(context, value):
    return value if isinstance(value, bytes) else repr(value).encode("utf-8", "replace")


@pytest.mark.parametrize("examples", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_every_answer_is_one_that_the_openapi_document_names(examples, monkeypatch):
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as of_the_document

    monkeypatch.setattr(middleware, "LINGER", 0.05)
    headers = {"Authorization": "Bearer hush"}
    held_to = [
        checks.not_a_server_error,
        of_the_document.status_code_conformance,
        of_the_document.content_type_conformance,
        of_the_document.response_schema_conformance,
    ]
    with serving(token="hush") as server:
        document = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=headers)
        for found in document.get_all_operations():

            @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
            @given(case=found.ok().as_strategy())
            def holds(case):
                case.call_and_validate(checks=held_to, headers=headers, timeout=30)

            holds()
