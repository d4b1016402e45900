#include "groups.h"
#include "../base/cpu.h"

#include <math.h>
#include <string.h>

/* Bytes for a reward of the largest group: x, mark, y, the sum over models, g, dx, and its rank. */
enum { REWARD_BYTES = 6 * sizeof(double) + sizeof(struct align__ranked) };

enum phase { CHECK, VALUES, GRADIENT };

struct work {
    struct align__groups g;
    struct align__whole whole;
    struct align__run dy; /* gradient of what the groups say, before `then` */
    enum phase phase;
    const struct align__f32 *abreast; /* where groups can go side by side, else NULL */
    char *scratch;                    /* for groups that do not fit the stack */
    int64_t pieces;
    struct align__group_wrong wrong[ALIGN__NORM_TASKS];
};

struct memory {
    struct align__group b;
    double *total;
};

static bool is_finite(double x)
{
    return x - x == 0;
}

static bool is_each(const struct align__groups *g)
{
    return (g->args.flags & ALIGN_NORM_GROUPS_EACH) != 0;
}

/* A model's reward that is left out of an answer's sum. */
static bool is_left_out(const struct align__groups *g, double x)
{
    return g->params.nan == ALIGN_NORM_NAN_ZERO && !is_finite(x);
}

static double sum_models(const struct align__groups *g, int64_t at)
{
    double sum = 0, x;
    int64_t taken = 0;
    for (int64_t c = 0; c < g->models; c++) {
        align__run_read(&g->reward, at * g->models + c, 1, &x);
        if (is_left_out(g, x))
            continue;
        sum += align__groups_weight(g, c) * x;
        taken++;
    }
    return taken > 0 ? sum : (double)NAN;
}

/* Rewards of a group: of one model, or summed over all. */
static void load_group(const struct align__groups *g, int64_t group, int64_t model,
                       struct align__group *b)
{
    b->index = group;
    align__groups_range(g, group, &b->first, &b->n);
    align__run_weights(&g->mask, b->first, b->n, b->mark);
    if (g->models == 1)
        align__run_read(&g->reward, b->first, b->n, b->x);
    double w = is_each(g) ? 1 : align__groups_weight(g, model);
    for (int64_t i = 0; i < b->n; i++) {
        if (b->mark[i] == ALIGN__GROUP_MASKED)
            continue;
        if (g->models == 1)
            b->x[i] *= w;
        else if (is_each(g))
            align__run_read(&g->reward, (b->first + i) * g->models + model, 1, &b->x[i]);
        else
            b->x[i] = sum_models(g, b->first + i);
        if (!is_finite(b->x[i]))
            b->mark[i] = ALIGN__GROUP_SPOILT;
    }
}

static struct align__group_wrong run_checks(const struct work *work, struct memory *m,
                                            int64_t group)
{
    const struct align__groups *g = &work->g;
    struct align__group_wrong wrong = {ALIGN__SITE_NONE, 0, 0, 0};
    for (int64_t c = 0; c < (is_each(g) ? g->models : 1) && wrong.site == ALIGN__SITE_NONE; c++) {
        load_group(g, group, c, &m->b);
        wrong = align__group_wrong_of(g, &work->whole, &m->b);
    }
    return wrong;
}

static void run_values(const struct work *work, struct memory *m, int64_t group)
{
    const struct align__groups *g = &work->g;
    struct align__group *b = &m->b;
    for (int64_t c = 0; c < (is_each(g) ? g->models : 1); c++) {
        load_group(g, group, c, b);
        align__group_values(g, &work->whole, b);
        double w = align__groups_weight(g, c);
        for (int64_t i = 0; i < b->n && is_each(g); i++)
            m->total[i] = (c == 0 ? 0 : m->total[i]) + w * b->y[i];
    }
    align__run_write(&g->out, b->first, b->n, is_each(g) ? m->total : b->y);
}

/* The gradient of model c's rewards is w_c dx, and 0 for one that was left out of the sum. */
static void write_models(const struct align__groups *g, const struct align__group *b, int64_t from,
                         int64_t to)
{
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t c = from; c < to; c++) {
            int64_t at = (b->first + i) * g->models + c;
            double x = 0, dx = b->dx[i];
            if (dx != 0)
                align__run_read(&g->reward, at, 1, &x);
            dx = dx == 0 || is_left_out(g, x) ? 0 : dx * align__groups_weight(g, c);
            align__run_write(&g->dreward, at, 1, &dx);
        }
}

static void run_gradient(const struct work *work, struct memory *m, int64_t group)
{
    const struct align__groups *g = &work->g;
    struct align__group *b = &m->b;
    int64_t step = is_each(g) ? 1 : g->models;
    for (int64_t c = 0; c < g->models; c += step) {
        load_group(g, group, c, b);
        align__run_read(&work->dy, b->first, b->n, b->g);
        align__group_pull(g, &work->whole, b);
        if (g->models > 1) {
            write_models(g, b, c, c + step);
            continue;
        }
        double w = align__groups_weight(g, 0);
        for (int64_t i = 0; i < b->n; i++)
            b->dx[i] *= w;
        align__run_write(&g->dreward, b->first, b->n, b->dx);
    }
}

static struct memory memory_at(char *bytes, int64_t n)
{
    double *at = (double *)(void *)bytes;
    return (struct memory){.b = {.x = at,
                                 .mark = at + n,
                                 .y = at + 2 * n,
                                 .g = at + 4 * n,
                                 .dx = at + 5 * n,
                                 .ranked = (struct align__ranked *)(void *)(at + 6 * n)},
                           .total = at + 3 * n};
}

static size_t room_of(const struct work *work)
{
    return align__block((size_t)work->g.largest * REWARD_BYTES);
}

/* Groups whose y is a straight line of x, of one model and all of them counted, as plain f32. */
static bool goes_abreast(const struct align__groups *g)
{
    int32_t kind = g->params.kind;
    bool line = !align__norm_is_rank(kind) && kind != ALIGN_NORM_BEST &&
                kind != ALIGN_NORM_LENGTH_CENTER && kind != ALIGN_NORM_LEAVE_OUT_ZSCORE &&
                !(kind >= ALIGN_NORM_REFERENCE && kind <= ALIGN_NORM_TANH);
    return line && !is_each(g) && g->models == 1 && align__groups_weight(g, 0) == 1 &&
           g->mask.length == 0 && g->largest <= ALIGN__GROUP_ON_STACK &&
           align__run_plain(&g->reward, ALIGN_F32) != NULL &&
           align__run_plain(&g->out, ALIGN_F32) != NULL;
}

/* The values of groups i .. i + 7; false, with nothing written, where they differ in length or are not all finite. */
static bool run_abreast(const struct work *work, int64_t i)
{
    const struct align__groups *g = &work->g;
    double at[ALIGN__GROUPS_ABREAST * ALIGN__GROUP_ON_STACK];
    struct align__f32_groups sums;
    struct align__f32_group_lines lines;
    int64_t first, n, next, length;
    align__groups_range(g, i, &first, &n);
    for (int k = 1; k < ALIGN__GROUPS_ABREAST; k++) {
        align__groups_range(g, i + k, &next, &length);
        if (length != n)
            return false;
    }
    const float *x = align__run_plain(&g->reward, ALIGN_F32);
    float *out = align__run_plain(&g->out, ALIGN_F32);
    if (n == 0 || !work->abreast->group_sums(&sums, at, x + first, n))
        return false;
    align__group_lines(g, &work->whole, &sums, n, &lines);
    work->abreast->group_lines(out + first, at, &lines, n);
    return true;
}

static void run_piece(void *ctx, int64_t task)
{
    struct work *work = ctx;
    _Alignas(double) char stack[ALIGN__GROUP_ON_STACK * REWARD_BYTES];
    char *bytes = work->scratch != NULL ? work->scratch + (size_t)task * room_of(work) : stack;
    struct memory memory = memory_at(bytes, work->g.largest);
    int64_t last = work->g.groups * (task + 1) / work->pieces;
    struct align__group_wrong *wrong = &work->wrong[task];
    *wrong = (struct align__group_wrong){ALIGN__SITE_NONE, 0, 0, 0};
    for (int64_t i = work->g.groups * task / work->pieces;
         i < last && wrong->site == ALIGN__SITE_NONE; i++)
        if (work->phase == VALUES && work->abreast != NULL && last - i >= ALIGN__GROUPS_ABREAST &&
            run_abreast(work, i))
            i += ALIGN__GROUPS_ABREAST - 1;
        else if (work->phase == CHECK)
            *wrong = run_checks(work, &memory, i);
        else if (work->phase == VALUES)
            run_values(work, &memory, i);
        else
            run_gradient(work, &memory, i);
}

/* What BATCH_SCALE and NONZERO need of all rewards of the call. */
static void describe_whole(struct work *work)
{
    _Alignas(double) char stack[ALIGN__GROUP_ON_STACK * REWARD_BYTES];
    struct memory memory = memory_at(work->scratch != NULL ? work->scratch : stack,
                                     work->g.largest);
    struct align__group *b = &memory.b;
    struct align__set *all = &work->whole.all;
    int64_t nonzero = 0;
    double sum = 0, square = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < work->g.groups; i++) {
            load_group(&work->g, i, 0, b);
            for (int64_t k = 0; k < b->n; k++) {
                if (b->mark[k] != ALIGN__GROUP_COUNTS)
                    continue;
                double x = b->x[k], u = x - all->origin - all->mean;
                square += u * u;
                if (pass == 1)
                    continue;
                if (all->count++ == 0)
                    all->origin = all->least = all->most = x;
                nonzero += x != 0;
                sum += x - all->origin;
                all->least = x < all->least ? x : all->least;
                all->most = x > all->most ? x : all->most;
            }
        }
        if (pass == 0 && all->count > 0)
            all->mean = sum / (double)all->count;
        square = pass == 0 ? 0 : square;
    }
    double left = (double)all->count - work->g.params.ddof;
    all->deviation = left > 0 && all->least < all->most ? sqrt(square / left) : 0;
    work->whole.nonzero = nonzero > 0 ? (double)all->count / (double)nonzero : 0;
}

/* How a wider spread of the whole call moves the loss: BATCH_SCALE alone. */
static void widen_whole(struct work *work)
{
    _Alignas(double) char stack[ALIGN__GROUP_ON_STACK * REWARD_BYTES];
    struct memory memory = memory_at(work->scratch != NULL ? work->scratch : stack,
                                     work->g.largest);
    struct align__group *b = &memory.b;
    const align_norm_params *p = &work->g.params;
    for (int64_t i = 0; i < work->g.groups; i++) {
        struct align__set s;
        load_group(&work->g, i, 0, b);
        align__run_read(&work->dy, b->first, b->n, b->g);
        align__group_describe(&s, b, p->ddof);
        struct align__group_formula f = align__group_formula(&work->g, &work->whole, b, &s);
        for (int64_t k = 0; k < b->n && f.slope != 0; k++) {
            double dy;
            if (b->mark[k] != ALIGN__GROUP_COUNTS)
                continue;
            align__group_at(p, &f, b->x[k], &dy);
            if (dy != 0)
                work->whole.widen += b->g[k] * dy * ((b->x[k] - f.origin - f.center) / f.divisor);
        }
    }
}

static align_status say_wrong(const align_exec *exec, const struct work *work,
                              const struct align__group_wrong *w)
{
    struct align__fault fault = {.site = w->site,
                                 .owner = "align_norm_groups_args",
                                 .field = "reward",
                                 .value = w->value,
                                 .low = w->weight,
                                 .high = work->g.params.ddof};
    align__groups_index(&work->g, w->at, &fault);
    return align__fail(exec, &fault);
}

static align_status run(const align_exec *exec, struct work *work, enum phase phase)
{
    work->phase = phase;
    align_status status = align__parallel(exec, work->pieces, run_piece, work);
    for (int64_t i = 0; i < work->pieces && status == ALIGN_E_NONE; i++)
        if (work->wrong[i].site != ALIGN__SITE_NONE)
            status = say_wrong(exec, work, &work->wrong[i]);
    return status;
}

/* The results as one batch. With a gradient, that of the results before it goes to dy.
 * NaN results are kept, as norm.h says: under ALIGN_FLAG_FINITE they can only be answers that were asked for. */
static align_status apply_then(const align_exec *exec, const struct align__groups *g,
                               const align_tensor *dy)
{
    align_norm_args args;
    align_exec lenient = *exec;
    lenient.flags &= ~(uint32_t)ALIGN_FLAG_FINITE;
    align_norm_args_init(&args, sizeof args);
    args.params = g->args.then;
    args.reward = args.out = g->args.out;
    args.mask = g->args.mask;
    args.dout = g->args.dout;
    args.dreward = *dy;
    return align_norm_apply(&lenient, NULL, &args);
}

/* What a call takes of the scratch: room for large groups, and a gradient between groups and `then`. */
struct plan {
    int64_t pieces;
    size_t rooms, between;
};

static struct plan plan_of(struct work *work)
{
    const struct align__groups *g = &work->g;
    struct plan plan = {.pieces = align__pieces(g->out.length)};
    plan.pieces = plan.pieces < g->groups ? plan.pieces : g->groups;
    work->pieces = plan.pieces;
    if (g->largest > ALIGN__GROUP_ON_STACK)
        plan.rooms = (size_t)plan.pieces * room_of(work);
    if (g->args.then != NULL && align__present(&g->args.dreward))
        plan.between = align__block((size_t)g->out.length * sizeof(double));
    return plan;
}

static size_t scratch_of(const struct plan *plan)
{
    size_t bytes = plan->rooms + plan->between;
    return bytes > 0 ? bytes + align__arena_slack() : 0;
}

/* Shaped like out: the gradient of what the groups say. */
static align_tensor tensor_between(const struct align__groups *g, double *at)
{
    bool flat = g->args.out.ndim == 1;
    return flat ? align_1d(at, ALIGN_F64, g->args.out.shape[0])
                : align_2d(at, ALIGN_F64, g->args.out.shape[0], g->args.out.shape[1]);
}

static align_status run_all(const align_exec *exec, struct work *work, double *between)
{
    const struct align__groups *g = &work->g;
    const align_norm_params *p = &g->params;
    bool pulls = align__present(&g->args.dreward);
    align_tensor dy = g->args.dout;
    align_status status = ALIGN_E_NONE;
    if (p->kind == ALIGN_NORM_BATCH_SCALE || p->kind == ALIGN_NORM_NONZERO)
        describe_whole(work);
    if (g->refuses || p->few == ALIGN_NORM_AS_REFUSE || p->equal == ALIGN_NORM_AS_REFUSE)
        status = run(exec, work, CHECK);
    if (status == ALIGN_E_NONE)
        status = run(exec, work, VALUES);
    if (status == ALIGN_E_NONE && between != NULL)
        dy = tensor_between(g, between);
    if (status == ALIGN_E_NONE && g->args.then != NULL)
        status = apply_then(exec, g, &dy);
    if (status != ALIGN_E_NONE || !pulls)
        return status;
    work->dy = align__run_of(&dy);
    if (p->kind == ALIGN_NORM_BATCH_SCALE)
        widen_whole(work);
    return run(exec, work, GRADIENT);
}

align_status align_norm_groups(const align_exec *user_exec, const align_norm_groups_args *user_args)
{
    align_exec exec;
    struct work work = {0};
    struct align__arena arena;
    double *between = NULL;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__groups_enter(&exec, &work.g, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    struct plan plan = plan_of(&work);
    status = align__arena_open(&exec, &arena, scratch_of(&plan));
    if (status != ALIGN_E_NONE)
        return status;
    if (plan.rooms > 0)
        work.scratch = align__arena_take(&arena, plan.rooms);
    if (plan.between > 0)
        between = align__arena_take(&arena, plan.between);
    if (goes_abreast(&work.g))
        work.abreast = align__f32(align__cpu_allowed(&exec));
    return run_all(&exec, &work, between);
}

align_status align_norm_groups_scratch(const align_exec *user_exec,
                                       const align_norm_groups_args *user_args, size_t *least,
                                       size_t *best)
{
    align_exec exec;
    struct work work = {0};
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__groups_enter(&exec, &work.g, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    struct plan plan = plan_of(&work);
    *least = *best = scratch_of(&plan);
    return ALIGN_E_NONE;
}
