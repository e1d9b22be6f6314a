"""Build the sdist and the wheel, and check what users would get.

The wheel is built twice, from the tree and from the sdist: both must be the same, byte for byte,
hold nothing but the package and its metadata, and work in an environment of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# 1 January 2020, the time that the archives' members get.
REPRODUCIBLE = {**os.environ, "SOURCE_DATE_EPOCH": "1577836800"}
# Left behind by other tools, or just being written by one that runs beside this; setuptools would
# take stale modules from build/ into a wheel.
NOT_SOURCE = shutil.ignore_patterns(
    *(".git", ".tox", ".venv", ".*_cache", ".coverage*", ".fuzz", ".hypothesis", "__pycache__"),
    *("build", "mutants", "*.egg-info"),
)
IN_SDIST = ("LICENSE", "README.md", "CHANGELOG.md", "setup.cfg", "tox.ini", "tests/conftest.py")
TEST_KEYS = "public_test_keys"
USE = "import pyscep, importlib.resources as r; assert (r.files(pyscep) / 'py.typed').is_file()"


def run(*command: str | Path) -> None:
    """Run *command* in an empty surrounding, so that only what is installed can be imported."""
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, env=REPRODUCIBLE)


def only(folder: Path, pattern: str) -> Path:
    """Return the one file in *folder* that fits *pattern*."""
    (path,) = folder.glob(pattern)
    return path


def expected_in_wheel() -> set[str]:
    """Return the files of the package in this tree."""
    return {"pytest_pyscep.py"} | {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pyscep").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed" or path.parent.name == TEST_KEYS
    }


def complaints_about_wheel(wheel: Path) -> list[str]:
    """Return what is wrong with the contents of *wheel*."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    package = names - metadata
    expected = expected_in_wheel()
    complaints = [f"{wheel.name} lacks {name}" for name in sorted(expected - package)]
    complaints += [f"{wheel.name} should not hold {name}" for name in sorted(package - expected)]
    if not any(name.endswith("/LICENSE") for name in metadata):
        complaints.append(f"{wheel.name} lacks the licence")
    return complaints


def complaints_about_sdist(sdist: Path) -> list[str]:
    """Return what is missing in *sdist*."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return [f"{sdist.name} lacks {name}" for name in IN_SDIST if name not in names]


def main(dist: Path) -> int:
    """Build, compare, look inside, install and use."""
    shutil.rmtree(dist, ignore_errors=True)
    tree = dist / "tree"
    shutil.copytree(ROOT, tree, ignore=NOT_SOURCE)
    run(sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", dist / "from-tree", tree)
    run(sys.executable, "-m", "build", "--quiet", "--outdir", dist / "from-sdist", tree)
    sdist = only(dist / "from-sdist", "*.tar.gz")
    wheel = only(dist / "from-sdist", "*.whl")

    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    complaints = complaints_about_wheel(wheel) + complaints_about_sdist(sdist)
    if wheel.read_bytes() != only(dist / "from-tree", "*.whl").read_bytes():
        complaints.append("the wheels from the tree and from the sdist differ")

    environment = dist / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*install, wheel)
    run(python, "-I", "-c", USE)
    # It reads the package's own data files.
    run(*install, f"{wheel}[cryptography]")
    run(python, "-I", "-m", "pyscep.testing.vectors", dist / "vectors")

    for complaint in complaints:
        print(complaint)
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
