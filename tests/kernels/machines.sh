#!/bin/sh
# The kernels of other machines, under qemu: an aarch64 (NEON), and an x86-64 of 2008 that has nothing but the
# baseline, must print the checksum that this machine prints.
# usage: machines.sh DIGEST SOURCE_DIR      DIGEST: tests/kernels/digest.c built for this machine
set -eu
digest=$1 source=$2 tried=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
here=$("$digest")

compare() {
    tried=$((tried + 1))
    [ "$2" = "$here" ] && echo "$1: $2" && return
    echo "$1: $2, this machine: $here"
    exit 1
}

if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then
    flags="-std=c11 -O2 -static -ffp-contract=off -fno-math-errno -I$source/include -I$source/lib"
    for level in c neon; do
        macro=
        [ $level = c ] || macro=-DALIGN__V16_NEON
        for part in level f64_level; do
            aarch64-linux-gnu-gcc $flags $macro -DALIGN__LEVEL=$level -c "$source/lib/kernels/$part.c" \
                -o "$out/$level.$part.o"
        done
    done
    aarch64-linux-gnu-gcc $flags -DALIGN__HAVE_NEON "$source/tests/kernels/digest.c" "$source/lib/base/cpu.c" \
        "$source/lib/kernels/kernels.c" "$source/lib/kernels/f64.c" "$out"/*.o -o "$out/digest" -lm
    compare aarch64 "$(qemu-aarch64 "$out/digest")"
fi
if command -v qemu-x86_64 >/dev/null && [ "$(uname -m)" = x86_64 ]; then
    compare Nehalem "$(qemu-x86_64 -cpu Nehalem "$digest")"
fi
if [ $tried = 0 ]; then
    echo 'no qemu-user here: skipped'
    exit 77
fi
