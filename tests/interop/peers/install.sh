#!/bin/sh
# install.sh - the Debian packages of the peers that the interop tests talk to.
#
# Installs what is missing and nothing else; with everything there it only asks dpkg. Needs root
# to install. No service is started: the tests start every peer themselves.
set -eu

# scep: scepserver and scepclient (micromdm). openssl: keys and certificates of the peers.
# iproute2: brings up `lo` in scepserver's network namespace.
# strongswan-pki: `pki --scep`; it fetches over HTTP only with the curl plugin of extra-plugins,
# without which it says "no capable fetcher found" and sends nothing.
# certmonger: its daemon, and the helper scep-submit, which is a SCEP client of its own; the daemon
# runs on a message bus that dbus-run-session starts for it.
packages='
    scep
    openssl
    curl
    iproute2
    strongswan-pki
    libstrongswan-standard-plugins
    libstrongswan-extra-plugins
    certmonger
    dbus-daemon
'
# freeradius, eapoltest: an EAP-TLS server, and wpa_supplicant's side of it without any radio.
packages="$packages
    freeradius
    eapoltest
"
# What build.sh needs: Debian has the sources of micromdm's and smallstep's servers as libraries.
# No C compiler: it builds without cgo.
packages="$packages
    golang-go
    golang-github-micromdm-scep-dev
    golang-github-smallstep-certificates-dev
    golang-github-fullsailor-pkcs7-dev
    patch
"

missing=
for package in $packages; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install.sh: these packages are missing and only root can install them:$missing" >&2
    exit 1
fi

# dpkg asks policy-rc.d before it starts a service; 101 means no. One that is there stays.
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# $missing is a list of words on purpose.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing </dev/null
