"""The client that speaks HTTP/2: h2load, of nghttp2, for many small requests and for bodies in both directions."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.apps import BODY_SIZE, GREETING, PIECE, PIECES
from tests.benchmarks.load import SOCKET_TIMEOUT, LoadError

RATE: Final = re.compile(r"^finished in \S+, ([\d.]+) req/s", re.MULTILINE)
REQUESTS: Final = re.compile(
    r"^requests: \d+ total, \d+ started, (?P<done>\d+) done, (?P<succeeded>\d+) succeeded, "
    r"(?P<failed>\d+) failed, (?P<errored>\d+) errored, (?P<timeout>\d+) timeout$",
    re.MULTILINE,
)
STATUS_CODES: Final = re.compile(r"^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", re.MULTILINE)
CONTENT: Final = re.compile(r"^traffic: .* \((\d+)\) data$", re.MULTILINE)

# So many requests on each stream tell how many fit into the time, and warm up what the greeting did not.
TRIAL_ROUNDS: Final = 8

# What browser.lua sends, with Host as `:authority`. HPACK remembers fields for each connection, and a connection has
# one person's cookie; the targets differ.
BROWSER_TARGETS: Final = tuple(f"/?page={page}" for page in range(1, 1001))
BROWSER_FIELDS: Final = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language: en-GB,en;q=0.7,de;q=0.3",
    "accept-encoding: gzip, deflate, br, zstd",
    f"cookie: sessionid={7919:032x}; csrftoken={1:032x}; theme=dark",
    "referer: https://www.example.org/articles/",
    "upgrade-insecure-requests: 1",
    "sec-fetch-dest: document",
    "sec-fetch-mode: navigate",
    "sec-fetch-site: same-origin",
)


@dataclass(frozen=True, slots=True)
class H2load:
    """One run of h2load, from one thread, with `streams` requests under way on each of its connections.

    It asks for the `targets` in turn, or sends 10 MiB to them, and an answer has `answer_size` octets of content.
    Without TLS it knows beforehand that the server speaks HTTP/2.
    """

    targets: tuple[str, ...] = ("/",)
    answer_size: int = len(GREETING)
    connections: int = 1
    streams: int = 1
    fields: tuple[str, ...] = ()
    upload: bool = False
    tls: bool = False

    def greet(self, port: int, requests: int) -> None:
        """Send that many requests, so that nothing lazy is measured later.

        Raises `LoadError` when some were not answered, or not with success.
        """
        self._done(self._output(port, [f"--requests={requests}"]))

    @contextmanager
    def ready(self, port: int, seconds: int) -> Iterator[Callable[[], int]]:
        """Try a few requests, and yield what sends as many as fit into `seconds` and returns how many.

        All that is sent has to be answered: h2load can stop after a time, but then it does not tell of connections
        that ended before, and a transfer that it cuts off costs and does not count. Raises `LoadError` like `greet`.
        """
        with tempfile.NamedTemporaryFile() as content:
            if self.upload:
                content.write(PIECE * PIECES)
                content.flush()
            data = [f"--data={content.name}"] if self.upload else []
            trial = self._output(
                port, [f"--requests={TRIAL_ROUNDS * self.connections * self.streams}", *data]
            )
            self._done(trial)
            rate = RATE.search(trial)
            if rate is None:
                raise LoadError(trial.strip())
            fitting = max(self.connections, round(float(rate[1]) * seconds))
            yield lambda: self._done(self._output(port, [f"--requests={fitting}", *data], seconds))

    def _output(self, port: int, arguments: list[str], seconds: int = 0) -> str:
        """Run it, with its targets on standard input, and return what it reports."""
        root = f"{'https' if self.tls else 'http'}://127.0.0.1:{port}"
        command = [
            "h2load",
            "--threads=1",
            f"--clients={self.connections}",
            f"--max-concurrent-streams={self.streams}",
            "--npn-list=h2",
            # Whatever a server would rather have, all do the same work.
            "--tls13-ciphers=TLS_AES_128_GCM_SHA256",
            *(f"--header={field}" for field in self.fields),
            *arguments,
            "--input-file=-",
        ]
        try:
            done = subprocess.run(
                command,
                input="".join(f"{root}{target}\n" for target in self.targets),
                capture_output=True,
                text=True,
                check=False,
                # A slow server may need longer than a trial made it seem.
                timeout=2 * seconds + SOCKET_TIMEOUT,
            )
        except subprocess.TimeoutExpired as error:
            raise LoadError(f"h2load waited {error.timeout:g} s in vain") from error
        return done.stdout or done.stderr

    def _done(self, output: str) -> int:
        """How many requests a report says were answered, all of them with success and their whole content."""
        requests = REQUESTS.search(output)
        codes = STATUS_CODES.search(output)
        content = CONTENT.search(output)
        if requests is None or codes is None or content is None:
            raise LoadError(output.strip() or "h2load reported nothing")
        done = int(requests["done"])
        troubles = sum(map(int, requests.group("failed", "errored", "timeout")))
        if troubles or done == 0 or int(requests["succeeded"]) != done:
            raise LoadError(requests[0])
        if any(map(int, codes.groups())):
            raise LoadError(codes[0])
        if int(content[1]) < done * self.answer_size:
            raise LoadError(f"{done} answers had {content[1]} bytes of content, not {self.answer_size} each")
        return done


DOWN: Final = H2load(("/down",), BODY_SIZE)
UP: Final = H2load(("/up",), len(str(BODY_SIZE)), upload=True)
