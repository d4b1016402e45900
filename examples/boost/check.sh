#!/bin/sh
# NDCG@10 of trees that libalign's lambdas boost is no worse than that of XGBoost's rank:ndcg: on lists that the program
# makes up, and on LightGBM's ranking data where ALIGN_DATA, or ../shared/data beside the checkout, holds ltr/. With whole
# trees and lambdas as those of XGBoost 2 and later, over 5 folds of all lists; with 'split', by the program's defaults, on
# the 50 lists that the data sets apart, with 32 seeds.
# usage: check.sh PROGRAM SOURCE_ROOT [split]
set -eu
program=$1 data=${ALIGN_DATA:-$2/../shared/data}/ltr
newer='--preset xgb --factor 1 --sample 1 --seeds 1'
"$program" --folds 2 2>/dev/null && { echo 'folds without data were taken' && exit 1; }
"$program" --loss dpo 2>/dev/null && { echo 'a loss over pairs was taken' && exit 1; }
"$program" --factor 0 2>/dev/null && { echo 'no gradient was taken' && exit 1; }
"$program" --data /nonexistent 2>/dev/null && { echo 'no data were taken' && exit 1; }
if [ "${3:-}" = split ]; then
    "$program" --rounds 40 --seeds 2 --check
else
    # shellcheck disable=SC2086
    "$program" --rounds 40 $newer --check
fi
if [ ! -e "$data/lightgbm_rank.train" ]; then
    echo "SKIP: no $data/lightgbm_rank.train; set ALIGN_DATA to the folder that holds ltr/"
elif [ "${3:-}" = split ]; then
    "$program" --data "$data" --seeds 32 --check
else
    # shellcheck disable=SC2086
    "$program" --rounds 50 --data "$data" --folds 5 $newer --check
fi
