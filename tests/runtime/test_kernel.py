"""What the operating system tells of a connection."""

from __future__ import annotations

import socket
import sys

import pytest

from runtime.kernel import octets_untaken


def fill(sock: socket.socket) -> int:
    """Send as much as the system takes."""
    sent = 0
    try:
        while True:
            sent += sock.send(bytes(65_536))
    except BlockingIOError:
        return sent


@pytest.mark.skipif(sys.platform != "linux", reason="not every system tells how much it holds")
def test_what_a_peer_takes_is_no_longer_held() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as ours,
        listening.accept()[0] as theirs,
    ):
        assert octets_untaken(ours.fileno()) == 0
        ours.settimeout(0)
        sent = fill(ours)
        held = octets_untaken(ours.fileno())
        assert 0 < held <= sent
        taken = 0
        while taken < sent - held // 2:
            taken += len(theirs.recv(65_536))
        assert octets_untaken(ours.fileno()) < held


def test_of_what_is_closed_or_no_socket_nothing_is_told() -> None:
    assert octets_untaken(-1) == 0
    with socket.socket() as sock:
        number = sock.fileno()
    assert octets_untaken(number) == 0
