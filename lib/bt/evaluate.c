#include "line.h"

#include <string.h>

/* Tasks take edges a block at a time: predictors, then the model on all of them, then slopes to where they go. Where
 * there are several tasks the slopes go there afterwards, in the order of edges, so that tasks change no bit; how many
 * there are is a matter of the number of edges alone. */
enum { BLOCK = ALIGN__BT_BLOCK, GAMES = 4 * BLOCK, TASK_EDGES = 16 * GAMES };

int64_t align__bt_edge_tasks(int64_t edges)
{
    return (edges + TASK_EDGES - 1) / TASK_EDGES;
}

/* Adds the priors to score and value. */
static double add_priors(struct align__bt_fit *fit, const double *x)
{
    align__bt_prior_fn prior = align__bt_priors[fit->prior.kind];
    double value = 0;
    for (int64_t i = 0; prior != NULL && i < fit->n; i++) {
        struct align__bt_terms t = prior(&fit->prior, x[i]);
        value += t.value;
        fit->score[i] += t.d;
    }
    for (int64_t k = fit->n; k < fit->size; k++) {
        double ridge = align__bt_ridge(fit, k);
        value += ridge * x[k] * x[k] / 2;
        fit->score[k] += ridge * x[k];
    }
    return value;
}

struct pass {
    struct align__bt_fit *fit;
    const double *x;
    bool valued, games, store;
};

/* ---- games without ties ------------------------------------------------------------------- */

void align__bt_read_edges(struct align__bt_fit *fit)
{
    double virtual = fit->prior.kind == ALIGN_BT_PRIOR_EDGE ? fit->prior.games / 2 : 0;
    for (int64_t e = 0; fit->tie < 0 && e < fit->edge_count; e++) {
        const struct align__bt_edge *edge = &fit->edges[e];
        double more = edge->sum[ALIGN__BT_TIE] / 2 + virtual;
        fit->side[0][e] = edge->i;
        fit->side[1][e] = edge->j;
        fit->won[e] = edge->sum[ALIGN__BT_WIN] + more;
        fit->lost[e] = edge->sum[ALIGN__BT_LOSS] + more;
    }
}

/* Slopes go to both ends; those of one i are added up first, as they follow each other. */
static void store_games(struct align__bt_fit *fit, int64_t e, const double *slope, int64_t n)
{
    const int32_t *i = fit->side[0] + e, *j = fit->side[1] + e;
    for (int64_t k = 0; k < n;) {
        const int64_t begin = k;
        for (; k < n && i[k] == i[begin]; k++)
            fit->score[j[k]] -= slope[k];
        fit->score[i[begin]] += fit->f64->lane_sum(slope + begin, k - begin);
    }
    if (fit->home >= 0)
        fit->score[fit->home] += fit->f64->lane_sum(slope, n);
}

static void run_games(const struct pass *pass, int64_t e, int64_t n, struct align__bt_partial *sum)
{
    struct align__bt_fit *fit = pass->fit;
    const double *x = pass->x;
    double local[GAMES];
    struct align__games games = {.x = x,
                                 .i = fit->side[0] + e,
                                 .j = fit->side[1] + e,
                                 .won = fit->won + e,
                                 .lost = fit->lost + e,
                                 .home = fit->home < 0 ? 0 : x[fit->home],
                                 .valued = pass->valued,
                                 .slope = pass->store ? local : fit->slope + e,
                                 .curvature = fit->curvature[0] + e};
    fit->f64->games(&games, n);
    sum->value += games.value;
    if (pass->store)
        store_games(fit, e, local, n);
}

/* ---- other games -------------------------------------------------------------------------- */

static void store_edges(struct align__bt_fit *fit, const double *x, int64_t begin,
                        const double *slope, int64_t n)
{
    double home = 0;
    if (!align__bt_is_plain(fit)) {
        for (int64_t k = 0; k < n; k++) {
            struct align__bt_line line;
            align__bt_line_of_edge(fit, begin + k, x, &line);
            align__bt_spread(fit, &line, slope[k], fit->score);
        }
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        const struct align__bt_edge *edge = &fit->edges[begin + k];
        fit->score[edge->i] += slope[k];
        fit->score[edge->j] -= slope[k];
        home += slope[k];
    }
    if (fit->home >= 0)
        fit->score[fit->home] += home;
}

struct block {
    double d[BLOCK], sum[ALIGN__BT_OUTCOMES][BLOCK], value[BLOCK], slope[BLOCK], by_tie[BLOCK];
};

static void load_block(const struct align__bt_fit *fit, const double *x, struct block *block,
                       int64_t begin, int64_t n)
{
    double virtual = fit->prior.kind == ALIGN_BT_PRIOR_EDGE ? fit->prior.games / 2 : 0;
    double home = fit->home < 0 ? 0 : x[fit->home];
    for (int64_t k = 0; k < n; k++) {
        const struct align__bt_edge *edge = &fit->edges[begin + k];
        block->sum[0][k] = edge->sum[0] + virtual;
        block->sum[1][k] = edge->sum[1];
        block->sum[2][k] = edge->sum[2] + virtual;
        block->d[k] = x[edge->i] - x[edge->j] + home;
    }
    for (int64_t k = 0; !align__bt_is_plain(fit) && k < n; k++) {
        struct align__bt_line line;
        align__bt_line_of_edge(fit, begin + k, x, &line);
        block->d[k] = line.d;
    }
}

static void run_block(struct align__bt_fit *fit, const double *x, int64_t e, int64_t n, bool store,
                      struct align__bt_partial *sum)
{
    struct block block;
    double *slope = fit->slope != NULL ? fit->slope + e : block.slope;
    load_block(fit, x, &block, e, n);
    struct align__bt_batch batch = {
        .n = n,
        .u = fit->tie < 0 ? 0 : x[fit->tie],
        .d = block.d,
        .sum = {block.sum[0], block.sum[1], block.sum[2]},
        .value = block.value,
        .slope = slope,
        .by_tie = block.by_tie,
        .curvature = {fit->curvature[0] + e},
    };
    for (int k = 1; fit->tie >= 0 && k < 3; k++)
        batch.curvature[k] = fit->curvature[k] + e;
    align__bt_models[fit->ties].batch(fit->f64, fit->ties, &batch);
    for (int64_t k = 0; k < n; k++) {
        sum->value += block.value[k];
        sum->by_tie += fit->tie < 0 ? 0 : block.by_tie[k];
    }
    if (store)
        store_edges(fit, x, e, slope, n);
}

/* ---- edges -------------------------------------------------------------------------------- */

static void run_edges(void *ctx, int64_t task)
{
    const struct pass *pass = ctx;
    struct align__bt_fit *fit = pass->fit;
    struct align__bt_partial sum = {0, 0};
    int64_t last = (task + 1) * TASK_EDGES, end = last < fit->edge_count ? last : fit->edge_count;
    int64_t step = pass->games ? GAMES : BLOCK;
    for (int64_t e = task * TASK_EDGES; e < end; e += step) {
        int64_t n = end - e < step ? end - e : step;
        if (pass->games)
            run_games(pass, e, n, &sum);
        else
            run_block(fit, pass->x, e, n, pass->store, &sum);
    }
    fit->partial[task] = sum;
}

static double add_edges(struct align__bt_fit *fit, const double *x, bool valued)
{
    int64_t tasks = align__bt_edge_tasks(fit->edge_count);
    struct pass pass = {fit, x, valued, fit->tie < 0 && align__bt_is_plain(fit), tasks < 2};
    int64_t step = pass.games ? GAMES : BLOCK;
    double value = 0;
    fit->status = align__parallel(fit->exec, tasks, run_edges, &pass);
    if (fit->status != ALIGN_E_NONE)
        return value;
    for (int64_t e = 0; !pass.store && e < fit->edge_count; e += step) {
        int64_t n = fit->edge_count - e < step ? fit->edge_count - e : step;
        if (pass.games)
            store_games(fit, e, fit->slope + e, n);
        else
            store_edges(fit, x, e, fit->slope + e, n);
    }
    for (int64_t t = 0; t < tasks; t++) {
        value += fit->partial[t].value;
        if (fit->tie >= 0)
            fit->score[fit->tie] += fit->partial[t].by_tie;
    }
    return value;
}

/* ---- rankings ----------------------------------------------------------------------------- */

/* Shares of the rankings, each with a score and a place to work of its own; added up in their order. */
enum { SHARES = 8, SHARE_ENTRIES = 8192 };

int64_t align__bt_rank_shares(int64_t entries)
{
    int64_t shares = entries / SHARE_ENTRIES < SHARES ? entries / SHARE_ENTRIES : SHARES;
    return shares > 1 ? shares : 1;
}

/* One share needs neither. */
size_t align__bt_share_doubles(const struct align__bt_fit *fit)
{
    return fit->shares < 2 ? 0 : (size_t)fit->shares * ((size_t)fit->size + 1 + fit->stage);
}

static double *share_of(const struct align__bt_fit *fit, int64_t share)
{
    return fit->share + (size_t)share * ((size_t)fit->size + 1 + fit->stage);
}

static void run_share(void *ctx, int64_t share)
{
    const struct pass *pass = ctx;
    struct align__bt_rankings ranked = *pass->fit->ranked;
    struct align__bt_fit fit = *pass->fit;
    double *score = share_of(&fit, share), value = 0;
    int64_t end = ranked.count * (share + 1) / fit.shares;
    memset(score, 0, sizeof *score * (size_t)fit.size);
    ranked.work = score + fit.size + 1;
    fit.ranked = &ranked;
    for (int64_t r = ranked.count * share / fit.shares; r < end; r++)
        value += align__bt_rank_value(&fit, r, pass->x, score);
    score[fit.size] = value;
}

static double add_rankings(struct align__bt_fit *fit, const double *x)
{
    double value = 0;
    if (fit->shares < 2) {
        for (int64_t r = 0; r < fit->ranked->count; r++)
            value += align__bt_rank_value(fit, r, x, fit->score);
        return value;
    }
    fit->status = align__parallel(fit->exec, fit->shares, run_share,
                                  &(struct pass){.fit = fit, .x = x});
    for (int64_t s = 0; fit->status == ALIGN_E_NONE && s < fit->shares; s++) {
        const double *score = share_of(fit, s);
        for (int64_t k = 0; k < fit->size; k++)
            fit->score[k] += score[k];
        value += score[fit->size];
    }
    return value;
}

/* ---- all ---------------------------------------------------------------------------------- */

double align__bt_evaluate(struct align__bt_fit *fit, const double *x)
{
    return align__bt_differentiate(fit, x, true);
}

double align__bt_differentiate(struct align__bt_fit *fit, const double *x, bool valued)
{
    memset(fit->score, 0, sizeof *fit->score * (size_t)fit->size);
    double value = fit->ranked != NULL ? add_rankings(fit, x) : add_edges(fit, x, valued);
    value += add_priors(fit, x);
    if (fit->prior.kind == ALIGN_BT_PRIOR_JEFFREYS)
        value += align__bt_firth(fit, x);
    for (int64_t k = 0; fit->frozen != NULL && k < fit->size; k++)
        fit->score[k] = fit->frozen[k] ? 0 : fit->score[k];
    return value;
}
