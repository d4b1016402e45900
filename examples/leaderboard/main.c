/* libalign-leaderboard: votes between items to a ranked board with intervals. */
#include "print.h"

#include <argp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *argp_program_version = "libalign-leaderboard 0.1";

static const char doc[] =
    "Reads comparisons from a CSV file (or standard input, for '-' or none) and prints a board of "
    "Bradley-Terry scores, best first. The file streams through memory that grows with the number "
    "of "
    "different pairs, not of votes."
    "\vThe winner's cell holds left, right or tie; model_a, model_b, tie or 'tie (bothbad)'; 1, 0 "
    "or "
    "0.5 for the left item; or the name of the item that won.\n\n"
    "CSV output has the columns item, score, se, lower, upper, wins, losses, ties, rank. JSON has "
    "the "
    "same in 'items', and votes, dropped, log_likelihood, tie, iterations, score_norm and "
    "decrement "
    "beside it. Intervals are of 95 %. An item's rank is 1 more than the number of items whose "
    "interval lies above its own.\n\n"
    "Scores are in natural log units around 0, or on Elo's scale around 1000. Where votes do not "
    "hold every score at a finite place (an item that never lost, groups that never met), nothing "
    "is printed but the reason, and the exit status is 1.";

enum {
    KEY_LEFT = 256,
    KEY_RIGHT,
    KEY_WINNER,
    KEY_WEIGHT,
    KEY_TIES,
    KEY_CI,
    KEY_DRAWS,
    KEY_SEED,
    KEY_SCALE,
    KEY_FORMAT,
    KEY_DIGITS,
    KEY_PRIOR
};

static const struct argp_option options[] = {
    {"left", KEY_LEFT, "COLUMN", 0, "First item of a vote (model_a)", 1},
    {"right", KEY_RIGHT, "COLUMN", 0, "Second item (model_b)", 1},
    {"winner", KEY_WINNER, "COLUMN", 0, "Who won (winner)", 1},
    {"weight", KEY_WEIGHT, "COLUMN", 0, "Weight of a vote (none: 1)", 1},
    {"ties", KEY_TIES, "MODEL", 0, "half (half a win each), davidson, rao-kupper or drop (half)",
     2},
    {"ci", KEY_CI, "KIND", 0, "sandwich, fisher or bootstrap (sandwich)", 2},
    {"draws", KEY_DRAWS, "N", 0, "Draws of the bootstrap (1000)", 2},
    {"seed", KEY_SEED, "N", 0, "Seed of the bootstrap (1)", 2},
    {"prior-games", KEY_PRIOR, "X", 0,
     "Give every item X wins and X losses against one of score 0 on the log scale (none)", 2},
    {"scale", KEY_SCALE, "SCALE", 0, "log or elo (log)", 3},
    {"format", KEY_FORMAT, "FORMAT", 0, "text, csv or json (text)", 3},
    {"digits", KEY_DIGITS, "N", 0, "Significant digits, 1 to 17 (6)", 3},
    {0},
};

struct settings {
    const char *file;
    struct votes_columns columns;
    struct board_options board;
    bool (*print)(const struct board *board, const struct votes *votes, int digits);
    int digits;
};

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
    s->columns.drop_ties = choice == 3;
    s->board.ties = choice == 3 ? ALIGN_BT_TIES_HALF : choice;
}

static error_t parse(int key, char *word, struct argp_state *state)
{
    static const char *const intervals[] = {"sandwich", "fisher", "bootstrap", NULL};
    static const char *const scales[] = {"log", "elo", NULL};
    static const char *const formats[] = {"text", "csv", "json", NULL};
    static bool (*const printers[])(const struct board *, const struct votes *,
                                    int) = {print_text, print_csv, print_json};
    struct settings *s = state->input;
    const char **columns[] = {&s->columns.left, &s->columns.right, &s->columns.winner,
                              &s->columns.weight};
    if (key >= KEY_LEFT && key <= KEY_WEIGHT)
        *columns[key - KEY_LEFT] = word;
    else if (key == KEY_TIES)
        set_ties(s, state, word);
    else if (key == KEY_CI)
        s->board.interval = (enum interval_kind)choose(state, "ci", word, intervals);
    else if (key == KEY_DRAWS)
        s->board.draws = (int64_t)number(state, "draws", word, 2, 1e6);
    else if (key == KEY_SEED)
        s->board.seed = (uint64_t)number(state, "seed", word, 0, 0x1p53);
    else if (key == KEY_PRIOR)
        s->board.prior_games = number(state, "prior-games", word, 0, 1e9);
    else if (key == KEY_SCALE && choose(state, "scale", word, scales) == 1)
        s->board.scale = 400 / log(10), s->board.offset = 1000;
    else if (key == KEY_FORMAT)
        s->print = printers[choose(state, "format", word, formats)];
    else if (key == KEY_DIGITS)
        s->digits = (int)number(state, "digits", word, 1, 17);
    else if (key == ARGP_KEY_ARG && s->file == NULL)
        s->file = word;
    else if (key != KEY_SCALE)
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int main(int argc, char **argv)
{
    struct settings s = {
        .columns = {"model_a", "model_b", "winner", NULL, false},
        .board = {.draws = 1000, .seed = 1, .scale = 1},
        .print = print_text,
        .digits = 6,
    };
    const struct argp argp = {options, parse, "[VOTES.csv]", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &s);
    bool named = s.file != NULL && strcmp(s.file, "-") != 0;
    FILE *file = named ? fopen(s.file, "rb") : stdin;
    if (file == NULL) {
        perror(s.file);
        return EXIT_FAILURE;
    }
    static struct votes votes;
    struct board board = {0};
    bool done = votes_read(&votes, file, named ? s.file : "(standard input)", &s.columns) &&
                board_make(&board, &votes, &s.board) && s.print(&board, &votes, s.digits);
    board_free(&board);
    votes_free(&votes);
    if (named)
        fclose(file);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
