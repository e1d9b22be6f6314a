"""Dependencies, and the name that belongs to somebody else elsewhere."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = {".cfg", ".ini", ".in", ".md", ".py", ".rst", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}

# The distribution's name, as opposed to the import package of the same name: a metadata line, a
# requirement with an extra or a version, a look-up by name.
NAME = re.compile(
    r"""^ [ \t]* name [ \t]* = [ \t]* ["']? pyscep ["']? [ \t]* $
    | \b pyscep [ \t]* (?: \[ [a-z] | [=~!<>]= [ \t]* \d )
    | (?: metadata | version | distribution | requires ) \( \s* ["'] pyscep ["']
    """,
    re.VERBOSE | re.MULTILINE,
)
# The same line may name files and options before it: `python -m pip install -U "pyscep"`.
INSTALL = re.compile(r"""\b(?:install|add|download|inject)\b[^\n`;&|]*?[\s"']pyscep\b(?![./\w-])""")
INSTALLER = re.compile(r"\b(?:pip3?|pipx|uv|poetry|conda|pdm)\b")


def source_files() -> list[Path]:
    """Return the text files of the project: those that git knows or would not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git work tree")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.suffix in TEXT and path.is_file()]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def installs_by_name(text: str) -> list[str]:
    return [
        line for line in text.splitlines() if INSTALLER.search(line) and INSTALL.search(line + " ")
    ]


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def test_hard_dependencies_are_three(setup_cfg: configparser.ConfigParser) -> None:
    assert setup_cfg["options"]["install_requires"].split() == [
        "asn1crypto>=1.5.1",
        "oscrypto>=1.3.0",
        "requests>=2.28",
    ]
    assert setup_cfg["options"]["python_requires"] == ">=3.10"


def test_every_extra_is_used_by_a_module(setup_cfg: configparser.ConfigParser) -> None:
    for_work = {"test", "fuzz", "mutants", "lint", "docs", "package"}
    extras = set(setup_cfg["options.extras_require"]) - for_work
    imported = {
        found
        for path in (ROOT / "pyscep").rglob("*.py")
        for found in re.findall(r"^(?:import|from) (\w+)", read(path), re.MULTILINE)
    }
    assert extras == {"cryptography"}
    assert extras <= imported


def test_name_stands_in_one_line() -> None:
    lines = [
        f"{path.relative_to(ROOT)}: {match.group().strip()}"
        for path in source_files()
        if path != Path(__file__)
        for match in NAME.finditer(read(path))
    ]
    assert lines == ["setup.cfg: name = pyscep"]


def test_no_text_installs_by_name() -> None:
    lines = {
        str(path.relative_to(ROOT)): found
        for path in source_files()
        if path != Path(__file__) and (found := installs_by_name(read(path)))
    }
    assert lines == {}


@pytest.mark.parametrize(
    "text",
    [
        "name = pyscep",
        "    name='pyscep'",
        "pyscep[cryptography]",
        "requires pyscep>=1",
        'importlib.metadata.version("pyscep")',
    ],
)
def test_name_is_noticed(text: str) -> None:
    assert NAME.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install pyscep",
        "`python -m pip install --upgrade pyscep`",
        "pip3 install 'pyscep[cryptography]'",
        "uv add pyscep",
    ],
)
def test_installation_by_name_is_noticed(text: str) -> None:
    assert installs_by_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install .",
        "pip install --editable path/to/pyscep/",
        "pip install ./pyscep-0.1.0-py3-none-any.whl",
        "import pyscep",
    ],
)
def test_other_text_is_let_through(text: str) -> None:
    assert not installs_by_name(text)
    assert not NAME.search(text)
