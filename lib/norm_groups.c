#include "norm_groups.h"

#include <math.h>
#include <string.h>

enum { MASKED = 0, COUNTS = 1, SPOILT = 2 };

/* Working memory for one group. */
struct buffers {
    double *x, *mark, *y, *total;
    struct align__ranked *ranked;
};

enum { REWARD_BYTES = 4 * sizeof(double) + sizeof(struct align__ranked) };

/* What is known of a set of rewards; sums are about `origin`, its first reward. */
struct set {
    int64_t count;
    double origin, mean, deviation, least, most;
};

/* A group's formula: y = (x - origin - center) / divisor * factor. */
struct formula {
    int32_t answer;
    double origin, center, divisor, factor;
};

struct wrong {
    enum align__site site; /* NONE: nothing */
    int64_t at;
    double value, weight;
};

struct work {
    struct align__groups g;
    struct set batch; /* BATCH_SCALE */
    double nonzero;   /* NONZERO: rewards for each that is not 0 */
    bool dry;
    char *scratch; /* for groups that do not fit the stack */
    int64_t pieces;
    struct wrong wrong[ALIGN__NORM_TASKS];
};

static bool is_finite(double x)
{
    return x - x == 0;
}

static double sum_models(const struct align__groups *g, int64_t at)
{
    double sum = 0, x;
    int64_t taken = 0;
    for (int64_t c = 0; c < g->models; c++) {
        align__run_read(&g->reward, at * g->models + c, 1, &x);
        if (g->params.nan == ALIGN_NORM_NAN_ZERO && !is_finite(x))
            continue;
        sum += align__groups_weight(g, c) * x;
        taken++;
    }
    return taken > 0 ? sum : (double)NAN;
}

/* Rewards of a group: of one model, or summed over all. */
static void load_group(const struct align__groups *g, int64_t first, int64_t n, int64_t model,
                       const struct buffers *b)
{
    bool summed = (g->args.flags & ALIGN_NORM_GROUPS_EACH) == 0;
    double w = summed ? align__groups_weight(g, model) : 1;
    align__run_weights(&g->mask, first, n, b->mark);
    if (g->models == 1)
        align__run_read(&g->reward, first, n, b->x);
    for (int64_t i = 0; i < n; i++) {
        if (b->mark[i] == MASKED)
            continue;
        if (g->models > 1 && summed)
            b->x[i] = sum_models(g, first + i);
        else if (g->models > 1)
            align__run_read(&g->reward, (first + i) * g->models + model, 1, &b->x[i]);
        else
            b->x[i] *= w;
        if (!is_finite(b->x[i]))
            b->mark[i] = SPOILT;
    }
}

static void describe(struct set *s, const double *x, const double *mark, int64_t n, double ddof)
{
    double sum = 0, square = 0;
    memset(s, 0, sizeof *s);
    for (int64_t i = 0; i < n; i++) {
        if (mark[i] != COUNTS)
            continue;
        if (s->count++ == 0)
            s->origin = s->least = s->most = x[i];
        sum += x[i] - s->origin;
        s->least = x[i] < s->least ? x[i] : s->least;
        s->most = x[i] > s->most ? x[i] : s->most;
    }
    if (s->count == 0)
        return;
    s->mean = sum / (double)s->count;
    for (int64_t i = 0; i < n; i++) {
        double u = x[i] - s->origin - s->mean;
        square += mark[i] == COUNTS ? u * u : 0;
    }
    if ((double)s->count > ddof && s->least < s->most)
        s->deviation = sqrt(square / ((double)s->count - ddof));
}

/* Standard deviation of a group without its reward i; 0 when the others are equal or too few. */
static double deviation_of_others(const struct buffers *b, int64_t n, int64_t i, double ddof)
{
    double kept = b->mark[i];
    struct set others;
    b->mark[i] = MASKED;
    describe(&others, b->x, b->mark, n, ddof);
    b->mark[i] = kept;
    return others.deviation;
}

static double center_by_length(const struct work *work, const struct buffers *b, int64_t first,
                               int64_t n, const struct set *s)
{
    double tokens = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double length;
        if (b->mark[i] != COUNTS)
            continue;
        align__run_read(&work->g.length, first + i, 1, &length);
        tokens += length;
        sum += length * (b->x[i] - s->origin);
    }
    return tokens > 0 ? sum / tokens : s->mean;
}

static bool is_few(const align_norm_params *p, const struct set *s, const struct set *batch)
{
    switch (p->kind) {
    case ALIGN_NORM_ZSCORE:
    case ALIGN_NORM_SCALE:
    case ALIGN_NORM_BEST:
        return s->count < 2 || (double)s->count <= p->ddof;
    case ALIGN_NORM_BATCH_SCALE:
        return batch->count < 2 || (double)batch->count <= p->ddof;
    case ALIGN_NORM_LEAVE_OUT:
    case ALIGN_NORM_LEAVE_OUT_ZSCORE:
    case ALIGN_NORM_NONZERO:
        return s->count < 2;
    default:
        return s->count == 0;
    }
}

static double spread_of(const align_norm_params *p, const struct set *s, const struct set *batch)
{
    switch (p->kind) {
    case ALIGN_NORM_MINMAX:
        return s->most - s->least;
    case ALIGN_NORM_MEAN_RATIO:
        return fabs(s->origin + s->mean);
    case ALIGN_NORM_BATCH_SCALE:
        return batch->deviation;
    default:
        return s->deviation;
    }
}

static struct formula make_formula(const struct work *work, const struct buffers *b,
                                   const struct set *s, int64_t first, int64_t n)
{
    const align_norm_params *p = &work->g.params;
    struct formula f = {.answer = ALIGN_NORM_AS_FORMULA,
                        .origin = s->origin,
                        .center = s->mean,
                        .divisor = 1,
                        .factor = 1};
    double spread = spread_of(p, s, &work->batch), slope, count = (double)s->count;
    bool divides = p->eps_form != 0 && p->kind != ALIGN_NORM_LEAVE_OUT_ZSCORE;
    if (is_few(p, s, &work->batch))
        f.answer = p->few;
    else if (divides && spread == 0)
        f.answer = p->equal;
    if (f.answer == ALIGN_NORM_AS_UNIT)
        f.origin = f.center = 0;
    if (divides && (f.answer == ALIGN_NORM_AS_FORMULA || f.answer == ALIGN_NORM_AS_UNIT))
        f.divisor = align__norm_divisor(p, f.answer == ALIGN_NORM_AS_UNIT ? 1 : spread, &slope);
    if (p->kind == ALIGN_NORM_NONZERO)
        f.factor = work->nonzero;
    if (f.answer == ALIGN_NORM_AS_UNIT)
        return f;
    if (p->kind == ALIGN_NORM_SCALE)
        f.origin = f.center = 0;
    if (p->kind == ALIGN_NORM_MINMAX)
        f.center = s->least - s->origin;
    if (p->kind == ALIGN_NORM_LENGTH_CENTER)
        f.center = center_by_length(work, b, first, n, s);
    if (p->kind == ALIGN_NORM_MEAN_RATIO && s->origin + s->mean < 0)
        f.divisor = -f.divisor;
    if (p->kind == ALIGN_NORM_LEAVE_OUT || p->kind == ALIGN_NORM_LEAVE_OUT_ZSCORE)
        f.factor = s->count > 1 ? count / (count - 1) : 1;
    return f;
}

static double answer_of(int32_t answer, double x)
{
    return answer == ALIGN_NORM_AS_KEEP   ? x
           : answer == ALIGN_NORM_AS_HALF ? 0.5
           : answer == ALIGN_NORM_AS_NAN  ? (double)NAN
                                          : 0;
}

static double clipped(const align_norm_params *p, double y)
{
    if (p->clip_low == 0 && p->clip_high == 0)
        return y;
    return y < p->clip_low ? p->clip_low : y > p->clip_high ? p->clip_high : y;
}

/* One reward that counts. */
static double evaluate(const align_norm_params *p, const struct formula *f, double x)
{
    if (f->answer != ALIGN_NORM_AS_FORMULA && f->answer != ALIGN_NORM_AS_CENTER &&
        f->answer != ALIGN_NORM_AS_UNIT)
        return clipped(p, answer_of(f->answer, x));
    double y = (x - f->origin - f->center) / f->divisor * f->factor;
    return clipped(p, p->gain * y + p->bias);
}

/* Each reward has a D of its own: the deviation of the others. */
static void apply_leave_out(const align_norm_params *p, const struct buffers *b,
                            const struct formula *group, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        struct formula f = *group;
        double spread, slope;
        if (b->mark[i] != COUNTS)
            continue;
        spread = deviation_of_others(b, n, i, p->ddof);
        if (f.answer == ALIGN_NORM_AS_FORMULA && spread == 0)
            f.answer = p->equal;
        if (f.answer == ALIGN_NORM_AS_FORMULA)
            f.divisor = align__norm_divisor(p, spread, &slope);
        if (f.answer == ALIGN_NORM_AS_UNIT)
            f = (struct formula){f.answer, 0, 0, align__norm_divisor(p, 1, &slope), 1};
        b->y[i] = evaluate(p, &f, b->x[i]);
    }
}

/* pass@k: the best answer earns what it is above the next, the others nothing. */
static void apply_best(const align_norm_params *p, const struct buffers *b, const struct formula *f,
                       int64_t n)
{
    int64_t best = -1, next = -1;
    for (int64_t i = 0; i < n; i++) {
        if (b->mark[i] != COUNTS)
            continue;
        if (best < 0 || b->x[i] > b->x[best]) {
            next = best;
            best = i;
        } else if (next < 0 || b->x[i] > b->x[next]) {
            next = i;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        struct formula mine = *f;
        mine.origin = next >= 0 ? b->x[next] : 0;
        mine.center = 0;
        bool formula = f->answer == ALIGN_NORM_AS_FORMULA || f->answer == ALIGN_NORM_AS_CENTER;
        if (b->mark[i] == COUNTS)
            b->y[i] = formula && i != best ? clipped(p, p->bias) : evaluate(p, &mine, b->x[i]);
    }
}

static void apply_ranks(const align_norm_params *p, const struct buffers *b, int64_t n)
{
    int64_t live = 0;
    double dy = 0;
    for (int64_t i = 0; i < n; i++)
        if (b->mark[i] == COUNTS)
            b->ranked[live++] = (struct align__ranked){b->x[i], i};
    align__norm_rank(b->ranked, live, p->kind);
    for (int64_t i = 0; i < live; i++)
        b->y[b->ranked[i].index] = align__norm_finish(p, b->ranked[i].x, &dy);
}

static void apply_curve(const struct work *work, const struct buffers *b, int64_t group, int64_t n)
{
    const align_norm_params *p = &work->g.params;
    const align_tensor *t = &work->g.args.reference;
    double reference = align__present(t) ? align__load(t->dtype, align__at(t, group, 0)) : 0;
    for (int64_t i = 0; i < n; i++) {
        double slope;
        if (b->mark[i] != COUNTS)
            continue;
        b->y[i] = align__norm_curve_at(p->kind, p->steepness, b->x[i] - reference, &slope);
        b->y[i] = align__norm_finish(p, b->y[i], &slope);
    }
}

/* b->y of one group. */
static struct wrong apply_group(const struct work *work, const struct buffers *b, int64_t group,
                                int64_t first, int64_t n)
{
    const align_norm_params *p = &work->g.params;
    struct wrong wrong = {ALIGN__SITE_NONE, first, 0, 0};
    struct set s;
    for (int64_t i = 0; i < n && work->g.refuses; i++)
        if (b->mark[i] == SPOILT)
            return (struct wrong){ALIGN__SITE_NORM_NOT_FINITE, first + i, b->x[i], 0};
    describe(&s, b->x, b->mark, n, p->ddof);
    struct formula f = make_formula(work, b, &s, first, n);
    if (f.answer == ALIGN_NORM_AS_REFUSE) {
        bool few = is_few(p, &s, &work->batch);
        wrong.site = few ? ALIGN__SITE_NORM_FEW : ALIGN__SITE_NORM_EQUAL;
        wrong.value = few ? (double)s.count : s.least;
        wrong.weight = (double)s.count;
        return wrong;
    }
    if (align__norm_is_rank(p->kind))
        apply_ranks(p, b, n);
    else if (p->kind >= ALIGN_NORM_REFERENCE && p->kind <= ALIGN_NORM_TANH)
        apply_curve(work, b, group, n);
    else if (p->kind == ALIGN_NORM_BEST)
        apply_best(p, b, &f, n);
    else if (p->kind == ALIGN_NORM_LEAVE_OUT_ZSCORE)
        apply_leave_out(p, b, &f, n);
    else
        for (int64_t i = 0; i < n; i++)
            b->y[i] = evaluate(p, &f, b->x[i]);
    for (int64_t i = 0; i < n; i++)
        if (b->mark[i] != COUNTS)
            b->y[i] = b->mark[i] == SPOILT && p->nan == ALIGN_NORM_NAN_KEEP ? (double)NAN : 0;
    return wrong;
}

static struct wrong run_group(const struct work *work, const struct buffers *b, int64_t group)
{
    const struct align__groups *g = &work->g;
    bool each = (g->args.flags & ALIGN_NORM_GROUPS_EACH) != 0;
    int64_t first, n;
    struct wrong wrong = {ALIGN__SITE_NONE, 0, 0, 0};
    align__groups_range(g, group, &first, &n);
    for (int64_t c = 0; c < (each ? g->models : 1); c++) {
        load_group(g, first, n, c, b);
        wrong = apply_group(work, b, group, first, n);
        if (wrong.site != ALIGN__SITE_NONE)
            return wrong;
        if (!each)
            break;
        double w = align__groups_weight(g, c);
        for (int64_t i = 0; i < n; i++)
            b->total[i] = (c == 0 ? 0 : b->total[i]) + w * b->y[i];
    }
    if (!work->dry)
        align__run_write(&g->out, first, n, each ? b->total : b->y);
    return wrong;
}

static struct buffers buffers_at(char *memory, int64_t n)
{
    double *at = (double *)(void *)memory;
    return (struct buffers){at, at + n, at + 2 * n, at + 3 * n,
                            (struct align__ranked *)(void *)(at + 4 * n)};
}

static size_t room_of(const struct work *work)
{
    return align__block((size_t)work->g.largest * REWARD_BYTES);
}

static void run_piece(void *ctx, int64_t task)
{
    struct work *work = ctx;
    _Alignas(double) char stack[ALIGN__GROUP_ON_STACK * REWARD_BYTES];
    char *memory = work->scratch != NULL ? work->scratch + (size_t)task * room_of(work) : stack;
    struct buffers b = buffers_at(memory, work->g.largest);
    int64_t last = work->g.groups * (task + 1) / work->pieces;
    work->wrong[task] = (struct wrong){ALIGN__SITE_NONE, 0, 0, 0};
    for (int64_t i = work->g.groups * task / work->pieces; i < last; i++) {
        work->wrong[task] = run_group(work, &b, i);
        if (work->wrong[task].site != ALIGN__SITE_NONE)
            return;
    }
}

/* What BATCH_SCALE and NONZERO need of all rewards of the call. */
static void describe_batch(struct work *work)
{
    _Alignas(double) char stack[ALIGN__GROUP_ON_STACK * REWARD_BYTES];
    struct buffers b = buffers_at(work->scratch != NULL ? work->scratch : stack, work->g.largest);
    struct set *all = &work->batch;
    int64_t first, n, nonzero = 0;
    double sum = 0, square = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < work->g.groups; i++) {
            align__groups_range(&work->g, i, &first, &n);
            load_group(&work->g, first, n, 0, &b);
            for (int64_t k = 0; k < n; k++) {
                if (b.mark[k] != COUNTS)
                    continue;
                double x = b.x[k], u = x - all->origin - all->mean;
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
    work->nonzero = nonzero > 0 ? (double)all->count / (double)nonzero : 0;
}

static align_status say_wrong(const align_exec *exec, const struct work *work,
                              const struct wrong *w)
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

static align_status run(const align_exec *exec, struct work *work, bool dry)
{
    work->dry = dry;
    align_status status = align__parallel(exec, work->pieces, run_piece, work);
    for (int64_t i = 0; i < work->pieces && status == ALIGN_E_NONE; i++)
        if (work->wrong[i].site != ALIGN__SITE_NONE)
            status = say_wrong(exec, work, &work->wrong[i]);
    return status;
}

static int64_t pieces_of(const struct align__groups *g)
{
    int64_t pieces = align__pieces(g->out.length);
    return pieces < g->groups ? pieces : g->groups;
}

static size_t scratch_of(const struct work *work)
{
    if (work->g.largest <= ALIGN__GROUP_ON_STACK)
        return 0;
    return (size_t)work->pieces * room_of(work) + align__arena_slack();
}

/* NaN results are kept, as norm.h says: under ALIGN_FLAG_FINITE they can only be answers that were asked for. */
static align_status apply_then(const align_exec *exec, const struct align__groups *g)
{
    align_norm_args args;
    align_exec lenient = *exec;
    lenient.flags &= ~(uint32_t)ALIGN_FLAG_FINITE;
    align_norm_args_init(&args, sizeof args);
    args.params = g->args.then;
    args.reward = args.out = g->args.out;
    args.mask = g->args.mask;
    return align_norm_apply(&lenient, NULL, &args);
}

align_status align_norm_groups(const align_exec *user_exec, const align_norm_groups_args *user_args)
{
    align_exec exec;
    struct work work = {0};
    struct align__arena arena;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__groups_enter(&exec, &work.g, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    work.pieces = pieces_of(&work.g);
    status = align__arena_open(&exec, &arena, scratch_of(&work));
    if (status != ALIGN_E_NONE)
        return status;
    if (scratch_of(&work) > 0)
        work.scratch = align__arena_take(&arena, (size_t)work.pieces * room_of(&work));
    const align_norm_params *p = &work.g.params;
    if (p->kind == ALIGN_NORM_BATCH_SCALE || p->kind == ALIGN_NORM_NONZERO)
        describe_batch(&work);
    bool checks = work.g.refuses || p->few == ALIGN_NORM_AS_REFUSE ||
                  p->equal == ALIGN_NORM_AS_REFUSE;
    if (checks)
        status = run(&exec, &work, true);
    if (status == ALIGN_E_NONE)
        status = run(&exec, &work, false);
    if (status == ALIGN_E_NONE && work.g.args.then != NULL)
        status = apply_then(&exec, &work.g);
    return status;
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
    work.pieces = pieces_of(&work.g);
    *least = *best = scratch_of(&work);
    return ALIGN_E_NONE;
}
