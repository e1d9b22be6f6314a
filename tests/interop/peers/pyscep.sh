#!/bin/bash
# pyscep.sh [OUTDIR] - puts PyScep 0.0.14, an older SCEP library, into OUTDIR/pyscep-0.0.14.
#
# It comes from the package index and has the distribution name of the package in this repository,
# so the two must never be installed together: this is a virtual environment that nothing else
# uses. OUTDIR defaults to where the tests look: $PYSCEP_PEERS, else ~/.cache/pyscep-peers.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/venv.sh
. "$here/../../../tools/venv.sh"
out=${1:-${PYSCEP_PEERS:-$HOME/.cache/pyscep-peers}}

# It names none of the packages that it imports. oscrypto and asn1crypto are those it was written
# for; cryptography is to drop a name that it imports.
packages='
    PyScep==0.0.14
    asn1crypto==1.5.1
    certbuilder==0.14.2
    cryptography<51
    csrbuilder==0.10.1
    oscrypto==1.3.0
    requests
    six
'

mkdir -p "$out"
out=$(cd "$out" && pwd)
venv=$out/pyscep-0.0.14
# Two runs at once take turns; the second finds everything there.
exec 8>"$out/lock"
flock 8

stamp=$(sha256sum <"$here/pyscep.sh")
if "$venv/bin/python" -I -c '' 2>/dev/null && [ "$(cat "$venv/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

say "pyscep.sh: making $venv"
python=$(find_python) || die "pyscep.sh: no Python 3.10 or newer was found"
require_venv "$python"
"$python" -m venv --clear "$venv"
# $packages is a list of words on purpose.
# shellcheck disable=SC2086
pip_install $packages
echo "$stamp" >"$venv/stamp"
