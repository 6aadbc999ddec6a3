"""The lifespan, played."""

from collections.abc import Callable
from typing import Final

import sansio
from docs.states.play import FORBIDDEN, Played, Step, explore
from sansio import Lifespan
from sansio.lifespan import _ANSWERS

ANSWERS: Final = list(dict.fromkeys(kind for _, kind in _ANSWERS))


def play_lifespan() -> Played:
    """Play everything that can happen to a lifespan."""

    def answer(kind: str) -> Callable[[Lifespan], str | None]:
        def send(lifespan: Lifespan) -> str | None:
            try:
                lifespan.send({"type": kind}, 0.0)
            except sansio.UnexpectedMessage:
                return FORBIDDEN
            return None

        return send

    def shut_down(lifespan: Lifespan) -> None:
        lifespan.shut_down(0.0)

    def finish(lifespan: Lifespan) -> None:
        lifespan.finish(None, 0.0)

    events = {kind.removeprefix("lifespan."): answer(kind) for kind in ANSWERS}
    events |= {"shut_down()": shut_down, "finish()": finish}
    played = Played()
    for (state,), event, said, (reached,) in explore(Lifespan, events, lambda lifespan: (lifespan.phase,)):
        played.add(Step(state.name, event, reached.name, said))
    return played
