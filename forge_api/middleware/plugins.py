"""Middlewares of the operator's own: `--middleware package.module:factory` → what aiohttp takes.

Only the command line, the environment and the settings file name them; no request can. A factory
is called once, without arguments, before anything is served. Knows nothing of what they do.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from forge_common.errors import ConfigError


def load_middlewares(places: Sequence[str]) -> tuple[Middleware, ...]:
    """In the order given, the first outermost. Raises ConfigError."""
    return tuple(map(load_middleware, places))


def load_middleware(place: str) -> Middleware:
    made = _call(place, _factory_at(place))
    if not callable(made) or not takes_request_and_handler(made):
        raise ConfigError(
            f"--middleware {place}: it must return `async def middleware(request, handler)`"
        )
    middleware: Middleware = web.middleware(made)
    return middleware


def takes_request_and_handler(made: Any) -> bool:
    is_async = inspect.iscoroutinefunction(made) or inspect.iscoroutinefunction(made.__call__)
    try:
        inspect.signature(made).bind(None, None)
    except TypeError:
        return False
    return is_async


def _factory_at(place: str) -> Any:
    module_name, _, name = place.partition(":")
    if not module_name or not name.isidentifier():
        raise ConfigError(f"--middleware {place}: say package.module:factory")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # it is not our code: whatever it raises is to be told
        raise ConfigError(
            f"--middleware {place}: cannot import {module_name}: {error or type(error).__name__}"
        ) from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise ConfigError(f"--middleware {place}: {module_name} has no function {name}")
    return factory


def _call(place: str, factory: Any) -> Any:
    try:
        return factory()
    except Exception as error:
        raise ConfigError(f"--middleware {place}: {type(error).__name__}: {error}") from error
