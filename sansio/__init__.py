"""tricorn's pure core: bytes in, ASGI messages out, and back. No I/O, no clock, no tasks."""

from .asgi import Message, Scope
from .connection import Connection
from .errors import ClientDisconnected, InvalidMessage, PeerError, UnexpectedMessage, UsageError
from .exchange import Exchange, ExchangeStatistics
from .lifespan import Lifespan, LifespanState
from .settings import DefaultFields, Settings, TransportInfo

__all__ = [
    "ClientDisconnected",
    "Connection",
    "DefaultFields",
    "Exchange",
    "ExchangeStatistics",
    "InvalidMessage",
    "Lifespan",
    "LifespanState",
    "Message",
    "PeerError",
    "Scope",
    "Settings",
    "TransportInfo",
    "UnexpectedMessage",
    "UsageError",
]
