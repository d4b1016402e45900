#!/bin/sh
# NDCG@10 of trees that libalign's lambdas boost is no worse than that of XGBoost's rank:ndcg: on lists that the program
# makes up, and on LightGBM's ranking data where ALIGN_DATA, or ../shared/data beside the checkout, holds ltr/.
# usage: check.sh PROGRAM SOURCE_ROOT
set -eu
program=$1 data=${ALIGN_DATA:-$2/../shared/data}/ltr
"$program" --rounds 40 --folds 2 2>/dev/null && { echo 'folds without data were taken' && exit 1; }
"$program" --loss dpo 2>/dev/null && { echo 'a loss over pairs was taken' && exit 1; }
"$program" --data /nonexistent 2>/dev/null && { echo 'no data were taken' && exit 1; }
"$program" --rounds 40 --check
if [ -e "$data/lightgbm_rank.train" ]; then
    "$program" --rounds 50 --data "$data" --folds 5 --check
else
    echo "SKIP: no $data/lightgbm_rank.train; set ALIGN_DATA to the folder that holds ltr/"
fi
