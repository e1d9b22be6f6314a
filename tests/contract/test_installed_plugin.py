"""A project outside the tree uses the plugin, after nothing but installing a wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import asn1crypto

ROOT = Path(__file__).parents[2]
# What the package is built from beside itself; nothing that other tools leave behind.
FILES = ("pytest_pyscep.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('dist')"

TEST = """
from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.testing import Fault
from pyscep.transport import RequestsTransport


def enrol(server, challenge_password):
    now = datetime.now(timezone.utc)
    with RequestsTransport(timeout=10) as send:
        client = pyscep.Client(server.url, send=send)
        root = server.responder.authority.root.sha256_fingerprint
        ca = client.get_ca_cert().authenticate(sha256=root, at=now)
        key = pyscep.default_provider().generate_rsa_key(2048)
        csr = pyscep.build_csr(subject="CN=a", key=key, challenge_password=challenge_password)
        identity = pyscep.self_signed_identity(
            csr, key=key, not_before=now, lifetime=timedelta(days=1)
        )
        return client.enrol(csr, identity=identity, ca=ca)


def test_enrolment(scep_server, scep_challenge_password):
    assert "environment" in pyscep.__file__
    assert isinstance(enrol(scep_server, scep_challenge_password), pyscep.Success)
    scep_server.check()


def test_misbehaviour(scep_server, scep_challenge_password):
    scep_server.misbehave(Fault.WRONG_RECIPIENT_NONCE)
    try:
        enrol(scep_server, scep_challenge_password)
    except pyscep.NonceMismatch:
        return
    raise AssertionError("the nonce was not looked at")
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_project_outside_the_tree(tmp_path: Path) -> None:
    tree, environment, project = (tmp_path / name for name in ("tree", "environment", "project"))
    for folder in (tree, project):
        folder.mkdir()
    # Without what other test runs may be writing just now.
    shutil.copytree(ROOT / "pyscep", tree / "pyscep", ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tree)
    run(sys.executable, "-c", BUILD, cwd=tree)
    (wheel,) = (tree / "dist").glob("*.whl")

    venv.create(environment)
    python = environment / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"),
        *("install", "--quiet", "--no-index", "--no-deps", wheel),
        cwd=project,
    )
    # The dependencies, and pytest, are those of the environment that runs this test.
    (packages,) = (environment / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(asn1crypto.__file__).parents[1]}\n")

    (project / "test_device.py").write_text(TEST)
    printed = run(python, "-m", "pytest", "-p", "no:cacheprovider", cwd=project)
    assert "2 passed" in printed
    assert "pyscep" in printed.partition("plugins:")[2].partition("\n")[0]
