#include "call.h"
#include "random.h"

#include <math.h>
#include <string.h>

/* Bayesian bootstrap (Rubin 1981): each row gets an independent weight Exp(1). The rows of one outcome in
 * an edge that all weigh the same add up to a gamma variable whose shape is their number; for unequal
 * weights this one has the same mean and variance. No edge is ever lost, so that a draw has a finite
 * maximum whenever the data have. */

/* ---- draws -------------------------------------------------------------------------------- */

size_t align__bt_draw_bytes(const struct bt_call *call, const struct align__bt_fit *shape)
{
    size_t ranked = !call->ranked ? 0
                                  : align__block(sizeof(double) * (size_t)call->units) +
                                        align__block(sizeof(double) * shape->stage);
    return align__block(sizeof(struct align__bt_edge) * (size_t)(call->edges + 1)) + ranked +
           align__bt_fit_bytes(shape, call->edges);
}

enum { SLOTS = 64, BATCH = 256 };

struct slot {
    struct align__bt_fit fit;
    struct align__bt_edge *edges;
    struct align__bt_rankings ranked; /* with weights of its own */
};

struct batch {
    const struct bt_call *call;
    const struct align__bt_fit *found;
    const double (*squares)[ALIGN__BT_SQUARES];
    struct slot *slots;
    bool finite;
    int64_t count, begin, end; /* slots; draws of this batch */
};

/* Counts of a draw that are still to be made, each a gamma variable times a scale. */
struct wanted {
    int64_t count;
    double shape[ALIGN__BT_BLOCK], scale[ALIGN__BT_BLOCK], *to[ALIGN__BT_BLOCK];
};

static void make_wanted(const struct align__f64 *f64, struct wanted *wanted,
                        struct align__stream *s)
{
    double gamma[ALIGN__BT_BLOCK];
    align__bt_fill_gammas(s, f64, wanted->shape, gamma, wanted->count);
    for (int64_t k = 0; k < wanted->count; k++)
        *wanted->to[k] = gamma[k] * wanted->scale[k];
    wanted->count = 0;
}

static void draw_edges(const struct batch *batch, struct slot *slot, struct align__stream *s)
{
    struct wanted wanted = {.count = 0};
    const struct align__bt_fit *found = batch->found;
    for (int64_t e = 0; e < found->edge_count; e++) {
        slot->edges[e] = found->edges[e];
        double *sum = slot->edges[e].sum;
        if (wanted.count + ALIGN__BT_OUTCOMES > ALIGN__BT_BLOCK)
            make_wanted(found->f64, &wanted, s);
        for (int k = 0; k < ALIGN__BT_OUTCOMES; k++) {
            double square = batch->squares[e][k];
            if (!(sum[k] > 0 && square > 0))
                continue;
            bool ones = square == sum[k]; /* as most are: rows of weight 1 */
            wanted.shape[wanted.count] = ones ? square : sum[k] * sum[k] / square;
            wanted.scale[wanted.count] = ones ? 1 : square / sum[k];
            wanted.to[wanted.count++] = &sum[k];
        }
    }
    make_wanted(found->f64, &wanted, s);
}

/* Pieces of one ranking, which parts have broken up, share its weight. */
static void draw_rankings(const struct batch *batch, struct slot *slot, struct align__stream *s)
{
    const struct align__bt_rankings *found = batch->found->ranked;
    double factor = 1;
    for (int64_t r = 0; r < found->count; r++) {
        if (r == 0 || found->source[r] != found->source[r - 1])
            factor = align__next_gamma(s, align__bt_rank_rows(found, r)) /
                     align__bt_rank_rows(found, r);
        slot->ranked.weight[r] = found->weight[r] * factor;
    }
}

static void store_draw(const struct bt_call *call, const struct align__bt_fit *fit, int64_t draw)
{
    const align_bt_args *args = &call->args;
    double scale = args->scale == 0 ? 1 : args->scale;
    bool anchored = (args->flags & ALIGN_BT_ANCHOR) != 0;
    double level = anchored ? align__bt_theta(call, fit, fit->x, args->anchor) : 0;
    for (int64_t i = 0; i < fit->n; i++) {
        double theta = align__bt_theta(call, fit, fit->x, i) - level;
        double x = fit->converged ? args->offset + scale * theta : (double)NAN;
        align__store(args->draws.dtype, align__at(&args->draws, draw, i), x);
    }
}

static void refit(const struct batch *batch, struct slot *slot, int64_t draw)
{
    align_exec quiet;
    align_exec_init(&quiet, sizeof quiet);
    slot->fit.exec = &quiet;
    struct align__stream s = align__stream_of(batch->call->args.seed, draw);
    if (batch->found->ranked != NULL)
        draw_rankings(batch, slot, &s);
    else
        draw_edges(batch, slot, &s);
    align__bt_read_edges(&slot->fit);
    memcpy(slot->fit.x, batch->found->x, sizeof *slot->fit.x * (size_t)slot->fit.size);
    if (align__bt_fit_run(&quiet, &slot->fit) != ALIGN_E_NONE)
        slot->fit.converged = false;
}

/* Draws take a number of steps of their own: each slot makes the next that is left. */
static void run_draw(void *ctx, int64_t number, int64_t item)
{
    const struct batch *batch = ctx;
    struct slot *slot = &batch->slots[number];
    slot->fit.converged = false;
    if (batch->finite)
        refit(batch, slot, batch->begin + item);
    store_draw(batch->call, &slot->fit, batch->begin + item);
}

/* A Newton step squares the error: after one that is below the root of the tolerance it is below that. */
static void take_slot(const struct bt_call *call, struct slot *slot, struct align__arena *arena,
                      const struct align__bt_fit *found)
{
    slot->fit = *found;
    slot->fit.shares = 1;
    slot->edges = align__arena_take(arena, sizeof *slot->edges * (size_t)(call->edges + 1));
    align__bt_fit_take(&slot->fit, arena, call->edges);
    slot->fit.edges = slot->edges;
    slot->fit.watched = false;
    slot->fit.bare = true;
    if (found->prior.kind != ALIGN_BT_PRIOR_JEFFREYS)
        slot->fit.tolerance = sqrt(found->tolerance);
    if (found->ranked == NULL)
        return;
    slot->ranked = *found->ranked;
    slot->ranked.weight = align__arena_take(arena, sizeof(double) * (size_t)call->units);
    slot->ranked.work = align__arena_take(arena, sizeof(double) * found->stage);
    slot->fit.ranked = &slot->ranked;
}

/* A soft row would need its two sides drawn together. */
static align_status check_whole(const struct bt_call *call, const struct batch *batch)
{
    for (int64_t e = 0; e < batch->found->edge_count; e++)
        if (batch->squares[e][ALIGN__BT_CROSS] > 0)
            return ALIGN__FAIL(&call->exec, BT_SOFT_DRAWS, .owner = BT_ARGS, .field = "draws",
                               .value = batch->found->edges[e].i, .low = batch->found->edges[e].j);
    return ALIGN_E_NONE;
}

int64_t align__bt_draw_slots(const struct bt_call *call)
{
    int64_t workers = call->exec.workers, draws = call->args.draws.shape[0];
    int64_t slots = workers < SLOTS ? workers : SLOTS;
    slots = slots < draws ? slots : draws;
    return slots > 1 ? slots : 1;
}

align_status align__bt_draw(const struct bt_call *call, const struct align__bt_fit *found,
                            bool finite, const double (*squares)[ALIGN__BT_SQUARES],
                            struct align__arena *arena)
{
    struct slot slots[SLOTS];
    struct batch batch = {call, found, squares, slots, finite, 0, 0, 0};
    int64_t draws = call->args.draws.shape[0], wanted = align__bt_draw_slots(call);
    size_t each = align__bt_draw_bytes(call, found);
    align_status status = check_whole(call, &batch);
    do
        take_slot(call, &slots[batch.count++], arena, found);
    while (batch.count < wanted && arena->left >= each);
    for (; status == ALIGN_E_NONE && batch.begin < draws; batch.begin = batch.end) {
        batch.end = draws - batch.begin < BATCH ? draws : batch.begin + BATCH;
        if (call->exec.cancel != NULL && call->exec.cancel(call->exec.cancel_user) != 0)
            return ALIGN__FAIL(&call->exec, BT_CANCELLED, .owner = "align_exec", .field = "cancel",
                               .low = (double)batch.begin);
        status = align__rooms(&call->exec, batch.count, batch.end - batch.begin, run_draw, &batch);
    }
    return status;
}
