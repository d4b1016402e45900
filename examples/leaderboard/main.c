/* libalign-leaderboard: votes between items to ranked boards with intervals. */
#include "memory.h"
#include "plot.h"
#include "print.h"
#include "store.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *argp_program_version = "libalign-leaderboard 0.1";

static const char doc[] =
    "Reads comparisons, one a row of a CSV file with a header or one a line of JSON, and prints a "
    "board of Bradley-Terry scores, best first. '-' or no file is standard input. The file streams "
    "through memory that grows with the number of different pairs, not of votes."
    "\vThe winner's cell holds left, right or tie; model_a, model_b, tie or 'tie (bothbad)'; the "
    "left item's share of the point, as 1, 0 or 0.5; or the name of the item that won. A file "
    "whose name ends in .jsonl, .ndjson or .json is read as JSON; there columns are members.\n\n"
    "CSV output has the columns item, score, se, lower, upper, wins, losses, ties, rank, behind "
    "category with --by (the overall board has none), and before rank_low, rank_high, first with "
    "--ranks. JSON output is described by "
    "board.schema.json. Intervals are of 95 %. An item's rank is 1 more than the number of items "
    "whose interval lies above its own.\n\n"
    "Scores are in natural log units around 0, or on Elo's scale around 1000. Where votes do not "
    "hold every score at a finite place (an item that never lost, groups that never met), the "
    "reason is printed instead of the board, and the exit status is 1.";

enum {
    KEY_LEFT = 256,
    KEY_RIGHT,
    KEY_WINNER,
    KEY_WEIGHT,
    KEY_BY,
    KEY_ANNOTATOR,
    KEY_COVARIATE,
    KEY_INPUT,
    KEY_WHERE,
    KEY_UNIQUE,
    KEY_BOTH_BAD,
    KEY_LOAD,
    KEY_SAVE,
    KEY_TIES,
    KEY_CI,
    KEY_DRAWS,
    KEY_SEED,
    KEY_PRIOR,
    KEY_RANKS,
    KEY_HOME,
    KEY_SCALE,
    KEY_ANCHOR,
    KEY_FORMAT,
    KEY_DIGITS,
    KEY_PLOT,
    KEY_PLOT_ITEMS,
    KEY_PROGRESS
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "What is read:", 1},
    {"left", KEY_LEFT, "COLUMN", 0, "First item of a vote (model_a)", 1},
    {"right", KEY_RIGHT, "COLUMN", 0, "Second item (model_b)", 1},
    {"winner", KEY_WINNER, "COLUMN", 0, "Who won (winner)", 1},
    {"weight", KEY_WEIGHT, "COLUMN", 0, "Weight of a vote (none: 1)", 1},
    {"by", KEY_BY, "COLUMN", 0, "A board for each value of this column too", 1},
    {"annotator", KEY_ANNOTATOR, "COLUMN", 0,
     "Who voted: intervals allow for votes of one annotator that depend on each other (sandwich "
     "over annotators). Keeps all votes in memory",
     1},
    {"covariate", KEY_COVARIATE, "COLUMN", 0,
     "A number of the left item less that of the right one, such as a difference of lengths, whose "
     "coefficient is fitted too; up to 16 times. Keeps all votes in memory",
     1},
    {"input", KEY_INPUT, "FORMAT", 0, "csv or jsonl (by the name of the file, else csv)", 1},
    {"progress", KEY_PROGRESS, NULL, 0, "Tell how far it is (on a terminal anyway)", 1},
    {NULL, 0, NULL, 0, "What is counted:", 2},
    {"where", KEY_WHERE, "COLUMN=VALUE", 0,
     "Only votes with this value, or COLUMN!=VALUE: without it. Several must all hold", 2},
    {"unique", KEY_UNIQUE, "COLUMN", 0,
     "Of votes that are equal in this column only the first; given several times, equal in all", 2},
    {"both-bad", KEY_BOTH_BAD, "HOW", 0, "'tie (bothbad)' is a tie, or drop it (tie)", 2},
    {"load-counts", KEY_LOAD, "FILE", 0, "Go on from counts that were saved", 2},
    {"save-counts", KEY_SAVE, "FILE", 0, "Save what was counted, before the fit", 2},
    {NULL, 0, NULL, 0, "How it is fitted:", 3},
    {"ties", KEY_TIES, "MODEL", 0, "half (half a win each), davidson, rao-kupper or drop (half)",
     3},
    {"ci", KEY_CI, "KIND", 0, "sandwich, fisher or bootstrap (sandwich)", 3},
    {"draws", KEY_DRAWS, "N", 0, "Draws of the bootstrap (1000)", 3},
    {"seed", KEY_SEED, "N", 0, "Seed of the bootstrap (1)", 3},
    {"prior-games", KEY_PRIOR, "X", 0,
     "Give every item X wins and X losses against one of score 0 on the log scale (none)", 3},
    {"home", KEY_HOME, NULL, 0, "The left item has an advantage, which is fitted too", 3},
    {"ranks", KEY_RANKS, NULL, 0,
     "Intervals of ranks that hold all at once, and the probability of being first", 3},
    {NULL, 0, NULL, 0, "How it is shown:", 4},
    {"scale", KEY_SCALE, "SCALE", 0, "log or elo (log)", 4},
    {"anchor", KEY_ANCHOR, "ITEM=SCORE", 0, "Shift all scores so that ITEM has SCORE", 4},
    {"format", KEY_FORMAT, "FORMAT", 0, "text, csv or json (text)", 4},
    {"digits", KEY_DIGITS, "N", 0, "Significant digits, 1 to 17 (6)", 4},
    {"plot", KEY_PLOT, "FILE", 0,
     "Draw the overall board: FILE.svg or FILE.png, with gnuplot, which must be installed", 4},
    {"plot-items", KEY_PLOT_ITEMS, "N", 0, "Draw the best N (30)", 4},
    {0},
};

typedef bool printer(const struct boards *boards);

struct settings {
    const char *file, *load, *save, *plot;
    int input; /* -1: by the name of the file */
    struct votes_options votes;
    struct board_options board;
    printer *print;
    int digits;
    int64_t plot_items;
};

/* ---- options ------------------------------------------------------------------------------ */

/* The number of the word in a list that ends with NULL, or the end of the program. */
static int choose(struct argp_state *state, const char *option, const char *word,
                  const char *const *words)
{
    for (int k = 0; words[k] != NULL; k++)
        if (strcmp(word, words[k]) == 0)
            return k;
    argp_error(state, "--%s is '%s'", option, word);
    return 0;
}

static double number(struct argp_state *state, const char *option, const char *word, double least,
                     double most)
{
    char *end;
    double value = strtod(word, &end);
    if (end == word || *end != '\0' || !(value >= least && value <= most))
        argp_error(state, "--%s is '%s', expected %g to %g", option, word, least, most);
    return value;
}

static void set_ties(struct settings *s, struct argp_state *state, const char *word)
{
    static const char *const words[] = {"half", "davidson", "rao-kupper", "drop", NULL};
    int choice = choose(state, "ties", word, words);
    s->votes.drop_ties = choice == 3;
    s->board.ties = choice == 3 ? ALIGN_BT_TIES_HALF : choice;
}

static void set_where(struct settings *s, struct argp_state *state, char *word)
{
    char *equals = strchr(word, '=');
    if (equals == NULL || equals == word || s->votes.n_where == VOTES_CONDITIONS) {
        argp_error(state, "--where is '%s', expected COLUMN=VALUE, at most %d times", word,
                   (int)VOTES_CONDITIONS);
        return;
    }
    struct condition *c = &s->votes.where[s->votes.n_where++];
    c->differs = equals[-1] == '!';
    equals[c->differs ? -1 : 0] = '\0';
    c->column = word;
    c->value = equals + 1;
}

static void set_anchor(struct settings *s, struct argp_state *state, char *word)
{
    char *equals = strrchr(word, '=');
    if (equals == NULL) {
        argp_error(state, "--anchor is '%s', expected ITEM=SCORE", word);
        return;
    }
    *equals = '\0';
    s->board.anchor = word;
    s->board.offset = number(state, "anchor", equals + 1, -1e9, 1e9);
}

static error_t parse_votes(int key, char *word, struct argp_state *state)
{
    static const char *const inputs[] = {"csv", "jsonl", NULL}, *const both[] = {"tie", "drop",
                                                                                 NULL};
    struct settings *s = state->input;
    const char **columns[] = {&s->votes.left,   &s->votes.right, &s->votes.winner,
                              &s->votes.weight, &s->votes.by,    &s->votes.annotator};
    if (key >= KEY_LEFT && key <= KEY_ANNOTATOR)
        *columns[key - KEY_LEFT] = word;
    else if (key == KEY_COVARIATE && s->votes.n_covariates < TALLY_COVARIATES)
        s->votes.covariate[s->votes.n_covariates++] = word;
    else if (key == KEY_COVARIATE)
        argp_error(state, "--covariate is given more than %d times", (int)TALLY_COVARIATES);
    else if (key == KEY_INPUT)
        s->input = choose(state, "input", word, inputs);
    else if (key == KEY_WHERE)
        set_where(s, state, word);
    else if (key == KEY_UNIQUE && s->votes.n_unique < VOTES_UNIQUE)
        s->votes.unique[s->votes.n_unique++] = word;
    else if (key == KEY_UNIQUE)
        argp_error(state, "--unique is given more than %d times", (int)VOTES_UNIQUE);
    else if (key == KEY_BOTH_BAD)
        s->votes.drop_both_bad = choose(state, "both-bad", word, both) == 1;
    else if (key == KEY_LOAD)
        s->load = word;
    else if (key == KEY_SAVE)
        s->save = word;
    else if (key == KEY_PROGRESS)
        s->votes.progress = true;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static error_t parse_board(int key, char *word, struct argp_state *state)
{
    static const char *const intervals[] = {"sandwich", "fisher", "bootstrap", NULL};
    static const char *const scales[] = {"log", "elo", NULL};
    static const char *const formats[] = {"text", "csv", "json", NULL};
    static printer *const printers[] = {print_text, print_csv, print_json};
    struct settings *s = state->input;
    if (key == KEY_TIES)
        set_ties(s, state, word);
    else if (key == KEY_CI)
        s->board.interval = (enum interval_kind)choose(state, "ci", word, intervals);
    else if (key == KEY_DRAWS)
        s->board.draws = (int64_t)number(state, "draws", word, 2, 1e6);
    else if (key == KEY_SEED)
        s->board.seed = (uint64_t)number(state, "seed", word, 0, 0x1p53);
    else if (key == KEY_PRIOR)
        s->board.prior_games = number(state, "prior-games", word, 0, 1e9);
    else if (key == KEY_HOME)
        s->board.home = true;
    else if (key == KEY_RANKS)
        s->board.ranks = true;
    else if (key == KEY_SCALE)
        s->board.scale = choose(state, "scale", word, scales) == 1 ? 400 / log(10) : 1;
    else if (key == KEY_ANCHOR)
        set_anchor(s, state, word);
    else if (key == KEY_FORMAT)
        s->print = printers[choose(state, "format", word, formats)];
    else if (key == KEY_DIGITS)
        s->digits = (int)number(state, "digits", word, 1, 17);
    else if (key == KEY_PLOT)
        s->plot = word;
    else if (key == KEY_PLOT_ITEMS)
        s->plot_items = (int64_t)number(state, "plot-items", word, 2, 1000);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static void check(struct settings *s, struct argp_state *state)
{
    if ((s->load != NULL || s->save != NULL) &&
        (s->votes.annotator != NULL || s->votes.n_covariates > 0))
        argp_error(state,
                   "--annotator or --covariate with --load-counts or --save-counts: counts do "
                   "not know single votes");
    if (s->votes.annotator != NULL && s->board.interval != BOARD_SANDWICH)
        argp_error(state, "--annotator with --ci other than sandwich: votes would be independent");
    if (s->load != NULL && s->votes.n_unique > 0)
        argp_error(state, "--unique with --load-counts: counts do not know single votes");
    if (s->board.anchor != NULL && s->board.prior_games > 0)
        argp_error(state, "--anchor with --prior-games: the prior has a level of its own");
    if (s->plot != NULL && plot_terminal(s->plot) == NULL)
        argp_error(state, "--plot is '%s', expected a name that ends in .svg or .png", s->plot);
    if (s->board.anchor == NULL && s->board.scale != 1)
        s->board.offset = 1000;
}

static error_t parse(int key, char *word, struct argp_state *state)
{
    struct settings *s = state->input;
    if (key == ARGP_KEY_ARG && s->file == NULL)
        s->file = word;
    else if (key == ARGP_KEY_END)
        check(s, state);
    else if (parse_votes(key, word, state) == ARGP_ERR_UNKNOWN)
        return parse_board(key, word, state);
    return 0;
}

/* ---- the program -------------------------------------------------------------------------- */

static enum table_format format_of(const struct settings *s)
{
    static const char *const suffixes[] = {".jsonl", ".ndjson", ".json"};
    const char *suffix = s->file == NULL ? NULL : strrchr(s->file, '.');
    if (s->input >= 0)
        return (enum table_format)s->input;
    for (size_t k = 0; suffix != NULL && k < sizeof suffixes / sizeof suffixes[0]; k++)
        if (strcmp(suffix, suffixes[k]) == 0)
            return TABLE_JSONL;
    return TABLE_CSV;
}

static bool count(struct votes *votes, const struct settings *s)
{
    bool named = s->file != NULL && strcmp(s->file, "-") != 0;
    if (s->load != NULL && !store_load(votes, s->load, &s->votes))
        return false;
    FILE *file = named ? fopen(s->file, "rb") : stdin;
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", s->file, strerror(errno));
        return false;
    }
    bool done = votes_read(votes, file, named ? s->file : "(standard input)", format_of(s),
                           &s->votes);
    if (named)
        fclose(file);
    return done && (s->save == NULL || store_save(votes, s->save, &s->votes));
}

static bool make(struct boards *boards, const struct settings *s)
{
    bool done = true;
    for (int32_t k = 0; k < boards->count; k++) {
        const struct votes *votes = boards->votes;
        struct board *board = &boards->board[k];
        board->category = k == 0 ? NULL : votes->categories.text[k - 1];
        if (board_make(board, votes, k == 0 ? votes->overall : votes->category[k - 1], &s->board))
            continue;
        done = false;
        fprintf(stderr, "libalign-leaderboard: %s%s%s\n", k == 0 ? "" : board->category,
                k == 0 ? "" : ": ", board->why);
    }
    return done;
}

static bool show(const struct settings *s, const struct votes *votes)
{
    struct boards boards = {.votes = votes,
                            .count = votes->categories.count + 1,
                            .by_category = s->votes.by != NULL,
                            .ranks = s->board.ranks,
                            .covariates = s->votes.covariate,
                            .digits = s->digits};
    boards.board = take((size_t)boards.count, sizeof *boards.board);
    bool done = make(&boards, s);
    done = s->print(&boards) && done;
    if (s->plot != NULL && boards.board[0].lines != NULL)
        done = plot_board(&boards.board[0], s->plot, s->plot_items) && done;
    for (int32_t k = 0; k < boards.count; k++)
        board_free(&boards.board[k]);
    free(boards.board);
    return done;
}

int main(int argc, char **argv)
{
    struct settings s = {
        .input = -1,
        .votes = {.left = "model_a", .right = "model_b", .winner = "winner"},
        .board = {.draws = 1000, .seed = 1, .scale = 1},
        .print = print_text,
        .digits = 6,
        .plot_items = 30,
    };
    s.votes.progress = isatty(STDERR_FILENO) != 0;
    const struct argp argp = {options, parse, "[VOTES.csv|VOTES.jsonl]", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &s);
    struct votes *votes = votes_new();
    bool done = count(votes, &s) && show(&s, votes);
    votes_free(votes);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
