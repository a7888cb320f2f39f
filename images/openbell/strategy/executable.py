"""What calling a strategy's function would execute: all of it, or nothing. A run that has succeeded has executed.

A generator's call returns at once and executes nothing; so does a coroutine's until it is awaited. `async def run` is
awaited here, and all else that would not execute is refused, before the first run where that can be seen.
"""

from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from openbell.strategy import executable_text as text

StrategyFunction = Callable[[Any], object]  # takes a Context, or a StreamContext if it is named stream

# Flags of a code object (see the documentation of `inspect`, which costs megabytes to import).
_VARARGS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x20, 0x80, 0x200


class NotExecutedError(TypeError):
    """What the strategy's function returned has not been executed; the message says what to change."""


def refusal(name: str, function: object) -> str:
    """Return why a call of this function would not execute it, as far as can be seen before; or an empty string."""
    if not callable(function):
        return text.NOT_CALLABLE.format(name=name)
    bound = 0
    while isinstance(function, partial):
        bound += len(function.args)
        if function.keywords:
            return ""  # which of its arguments are taken is seen when it is called
        function = function.func
    if not isinstance(function, FunctionType | MethodType | type):
        function = MethodType(type(function).__call__, function)
    if isinstance(function, MethodType):
        bound += 1
        function = function.__func__
    if not isinstance(function, FunctionType):
        return ""
    flags = function.__code__.co_flags
    if flags & (_GENERATOR | _ASYNC_GENERATOR):
        return text.GENERATOR.format(name=name)
    if flags & _COROUTINE and name == "stream":
        return text.ASYNC_STREAM
    most = function.__code__.co_argcount - bound
    least = most - len(function.__defaults__ or ())
    missing = function.__code__.co_kwonlyargcount - len(function.__kwdefaults__ or {})
    takes_one = least <= 1 and (most >= 1 or bool(flags & _VARARGS)) and missing <= 0
    return "" if takes_one else text.ARGUMENTS.format(name=name)


def executed(name: str, function: StrategyFunction) -> StrategyFunction:
    """Return a function that calls this one and returns once all of it has executed; NotExecutedError if that is impossible."""

    def call(context: object) -> object:
        returned = function(context)
        if returned is None:
            return None
        while hasattr(returned, "__await__"):
            if name == "stream":
                _close(returned)
                raise NotExecutedError(text.ASYNC_STREAM)
            returned = _await(returned)
        if hasattr(type(returned), "__next__") or hasattr(type(returned), "__anext__"):
            _close(returned)
            raise NotExecutedError(text.LAZY.format(name=name, kind=type(returned).__name__))
        if callable(returned):
            raise NotExecutedError(text.FUNCTION.format(name=name, kind=type(returned).__name__))
        return returned

    return call


def _await(awaitable: Any) -> object:
    import asyncio  # noqa: PLC0415 - loads OpenSSL, megabytes that only an async strategy needs

    async def wait() -> object:
        returned = await awaitable
        others = sorted(task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()})
        if others:
            print(f"tasks still running at the end of the run are cancelled: {', '.join(others)[:200]}")
        return returned

    return asyncio.run(wait())


def _close(lazy: object) -> None:
    """Keep Python from warning of what was never awaited: the error says it better."""
    close = getattr(lazy, "close", None)
    if callable(close):
        close()
