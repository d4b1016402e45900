#!/bin/sh
# libalign.torch, libalign.sklearn and libalign.trl beside the newest PyTorch, scikit-learn and TRL of PyPI, and arrays of
# JAX and ml_dtypes, in a virtual environment that is made once in the build folder (3 GB) and brought up to date by every run.
# usage: hosts.sh SOURCE_ROOT BUILD_DIR PYTHON
set -eu
source=$(cd "$1" && pwd)
venv=$2/hosts-venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false JAX_PLATFORMS=cpu
[ -x "$venv/bin/python" ] || "$3" -m venv "$venv"
"$venv/bin/pip" install --quiet --upgrade pytest numpy torch scikit-learn trl jax ml_dtypes
"$venv/bin/pip" list --format=freeze | grep -E '^(numpy|jax|ml_dtypes|torch|scikit-learn|transformers|trl)='
cd "$source/bindings/python"
package=src/libalign
exec "$venv/bin/python" -m pytest -q -s -p no:cacheprovider --doctest-modules hosts \
    $package/torch.py $package/sklearn.py $package/trl.py
