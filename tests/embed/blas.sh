#!/bin/sh
# The unit tests with another CBLAS and LAPACK: Debian's reference ones. Skipped where they are not installed. Left out is
# what counts on products by blocks, the suite 'products': a reference sgemm adds term after term to its output, so that an
# f32 dweight of 120,000 tokens is 6e-6 off and not 5e-7, and 'plans' takes minutes.
# usage: blas.sh SOURCE_ROOT
set -eu
pkg-config --exists blas-netlib lapack-netlib || { echo 'skipped: no blas-netlib and lapack-netlib' && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
meson setup "$work/build" "$1" -Dblas=blas-netlib,lapack-netlib -Dexamples=false >"$work/log" ||
    { cat "$work/log" && exit 1; }
ninja -C "$work/build" >"$work/log" || { cat "$work/log" && exit 1; }
# Debian chooses what libblas.so.3 is by the loader's path; the reference ones stand in folders of their own.
libdir=$(pkg-config --variable=libdir blas-netlib)
export LD_LIBRARY_PATH="$libdir/blas:$libdir/lapack"
! ldd "$work/build/lib/libalign.so" | grep openblas || { echo 'OpenBLAS is still used' && exit 1; }
meson test -C "$work/build" --no-rebuild --suite unit --suite errors --suite golden --no-suite products --no-suite slow \
    --print-errorlogs
