"""Loading oscrypto: which OpenSSL it uses, why it may not import, and what is done about it.

oscrypto 1.3.0 looks for the version in OpenSSL's version text with a pattern that allows one digit
per part, so it cannot be imported with OpenSSL 3.0.10 or 3.5.10. Where the plain import fails for
that reason, the import is repeated while a finder corrects this one string constant in the code
object of the two modules that have it. No function is patched, nothing stays installed, and an
oscrypto that imports by itself is left alone.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

from pyscep.errors import ProviderUnavailable

BROKEN_PATTERN = r"\b(\d\.\d\.\d[a-z]*)\b"
"""oscrypto's pattern for a version: one digit per part."""
CORRECTED_PATTERN = r"\b(\d+\.\d+\.\d+[a-z]*)\b"
"""The same for any number of digits."""

_AFFECTED = frozenset(("oscrypto._openssl._libcrypto_cffi", "oscrypto._openssl._libcrypto_ctypes"))
_OPENSSL_GLUE = "oscrypto._openssl._libcrypto"
_REMEDY = (
    "install OpenSSL's shared library (packages libssl3, openssl-libs or libcrypto3), or install "
    "the extra [cryptography] and pass its provider."
)


@dataclass(frozen=True, slots=True)
class Oscrypto:
    """The parts of oscrypto in use; it has no type stubs, so they are ``Any``."""

    asymmetric: Any
    """The module ``oscrypto.asymmetric``."""
    symmetric: Any
    """The module ``oscrypto.symmetric``."""
    kdf: Any
    """The module ``oscrypto.kdf``."""
    keys: Any
    """The module ``oscrypto.keys``."""
    signature_error: type[Exception]
    """What oscrypto raises for a signature that does not verify."""
    openssl_version: tuple[int | str, ...] | None
    """Such as ``(3, 0, 19)``; ``None`` on macOS and Windows, where the system's own is used."""
    drain_errors: Callable[[], None]
    """Empties OpenSSL's error queue of this thread.

    oscrypto leaves entries there whenever it raises, and the next TLS read of the same thread
    would report them as its own failure. Call it after every exception of oscrypto, and after
    loading a key.
    """


_lock = threading.Lock()


@cache
def load_oscrypto() -> Oscrypto:
    """Return oscrypto, imported on the first call; a failure is tried again on the next.

    :raises ProviderUnavailable: it is not installed, or finds no libcrypto.
    """
    # Cached twice: inside the lock for the threads that came first together, outside of it so
    # that nobody waits for the lock afterwards.
    with _lock:
        return _load()


@cache
def _load() -> Oscrypto:
    try:
        return _import_oscrypto()
    except ImportError as error:
        raise ProviderUnavailable(
            f"oscrypto cannot be imported ({error}); install oscrypto 1.3.0 or newer, or install "
            "the extra [cryptography] and pass its provider."
        ) from error
    except Exception as error:
        # Whatever it is (library not found, symbol missing, wrong architecture), the same helps.
        raise ProviderUnavailable(f"oscrypto cannot use libcrypto ({error}); {_REMEDY}") from error


def attempt(operation: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401  # no types
    """Call into oscrypto; ``None`` if it raises, whatever it raises.

    The error is raised by the caller, outside of any ``except``: so it has no context, and no
    reason, stack or secret of a lower floor travels with it.
    """
    try:
        return operation(*arguments)
    except Exception:  # noqa: BLE001  # none of oscrypto's errors, and no other, may leak
        load_oscrypto().drain_errors()
        return None


def attempt_loading(operation: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401  # no types
    """As :func:`attempt`, where OpenSSL decodes a key.

    It tries one decoder after the other, and those that failed may leave their errors in the queue
    although another one succeeded.
    """
    result = attempt(operation, *arguments)
    load_oscrypto().drain_errors()
    return result


def _import_oscrypto() -> Oscrypto:
    _prefer_pythons_openssl()
    not_found: type[Exception] = _module("oscrypto.errors").LibraryNotFoundError
    try:
        return _import_parts()
    except not_found:
        pass
    with _corrected_version_pattern():
        return _import_parts()


def _module(name: str) -> Any:  # noqa: ANN401  # oscrypto has no types
    return importlib.import_module(name)


def _import_parts() -> Oscrypto:
    uses_openssl = _module("oscrypto").backend() == "openssl"
    # First, as it is the one that may fail.
    glue = _module(_OPENSSL_GLUE) if uses_openssl else None
    return Oscrypto(
        asymmetric=_module("oscrypto.asymmetric"),
        symmetric=_module("oscrypto.symmetric"),
        kdf=_module("oscrypto.kdf"),
        keys=_module("oscrypto.keys"),
        signature_error=_module("oscrypto.errors").SignatureError,
        openssl_version=glue.libcrypto_version_info if glue else None,
        drain_errors=_drain_of(glue.libcrypto) if glue else _nothing_to_drain,
    )


def _drain_of(libcrypto: Any) -> Callable[[], None]:  # noqa: ANN401  # ctypes or cffi
    def drain_errors() -> None:
        while libcrypto.ERR_get_error():
            pass

    return drain_errors


def _nothing_to_drain() -> None:
    """Do nothing: Security.framework and CNG have no error queue."""


def _prefer_pythons_openssl() -> None:
    """Make oscrypto use ctypes, and the libcrypto that Python itself is linked with.

    That one is found without ldconfig and gcc too, and there is one OpenSSL in the process. Where
    it cannot be done (oscrypto in use already, Python linked statically), oscrypto searches by
    itself.
    """
    oscrypto = _module("oscrypto")
    with suppress(RuntimeError):
        oscrypto.use_ctypes()
    if sys.platform in ("darwin", "win32"):
        return
    paths = [_extension_path(name) for name in ("_hashlib", "_ssl")]
    if paths[0] and paths[1] and _reaches_libcrypto(paths[0]):
        with suppress(Exception):
            oscrypto.use_openssl(*paths)


def _extension_path(name: str) -> str | None:
    """Return the file of an extension module, without importing it; ``None`` if it has none."""
    spec = importlib.util.find_spec(name)
    return spec.origin if spec is not None and spec.has_location else None


def _reaches_libcrypto(path: str) -> bool:
    try:
        return hasattr(ctypes.CDLL(path), "ERR_get_error")
    except OSError:
        return False


# ----------------------------------------------------------------------------- the version pattern


@contextmanager
def _corrected_version_pattern() -> Iterator[None]:
    finder = _CorrectingFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.meta_path.remove(finder)


class _CorrectingFinder:
    """Finds just the affected modules, and leaves all others to the real finders.

    Neither this nor the loader below has a base class: importlib.abc takes 10 ms to import.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _AFFECTED:
            return None
        for finder in tuple(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find else None
            if spec is not None:
                return _with_corrected_code(spec)
        return None


def _with_corrected_code(spec: ModuleSpec) -> ModuleSpec:
    # Any loader of Python code can hand out the code object: of sources, of .pyc files, of zips.
    loader: Any = spec.loader
    get_code = getattr(loader, "get_code", None)
    code = get_code(spec.name) if get_code is not None else None
    if code is not None:
        correcting: Any = _CorrectingLoader(spec, loader, correct_version_pattern(code))
        spec.loader = correcting
    return spec


class _CorrectingLoader:
    """Runs corrected code in the name of the module's real loader."""

    def __init__(self, spec: ModuleSpec, real: Any, code: CodeType) -> None:  # noqa: ANN401
        self._spec = spec
        self._real = real
        self._code = code

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._real.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._spec.loader = module.__loader__ = self._real
        exec(self._code, module.__dict__)  # noqa: S102  # what an import does


def correct_version_pattern(code: CodeType) -> CodeType:
    """Return *code* with exactly the broken pattern replaced; unchanged if it does not have it."""
    constants = tuple(
        # isinstance first: comparing bytes with str is an error under ``python -bb``.
        CORRECTED_PATTERN if isinstance(constant, str) and constant == BROKEN_PATTERN else constant
        for constant in code.co_consts
    )
    return code.replace(co_consts=constants)
