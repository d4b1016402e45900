#!/bin/sh
# What one machine saves, a big-endian one (s390x, under qemu) reads, goes on with and saves as the same bytes. Its
# heads and losses give the same numbers. Programs are made of the amalgamation; no BLAS is called, so none is linked.
# usage: bytes.sh SOURCE_ROOT CC...
set -eu
command -v s390x-linux-gnu-gcc >/dev/null && command -v qemu-s390x >/dev/null ||
    { echo 'skipped: no s390x-linux-gnu-gcc and qemu-s390x' && exit 77; }
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$source/tools/amalgamate.py" .
flags="-std=gnu11 -O1 -I. $(pkg-config --cflags openblas) -Wl,--unresolved-symbols=ignore-all"
# shellcheck disable=SC2086
{
    s390x-linux-gnu-gcc $flags -static "$source/tests/machines/bytes.c" libalign.c -o there -lm &
    "$@" $flags "$source/tests/machines/bytes.c" libalign.c -o here -static -lm
    wait $!
}

foreign() { qemu-s390x ./there "$@"; }
./here >saved
foreign | cmp - saved
./here saved >read
foreign saved | cmp - read
./here values >values
foreign values | diff values -
[ "$(wc -l <read) $(wc -l <values)" = '16 3' ]
sed '1s|\(.\{200\}\).|\1f|' saved >damaged
cmp -s saved damaged && exit 1
foreign damaged >said && { echo 'damaged bytes were read' && exit 1; }
echo 'ok: s390x'
