"""Campaigns: one target, many inputs, and what they find.

With atheris installed, inputs are guided by coverage of `sansio`; without it, seeds are changed at random. Either way
inputs are changed both as octets and as what they mean, finds are made small, and each kind of find is kept once.

`sansio` is imported late, so that it can be instrumented.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from .words import write_dictionary

if TYPE_CHECKING:
    from .targets import Target

__all__ = [
    "CORPUS",
    "FINDS",
    "INTERRUPTED",
    "KEPT",
    "TARGET_NAMES",
    "Campaign",
    "failure_of",
    "load_targets",
    "replay",
    "write_seeds",
]

TARGET_NAMES: Final = (
    "connection",
    "http1",
    "gate",
    "against_http1",
    "scope",
    "websocket",
    "http2",
    "field_blocks",
    "against_http2",
    "against_websocket",
    "lifespan",
)

FINDS: Final = Path(__file__).parent / "finds"
"""Where a campaign writes what it finds."""
CORPUS: Final = Path(__file__).parent / "corpus"
"""Where it keeps, for each target, inputs that reached something new: the next one begins with them."""
KEPT: Final = Path(__file__).parent / "kept"
"""Finds of the past, made small, each called ``TARGET-...``: the tests run them, and campaigns begin with them."""
INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit status of a campaign that was asked to end before its time was over."""
_SHRINKING_SECONDS: Final = 10.0
_MAX_SIZE: Final = 8_192
_ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_INPUT_TIMEOUT: Final = 30
_GUIDED_TIMEOUT: Final = 300  # libFuzzer's is no time of the CPU, and it ends the whole campaign.


def load_targets(*, instrumented: bool = False) -> dict[str, Target]:
    """Import the targets, and with them `sansio`; instrumented, if atheris is there to do it."""
    atheris = find_atheris() if instrumented else None
    if atheris is not None:
        with atheris.instrument_imports(include=["sansio"], enable_loader_override=False):
            import sansio  # noqa: F401
    from .targets import TARGETS

    return TARGETS


def find_atheris() -> ModuleType | None:
    """Return atheris, or None where it is not installed."""
    try:
        import atheris
    except ImportError:
        return None
    module: ModuleType = atheris
    return module


def failure_of(check: Callable[[bytes], None], data: bytes) -> Exception | None:
    """Return what is wrong with an input. Any exception is a find: a target lets through what it expects."""
    try:
        check(data)
    except Exception as error:  # noqa: BLE001 - the campaign goes on.
        return error
    return None


def replay(check: Callable[[bytes], None], file: Path) -> int:
    """Run one input again and show what happens."""
    error = failure_of(check, file.read_bytes())
    if error is None:
        print(f"{file}: every law holds")
        return 0
    print(f"{file}: {type(error).__name__}: {error}")
    return 1


class InputTimeoutError(Exception):
    """One input took longer than any should."""


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[Callable[[], None]]:
    """Yield what begins the time of an input. It is that of the CPU: others may have much to do."""
    if not hasattr(signal, "SIGVTALRM"):
        yield lambda: None
        return

    def tell(_number: int, _frame: object) -> None:
        raise InputTimeoutError(f"an input that takes more than {seconds:g} seconds of CPU")

    def begin() -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    before = signal.signal(signal.SIGVTALRM, tell)
    try:
        yield begin
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def _timed(check: Callable[[bytes], None], begin: Callable[[], None]) -> Callable[[bytes], None]:
    def check_in_time(data: bytes) -> None:
        begin()
        check(data)

    return check_in_time


class Campaign:
    """A target under fire for some seconds. The name is what its finds are called after.

    `corpus` is a directory: what is in it is tried first, and inputs that reach something new are added, if atheris
    guides the campaign. Several campaigns may share it. Without it, the corpus is gone with the campaign.
    An input that takes longer than `longest`, in seconds of CPU, is a find; with atheris its limit is its own.
    `when_done` is called with the campaign when its time is over.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        seed: int = 1,
        *,
        finds: Path = FINDS,
        corpus: Path | None = None,
        longest: float = _INPUT_TIMEOUT,
        when_done: Callable[[Campaign], None] = lambda _: None,
    ) -> None:
        self.finds: dict[str, Path] = {}
        """Where the first find of each kind was written."""
        self.inputs = 0
        self.cpu_seconds = 0.0
        self._name = name
        self._seconds = seconds
        self._seed = seed
        self._directory = finds
        self._corpus = corpus
        self._longest = longest
        self._when_done = when_done
        self._end = 0.0
        self._interrupted = False

    def attack(self, target: Target, *, plain: bool = False) -> int:
        """Tell what is found, and return an exit status. With atheris it ends the process with that instead.

        SIGINT and SIGTERM end it with the input that is at work, and a second one at once. What was done until then
        counts. An input that takes too long is a find.
        """
        self._end = time.monotonic() + self._seconds
        handlers = {number: signal.signal(number, self._interrupt) for number in _ENDING_SIGNALS}
        atheris = None if plain else find_atheris()
        how = (
            "guided by coverage"
            if atheris
            else "plain random mutation (atheris is not installed, or not wanted)"
        )
        print(f"{self._name}: {self._seconds:g} seconds, {how}, seed {self._seed}", flush=True)
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            if atheris is not None:
                self._run_guided(atheris, target)
            self._run_plain(target)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self._finish()

    def _interrupt(self, _number: int, _frame: object) -> None:
        self._interrupted = True
        self._end = 0.0
        for number in _ENDING_SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def _run_plain(self, target: Target) -> None:
        with _time_limit(self._longest) as begin:
            self._change_seeds(replace(target, check=_timed(target.check, begin)))

    def _change_seeds(self, target: Target) -> None:
        rng = random.Random(self._seed)
        pool = target.seeds() + [file.read_bytes() for file in sorted(KEPT.glob(f"{self._name}-*"))]
        for data in pool:
            if time.monotonic() > self._end:
                return
            self._try(target, data)
        while time.monotonic() <= self._end:
            self._try(target, target.mutate(rng.choice(pool), rng)[:_MAX_SIZE])

    def _run_guided(self, atheris: ModuleType, target: Target) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="tricorn-fuzz-")
        corpus = self._corpus or Path(temporary.name) / "corpus"
        seeds = Path(temporary.name) / "seeds"
        dictionary = Path(temporary.name) / "words"

        def one_input(data: bytes) -> None:
            self._try(target, data)
            if time.monotonic() > self._end:
                status = self._finish()
                temporary.cleanup()
                os._exit(status)  # libFuzzer has no other way out that lets us say the status.

        def change(data: bytes, max_size: int, seed: int) -> bytes:
            rng = random.Random(seed)
            if rng.randint(0, 1):
                changed: bytes = atheris.Mutate(data, max_size)
            else:
                changed = target.mutate(data, rng)
            return changed[:max_size]

        corpus.mkdir(parents=True, exist_ok=True)
        write_seeds(target, seeds)
        for file in KEPT.glob(f"{self._name}-*"):
            shutil.copy(file, seeds)
        write_dictionary(target.words, dictionary)
        arguments = [
            sys.argv[0],
            f"-seed={self._seed or 1}",  # Zero means "any" to libFuzzer.
            f"-max_len={_MAX_SIZE}",
            f"-timeout={_GUIDED_TIMEOUT}",
            f"-artifact_prefix={self._directory}{os.sep}{self._name}-",
            "-handle_int=0",
            "-handle_term=0",
            f"-report_slow_units={_GUIDED_TIMEOUT}",  # Making a find small is slow.
            "-verbosity=0",
            *([f"-dict={dictionary}"] if target.words else []),
            str(corpus),  # What is new is written to the first.
            str(seeds),
        ]
        atheris.Setup(arguments, one_input, custom_mutator=change)
        atheris.Fuzz()

    def _try(self, target: Target, data: bytes) -> None:
        self.inputs += 1
        error = failure_of(target.check, data)
        if error is None:
            return
        kind = _kind_of(error)
        if kind in self.finds:
            return
        if not isinstance(error, InputTimeoutError):
            data = _shrink(target.check, data, kind)
        file = self._directory / f"{self._name}-{hashlib.sha256(data).hexdigest()[:12]}"
        file.write_bytes(data)
        self.finds[kind] = file
        print(f"\nFOUND {kind}\n{failure_of(target.check, data)}", flush=True)
        if self._name in TARGET_NAMES:
            print(f"replay with: python -m fuzz {self._name} --replay {file}", flush=True)
        else:
            print(f"replay with: fuzz.campaign.replay(check, Path({str(file)!r}))", flush=True)

    def _finish(self) -> int:
        self.cpu_seconds = time.process_time()
        told = (
            f"{self.inputs} inputs, {self.cpu_seconds:.0f} seconds of CPU, {len(self.finds)} kinds of finds"
        )
        print(f"{self._name}: {told}", flush=True)
        for kind, file in self.finds.items():
            print(f"  {file}: {kind}", flush=True)
        self._when_done(self)
        if self._interrupted:
            return INTERRUPTED
        return 1 if self.finds else 0


def write_seeds(target: Target, directory: Path) -> None:
    """Write the target's seed corpus, a file each."""
    directory.mkdir(parents=True, exist_ok=True)
    for data in target.seeds():
        (directory / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _kind_of(error: Exception) -> str:
    """Tell kinds of finds apart by the law that does not hold, or what was raised where."""
    if isinstance(error, AssertionError):
        return str(error).partition("\n")[0].partition(":")[0][:100]
    if isinstance(error, InputTimeoutError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
    return type(error).__name__ + where


def _shrink(check: Callable[[bytes], None], data: bytes, kind: str) -> bytes:
    """Leave out octets as long as the same kind of find remains."""
    end = time.monotonic() + _SHRINKING_SECONDS
    size = max(1, len(data) // 2)
    while size:
        start = 0
        while start < len(data) and time.monotonic() < end:
            shorter = data[:start] + data[start + size :]
            error = failure_of(check, shorter)
            if error is not None and _kind_of(error) == kind:
                data = shorter
            else:
                start += size
        size //= 2
    return data
