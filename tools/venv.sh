# Sourced by demo.sh and check.sh: finds a Python 3.10 or newer and keeps virtual environments
# under .venv/. Needs nothing but a POSIX shell and Python.

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Prints the first Python >= 3.10: $PYTHON, then PATH, then pyenv's versions, active or not.
find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 \
        python3.10 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[0-9].*/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

# Debian and Ubuntu ship Python without the part that makes virtual environments.
require_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return 0
    package="python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing $package, which $1 lacks."
        apt-get update -qq </dev/null >/dev/null || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" </dev/null >/dev/null || true
    fi
    "$1" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$1 cannot make virtual environments; install them with: sudo apt-get install $package"
}

# make_venv NAME: sets $venv to a working virtual environment .venv/NAME.
make_venv() {
    venv="$PWD/.venv/$1"
    "$venv/bin/python" -c 'import pip' 2>/dev/null && return 0
    python=$(find_python) || die "No Python 3.10 or newer was found; install one with: sudo apt-get install python3 python3-venv"
    require_venv "$python"
    say "Making the virtual environment .venv/$1 with $python."
    "$python" -m venv --clear "$venv" || die "$python could not make a virtual environment in $venv; see the message above."
}

# pip_install ARGUMENT...: into $venv.
pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" </dev/null ||
        die "pip could not install $*; see the message above."
}
