#include "board.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *take(size_t count, size_t each)
{
    void *memory = calloc(count == 0 ? 1 : count, each);
    if (memory == NULL) {
        fprintf(stderr, "libalign-leaderboard: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

/* The 97.5 % point of the normal distribution. */
static const double NORMAL_975 = 1.9599639845400545;

struct results {
    double *score, *se, *draws;
};

static void set_up(align_bt_args *args, const struct votes *votes,
                   const struct board_options *options, const struct results *results)
{
    int64_t n = votes->n_items;
    align_bt_args_init(args, sizeof *args);
    args->n_items = n;
    args->counts = &votes->counts;
    args->ties = options->ties;
    args->scale = options->scale;
    args->offset = options->offset;
    args->strength = align_1d(results->score, ALIGN_F64, n);
    if (options->prior_games > 0) {
        args->prior = ALIGN_BT_PRIOR_GHOST;
        args->prior_games = options->prior_games;
    }
    if (options->interval == BOARD_BOOTSTRAP) {
        args->draws = align_2d(results->draws, ALIGN_F64, options->draws, n);
        args->seed = options->seed;
        return;
    }
    args->se = align_1d(results->se, ALIGN_F64, n);
    args->variance = options->interval == BOARD_SANDWICH ? ALIGN_BT_SANDWICH : ALIGN_BT_FISHER;
}

static void say_failure(const align_error *error, const struct votes *votes)
{
    fprintf(stderr, "libalign-leaderboard: %s\n", error->text);
    if (error->status != ALIGN_E_NO_SOLUTION)
        return;
    if (error->axes > 0)
        fprintf(stderr, "  item %lld is '%s'\n", (long long)error->index[0],
                votes->items[error->index[0]].name);
    fprintf(stderr,
            "  --prior-games=1 gives every item a win and a loss against an item of score 0 on "
            "the log scale, and so a finite score\n");
}

static align_status run(align_bt_args *args, const struct votes *votes)
{
    align_exec exec;
    align_error error;
    size_t least, best;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    align_status status = align_bt_scratch(&exec, args, &least, &best);
    if (status == ALIGN_E_NONE) {
        exec.scratch = take(1, best);
        exec.scratch_size = best;
        status = align_bt_fit(&exec, args);
        free(exec.scratch);
    }
    if (status != ALIGN_E_NONE)
        say_failure(&error, votes);
    return status;
}

/* ---- intervals ---------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between order statistics. */
static double quantile(const double *sorted, int64_t n, double q)
{
    double at = q * (double)(n - 1);
    int64_t low = (int64_t)at, high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

static void from_draws(struct line *line, const double *draws, int64_t count, int64_t n, int64_t i,
                       double *column)
{
    double mean = 0, squares = 0;
    for (int64_t b = 0; b < count; b++) {
        column[b] = draws[b * n + i];
        mean += column[b] / (double)count;
    }
    for (int64_t b = 0; b < count; b++)
        squares += (column[b] - mean) * (column[b] - mean);
    qsort(column, (size_t)count, sizeof *column, by_value);
    line->se = sqrt(squares / (double)(count - 1));
    line->lower = quantile(column, count, 0.025);
    line->upper = quantile(column, count, 0.975);
}

static int by_score(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : strcmp(x->item->name, y->item->name);
}

static void fill(struct board *board, const struct votes *votes,
                 const struct board_options *options, const struct results *results)
{
    int64_t n = board->count;
    double *column = take((size_t)(options->draws + n), sizeof *column);
    for (int64_t i = 0; i < n; i++) {
        struct line *line = &board->lines[i];
        line->item = &votes->items[i];
        line->score = results->score[i];
        if (options->interval == BOARD_BOOTSTRAP) {
            from_draws(line, results->draws, options->draws, n, i, column);
            continue;
        }
        line->se = results->se[i];
        line->lower = line->score - NORMAL_975 * line->se;
        line->upper = line->score + NORMAL_975 * line->se;
    }
    qsort(board->lines, (size_t)n, sizeof *board->lines, by_score);
    for (int64_t i = 0; i < n; i++)
        column[i] = board->lines[i].lower;
    qsort(column, (size_t)n, sizeof *column, by_value);
    for (int64_t i = 0; i < n; i++) {
        int64_t below = 0, above = n;
        while (below < above) {
            int64_t middle = (below + above) / 2;
            if (column[middle] <= board->lines[i].upper)
                below = middle + 1;
            else
                above = middle;
        }
        board->lines[i].rank = 1 + n - below;
    }
    free(column);
}

bool board_make(struct board *board, const struct votes *votes, const struct board_options *options)
{
    size_t n = (size_t)votes->n_items;
    size_t draws = options->interval == BOARD_BOOTSTRAP ? (size_t)options->draws : 0;
    struct results results = {take(n, sizeof(double)), take(n, sizeof(double)),
                              take(draws * n, sizeof(double))};
    memset(board, 0, sizeof *board);
    set_up(&board->fit, votes, options, &results);
    bool done = run(&board->fit, votes) == ALIGN_E_NONE;
    if (done) {
        board->count = votes->n_items;
        board->lines = take(n, sizeof *board->lines);
        fill(board, votes, options, &results);
    }
    free(results.score);
    free(results.se);
    free(results.draws);
    return done;
}

void board_free(struct board *board)
{
    free(board->lines);
}
