"""Settings of the documentation; built by ``tox -e docs`` with warnings as errors."""

from __future__ import annotations

import configparser
import os
import pkgutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

import pyscep
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.program import command_helps

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from tools import conformance, performance, reference, testkit  # noqa: E402  # found by the line above

SETUP = configparser.ConfigParser()
SETUP.read(DOCS.parent / "setup.cfg", encoding="utf-8")

project = SETUP["metadata"]["name"]
author = SETUP["metadata"]["author"]
release = SETUP["metadata"]["version"]
copyright = author

extensions = ["sphinx.ext.autodoc", "sphinx.ext.doctest"]
html_theme = "furo"
html_title = project
exclude_patterns = ["_build"]

# Types stand in the annotations only.
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
# What a package only passes on is described where it is made.
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "ignore-module-all": True,
}

# No inventories are fetched from elsewhere, so only our own names can be followed; those must be,
# also where they are written without their module. Type variables and private aliases have no page.
STANDARD_LIBRARY = rf"(?:{'|'.join(sorted(sys.stdlib_module_names))})"
nitpick_ignore_regex = [
    (r"py:mod", STANDARD_LIBRARY),
    (r"py:(?!mod)\w+", rf"{STANDARD_LIBRARY}\.\w.*"),
    (r"py:class", r"WSGIEnvironment|StartResponse"),
    (r"py:.*", r"pyscep\.(.*\.)?(_\w+|[A-Z](_co)?)"),
]

PAGE = """\
{title}
{line}

.. automodule:: {module}
"""


def write_module_pages(_app: Sphinx) -> None:
    """Write one page for each module that there is, so that no list of them is kept by hand."""
    folder = DOCS / "reference" / "api"
    folder.mkdir(exist_ok=True)
    names = [
        module.name
        for module in pkgutil.walk_packages(pyscep.__path__, "pyscep.")
        if not any(part.startswith("_") for part in module.name.split("."))
    ]
    pages = {
        folder / f"{name}.rst": PAGE.format(title=name, line="=" * len(name), module=name)
        for name in names
    }
    for stale in set(folder.glob("*.rst")) - set(pages):
        stale.unlink()
    for path, text in pages.items():
        write(path, text)


def write_generated_pages(_app: Sphinx) -> None:
    """Write the pages that are made of the checklist, the tests and the code itself."""
    pages = {
        "conformance.rst": conformance.page(),
        **performance.pages(),
        **reference.pages(),
        **testkit.pages(),
    }
    for name, text in pages.items():
        write(DOCS / "reference" / name, text)


def write(path: Path, text: str) -> None:
    """Write a file, unless it is that already: sphinx would read it again."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_command_line(_app: Sphinx) -> None:
    """Write the help of every command, and the table of exit codes, for the page to include."""
    folder = DOCS / "reference" / "api" / "command-line"
    folder.mkdir(parents=True, exist_ok=True)
    # As wide as a terminal usually is, and without the colours of a real one.
    os.environ.update({"COLUMNS": "80", "NO_COLOR": "1"})
    os.environ.pop("FORCE_COLOR", None)
    for name, text in command_helps().items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    rows = "".join(f"   * - {code.value}\n     - {code.meaning}\n" for code in ExitCode)
    table = f".. list-table::\n   :header-rows: 1\n\n   * - code\n     - meaning\n{rows}"
    (folder / "exit-codes.inc").write_text(table.replace("`", "``"), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Have the pages written before sphinx looks for its sources."""
    app.connect("builder-inited", write_module_pages)
    app.connect("builder-inited", write_generated_pages)
    app.connect("builder-inited", write_command_line)
