"""Listening sockets, on loopback and in temporary folders."""

import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.config import Config
from runtime.listen import ListenError, close_sockets, display, open_sockets
from runtime.options import ConfigError

needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="there are no Unix sockets")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 loopback")


class Opened:
    """Opens sockets and sees to it that they are closed."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    def __call__(self, **options: Any) -> list[socket.socket]:
        sockets = open_sockets(Config(**options))
        self.sockets += sockets
        return sockets


@pytest.fixture
def opened() -> Iterator[Opened]:
    opened = Opened()
    yield opened
    close_sockets(opened.sockets)


def problem(**options: Any) -> str:
    with pytest.raises(ListenError) as caught:
        open_sockets(Config(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def answers(family: socket.AddressFamily, address: Any) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        return client.connect_ex(address) == 0


def test_the_default_is_loopback(opened: Opened) -> None:
    (sock,) = opened(port=0)
    host, port = sock.getsockname()
    assert host == "127.0.0.1"
    assert port > 0
    assert answers(socket.AF_INET, (host, port))


def test_sockets_do_not_block(opened: Opened) -> None:
    (sock,) = opened(port=0)
    with pytest.raises(BlockingIOError):
        sock.accept()


def test_sockets_are_not_inherited(opened: Opened) -> None:
    (sock,) = opened(port=0)
    assert not sock.get_inheritable()


@pytest.mark.skipif(sys.platform == "win32", reason="it means something else there")
def test_a_port_can_be_used_again_at_once() -> None:
    """The server's side of a connection that it ended first is in TIME-WAIT."""
    (sock,) = open_sockets(Config(port=0))
    address = sock.getsockname()
    with socket.create_connection(address) as client:
        accepted, _ = sock.accept()
        accepted.close()
        assert client.recv(1) == b""
    close_sockets([sock])
    (again,) = open_sockets(Config(port=address[1]))
    close_sockets([again])


def test_a_name_is_resolved(opened: Opened) -> None:
    found = {info[4][0] for info in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    assert {sock.getsockname()[0] for sock in opened(host="localhost", port=0)} <= found


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Let every name stand for these addresses: what the system's own names stand for differs."""
    system = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        return [info for host in hosts for info in system(host, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@needs_ipv6
def test_a_name_of_several_addresses_has_one_port_on_all(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "::1", "127.0.0.1", "127.0.0.1")
    six, four = opened(host="several", port=0)
    assert (six.getsockname()[0], four.getsockname()[0]) == ("::1", "127.0.0.1")
    assert six.getsockname()[1] == four.getsockname()[1]


def test_an_address_that_this_machine_lacks_is_left_out(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "192.0.2.1", "127.0.0.1")
    (sock,) = opened(host="several", port=0)
    assert sock.getsockname()[0] == "127.0.0.1"


@needs_ipv6
def test_one_address_in_use_is_enough_to_fail(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = opened(port=0)
    port = taken.getsockname()[1]
    resolve_to(monkeypatch, "::1", "127.0.0.1")
    assert problem(host="several", port=port).startswith(f"several:{port} is already in use; ")
    assert not answers(socket.AF_INET6, ("::1", port))


@needs_ipv6
def test_ipv6_sockets_leave_ipv4_to_others(opened: Opened) -> None:
    (six,) = opened(host="::", port=0)
    port = six.getsockname()[1]
    assert answers(socket.AF_INET6, ("::1", port))
    (four,) = opened(host="0.0.0.0", port=port)
    assert four.getsockname()[1] == port


@needs_ipv6
def test_binds_are_opened_in_order(opened: Opened) -> None:
    six, four = opened(bind=("[::1]:0", "127.0.0.1:0"), port=1)
    assert (six.family, four.family) == (socket.AF_INET6, socket.AF_INET)


@needs_ipv6
def test_a_host_may_stand_in_brackets(opened: Opened) -> None:
    (sock,) = opened(host="[::1]", port=0)
    assert sock.getsockname()[0] == "::1"


def test_a_port_in_use_is_told(opened: Opened) -> None:
    (sock,) = opened(port=0)
    port = sock.getsockname()[1]
    assert problem(port=port) == (
        f"127.0.0.1:{port} is already in use; choose another --port or stop the process that listens there"
    )


def test_a_failure_closes_what_was_open(opened: Opened) -> None:
    (taken,) = opened(port=0)
    (free,) = open_sockets(Config(port=0))
    port = free.getsockname()[1]
    close_sockets([free])
    problem(bind=(f"127.0.0.1:{port}", f"127.0.0.1:{taken.getsockname()[1]}"))
    assert not answers(socket.AF_INET, ("127.0.0.1", port))


@needs_unix
def test_a_failure_removes_the_files_that_were_made(opened: Opened, tmp_path: Path) -> None:
    (taken,) = opened(port=0)
    problem(bind=(f"unix:{tmp_path}/app.sock", f"127.0.0.1:{taken.getsockname()[1]}"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid", "not a host", "1.2.3.4.5"])
def test_a_host_that_cannot_be_resolved_is_told(host: str) -> None:
    assert problem(host=host).startswith(f"cannot resolve the host '{host}': ")


def test_an_address_of_another_machine_is_told() -> None:
    assert problem(host="192.0.2.1", port=0) == (
        "this machine has no address 192.0.2.1; 0.0.0.0 or [::] stands for all that it has"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="it changes the process's privileges in Linux's way")
def test_a_privileged_port_is_told_to_those_without_privilege() -> None:
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if int(first.read_text(encoding="ascii")) < 2:
        pytest.skip("no port is privileged here")
    code = (
        "import os\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "from runtime.config import Config\n"
        "from runtime.listen import open_sockets\n"
        "try: open_sockets(Config(port=1))\n"
        "except ValueError as error: print(error)\n"
    )
    code = "import runtime.config, runtime.listen, encodings.idna\n" + code  # Nobody may read where they lie.
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout == "no permission to listen on 127.0.0.1:1; choose a --port of 1024 or more\n"


def environment() -> dict[str, str]:
    """Let a child import what we import."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@needs_unix
def test_a_unix_socket_is_a_file_until_it_is_closed(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    (sock,) = opened(uds=str(path))
    assert answers(socket.AF_UNIX, str(path))
    close_sockets([sock])
    assert not path.exists()
    close_sockets([sock])


@needs_unix
def test_the_mode_of_a_socket_file_is_the_umasks_business(opened: Opened, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        opened(bind=(f"unix:{tmp_path}/app.sock",))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "app.sock").stat().st_mode) & 0o027 == 0


@needs_unix
def test_a_socket_closed_by_others_loses_its_file_too(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    (sock,) = opened(uds=str(path))
    sock.close()
    assert path.exists()
    close_sockets([sock])
    assert not path.exists()


@needs_unix
def test_a_stale_socket_file_is_replaced(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    opened(uds=str(path))
    assert answers(socket.AF_UNIX, str(path))


@needs_unix
def test_a_socket_file_that_somebody_listens_on_stays(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    (sock,) = opened(uds=str(path), backlog=1)
    assert problem(uds=str(path)) == (
        f"unix:{path} is already in use; choose another path or stop the process that listens there"
    )
    assert answers(socket.AF_UNIX, str(path))
    assert sock.getsockname() == str(path)


@needs_unix
def test_a_busy_listener_is_not_taken_for_dead(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    opened(uds=str(path), backlog=1)
    waiting = []
    try:
        while True:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            waiting.append(client)
            client.settimeout(0)
            if client.connect_ex(str(path)) == errno.EAGAIN or len(waiting) == 10:
                break
        assert "is already in use" in problem(uds=str(path))
    finally:
        for client in waiting:
            client.close()


@needs_unix
def test_a_socket_of_another_kind_stays(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        assert "is already in use" in problem(uds=str(path))
    assert path.exists()


@needs_unix
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_not_a_socket_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "app.sock"
    match kind:
        case "file":
            path.write_text("precious", encoding="ascii")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("elsewhere")
    assert problem(uds=str(path)) == f"{path} exists and is not a socket; choose another path or remove it"
    assert path.is_symlink() or path.exists()


@needs_unix
def test_a_file_that_took_the_place_of_ours_stays(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    (old,) = opened(uds=str(path))
    path.rename(tmp_path / "kept")  # Else the next file could get the same inode.
    (new,) = opened(uds=str(path))
    close_sockets([old])
    assert path.exists()
    close_sockets([new])
    assert not path.exists()


@needs_unix
def test_a_file_that_others_removed_is_not_missed(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    (sock,) = opened(uds=str(path))
    path.unlink()
    close_sockets([sock])
    assert sock.fileno() == -1


@needs_unix
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_process_leaves_the_file_alone(opened: Opened, tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from runtime.config import Config\n"
        "from runtime.listen import close_sockets, open_sockets\n"
        "sockets = open_sockets(Config(uds=sys.argv[1]))\n"
        "if os.fork() == 0:\n"
        "    close_sockets(sockets)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print(os.path.exists(sys.argv[1]))\n"
        "close_sockets(sockets)\n"
        "print(os.path.exists(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "app.sock")],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert done.stdout.split() == ["True", "False"]


@needs_unix
def test_a_path_without_a_folder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "app.sock"
    assert problem(uds=str(path)) == f"cannot make the socket {path}: its folder does not exist"


@needs_unix
def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    assert (
        problem(uds=str(path))
        == f"the path of unix:{path} is too long for a socket; choose one of at most 100 characters"
    )


@needs_unix
def test_a_path_with_a_nul_is_told(tmp_path: Path) -> None:
    assert problem(uds=f"{tmp_path}/a\0b").startswith("cannot listen on unix:")


@needs_unix
@pytest.mark.parametrize("form", ["fd", "bind"])
def test_a_listening_socket_is_inherited(opened: Opened, form: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    fd = listening.detach()
    (sock,) = opened(fd=fd) if form == "fd" else opened(bind=(f"fd://{fd}",))
    assert sock.getsockname() == address
    assert sock.fileno() == fd
    assert answers(socket.AF_INET, address)
    with sock.accept()[0]:
        pass
    with pytest.raises(BlockingIOError):
        sock.accept()


@needs_unix
def test_the_file_of_an_inherited_socket_stays(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen()
    (sock,) = opened(fd=listening.detach())
    assert sock.family == socket.AF_UNIX
    close_sockets([sock])
    assert path.exists()


@needs_unix
def test_a_descriptor_is_inherited_once(opened: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bind = f"fd://{listening.fileno()}"
        assert problem(bind=(bind, "127.0.0.1:0", bind)) == f"{bind} is one socket, and was given twice"
        assert answers(socket.AF_INET, listening.getsockname())


@needs_unix
def test_a_socket_file_is_removed_wherever_the_process_has_gone(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    sockets = opened(uds="app.sock")
    assert (tmp_path / "app.sock").exists()
    monkeypatch.chdir(tmp_path / "elsewhere")
    close_sockets(sockets)
    assert not (tmp_path / "app.sock").exists()


@needs_unix
def test_a_descriptor_that_is_not_open_is_told() -> None:
    assert problem(fd=999_999_999).startswith("fd://999999999 is not open; ")
    assert problem(fd=2**40).startswith(f"fd://{2**40} is not a socket; ")


@needs_unix
def test_a_descriptor_that_is_no_socket_is_told_and_stays_open(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert problem(fd=file.fileno()).startswith(f"fd://{file.fileno()} is not a socket; ")
        file.write(b"still open")


@needs_unix
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen_is_told_and_stays_open(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        assert problem(fd=sock.fileno()).startswith(
            f"fd://{sock.fileno()} is not a listening stream socket; "
        )
        assert sock.getsockname()[1] > 0


def test_a_listen_error_is_the_users_mistake() -> None:
    assert issubclass(ListenError, ConfigError)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        (("::1", 8000, 0, 0), "http://[::1]:8000"),
        (("/run/app.sock", None), "unix:/run/app.sock"),
        ("/run/app.sock", "unix:/run/app.sock"),
        (b"\0name", "unix:\0name"),
    ],
)
def test_an_address_is_shown_as_a_user_would_type_it(address: Any, text: str) -> None:
    assert display(address) == text
