#!/bin/sh
# Wide registers stand only in the objects of their instruction set, so that the library runs on any x86-64.
# usage: registers.sh BUILD_DIR
set -eu
[ "$(uname -m)" = x86_64 ] || { echo 'not an x86-64: skipped'; exit 77; }
case " ${CFLAGS:-} " in *' -m'*) echo 'CFLAGS choose the instruction set: skipped'; exit 77 ;; esac
wide() {
    objdump -d --no-show-raw-insn "$@" | grep -c "$registers" || true
}
cd "$1"/lib
found=0
for object in $(find . -name '*.o'); do
    case $object in
    */libkernels_avx512*.a.p/*) registers='%zmm' expected=some ;;
    */libkernels_avx2*.a.p/*) registers='%zmm\|%k[1-7]' expected=none ;;
    *) registers='%[yz]mm' expected=none ;;
    esac
    count=$(wide "$object")
    if [ $expected = none ] && [ "$count" != 0 ]; then
        echo "$object: $count instructions on $registers"
        exit 1
    fi
    [ $expected = none ] || found=$((found + count))
done
echo "$found instructions on 512 bits, all in their own objects"
[ "$found" -gt 0 ]
