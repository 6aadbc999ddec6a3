"""Errors, sorted by whose fault they are: what one catches with the classes that everybody knows."""

from __future__ import annotations

import copy
import pickle

import pytest

from sansio.errors import ClientDisconnected, InvalidMessage, PeerError, UnexpectedMessage, UsageError


def test_a_disconnect_is_an_os_error_of_our_own() -> None:
    """ASGI 2.4: "the server should raise a server-specific subclass of OSError"."""
    assert issubclass(ClientDisconnected, OSError)
    assert ClientDisconnected is not OSError
    assert str(ClientDisconnected()) == "the client has disconnected"


@pytest.mark.parametrize(
    ("error", "known_as"),
    [
        pytest.param(UnexpectedMessage, RuntimeError, id="UnexpectedMessage"),
        pytest.param(InvalidMessage, ValueError, id="InvalidMessage"),
        pytest.param(UsageError, Exception, id="UsageError"),
    ],
)
def test_a_mistake_is_never_taken_for_a_disconnect(error: type[Exception], known_as: type[Exception]) -> None:
    """Frameworks catch OSError around send() and take it for a client that has left."""
    assert issubclass(error, known_as)
    assert not issubclass(error, OSError)
    assert str(error("a text")) == "a text"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ClientDisconnected(), id="ClientDisconnected"),
        pytest.param(UnexpectedMessage("a"), id="UnexpectedMessage"),
        pytest.param(InvalidMessage("a"), id="InvalidMessage"),
        pytest.param(UsageError("a"), id="UsageError"),
    ],
)
def test_an_error_survives_copying_and_pickling(error: Exception) -> None:
    """Debuggers, process pools and error reporters do both."""
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - pickled here.
        assert type(twin) is type(error)
        assert str(twin) == str(error)


def test_a_peers_error_is_a_value_and_no_exception() -> None:
    error = PeerError(400, "a reason")
    assert not isinstance(error, BaseException)
    assert (error.status, error.reason) == (400, "a reason")
    assert error == PeerError(400, "a reason")
    assert error != PeerError(None, "a reason")
    assert hash(error) == hash(PeerError(400, "a reason"))


def test_a_peers_error_cannot_be_changed() -> None:
    error = PeerError(400, "a reason")
    with pytest.raises(AttributeError):
        error.status = 500  # type: ignore[misc]  # That is what is tested.
