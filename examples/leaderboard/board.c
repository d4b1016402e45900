#include "board.h"

#include "memory.h"

#include <math.h>
#include <string.h>

/* The 97.5 % point of the normal distribution. */
static const double NORMAL_975 = 1.9599639845400545;

struct results {
    double *score, *se, *draws, *covariance, *first;
    int64_t *low, *high;
};

static struct results make_results(size_t n, const struct board_options *options)
{
    bool bootstrap = options->interval == BOARD_BOOTSTRAP;
    return (struct results){
        .score = take(n, sizeof(double)),
        .se = take(n, sizeof(double)),
        .draws = take(bootstrap ? (size_t)options->draws * n : 0, sizeof(double)),
        .covariance = take(options->ranks && !bootstrap ? n * n : 0, sizeof(double)),
        .first = take(n, sizeof(double)),
        .low = take(n, sizeof(int64_t)),
        .high = take(n, sizeof(int64_t)),
    };
}

static void free_results(const struct results *results)
{
    free(results->score);
    free(results->se);
    free(results->draws);
    free(results->covariance);
    free(results->first);
    free(results->low);
    free(results->high);
}

static void set_up(align_bt_args *args, const struct tally *tally,
                   const struct board_options *options, const struct results *results)
{
    int64_t n = tally->n_items;
    align_bt_args_init(args, sizeof *args);
    args->n_items = n;
    if (!tally->keeps)
        args->counts = &tally->counts;
    args->flags = options->home ? ALIGN_BT_HOME : 0;
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
    if (options->ranks)
        args->covariance = align_2d(results->covariance, ALIGN_F64, n, n);
    args->variance = options->interval == BOARD_SANDWICH ? ALIGN_BT_SANDWICH : ALIGN_BT_FISHER;
}

/* Votes one by one, with their annotators as clusters, and their covariates. */
static void set_rows(struct board *board, align_bt_rows *rows, const struct votes *votes,
                     const struct tally *tally, const struct board_options *options)
{
    const struct kept *k = &tally->kept;
    align_bt_args *args = &board->fit;
    align_bt_rows_init(rows, sizeof *rows);
    rows->first = align_1d(k->first, ALIGN_I32, tally->votes);
    rows->second = align_1d(k->second, ALIGN_I32, tally->votes);
    rows->outcome = align_1d(k->outcome, ALIGN_F64, tally->votes);
    rows->weight = align_1d(k->weight, ALIGN_F64, tally->votes);
    args->rows = rows;
    if (votes->annotators.count > 0 && options->interval == BOARD_SANDWICH) {
        rows->cluster = align_1d(k->annotator, ALIGN_I32, tally->votes);
        args->n_clusters = votes->annotators.count;
        args->variance = ALIGN_BT_CLUSTER;
    }
    board->n_covariates = k->n_covariates;
    if (k->n_covariates == 0)
        return;
    rows->covariate = align_2d(k->covariate, ALIGN_F64, tally->votes, k->n_covariates);
    args->coefficient = align_1d(board->coefficient, ALIGN_F64, k->n_covariates);
    if (options->interval != BOARD_BOOTSTRAP)
        args->coefficient_se = align_1d(board->coefficient_se, ALIGN_F64, k->n_covariates);
}

/* The anchor among the items of the board. */
static bool set_anchor(struct board *board, const struct votes *votes, const struct tally *tally,
                       const char *anchor)
{
    if (anchor == NULL)
        return true;
    for (int32_t i = 0; i < tally->n_items; i++)
        if (strcmp(votes->items.text[tally->item[i]], anchor) == 0) {
            board->fit.flags |= ALIGN_BT_ANCHOR;
            board->fit.anchor = i;
            return true;
        }
    snprintf(board->why, sizeof board->why, "the anchor '%s' has no votes", anchor);
    return false;
}

static void say_why(struct board *board, const align_error *error, const struct votes *votes,
                    const struct tally *tally)
{
    char item[160] = "",
         advice[] = "; --prior-games=1 gives every item a win and a loss against an "
                    "item of score 0 on the log scale, and so a finite score";
    bool none = error->status == ALIGN_E_NO_SOLUTION;
    if (none && error->axes > 0)
        snprintf(item, sizeof item, "; item %lld is '%.120s'", (long long)error->index[0],
                 votes->items.text[tally->item[error->index[0]]]);
    snprintf(board->why, sizeof board->why, "%.300s%s%s", error->text, item, none ? advice : "");
}

static bool run(struct board *board, const struct votes *votes, const struct tally *tally)
{
    align_exec exec;
    align_error error;
    size_t least, best;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    align_status status = align_bt_scratch(&exec, &board->fit, &least, &best);
    if (status == ALIGN_E_NONE) {
        exec.scratch = take(1, best);
        exec.scratch_size = best;
        status = align_bt_fit(&exec, &board->fit);
        free(exec.scratch);
    }
    if (status != ALIGN_E_NONE)
        say_why(board, &error, votes, tally);
    return status == ALIGN_E_NONE;
}

/* Rank intervals and the probability of being first, from draws or from the covariance. */
static bool rank(struct board *board, const struct board_options *options,
                 const struct results *results)
{
    align_exec exec;
    align_error error;
    align_bt_ranks_args args;
    size_t least, best;
    int64_t n = board->fit.n_items;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    align_bt_ranks_args_init(&args, sizeof args);
    args.strength = board->fit.strength;
    args.covariance = board->fit.covariance;
    args.draws = board->fit.draws;
    args.seed = options->interval == BOARD_BOOTSTRAP ? 0 : options->seed;
    args.rank_low = align_1d(results->low, ALIGN_I64, n);
    args.rank_high = align_1d(results->high, ALIGN_I64, n);
    args.first = align_1d(results->first, ALIGN_F64, n);
    align_status status = align_bt_ranks_scratch(&exec, &args, &least, &best);
    if (status == ALIGN_E_NONE) {
        exec.scratch = take(1, best);
        exec.scratch_size = best;
        status = align_bt_ranks_eval(&exec, &args);
        free(exec.scratch);
    }
    if (status != ALIGN_E_NONE)
        snprintf(board->why, sizeof board->why, "%s", error.text);
    return status == ALIGN_E_NONE;
}

double board_share(const struct board *board, const struct line *i, const struct line *j)
{
    double d = i->theta - j->theta, tie = board->fit.tie;
    switch (board->fit.ties) {
    case ALIGN_BT_TIES_DAVIDSON:
        return (exp(d / 2) + tie / 2) / (exp(d / 2) + exp(-d / 2) + tie);
    case ALIGN_BT_TIES_RAO_KUPPER:
        return (1 + 1 / (1 + tie * exp(-d)) - 1 / (1 + tie * exp(d))) / 2;
    default:
        return 1 / (1 + exp(-d));
    }
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
                                : strcmp(x->item, y->item);
}

static void fill(struct board *board, const struct votes *votes, const struct tally *tally,
                 const struct board_options *options, const struct results *results)
{
    int64_t n = board->count;
    double *column = take((size_t)(options->draws + n), sizeof *column);
    for (int64_t i = 0; i < n; i++) {
        struct line *line = &board->lines[i];
        line->item = votes->items.text[tally->item[i]];
        line->record = &tally->record[i];
        line->score = results->score[i];
        line->theta = (results->score[i] - options->offset) / options->scale;
        line->first = results->first[i];
        line->rank_low = results->low[i];
        line->rank_high = results->high[i];
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

bool board_make(struct board *board, const struct votes *votes, const struct tally *tally,
                const struct board_options *options)
{
    size_t n = (size_t)tally->n_items;
    board->votes = tally->votes;
    if (tally->n_items < 2) {
        snprintf(board->why, sizeof board->why, "%d items, expected 2 or more", tally->n_items);
        return false;
    }
    struct results results = make_results(n, options);
    align_bt_rows rows;
    set_up(&board->fit, tally, options, &results);
    if (tally->keeps)
        set_rows(board, &rows, votes, tally, options);
    bool done = set_anchor(board, votes, tally, options->anchor) && run(board, votes, tally) &&
                (!options->ranks || rank(board, options, &results));
    board->fit.rows = NULL;
    if (done) {
        board->count = tally->n_items;
        board->lines = take(n, sizeof *board->lines);
        fill(board, votes, tally, options, &results);
    }
    free_results(&results);
    return done;
}

void board_free(struct board *board)
{
    free(board->lines);
}
