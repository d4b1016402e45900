#!/bin/sh
# `pip install ./bindings/python` as a user runs it, in a virtual environment, with the system's OpenBLAS; and the source
# distribution, built and installed where there is no checkout, with the OpenBLAS of the scipy-openblas32 wheel. The tests
# of the package then run over the library that the wheel brought.
# usage: wheel.sh SOURCE_ROOT PYTHON
set -eu
source=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset LIBALIGN_LIBRARY PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }; }

source_distribution() {
    quietly "$venv/bin/pip" install build
    cd "$work"
    quietly "$venv/bin/python" -m build --sdist --outdir "$work/sdist" "$source/bindings/python"
    from=$(echo "$work"/sdist/libalign-*.tar.gz)
    ! tar -tzf "$from" | grep -E '/tests/|/build|\.\./' || { echo 'the source distribution holds too much' && exit 1; }
}

for openblas in system scipy; do
    venv=$work/$openblas from=$source/bindings/python
    quietly "$2" -m venv "$venv"
    [ $openblas = system ] || ! git -C "$source" rev-parse 2>/dev/null || source_distribution
    quietly "$venv/bin/pip" wheel --no-deps --wheel-dir "$venv/wheel" "$from" \
        --config-settings=setup-args=-Dopenblas=$openblas
    wheel=$(echo "$venv"/wheel/libalign-*-py3-none-linux_*.whl)
    bytes=$(wc -c <"$wheel")
    [ "$bytes" -lt 2000000 ] || { echo "the wheel has $bytes bytes" && exit 1; }
    extra=
    [ $openblas = system ] || extra='[openblas]'
    quietly "$venv/bin/pip" install "$wheel$extra" pytest pandas
    cd "$work"
    library=$("$venv/bin/python" -c 'import libalign; print(libalign._library.lib.place)')
    case $library in "$venv"/*/.libalign.mesonpy.libs/libalign.so.*) ;; *) echo "found $library" && exit 1 ;; esac
    readelf -d "$library" | grep -q "NEEDED.*$(echo $openblas | sed 's/system/libopenblas/;s/scipy/libscipy_openblas/')" ||
        { echo "$library has another BLAS than $openblas" && exit 1; }
    "$venv/bin/python" -m pytest -q -p no:cacheprovider --ignore "$source/bindings/python/tests/test_library.py" \
        "$source/bindings/python/tests"
    echo "ok: $openblas, of $(basename "$from"), a wheel of $bytes bytes"
done
