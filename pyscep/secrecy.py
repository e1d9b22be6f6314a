"""Keeps secrets out of tracebacks with local variables, as error trackers and debuggers make them.

A repr can hide what a value holds, but bytes and text that are secret show in the frames of
whoever works with them. A function that is given a secret, or has one in its hands while it works,
is marked with :func:`hides_locals`: errors of ours leave it without its frames.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pyscep.errors import ScepError

F = TypeVar("F", bound=Callable[..., Any])


def hides_locals(function: F) -> F:
    """Let *function* raise its :class:`~pyscep.errors.ScepError` as if it had no frames inside.

    What the error says is not changed, and other exceptions, which would be bugs, keep all frames.
    *function* may be a coroutine function.

    Source: S-24.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaiting(*arguments: object, **named: object) -> object:
            try:
                return await function(*arguments, **named)
            except ScepError as error:
                failure = error.with_traceback(None)
            # As below.
            del arguments, named
            failure.__context__ = None
            raise failure

        return cast("F", awaiting)

    @functools.wraps(function)
    def wrapper(*arguments: object, **named: object) -> object:
        try:
            return function(*arguments, **named)
        except ScepError as error:
            failure = error.with_traceback(None)
        # This frame is shown too.
        del arguments, named
        # Outside of the handler, so that no context with its own frames comes along.
        failure.__context__ = None
        raise failure

    return cast("F", wrapper)
