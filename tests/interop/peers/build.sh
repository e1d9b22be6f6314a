#!/bin/bash
# build.sh [OUTDIR] - builds two SCEP servers for the interop tests, from Debian's packages only:
#
#   OUTDIR/labscep   micromdm's SCEP service with switches (labscep/main.go)
#   OUTDIR/step-ca   smallstep's certificate authority (stepca/main.go)
#
# OUTDIR defaults to where the tests look: $PYSCEP_PEERS, else ~/.cache/pyscep-peers. If it holds
# binaries of these very sources and packages, nothing is built. Run install.sh first.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${PYSCEP_PEERS:-$HOME/.cache/pyscep-peers}}
debian=/usr/share/gocode

for tool in go patch; do
    command -v "$tool" >/dev/null || { echo "build.sh: no $tool; run install.sh first" >&2; exit 1; }
done

mkdir -p "$out"
out=$(cd "$out" && pwd)
# Two runs at once take turns; the second finds everything built.
exec 9>"$out/lock"
flock 9

recipe() { # changes whenever the binaries could
    cat "$here/build.sh" "$here"/labscep/* "$here"/stepca/*
    dpkg-query -W 'golang-*'
}
stamp=$(recipe | sha256sum | cut -d ' ' -f 1)
if [ -x "$out/labscep" ] && [ -x "$out/step-ca" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# GOPATH mode takes every import from the packages and cannot download; no cgo, so no C compiler.
export GO111MODULE=off GOPROXY=off GOFLAGS= CGO_ENABLED=0 GOCACHE="$work/cache"

build() { # build NAME SOURCES GOPATH: make $work/NAME of $work/src/SOURCES
    echo "build.sh: building $1" >&2
    (cd "$work/src/$2" && GOPATH=$3 go build -trimpath -o "$work/$1" .)
}

# labscep has a patched pkcs7, found before Debian's one. The go.mod is only a marker that makes
# GOPATH mode understand the /v2 in micromdm's import paths.
mkdir -p "$work/src/labscep" "$work/src/go.mozilla.org/pkcs7" "$work/src/stepca"
cp "$here/labscep/main.go" "$work/src/labscep/"
echo 'module labscep
require github.com/micromdm/scep/v2 v2.1.0' >"$work/src/labscep/go.mod"
cp "$debian"/src/go.mozilla.org/pkcs7/*.go "$work/src/go.mozilla.org/pkcs7/"
patch --quiet --fuzz=0 -p1 -d "$work/src/go.mozilla.org/pkcs7" <"$here/labscep/pkcs7.patch"
build labscep labscep "$work:$debian"

# step-ca has nothing but Debian's packages.
cp "$here/stepca/main.go" "$work/src/stepca/"
build step-ca stepca "$debian"

# The stamp goes first and comes last, so that it never vouches for a binary it does not know.
rm -f "$out/stamp"
mv -f "$work/labscep" "$work/step-ca" "$out/"
echo "$stamp" >"$out/stamp"
