#!/bin/sh
# The same against the XGBoost of the Python Package Index, whose rank:ndcg has other pairs and weights than the one that
# Debian packs: the header is Debian's, the library that of the wheel.
# usage: newest.sh SOURCE_ROOT BUILD_ROOT SHARED_LIBRARY CC...
set -eu
source=$1 venv=$2/xgboost-venv library=$(realpath "$3")
shift 3
python3 -m venv "$venv" || { echo 'SKIP: no python3-venv' && exit 77; }
"$venv/bin/pip" install -q --disable-pip-version-check --no-deps xgboost-cpu==3.2.0
wheel=$(dirname "$(find "$venv" -name libxgboost.so)")
program=$venv/boost
"$@" -D_GNU_SOURCE -std=c11 -O1 -I"$source/include" "$source"/examples/boost/*.c "$library" "$wheel/libxgboost.so" -lm \
    -Wl,-rpath,"$wheel:$(dirname "$library")" -o "$program"
ldd "$program" | grep -q "$wheel/libxgboost.so" || { echo 'another XGBoost is used' && exit 1; }
"$source/examples/boost/check.sh" "$program" "$source"
data=${ALIGN_DATA:-$source/../shared/data}/ltr
[ ! -e "$data/lightgbm_rank.train" ] || "$program" --data "$data" --preset xgb --factor 1 --sample 1 --seeds 1 --check
