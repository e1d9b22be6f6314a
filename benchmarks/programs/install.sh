#!/bin/sh
# install.sh - the Debian packages that build.sh needs, and scepserver. Needs root.
set -eu

# scep and iproute2: scepserver, and the network namespace that it is started in.
packages='
    gcc
    libc6-dev
    libssl-dev
    golang-go
    golang-github-micromdm-scep-dev
    scep
    iproute2
'
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# $packages is a list of words on purpose.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $packages </dev/null
