"""Loading oscrypto with the OpenSSL versions of today, each in a process of its own."""

from __future__ import annotations

import compileall
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asn1crypto
import pytest

import pyscep
from pyscep.crypto import oscrypto_loader
from pyscep.crypto.oscrypto_loader import (
    BROKEN_PATTERN,
    CORRECTED_PATTERN,
    correct_version_pattern,
)
from pyscep.errors import ProviderUnavailable

ROOT = str(Path(pyscep.__path__[0]).parent)
oscrypto = pytest.importorskip("oscrypto")

# A libcrypto that knows every function, does nothing, and has the version text VERSION.
# Only ctypes can be given it, so cffi, which oscrypto would take first, is hidden.
FAKE_LIBCRYPTO = """
    import ctypes, ctypes.util, sys
    sys.modules["cffi"] = None

    class Function:
        def __init__(self, name):
            self.name = name
        def __call__(self, *arguments):
            if self.name in ("OpenSSL_version", "SSLeay_version"):
                return VERSION.encode()
            return 0

    class Library:
        def __init__(self, path, **keywords):
            OPENED.append(path)
        def __getattr__(self, name):
            if name == "SSLeay_version" and VERSION.startswith("OpenSSL"):
                raise AttributeError(name)
            function = Function(name)
            setattr(self, name, function)
            return function

    OPENED = []
    ctypes.CDLL = Library
    ctypes.util.find_library = lambda name: f"lib{name}.so.found"
"""
# Counts how often the correcting finder was installed.
COUNT_CORRECTIONS = """
    import sys
    from contextlib import contextmanager
    from pyscep.crypto import oscrypto_loader
    CORRECTIONS = []
    original = oscrypto_loader._corrected_version_pattern
    @contextmanager
    def counted():
        CORRECTIONS.append(1)
        with original():
            yield
    oscrypto_loader._corrected_version_pattern = counted
    META_PATH = list(sys.meta_path)
"""


def run(*pieces: str, flags: tuple[str, ...] = (), path: str = ROOT) -> str:
    """Run Python code in a fresh process, warnings being errors, and return what it prints."""
    code = "\n".join(textwrap.dedent(piece) for piece in pieces)
    done = subprocess.run(
        [sys.executable, "-bb", "-W", "error", *flags, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("text", "version", "corrections"),
    [
        ("OpenSSL 1.1.1w  11 Sep 2023", "(1, 1, 1, 'w')", 0),
        ("OpenSSL 3.0.9 30 May 2023", "(3, 0, 9)", 0),
        ("OpenSSL 3.0.22 14 Apr 2026", "(3, 0, 22)", 1),
        ("OpenSSL 3.5.10 14 Apr 2026", "(3, 5, 10)", 1),
        ("OpenSSL 4.0.12 14 Apr 2027", "(4, 0, 12)", 1),
        ("LibreSSL 3.9.2", "(1, 0, 1)", 0),
        ("LibreSSL 4.10.1", "(1, 0, 1)", 1),
    ],
)
def test_version_texts(text: str, version: str, corrections: int) -> None:
    printed = run(
        f"VERSION = {text!r}",
        FAKE_LIBCRYPTO,
        COUNT_CORRECTIONS,
        """
        library = oscrypto_loader.load_oscrypto()
        assert sys.meta_path == META_PATH
        print(library.openssl_version, len(CORRECTIONS))
        """,
    )
    assert printed == f"{version} {corrections}"


@pytest.mark.parametrize("text", ["OpenSSL 3.0.22 14 Apr 2026", "LibreSSL 4.10.1"])
def test_the_correction_is_the_only_thing_missing(text: str) -> None:
    assert not re.search(BROKEN_PATTERN, text)
    assert re.search(CORRECTED_PATTERN, text)


def test_only_the_one_constant_is_replaced() -> None:
    expected = {"a": CORRECTED_PATTERN, "b": BROKEN_PATTERN + " ", "c": b"x", "d": 3}
    source = "\n".join(
        f"{name} = {value!r}" for name, value in (expected | {"a": BROKEN_PATTERN}).items()
    )
    values: dict[str, Any] = {}
    exec(correct_version_pattern(compile(source, "x", "exec")), values)  # noqa: S102
    assert {name: values[name] for name in expected} == expected


def test_python_own_libcrypto_is_preferred() -> None:
    printed = run(
        "VERSION = 'OpenSSL 3.0.9'",
        FAKE_LIBCRYPTO,
        """
        from pyscep.crypto.oscrypto_loader import load_oscrypto
        load_oscrypto()
        import oscrypto
        print(oscrypto.ffi(), all("_hashlib" in path for path in OPENED), len(OPENED))
        """,
    )
    assert printed == "ctypes True 2"


@pytest.mark.parametrize(
    "reason",
    [
        # Python is linked statically: its modules are no files.
        "oscrypto_loader._extension_path = lambda name: None",
        # _hashlib is a file, but OpenSSL is inside and not visible.
        """
        class Hidden(Library):
            def __init__(self, path, **keywords):
                super().__init__(path)
                if "_hashlib" in path:
                    raise OSError(path)
        ctypes.CDLL = Hidden
        """,
        # Somebody has decided otherwise.
        "import oscrypto; oscrypto.backend(); oscrypto.ffi()",
        "oscrypto_loader._extension_path = lambda name: '/no/such/' + name",
    ],
)
def test_oscrypto_searches_by_itself_otherwise(reason: str) -> None:
    printed = run(
        "VERSION = 'OpenSSL 3.0.22'",
        FAKE_LIBCRYPTO,
        "from pyscep.crypto import oscrypto_loader",
        reason,
        """
        print(oscrypto_loader.load_oscrypto().openssl_version, OPENED[-1])
        """,
    )
    assert printed == "(3, 0, 22) libcrypto.so.found"


def test_extension_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert oscrypto_loader._extension_path("sys") is None
    assert oscrypto_loader._extension_path("no_such_module") is None
    assert not oscrypto_loader._reaches_libcrypto(__file__)
    monkeypatch.setattr(oscrypto_loader, "_extension_path", lambda _: None)
    monkeypatch.setattr(oscrypto, "use_openssl", None)
    oscrypto_loader._prefer_pythons_openssl()


def test_after_a_failed_import_by_somebody_else() -> None:
    printed = run(
        "VERSION = 'OpenSSL 3.5.10'",
        FAKE_LIBCRYPTO,
        """
        try:
            import oscrypto.asymmetric
        except Exception as error:
            print(type(error).__name__)
        from pyscep.crypto.oscrypto_loader import load_oscrypto
        print(load_oscrypto().openssl_version)
        """,
    )
    assert printed == "LibraryNotFoundError\n(3, 5, 10)"


def test_an_oscrypto_in_use_is_taken_as_it_is() -> None:
    printed = run(
        "VERSION = 'OpenSSL 3.0.9'",
        FAKE_LIBCRYPTO,
        COUNT_CORRECTIONS,
        """
        import oscrypto.asymmetric
        library = oscrypto_loader.load_oscrypto()
        print(library.asymmetric is oscrypto.asymmetric, OPENED[0], CORRECTIONS)
        """,
    )
    assert printed == "True libcrypto.so.found []"


def test_nothing_stays_behind() -> None:
    printed = run(
        "VERSION = 'OpenSSL 3.0.22'",
        FAKE_LIBCRYPTO,
        """
        import inspect, re, sys
        before = re.search, list(sys.meta_path)
        from pyscep.crypto.oscrypto_loader import load_oscrypto
        load_oscrypto()
        assert before == (re.search, sys.meta_path)
        module = sys.modules["oscrypto._openssl._libcrypto_ctypes"]
        assert "version_match" in inspect.getsource(module)
        print(type(module.__loader__).__name__, type(module.__spec__.loader).__name__)
        """,
    )
    assert printed == "SourceFileLoader SourceFileLoader"


def test_finder_removed_by_somebody_else() -> None:
    with oscrypto_loader._corrected_version_pattern():
        sys.meta_path.pop(0)


def test_concurrent_first_use() -> None:
    printed = run(
        "VERSION = 'OpenSSL 3.0.22'",
        FAKE_LIBCRYPTO,
        COUNT_CORRECTIONS,
        """
        import threading
        from pyscep.crypto.oscrypto_provider import OscryptoProvider
        barrier, libraries, errors = threading.Barrier(8), [], []
        def work():
            barrier.wait()
            try:
                OscryptoProvider()
                libraries.append(oscrypto_loader.load_oscrypto())
            except BaseException as error:
                errors.append(error)
        sys.setswitchinterval(1e-6)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not errors, errors
        print(len(libraries), len(set(map(id, libraries))), len(CORRECTIONS))
        """,
    )
    assert printed == "8 1 1"


def copy_packages(target: Path) -> None:
    for package in (oscrypto, asn1crypto):
        source = Path(package.__path__[0])
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target / source.name, ignore=ignore)


LOAD_COPY = """
    from pyscep.crypto.oscrypto_loader import load_oscrypto
    library = load_oscrypto()
    assert library.asymmetric.__file__.startswith(COPY), library.asymmetric.__file__
    print(library.openssl_version)
"""


def test_without_sources(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    compileall.compile_dir(tmp_path, quiet=2, legacy=True)
    for source in tmp_path.rglob("*.py"):
        source.unlink()
    settings = f"VERSION = 'OpenSSL 3.0.22'; COPY = {str(tmp_path)!r}"
    printed = run(settings, FAKE_LIBCRYPTO, LOAD_COPY, path=f"{tmp_path}:{ROOT}")
    assert printed == "(3, 0, 22)"


def test_from_a_zip(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for source in tmp_path.rglob("*.py"):
            packed.write(source, source.relative_to(tmp_path))
    settings = f"VERSION = 'OpenSSL 3.0.22'; COPY = {str(archive)!r}"
    printed = run(settings, FAKE_LIBCRYPTO, LOAD_COPY, path=f"{archive}:{ROOT}")
    assert printed == "(3, 0, 22)"


def test_a_corrected_oscrypto_is_left_alone(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    module = tmp_path / "oscrypto" / "_openssl" / "_libcrypto_ctypes.py"
    source = module.read_text()
    broken = BROKEN_PATTERN.replace("\\", "\\\\")
    assert broken in source
    module.write_text(source.replace(broken, CORRECTED_PATTERN.replace("\\", "\\\\")))
    settings = f"VERSION = 'OpenSSL 3.0.22'; COPY = {str(tmp_path)!r}"
    printed = run(
        settings,
        FAKE_LIBCRYPTO,
        COUNT_CORRECTIONS,
        LOAD_COPY,
        "print(CORRECTIONS)",
        path=f"{tmp_path}:{ROOT}",
    )
    assert printed == "(3, 0, 22)\n[]"


def test_the_finder_leaves_other_modules_and_other_loaders_alone() -> None:
    finder = oscrypto_loader._CorrectingFinder()
    assert finder.find_spec("json", None) is None
    assert finder.find_spec("oscrypto._openssl._libcrypto_cffi", []) is None
    compiled: Any = SimpleNamespace(loader=SimpleNamespace(), name="x")
    without_code: Any = SimpleNamespace(loader=SimpleNamespace(get_code=lambda _: None), name="x")
    for spec in (compiled, without_code):
        loader = spec.loader
        assert oscrypto_loader._with_corrected_code(spec).loader is loader


# ---------------------------------------------------------------------------------- unavailable


@pytest.mark.parametrize(
    ("cause", "remedies"),
    [
        ("sys.modules['oscrypto'] = None", ["install oscrypto 1.3.0"]),
        ("VERSION = 'unknown'", ["libssl3", "could not", "Error detecting"]),
        (
            """
            def missing(path, **keywords):
                raise OSError('cannot open shared object file')
            ctypes.CDLL = missing
            """,
            ["libssl3", "cannot open"],
        ),
        (
            "oscrypto_loader._extension_path = ctypes.util.find_library = lambda name: None",
            ["libssl3", "not be found"],
        ),
    ],
)
def test_provider_unavailable(cause: str, remedies: list[str]) -> None:
    printed = run(
        "import sys",
        "VERSION = 'OpenSSL 3.0.22'",
        FAKE_LIBCRYPTO,
        """
        from pyscep.crypto import default_provider, oscrypto_loader
        from pyscep.crypto.oscrypto_provider import OscryptoProvider
        from pyscep.errors import ProviderUnavailable
        """,
        cause,
        """
        for make in (OscryptoProvider, default_provider):
            try:
                make()
            except ProviderUnavailable as error:
                print(error)
        """,
    )
    assert len(printed.splitlines()) == 2
    assert "[cryptography]" in printed
    assert any(remedy in printed for remedy in remedies), printed
    assert remedies[0] in printed


def test_a_failure_is_tried_again() -> None:
    printed = run(
        "VERSION = 'unknown'",
        FAKE_LIBCRYPTO,
        """
        from pyscep.crypto.oscrypto_provider import OscryptoProvider
        try:
            OscryptoProvider()
        except Exception as error:
            print(type(error).__name__)
        VERSION = "OpenSSL 3.0.22"
        print(OscryptoProvider().name)
        """,
    )
    assert printed == "ProviderUnavailable\noscrypto"


def test_importing_the_provider_does_not_import_oscrypto() -> None:
    printed = run(
        """
        import sys
        import pyscep.crypto.oscrypto_provider
        print(sorted({name.partition('.')[0] for name in sys.modules} &
                     {"oscrypto", "cryptography"}))
        """
    )
    assert printed == "[]"


def test_with_the_real_libcrypto() -> None:
    printed = run(
        """
        from pyscep.crypto import default_provider
        from pyscep.algorithms import SignatureAlgorithm
        provider = default_provider()
        key = provider.generate_ec_key("secp256r1")
        signature = key.sign(b"data", SignatureAlgorithm.ECDSA_SHA256)
        provider.verify(key.public_key, signature, b"data", SignatureAlgorithm.ECDSA_SHA256)
        print(provider.name)
        """
    )
    assert printed == "oscrypto"


# ------------------------------------------------------------------------ macOS and Windows


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_systems_without_openssl(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def module(name: str) -> SimpleNamespace:
        calls.append(name)
        return SimpleNamespace(
            backend=lambda: platform[:3],
            use_ctypes=lambda: calls.append("use_ctypes"),
            use_openssl=lambda *_: calls.append("use_openssl"),
            LibraryNotFoundError=LookupError,
            SignatureError=ValueError,
        )

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(oscrypto_loader, "_module", module)
    library = oscrypto_loader._import_oscrypto()
    assert library.openssl_version is None
    library.drain_errors()
    assert "use_ctypes" in calls
    assert "use_openssl" not in calls
    assert not [name for name in calls if "_openssl._" in name]


def test_attempt_returns_none_on_any_error() -> None:
    def fail() -> None:
        raise RuntimeError

    assert oscrypto_loader.attempt(fail) is None
    assert oscrypto_loader.attempt(len, b"12") == 2


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("libcrypto.so.3: wrong ELF class"), "wrong ELF class.*libssl3"),
        (ImportError("No module named 'oscrypto'"), r"No module.*install oscrypto 1\.3\.0"),
    ],
)
def test_whatever_it_raises_becomes_provider_unavailable(
    error: Exception, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(oscrypto_loader, "_import_oscrypto", fail)
    with pytest.raises(ProviderUnavailable, match=text) as caught:
        oscrypto_loader._load.__wrapped__()
    assert caught.value.__cause__ is error
