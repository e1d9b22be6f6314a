#!/bin/bash
# armhf.sh ROOT [PYTEST ARGUMENTS] - runs the tests as on a device with a 32-bit ARM processor.
#
# Needs root, and Debian's packages qemu-user-static, binfmt-support and debootstrap, and tells so
# where they are missing. In the folder ROOT it makes a Debian for armhf (once, some 400 MB), puts
# this tree and the tests' requirements into it, and runs pytest there under emulation. No compiler
# is in it, and nothing but packages of pure Python is installed, so what passes there depends
# neither on the size of a machine word nor on anything compiled.
#
# Without PYTEST ARGUMENTS the unit tests and those of traps and conformance run, for half an hour at
# least; some tests:
#
#   sudo tools/armhf.sh /var/tmp/armhf tests/unit/test_der.py
set -euo pipefail

tree=$(cd "$(dirname "$0")/.." && pwd)
cd "$tree"
# shellcheck source=tools/venv.sh
. tools/venv.sh

root=${1:?the folder to make a Debian in is missing}
shift
# pip has made the script for the Python that runs pip.
[ $# -gt 0 ] || set -- tests/unit tests/traps tests/conformance \
    --deselect=tests/unit/cli/test_frame.py::test_module_and_script
suite=bookworm
# The tests' own requirements; all of them exist in pure Python.
packages='asn1crypto oscrypto requests pytest pytest-timeout hypothesis'

[ "$(id -u)" = 0 ] || die "armhf.sh: only root can make and enter another Debian"
for tool in debootstrap qemu-arm-static update-binfmts; do
    command -v "$tool" >/dev/null ||
        die "armhf.sh: no $tool; install it: apt-get install debootstrap qemu-user-static binfmt-support"
done

# The kernel starts programs for ARM by qemu from now on, as it would after a reboot.
mountpoint -q /proc/sys/fs/binfmt_misc ||
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
[ -e /proc/sys/fs/binfmt_misc/qemu-arm ] || update-binfmts --enable qemu-arm

if ! [ -e "$root/made" ]; then
    say "armhf.sh: making a Debian for armhf in $root"
    debootstrap --arch=armhf --variant=minbase --include=python3,openssl "$suite" "$root"
    touch "$root/made"
fi
version=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')

say "armhf.sh: putting the tests' requirements and this tree into $root"
make_venv bench
site=$root/usr/local/lib/python$version/dist-packages
rm -rf "$site" "$root/opt/tree"
# $packages is a list of words on purpose.
# shellcheck disable=SC2086
pip_install --target "$site" --python-version "$version" --implementation py --abi none \
    --platform any --only-binary :all: --no-compile $packages
# Its metadata name the pytest plugin.
pip_install --target "$site" --no-deps --no-compile "$tree"
mkdir "$root/opt/tree"
git ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- | tar --extract --directory="$root/opt/tree"

say "armhf.sh: running pytest $*"
# A mount namespace of its own: what is mounted for the tests is gone with them. Emulation is slow,
# so a test that takes long is no finding.
exec unshare --mount bash -euc '
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" env -i HOME=/root PATH=/usr/bin:/bin LANG=C.UTF-8 \
        sh -c "cd /opt/tree && exec python3 -u -m pytest --timeout=3600 -p no:cacheprovider \"\$@\"" \
        pytest "$@"
' armhf "$root" "$@"
