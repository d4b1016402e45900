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
refuses "item 4 is '4'" simple.csv --ties drop
"$program" simple.csv --ties drop --prior-games 1 >/dev/null

# Three kinds of interval: the bootstrap is the same for the same seed.
for kind in sandwich fisher bootstrap; do
    "$program" simple.csv --ci $kind --format csv >$kind
done
"$program" simple.csv --ci bootstrap --format csv | cmp -s - bootstrap || fail 'the bootstrap changes'
! cmp -s sandwich fisher || fail 'two kinds of interval are one'
[ "$("$program" simple.csv | sed -n 2p | awk '{ print $2 }')" = 4 ] || fail 'the first of the text'

# Ranks: intervals hold the rank, somebody is first, and draws of either kind say nearly the same.
for kind in sandwich bootstrap; do
    "$program" simple.csv --ci $kind --ranks --format csv --digits 17 >ranks
    head -n 1 ranks | grep -q ',rank,rank_low,rank_high,first$' || fail 'columns of ranks'
    awk -F, 'NR > 1 { good += $10 <= $9 && $9 <= $11 && $10 >= 1 && $11 <= 5; first += $12 }
        END { exit !(good == 5 && first > .999 && first < 1.001) }' ranks || fail "ranks: $(cat ranks)"
done

# Annotators: each vote its own cluster is the sandwich (times K / (K - 1)); all votes told twice by the same one
# change no interval, as those of independent votes would.
awk -F, 'NR == 1 { print $0 ",who"; next } { print $0 ",w" NR }' simple.csv >clusters.csv
awk -F, 'NR == 1 { print $0 ",who"; next } { print $0 ",w" NR "\n" $0 ",w" NR }' simple.csv >twice.csv
"$program" clusters.csv --annotator who --format csv --digits 17 >clusters
"$program" twice.csv --annotator who --format csv --digits 17 >twice
"$program" simple.csv --format csv --digits 17 >alone
for item in 0 1 2 3 4; do
    near "clustered error of $item" "$(cell clusters $item se)" \
        "$(awk -v s="$(cell alone $item se)" 'BEGIN { printf "%.17g", s * sqrt(16 / 15) }')" 1e-10
    near "error of $item told twice" "$(cell twice $item se)" "$(cell clusters $item se)" 1e-10
done

# Covariates and the advantage of the left: a column of ones is that advantage.
awk -F, 'NR == 1 { print $0 ",one" } NR > 1 { print $0 ",1" }' simple.csv >ones.csv
"$program" ones.csv --covariate one --format json --digits 17 >ones
"$program" simple.csv --home --format json --digits 17 >home
number() { tr -d '\n ' <"$1" | sed "s/.*\"$2\":{\"value\":\([^,]*\),.*/\1/"; }
near 'coefficient of ones' "$(number ones one)" "$(number home home)" 1e-9
printf 'model_a,model_b,winner,x\na,b,left,much\n' >bad.csv
refuses "bad.csv:2: x is 'much', expected a number" bad.csv --covariate x
printf 'model_a,model_b,winner,who\na,b,left,\n' >bad.csv
refuses "bad.csv:2: who is ''" bad.csv --annotator who

printf 'model_a,model_b,winner\na,b,left\nb,a,neither\n' >bad.csv
refuses "bad.csv:3: winner is 'neither'" bad.csv
printf 'model_a,model_b,winner\na,b,left\nb,b,left\n' >bad.csv
refuses "bad.csv:3: model_b is 'b', expected another item" bad.csv
printf 'model_a,model_b,winner\na,"b\nc",left\nb,a\n' >bad.csv
refuses 'bad.csv:4: 2 cells, expected 3' bad.csv
printf 'model_a,model_b,winner\na,"b' >bad.csv
refuses 'bad.csv:2: a quote that is never closed' bad.csv
printf 'model_a,model_b,winner,w\na,b,left,-1\n' >bad.csv
refuses "bad.csv:2: w is '-1'" bad.csv --weight w
refuses "no column 'worker'" bad.csv --weight worker
printf 'model_a,model_b,winner\n' >bad.csv
refuses '0 items, expected 2 or more' bad.csv
: >bad.csv
refuses 'bad.csv:1: no rows' bad.csv
refuses 'No such file' absent.csv
printf 'model_a,model_b,winner\na,\377,left\n' >bad.csv
refuses "bad.csv:2: model_b is '$(printf '\377')', expected UTF-8" bad.csv
printf 'model_a,model_b,winner\na,b ,left\n' >bad.csv
refuses "bad.csv:2: model_b is 'b ', expected a name without spaces" bad.csv
printf 'model_a,model_b,winner,winner\na,b,left,left\n' >bad.csv
refuses "bad.csv:1: two columns 'winner'" bad.csv
printf 'model_a,model_b,winner\na,b,1.5\n' >bad.csv
refuses "bad.csv:2: winner is '1.5'" bad.csv
printf 'model_a,model_b,winner\na,b\0,left\n' >bad.csv
refuses 'bad.csv:2: a zero byte' bad.csv

# The same votes as JSON, as soft outcomes, behind a byte order mark.
awk -F, 'NR > 1 { printf "{\"winner\": \"%s\", \"model_a\": %s, \"model_b\": \"%s\", \"n\": null}\n", $3, $1, $2 }' \
    simple.csv >simple.jsonl
"$program" simple.jsonl --format csv --digits 17 | cmp - half || fail 'JSON differs from CSV'
"$program" --input jsonl --format csv --digits 17 <simple.jsonl | cmp - half || fail '--input'
printf '\357\273\277' | cat - simple.csv | sed 's/model_b$/0.0/; s/model_a$/1.0/; 1s/.*/model_a,model_b,winner/; s/tie.*/.5/' |
    "$program" --format csv --digits 17 | cmp - half || fail 'shares differ from words'
printf '{"model_a": "a", "model_b": "b", "winner": 1}\n\n{"model_a": "a"\n' >bad.jsonl
refuses 'bad.jsonl:3: no JSON at column' bad.jsonl
printf '{"model_a": "a", "model_b": "b"}\n' >bad.jsonl
refuses "bad.jsonl:1: winner is ''" bad.jsonl
printf '{"model_a": "a", "model_b": ["b"], "winner": 1}\n' >bad.jsonl
refuses 'bad.jsonl:1: a list or an object' bad.jsonl

# Filters, duplicates and both-bad: the board is that of the votes that are left.
awk -F, 'NR == 1 { print $0 ",id,part"; next } { print $0 "," NR ",odd"; if (NR % 3 == 0) print $0 "," NR ",odd";
    print $2 "," $1 ",model_a," NR ",even" }' simple.csv >mixed.csv
"$program" mixed.csv --where part=odd --unique id --unique part --format csv --digits 17 | cmp - half || fail 'filters'
"$program" mixed.csv --where part!=even --unique id --format csv --digits 17 | cmp - half || fail 'filters'
"$program" mixed.csv --where part=odd --unique id | grep -q '37 votes read, 16 filtered out, 5 duplicates' ||
    fail 'what was left out'
sed '/bothbad/d' simple.csv | "$program" - --format csv --digits 17 >without
"$program" simple.csv --both-bad drop --format csv --digits 17 | cmp - without || fail '--both-bad'

# Boards by category, in one pass; a category that has no answer says so.
awk -F, 'NR == 1 { print "topic,"  $0; next } { print (NR == 6 ? "few," : "many,") $0 "\n" "all," $0 }' simple.csv >topics.csv
status=0
"$program" topics.csv --by topic --format csv --digits 17 >boards 2>err || status=$?
[ $status -eq 1 ] || fail 'a board without an answer is no error'
[ "$(head -n 1 boards)" = category,item,score,se,lower,upper,wins,losses,ties,rank ] || fail 'the header of boards'
sed 1d half >rest
sed -n 's/^all,//p' boards | cmp - rest || fail 'a category differs from its votes alone'
grep -q '^libalign-leaderboard: few: ' err || fail "no reason in: $(cat err)"
"$program" topics.csv --by topic --prior-games 1 --format json >boards.json
[ "$(grep -c '"category"' boards.json)" -eq 4 ] || fail 'boards'

# Saved counts and later votes are all votes at once, in any cut; nothing else is taken for them.
head -n 9 simple.csv >early.csv
{ head -n 1 simple.csv && tail -n +10 simple.csv; } >late.csv
"$program" early.csv --prior-games 1 --save-counts counts >/dev/null
"$program" late.csv --load-counts counts --save-counts counts --format csv --digits 17 | cmp - half || fail 'saved counts'
"$program" simple.csv --format csv >/dev/null --save-counts whole
head -n 1 simple.csv | "$program" --load-counts whole --format csv --digits 17 | cmp - half || fail 'saved counts alone'
refuses 'was counted with' simple.csv --load-counts counts --both-bad drop
head -c -9 counts >cut
refuses 'cut: ' simple.csv --load-counts cut
refuses 'no counts that this program has saved' simple.csv --load-counts simple.csv
refuses 'absent: No such file' simple.csv --load-counts absent

# An anchor shifts; the order of options does not matter.
"$program" simple.csv --anchor 4=1500 --scale elo --format csv --digits 17 >anchored
near 'score of the anchor' "$(cell anchored 4 score)" 1500 1e-9
near 'difference' "$(awk -v a="$(cell anchored 0 score)" 'BEGIN { printf "%.17g", (1500 - a) / 173.717792761 }')" \
    1.92854290666 1e-9
refuses "the anchor '9' has no votes" simple.csv --anchor 9=0

# Pictures hold the names and are of the kind that was asked for.
"$program" simple.csv --plot board.svg >/dev/null && grep -q '<svg' board.svg || fail 'SVG'
"$program" choix.csv --plot "it's.svg" >/dev/null && grep -q 'x, y' "it's.svg" || fail 'names in SVG'
"$program" simple.csv --plot board.png >/dev/null && head -c 4 board.png | grep -q PNG || fail 'PNG'
for wrong in '--plot board.pdf' '--anchor 4=1 --prior-games 1' '--unique x --load-counts counts' '--where part' '--by' '--annotator a --ci fisher' '--covariate a --save-counts f'; do
    # shellcheck disable=SC2086
    ! "$program" simple.csv $wrong >out 2>err && [ ! -s out ] || fail "taken: $wrong"
done
echo 'all as expected'
