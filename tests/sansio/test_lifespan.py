"""The lifespan: two questions, each once, and the answers that are legal then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.errors import InvalidMessage, UnexpectedMessage
from sansio.lifespan import Lifespan, LifespanState

STARTUP_COMPLETE = {"type": "lifespan.startup.complete"}
STARTUP_FAILED = {"type": "lifespan.startup.failed"}
SHUTDOWN_COMPLETE = {"type": "lifespan.shutdown.complete"}
SHUTDOWN_FAILED = {"type": "lifespan.shutdown.failed"}
ANSWERS = [STARTUP_COMPLETE, STARTUP_FAILED, SHUTDOWN_COMPLETE, SHUTDOWN_FAILED]


def starting() -> Lifespan:
    return Lifespan()


def started() -> Lifespan:
    lifespan = starting()
    lifespan.send(STARTUP_COMPLETE, 0.0)
    return lifespan


def stopping() -> Lifespan:
    lifespan = started()
    lifespan.shut_down(0.0)
    return lifespan


def stopped() -> Lifespan:
    lifespan = stopping()
    lifespan.send(SHUTDOWN_COMPLETE, 0.0)
    return lifespan


def failed() -> Lifespan:
    lifespan = starting()
    lifespan.send(STARTUP_FAILED, 0.0)
    return lifespan


def unsupported() -> Lifespan:
    lifespan = starting()
    lifespan.finish(None, 0.0)
    return lifespan


MAKERS: dict[LifespanState, Callable[[], Lifespan]] = {
    LifespanState.STARTING: starting,
    LifespanState.STARTED: started,
    LifespanState.STOPPING: stopping,
    LifespanState.STOPPED: stopped,
    LifespanState.FAILED: failed,
    LifespanState.UNSUPPORTED: unsupported,
}
LEGAL = {
    (LifespanState.STARTING, "lifespan.startup.complete"): LifespanState.STARTED,
    (LifespanState.STARTING, "lifespan.startup.failed"): LifespanState.FAILED,
    (LifespanState.STOPPING, "lifespan.shutdown.complete"): LifespanState.STOPPED,
    (LifespanState.STOPPING, "lifespan.shutdown.failed"): LifespanState.FAILED,
}
states = pytest.mark.parametrize("state", LifespanState, ids=lambda state: state.name)


def test_the_scope_has_type_version_and_state_and_nothing_else() -> None:
    """ASGI Lifespan 2.0, "Scope"."""
    assert Lifespan().scope == {
        "type": "lifespan",
        "asgi": {"version": "3.0", "spec_version": "2.0"},
        "state": {},
    }


def test_the_state_is_the_object_itself() -> None:
    """What the application puts into it is what the requests find."""
    lifespan = Lifespan()
    lifespan.scope["state"]["pool"] = pool = object()
    assert lifespan.state is lifespan.scope["state"]
    assert lifespan.state["pool"] is pool


def test_two_lifespans_share_nothing() -> None:
    one, other = Lifespan(), Lifespan()
    one.scope["state"]["a"] = one.scope["asgi"]["version"] = "changed"
    assert other.scope == Lifespan().scope
    assert other.scope["asgi"]["version"] == "3.0"


def test_each_question_comes_once_and_then_the_application_waits() -> None:
    lifespan = Lifespan()
    assert lifespan.receive(0.0) == {"type": "lifespan.startup"}
    assert lifespan.receive(0.0) is None
    lifespan.send(STARTUP_COMPLETE, 1.0)
    assert lifespan.receive(1.0) is None
    lifespan.shut_down(2.0)
    assert lifespan.receive(2.0) == {"type": "lifespan.shutdown"}
    assert lifespan.receive(2.0) is None
    lifespan.send(SHUTDOWN_COMPLETE, 3.0)
    assert lifespan.receive(3.0) is None


def test_an_answer_may_come_before_its_question_was_taken() -> None:
    lifespan = Lifespan()
    lifespan.send(STARTUP_COMPLETE, 0.0)
    assert lifespan.receive(0.0) is None
    assert lifespan.phase is LifespanState.STARTED


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["type"])
@states
def test_an_answer_is_legal_only_after_its_question(state: LifespanState, answer: dict[str, str]) -> None:
    lifespan = MAKERS[state]()
    assert lifespan.phase is state
    expected = LEGAL.get((state, answer["type"]))
    if expected is None:
        with pytest.raises(UnexpectedMessage, match=answer["type"]):
            lifespan.send(answer, 0.0)
        assert lifespan.phase is state
    else:
        lifespan.send(answer, 0.0)
        assert lifespan.phase is expected


@pytest.mark.parametrize(
    ("state", "text"),
    [
        pytest.param(
            LifespanState.STARTING,
            "expected 'lifespan.startup.complete' or 'lifespan.startup.failed', got 'lifespan.startup'; "
            "start-up is not complete",
            id="starting",
        ),
        pytest.param(
            LifespanState.STARTED,
            "expected nothing, got 'lifespan.startup'; start-up is complete and shutdown was not asked for",
            id="started",
        ),
    ],
)
def test_an_unexpected_message_says_what_was_expected(state: LifespanState, text: str) -> None:
    with pytest.raises(UnexpectedMessage) as caught:
        MAKERS[state]().send({"type": "lifespan.startup"}, 0.0)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "message",
    [{}, {"typ": "lifespan.startup.complete"}, None, [], 1, "text", {"type": []}, {"type": {}}],
    ids=repr,
)
@states
def test_what_is_no_message_is_refused_and_changes_nothing(state: LifespanState, message: Any) -> None:
    lifespan = MAKERS[state]()
    with pytest.raises(InvalidMessage, match="a message must be a dict"):
        lifespan.send(message, 0.0)
    assert lifespan.phase is state


@pytest.mark.parametrize("message", [None, b"bytes", 1, ["text"]], ids=repr)
def test_the_text_of_a_failure_is_text(message: Any) -> None:
    lifespan = Lifespan()
    with pytest.raises(InvalidMessage, match="'message' must be a str"):
        lifespan.send({"type": "lifespan.startup.failed", "message": message}, 0.0)
    assert lifespan.phase is LifespanState.STARTING
    lifespan.send({"type": "lifespan.startup.failed", "message": "no database"}, 0.0)
    assert lifespan.message == "no database"


@pytest.mark.parametrize(
    ("lifespan", "answer"),
    [
        pytest.param(starting(), STARTUP_FAILED, id="startup"),
        pytest.param(stopping(), SHUTDOWN_FAILED, id="shutdown"),
    ],
)
def test_a_failure_may_be_silent(lifespan: Lifespan, answer: dict[str, str]) -> None:
    """ASGI: message is a Unicode string and "Defaults to "" "."""
    lifespan.send(answer, 0.0)
    assert (lifespan.phase, lifespan.message, lifespan.failure) == (LifespanState.FAILED, "", None)


def test_unknown_keys_are_no_mistake() -> None:
    lifespan = Lifespan()
    lifespan.send({**STARTUP_COMPLETE, "x-extra": 1}, 0.0)
    assert lifespan.phase is LifespanState.STARTED


@pytest.mark.parametrize("message", ["all is well", None, 5])
def test_only_a_failure_has_a_reason(message: object) -> None:
    """ASGI Lifespan: "startup.complete" has no message, and what the application says in it is nobody's reason."""
    lifespan = Lifespan()
    lifespan.send({**STARTUP_COMPLETE, "message": message}, 0.0)
    lifespan.finish(None, 1.0)
    assert (lifespan.phase, lifespan.message) == (LifespanState.FAILED, "")
    assert lifespan.failure == "the lifespan returned before its shutdown was complete"


@pytest.mark.parametrize("error", [None, RuntimeError("boom"), KeyboardInterrupt()], ids=repr)
def test_whoever_ends_before_an_answer_does_without_the_lifespan(error: BaseException | None) -> None:
    """ASGI Lifespan, "Scope": the server "must continue but not send any lifespan events"."""
    lifespan = Lifespan()
    lifespan.receive(0.0)
    lifespan.finish(error, 0.0)
    assert lifespan.phase is LifespanState.UNSUPPORTED
    assert lifespan.ended
    assert lifespan.failure is None
    lifespan.shut_down(1.0)
    assert lifespan.phase is LifespanState.UNSUPPORTED
    assert lifespan.receive(1.0) is None


@pytest.mark.parametrize("make", [started, stopping], ids=["started", "stopping"])
def test_an_early_return_is_a_failure_with_a_phrase(make: Callable[[], Lifespan]) -> None:
    lifespan = make()
    lifespan.finish(None, 0.0)
    assert lifespan.phase is LifespanState.FAILED
    assert lifespan.failure == "the lifespan returned before its shutdown was complete"


@pytest.mark.parametrize("make", [started, stopping], ids=["started", "stopping"])
def test_an_error_after_start_up_is_a_failure_that_speaks_for_itself(make: Callable[[], Lifespan]) -> None:
    lifespan = make()
    lifespan.finish(RuntimeError("boom"), 0.0)
    assert lifespan.phase is LifespanState.FAILED
    assert lifespan.failure is None


@pytest.mark.parametrize("error", [None, RuntimeError("boom")], ids=repr)
@pytest.mark.parametrize("make", [stopped, failed, unsupported], ids=["stopped", "failed", "unsupported"])
def test_what_happens_after_the_end_changes_nothing(
    make: Callable[[], Lifespan], error: Exception | None
) -> None:
    lifespan = make()
    phase = lifespan.phase
    assert lifespan.ended
    lifespan.finish(error, 0.0)
    assert (lifespan.phase, lifespan.failure) == (phase, None)


@states
def test_asking_for_shutdown_matters_only_once_it_has_started(state: LifespanState) -> None:
    lifespan = MAKERS[state]()
    lifespan.shut_down(0.0)
    lifespan.shut_down(0.0)
    assert lifespan.phase is (LifespanState.STOPPING if state is LifespanState.STARTED else state)


def test_a_lifespan_has_no_statistics() -> None:
    with pytest.raises(UnexpectedMessage, match="no statistics"):
        Lifespan().statistics(0.0)


def test_a_lifespan_can_always_send_and_holds_nothing() -> None:
    lifespan = Lifespan()
    assert (lifespan.message, lifespan.failure, lifespan.ended) == ("", None, False)
    lifespan.flush(0.0)
    assert (lifespan.can_send, lifespan.holds, lifespan.disconnected) == (True, False, False)


inputs = st.sampled_from(
    [*(answer["type"] for answer in ANSWERS), "receive", "shut_down", "finish", "flush", "junk"]
)


@given(st.lists(inputs))
def test_no_order_of_inputs_breaks_it(script: list[str]) -> None:
    """Questions come at most once each and in order; after the end nothing changes any more."""
    lifespan = Lifespan()
    questions = []
    for name in script:
        before = lifespan.phase
        was_ended = lifespan.ended
        if name == "receive":
            message = lifespan.receive(0.0)
            if message is not None:
                questions.append(message["type"])
        elif name == "shut_down":
            lifespan.shut_down(0.0)
        elif name == "finish":
            lifespan.finish(None, 0.0)
        elif name == "flush":
            lifespan.flush(0.0)
        else:
            try:
                lifespan.send({"type": name}, 0.0)
            except UnexpectedMessage:
                assert lifespan.phase is before
        if was_ended:
            assert lifespan.phase is before
        assert lifespan.ended == (lifespan.phase.name in {"STOPPED", "FAILED", "UNSUPPORTED"})
    assert questions in (
        [],
        ["lifespan.startup"],
        ["lifespan.shutdown"],
        ["lifespan.startup", "lifespan.shutdown"],
    )
