#!/bin/bash
# build.sh [OUTDIR] - builds what pyscep is compared with:
#
#   OUTDIR/cms              a C program on libcrypto's CMS functions (cms.c)
#   OUTDIR/scep             a Go program on micromdm's library (scep.go)
#   OUTDIR/pyscep-0.0.14    an environment with PyScep 0.0.14, as the interop tests have it
#
# OUTDIR defaults to where the interop tests have their peers. The first two need Debian's packages
# only, which install.sh installs; the third comes from the package index.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${PYSCEP_PEERS:-$HOME/.cache/pyscep-peers}}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

gcc -O2 -Wall -Wextra -o "$work/cms" "$here/cms.c" -lcrypto

# GOPATH mode takes every import from Debian's packages and cannot download. The go.mod is only a
# marker that makes it understand the /v2 in micromdm's import paths.
mkdir -p "$work/src/scep"
cp "$here/scep.go" "$work/src/scep/"
echo 'module scep
require github.com/micromdm/scep/v2 v2.1.0' >"$work/src/scep/go.mod"
(cd "$work/src/scep" &&
    GO111MODULE=off GOPROXY=off GOFLAGS= CGO_ENABLED=0 GOCACHE="$work/cache" \
        GOPATH="$work:/usr/share/gocode" go build -trimpath -o "$work/scep" .)

mv -f "$work/cms" "$work/scep" "$out/"
bash "$here/../../tests/interop/peers/pyscep.sh" "$out"
