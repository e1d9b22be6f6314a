#!/bin/sh
# Sets up a virtual environment and runs all checks. Arguments go to tools/check.py (see --help)
# and from there to pytest.
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

make_venv check
"$venv/bin/python" -c 'import tox' 2>/dev/null || {
    say "Installing tox into .venv/check."
    pip_install tox
}
exec "$venv/bin/python" tools/check.py "$@"
