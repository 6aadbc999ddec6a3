"""tricorn's runtime: sockets, tasks and processes around `sansio`, under trio or asyncio."""

from .config import Config, ConfigError
from .errors import LifespanFailed, StartupFailed
from .serve import Server, run, serve

__all__ = ["Config", "ConfigError", "LifespanFailed", "Server", "StartupFailed", "run", "serve"]
