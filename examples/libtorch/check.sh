#!/bin/sh
# Builds the example against libtorch and runs it. Skipped where there is none.
# usage: check.sh SOURCE_ROOT SHARED_LIBRARY CXX...
set -eu
headers=/usr/include/torch/csrc/api/include
[ -e $headers/torch/torch.h ] || { echo 'SKIP: no libtorch-dev' && exit 77; }
source=$1 library=$(realpath "$2")
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$@" -std=c++17 -I"$source/include" -isystem $headers "$source/examples/libtorch/preference.cpp" "$library" \
    -ltorch -ltorch_cpu -lc10 -Wl,-rpath,"$(dirname "$library")" -o "$work/preference"
"$work/preference"
