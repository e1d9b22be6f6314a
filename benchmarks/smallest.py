"""The smallest install: ``python -m benchmarks.smallest FOLDER`` writes it into FOLDER.

It is what ``examples/firmware.py`` loads of pyscep, oscrypto and asn1crypto while it enrols, each
module compiled and without its docstrings. For the very Python that this is run with.
"""

from __future__ import annotations

import json
import py_compile
import subprocess
import sys
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.counts import ROOT, environment
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer

PACKAGES = ("asn1crypto", "oscrypto", "pyscep")
PROGRAM = ROOT / "examples" / "firmware.py"
ENROL = """
import json, runpy, sys
program = runpy.run_path(sys.argv[1])
program["main"](sys.argv[2:])
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps(files))
"""


def enrol(*options: str, path: Path = ROOT) -> dict[str, str]:
    """Let the example enrol in a fresh process; return the modules that it loaded.

    :param options: of the interpreter.
    :param path: where modules are found before anywhere else.
    """
    authority = EphemeralCa.create()
    responder = Responder(
        authority=authority,
        handler=static_challenge("secret"),
        store=MemoryStore(),
        now=lambda: datetime.now(timezone.utc),
    )
    with ScepServer(responder.handle) as server:
        told = subprocess.run(
            [
                *(sys.executable, *options, "-c", ENROL, str(PROGRAM)),
                *(server.url, authority.root.sha256_fingerprint, "secret"),
            ],
            cwd=path,
            env={**environment(), "PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    files: dict[str, str] = json.loads(told.splitlines()[-1])
    return {name: file for name, file in files.items() if name.partition(".")[0] in PACKAGES}


def write(folder: Path) -> Counter[str]:
    """Write the smallest install, and return how many bytes of each package are in it."""
    sizes: Counter[str] = Counter()
    for name, file in enrol().items():
        package = file.endswith("__init__.py")
        place = folder.joinpath(*name.split("."), *(("__init__",) if package else ()))
        compiled = place.with_name(f"{place.name}.pyc")
        py_compile.compile(file, cfile=str(compiled), dfile=name, doraise=True, optimize=2)
        sizes[name.partition(".")[0]] += compiled.stat().st_size
    return sizes


if __name__ == "__main__":
    for written, size in write(Path(sys.argv[1])).items():
        print(f"{written:12} {size / 1024:6.0f} KiB")
