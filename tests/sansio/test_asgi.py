"""The versions that we speak, and the shapes of the messages."""

from __future__ import annotations

from typing import Any, NotRequired, get_origin, get_type_hints

import pytest

from sansio import asgi


def test_the_versions_are_those_of_the_specifications() -> None:
    """ASGI 3.0; HTTP & WebSocket Message Format 2.5; Lifespan 2.0."""
    assert (asgi.ASGI_VERSION, asgi.HTTP_SPEC_VERSION, asgi.LIFESPAN_SPEC_VERSION) == ("3.0", "2.5", "2.0")


@pytest.mark.parametrize(
    ("shape", "required", "optional"),
    [
        pytest.param(asgi.HttpRequest, {"type", "body", "more_body"}, set(), id="http.request"),
        pytest.param(asgi.HttpDisconnect, {"type"}, set(), id="http.disconnect"),
        pytest.param(
            asgi.HttpResponseStart, {"type", "status"}, {"headers", "trailers"}, id="http.response.start"
        ),
        pytest.param(asgi.HttpResponseBody, {"type"}, {"body", "more_body"}, id="http.response.body"),
        pytest.param(
            asgi.HttpResponseTrailers, {"type"}, {"headers", "more_trailers"}, id="http.response.trailers"
        ),
        pytest.param(asgi.HttpResponseEarlyHint, {"type", "links"}, set(), id="http.response.early_hint"),
        pytest.param(asgi.LifespanEvent, {"type"}, set(), id="lifespan"),
    ],
)
def test_a_message_has_the_keys_that_asgi_gives_it(
    shape: Any, required: set[str], optional: set[str]
) -> None:
    """What the server sends is always complete; what the application sends may leave out what has a default."""
    hints = get_type_hints(shape, include_extras=True)
    left_out = {key for key, hint in hints.items() if get_origin(hint) is NotRequired}
    assert left_out == optional
    assert hints.keys() - left_out == required


def test_every_exported_name_is_there() -> None:
    assert [name for name in asgi.__all__ if not hasattr(asgi, name)] == []
