"""Listening sockets: open them, name them, close them."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from .config import Config
from .options import Bind, ConfigError, FdBind, TcpBind, UnixBind, parse_bind

__all__ = ["ListenError", "close_sockets", "display", "open_sockets"]

Address: TypeAlias = "str | bytes | tuple[str | int | None, ...]"
"""What `socket.socket.getsockname` returns, or a server's address as ASGI has it."""

_Found: TypeAlias = "tuple[socket.AddressFamily, tuple[str | int, ...]]"

# A family or an address that this machine lacks, though a name stands for it: IPv6 switched off, above all.
_ABSENT: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}

# Port 0 has to mean one port for all addresses of a name: where the second is taken, all begin again.
_ATTEMPTS: Final = 20

_STANDARD_ERROR: Final = 2

# The files that `open_sockets` made: path, device and inode, and the process, whose children must leave them alone.
_made: Final[weakref.WeakKeyDictionary[socket.socket, tuple[str, int, int, int]]] = (
    weakref.WeakKeyDictionary()
)


class ListenError(ConfigError):
    """It is not possible to listen where the user said."""


def open_sockets(config: Config) -> list[socket.socket]:
    """Return listening, non-blocking sockets for every place that the options name.

    A host name that stands for several addresses gets a socket for each that this machine has, all with the same
    port. IPv6 sockets take IPv6 only. A socket file that nobody listens on any more is replaced; its mode is the
    umask's business.

    Raises `ListenError`; then nothing stays open.
    """
    sockets: list[socket.socket] = []
    try:
        for bind in _binds(config):
            match bind:
                case TcpBind():
                    sockets += _open_tcp(bind, config.backlog)
                case UnixBind():
                    sockets.append(_open_unix(bind, config.backlog))
                case FdBind():
                    sockets.append(_inherit(bind))
    except BaseException:
        close_sockets(sockets)
        raise
    return sockets


def close_sockets(sockets: Iterable[socket.socket]) -> None:
    """Close what `open_sockets` opened, and remove the socket files that it made, unless another took their place.

    Closing a socket before, or twice, is harmless.
    """
    for sock in sockets:
        sock.close()
        path, device, inode, process = _made.pop(sock, ("", 0, 0, -1))
        if process != os.getpid():
            continue
        try:
            now = os.lstat(path)
            if (now.st_dev, now.st_ino) == (device, inode):
                Path(path).unlink()
        except OSError:
            pass  # Somebody removed it, or the folder may not be written any more: there is nothing left to do.


def display(address: Address, *, secure: bool = False) -> str:
    """Return a listening socket's address as a user would type it: ``http://127.0.0.1:8000``, ``unix:/run/app``."""
    match address:
        case (str() as host, int() as port, *_):
            scheme = "https" if secure else "http"
            return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        case (path, None):
            return f"unix:{path}"
        case bytes():
            return f"unix:{os.fsdecode(address)}"
    return f"unix:{address}"


def _binds(config: Config) -> list[Bind]:
    if config.bind:
        binds = [parse_bind(text) for text in config.bind]
        for bind in binds:
            if isinstance(bind, FdBind) and binds.count(bind) > 1:
                raise ListenError(f"{bind} is one socket, and was given twice")
        return binds
    if config.fd is not None:
        return [FdBind(config.fd)]
    if config.uds is not None:
        return [UnixBind(config.uds)]
    return [TcpBind(config.host.removeprefix("[").removesuffix("]"), config.port)]


def _open_tcp(bind: TcpBind, backlog: int) -> list[socket.socket]:
    addresses = _resolve(bind)
    attempts = _ATTEMPTS if bind.port == 0 and len(addresses) > 1 else 1
    while True:
        attempts -= 1
        sockets: list[socket.socket] = []
        absent: OSError | None = None
        try:
            for family, (host, asked, *rest) in addresses:
                port = sockets[0].getsockname()[1] if sockets else asked
                try:
                    sockets.append(_listen_tcp(family, (host, port, *rest), backlog))
                except OSError as error:
                    if error.errno not in _ABSENT:
                        raise
                    absent = error
            if absent is not None and not sockets:
                raise absent
        except OSError as error:
            close_sockets(sockets)
            if attempts and error.errno == errno.EADDRINUSE:
                continue
            raise ListenError(_tcp_problem(bind, error)) from error
        return sockets


def _resolve(bind: TcpBind) -> list[_Found]:
    try:
        infos = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a host name"
        raise ListenError(f"cannot resolve the host {bind.host!r}: {reason}") from error
    # A name may stand for one address several times.
    return list(
        dict.fromkeys((family, address) for family, _, _, _, address in infos if isinstance(address[0], str))
    )


def _listen_tcp(family: socket.AddressFamily, address: tuple[str | int, ...], backlog: int) -> socket.socket:
    # asyncio tells a TCP socket, which must not wait for more to send, by its protocol.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # SO_REUSEADDR would let two servers share a port there.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
        sock.settimeout(0)
    except BaseException:
        sock.close()
        raise
    return sock


def _tcp_problem(bind: TcpBind, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{bind} is already in use; choose another --port or stop the process that listens there"
        case errno.EACCES | errno.EPERM:
            return f"no permission to listen on {bind}; choose a --port of 1024 or more"
        case errno.EADDRNOTAVAIL:
            return f"this machine has no address {bind.host}; 0.0.0.0 or [::] stands for all that it has"
        case errno.EAFNOSUPPORT:
            return f"this machine does not speak the protocol of {bind.host}"
    return f"cannot listen on {bind}: {error.strerror or error}"


def _open_unix(bind: UnixBind, backlog: int) -> socket.socket:
    if sys.platform == "win32":
        raise ListenError(f"cannot listen on {bind}: there are no Unix sockets here")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(bind)
        sock.bind(bind.path)
        made = os.lstat(bind.path)
        _made[sock] = (str(Path(bind.path).absolute()), made.st_dev, made.st_ino, os.getpid())
        sock.listen(backlog)
        sock.settimeout(0)
    except (OSError, ValueError) as error:
        close_sockets([sock])
        raise ListenError(_unix_problem(bind, error)) from error
    except BaseException:
        close_sockets([sock])
        raise
    return sock


def _remove_stale(bind: UnixBind) -> None:
    """Remove a socket file that nobody listens on; say so if it is anything else."""
    try:
        mode = os.lstat(bind.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "it is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(bind.path)
        except ConnectionRefusedError:
            Path(bind.path).unlink()
            return
        except BlockingIOError:
            pass  # Somebody listens who is busy.
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
    raise OSError(errno.EADDRINUSE, "somebody listens there")


def _unix_problem(bind: UnixBind, error: OSError | ValueError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    match number:
        case errno.EADDRINUSE:
            return f"{bind} is already in use; choose another path or stop the process that listens there"
        case errno.EEXIST:
            return f"{bind.path} exists and is not a socket; choose another path or remove it"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return (
                f"no permission to make the socket {bind.path}; choose a folder that this user may write to"
            )
        case errno.ENOENT | errno.ENOTDIR:
            return f"cannot make the socket {bind.path}: its folder does not exist"
        case None if "too long" in str(error):
            return f"the path of {bind} is too long for a socket; choose one of at most 100 characters"
    return f"cannot listen on {bind}: {error}"


def _inherit(bind: FdBind) -> socket.socket:
    advice = "start tricorn from what opens the socket, such as systemd"
    copied = bind.fd <= _STANDARD_ERROR  # uvloop could not close it under such a number.
    try:
        sock = socket.socket(fileno=os.dup(bind.fd) if copied else bind.fd)
    except (OSError, OverflowError) as error:
        closed = isinstance(error, OSError) and error.errno == errno.EBADF
        raise ListenError(f"{bind} is {'not open' if closed else 'not a socket'}; {advice}") from error
    try:
        listens = sock.type == socket.SOCK_STREAM and bool(
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        )
    except OSError:
        listens = False
    if not listens:
        if copied:
            sock.close()
        else:
            sock.detach()  # It belongs to somebody else.
        raise ListenError(f"{bind} is not a listening stream socket; {advice}")
    sock.settimeout(0)
    return sock
