#!/bin/sh
# Runs libalign-leaderboard on small votes and compares with answers known from elsewhere.
# usage: check.sh PROGRAM
set -eu
program=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# near LABEL FOUND EXPECTED TOLERANCE
near() {
    awk -v a="$2" -v b="$3" -v t="$4" 'BEGIN { d = a - b; exit !(d <= t && -d <= t) }' ||
        fail "$1 is '$2', expected $3"
}

# cell FILE ITEM COLUMN: a cell of CSV output.
cell() {
    awk -F, -v item="$2" -v name="$3" '
        NR == 1 { for (k = 1; k <= NF; k++) if ($k == name) column = k }
        $1 == item { print $column }' "$1"
}

# refuses TEXT ARGUMENT...: exit status 1, nothing on standard output, TEXT on standard error.
refuses() {
    text=$1
    shift
    status=0
    "$program" "$@" >out 2>err || status=$?
    [ $status -eq 1 ] || fail "status $status for: $*"
    [ ! -s out ] || fail "output for: $*"
    grep -qF -- "$text" err || fail "no '$text' in: $(cat err)"
}

# choix's testcase-pairwise-2, winners told in every way; the carriage returns and quotes of other programs.
printf 'winner,model_a,model_b\r\nmodel_a,"x, y",b\r\n"x, y",b,"x, y"\r\n0,c,b\r\n\r\n1.0,c,"x, y"\r\n' >choix.csv
"$program" choix.csv --format csv --digits 17 >board
grep -q '^item,score,se,lower,upper,wins,losses,ties,rank$' board || fail header
near 'score of b' "$(cell board b score)" -0.419617624991 1e-12
near 'score of c' "$(cell board c score)" 0 1e-12
near 'wins of b' "$(cell board b wins)" 1 0
near 'losses of b' "$(cell board b losses)" 2 0
[ "$(sed -n 2p board | cut -c1-8)" = '"x, y",0' ] || fail 'quotes of the best item'

# The same votes by weight, from standard input, on Elo's scale.
printf 'left,right,winner,n\nx,b,left,2\nb,c,left,1\nc,x,left,1\n' |
    "$program" --left left --right right --weight n --format csv --digits 17 --scale elo >board
near 'Elo of x' "$(cell board x score)" 1072.8950476172 1e-9
near 'Elo of b' "$(cell board b score)" 927.1049523828 1e-9

# evalica's simple.csv: half ties and Davidson, as log worths; without its ties item 4 never lost.
printf 'model_a,model_b,winner\n' >simple.csv
for vote in 0,1,tie 0,2,model_b 0,2,tie 0,4,tie 1,0,model_a 1,2,tie '1,2,tie (bothbad)' 1,3,tie 2,4,tie \
    3,0,model_a 3,1,model_a 3,2,model_a 3,4,tie 3,4,0.5 4,0,model_a 4,3,model_a; do
    echo "$vote"
done >>simple.csv
"$program" simple.csv --format csv --digits 17 >half
near 'score of 4 over 0' "$(awk -v a="$(cell half 4 score)" -v b="$(cell half 0 score)" \
    'BEGIN { printf "%.17g", a - b }')" 1.92854290666 1e-9
"$program" simple.csv --ties davidson --format json --digits 17 >davidson
near 'tie parameter' "$(sed -n 's/.*"tie": \([^,]*\),*/\1/p' davidson)" 6.921998228322 1e-10
refuses "item 3 is '4'" simple.csv --ties drop
"$program" simple.csv --ties drop --prior-games 1 >/dev/null

# Three kinds of interval: the bootstrap is the same for the same seed.
for kind in sandwich fisher bootstrap; do
    "$program" simple.csv --ci $kind --format csv >$kind
done
"$program" simple.csv --ci bootstrap --format csv | cmp -s - bootstrap || fail 'the bootstrap changes'
! cmp -s sandwich fisher || fail 'two kinds of interval are one'
[ "$("$program" simple.csv | sed -n 2p | awk '{ print $2 }')" = 4 ] || fail 'the first of the text'

printf 'model_a,model_b,winner\na,b,left\nb,a,neither\n' >bad.csv
refuses "bad.csv:3: winner is 'neither'" bad.csv
printf 'model_a,model_b,winner\na,b,left\nb,b,left\n' >bad.csv
refuses "bad.csv:3: right is 'b', expected another item" bad.csv
printf 'model_a,model_b,winner\na,"b\nc",left\nb,a\n' >bad.csv
refuses 'bad.csv:4: 2 cells, expected 3' bad.csv
printf 'model_a,model_b,winner\na,"b' >bad.csv
refuses 'bad.csv:2: a quote that is never closed' bad.csv
printf 'model_a,model_b,winner,w\na,b,left,-1\n' >bad.csv
refuses "bad.csv:2: weight is '-1'" bad.csv --weight w
refuses "no column 'worker'" bad.csv --weight worker
printf 'model_a,model_b,winner\n' >bad.csv
refuses '0 items, expected 2 or more' bad.csv
: >bad.csv
refuses 'bad.csv:1: no rows' bad.csv
refuses 'No such file' absent.csv
echo 'all as expected'
