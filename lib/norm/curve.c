#include "norm.h"

#include <math.h>
#include <string.h>

/* ---- curves of x - reference ----------------------------------------------------------------- */

static double sigmoid(double u)
{
    return u >= 0 ? 1 / (1 + exp(-u)) : exp(u) / (1 + exp(u));
}

/* log sigma(u) = min(u, 0) - log(1 + exp(-|u|)): exact in both tails. */
static double log_sigmoid(double u)
{
    return (u < 0 ? u : 0) - log1p(exp(-fabs(u)));
}

/* The curve at u and its derivative. Reward transforms: LSC is log sigma(x - reference) (arXiv
 * 2402.00742), PAR the mean over references of sigma(k (x - reference)) (arXiv 2502.18770). */
double align__norm_curve_at(int32_t kind, double k, double u, double *slope)
{
    double s;
    switch (kind) {
    case ALIGN_NORM_SIGMOID:
        s = sigmoid(k * u);
        *slope = k * s * sigmoid(-k * u);
        return s;
    case ALIGN_NORM_LOG_SIGMOID:
        *slope = k * sigmoid(-k * u);
        return log_sigmoid(k * u);
    case ALIGN_NORM_TANH:
        s = 1 / cosh(k * u);
        *slope = k * s * s;
        return tanh(k * u);
    default:
        *slope = 1;
        return u;
    }
}

/* ---- ranks ------------------------------------------------------------------------------------ */

static void sift(struct align__ranked *r, int64_t root, int64_t n)
{
    struct align__ranked moved = r[root];
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && r[child + 1].x > r[child].x)
            child++;
        if (r[child].x <= moved.x)
            break;
        r[root] = r[child];
    }
    r[root] = moved;
}

static void sort(struct align__ranked *r, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift(r, i, n);
    for (int64_t i = n - 1; i > 0; i--) {
        struct align__ranked top = r[0];
        r[0] = r[i];
        r[i] = top;
        sift(r, 0, i);
    }
}

/* z with Phi(z) = p, 0 < p < 1: a rational start (Abramowitz and Stegun 26.2.22), then Halley's steps
 * on the distribution function itself. */
static double normal_quantile(double p)
{
    if (p == 0.5)
        return 0;
    double tail = p < 0.5 ? p : 1 - p;
    double t = sqrt(-2 * log(tail));
    double z = t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t));
    for (int i = 0; i < 3; i++) {
        double over = 0.5 * erfc(z * 0.70710678118654752440) - tail;
        double step = over * 2.50662827463100050242 * exp(z * z / 2);
        z += step / (1 + z * step / 2);
    }
    return p < 0.5 ? -z : z;
}

static double of_rank(int32_t kind, double rank, double n)
{
    if (kind == ALIGN_NORM_RANK_CENTER)
        return n > 1 ? (rank - 1) / (n - 1) - 0.5 : 0;
    double p = (rank - 0.5) / n;
    return kind == ALIGN_NORM_RANK_NORMAL ? normal_quantile(p) : p;
}

void align__norm_rank(struct align__ranked *r, int64_t n, int32_t kind)
{
    sort(r, n);
    for (int64_t first = 0, last; first < n; first = last) {
        for (last = first + 1; last < n && r[last].x == r[first].x;)
            last++;
        double y = of_rank(kind, 0.5 * (double)(first + 1 + last), (double)n);
        for (int64_t i = first; i < last; i++)
            r[i].x = y;
    }
}

/* ---- quantiles of sorted samples -------------------------------------------------------------- */

/* How many of n ascending samples are below x, or with `equal` at most x. */
static int64_t count_below(const struct align__run *samples, double x, bool equal)
{
    int64_t low = 0, high = samples->length;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        double sample;
        align__run_read(samples, middle, 1, &sample);
        if (sample < x || (equal && sample == x))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double quantile(const struct align__run *samples, double x)
{
    if (x != x)
        return x;
    int64_t below = count_below(samples, x, false), most = count_below(samples, x, true);
    return 0.5 * (double)(below + most) / (double)samples->length;
}

/* ---- batches ---------------------------------------------------------------------------------- */

struct work {
    const align_norm_params *params;
    struct align__run reward, mask, reference, out, dout, dreward;
    int64_t per_reward; /* references of one reward */
};

double align__norm_finish(const align_norm_params *p, double y, double *dy)
{
    y = p->gain * y + p->bias;
    *dy *= p->gain;
    if (p->clip_low == 0 && p->clip_high == 0)
        return y;
    if (y < p->clip_low || y > p->clip_high)
        *dy = 0;
    return y < p->clip_low ? p->clip_low : y > p->clip_high ? p->clip_high : y;
}

static double curve_value(const struct work *work, double x, int64_t i, double *dy)
{
    const align_norm_params *p = work->params;
    double y = 0, reference = 0, slope;
    *dy = 0;
    if (x - x != 0 && p->nan == ALIGN_NORM_NAN_ZERO)
        return 0;
    if (p->kind == ALIGN_NORM_QUANTILE)
        return align__norm_finish(p, quantile(&work->reference, x), dy);
    for (int64_t m = 0; m < work->per_reward; m++) {
        if (work->reference.length > 0)
            align__run_read(&work->reference, i * work->per_reward + m, 1, &reference);
        y += align__norm_curve_at(p->kind, p->steepness, x - reference, &slope);
        *dy += slope;
    }
    *dy /= (double)work->per_reward;
    return align__norm_finish(p, y / (double)work->per_reward, dy);
}

static void curve_piece(void *ctx, int64_t task)
{
    const struct work *work = ctx;
    double x[ALIGN__NORM_CHUNK], w[ALIGN__NORM_CHUNK], g[ALIGN__NORM_CHUNK];
    int64_t first, last;
    align__piece(work->reward.length, task, &first, &last);
    for (; first < last; first += ALIGN__NORM_CHUNK) {
        int64_t n = last - first < ALIGN__NORM_CHUNK ? last - first : ALIGN__NORM_CHUNK;
        align__run_read(&work->reward, first, n, x);
        align__run_weights(&work->mask, first, n, w);
        if (work->dreward.length > 0)
            align__run_read(&work->dout, first, n, g);
        for (int64_t i = 0; i < n; i++) {
            double dy = 0;
            bool finite = x[i] - x[i] == 0;
            x[i] = w[i] != 0 ? curve_value(work, x[i], first + i, &dy) : 0;
            g[i] = dy == 0 || !finite || work->dreward.length == 0 ? 0 : g[i] * dy;
        }
        if (work->out.length > 0)
            align__run_write(&work->out, first, n, x);
        if (work->dreward.length > 0)
            align__run_write(&work->dreward, first, n, g);
    }
}

bool align__norm_is_rank(int32_t kind)
{
    return kind == ALIGN_NORM_RANK || kind == ALIGN_NORM_RANK_CENTER ||
           kind == ALIGN_NORM_RANK_NORMAL;
}

size_t align__norm_curve_scratch(const align_norm_params *p, int64_t n)
{
    if (!align__norm_is_rank(p->kind))
        return 0;
    return align__block((size_t)n * sizeof(struct align__ranked)) + align__arena_slack();
}

static align_status rank_batch(const align_exec *exec, const struct work *work)
{
    struct align__arena arena;
    const align_norm_params *p = work->params;
    int64_t n = work->reward.length, live = 0;
    align_status status = align__arena_open(exec, &arena, align__norm_curve_scratch(p, n));
    if (status != ALIGN_E_NONE)
        return status;
    struct align__ranked *r = align__arena_take(&arena, (size_t)n * sizeof *r);
    const double zero = 0;
    for (int64_t i = 0; i < n; i++) {
        double x, w, y = 0;
        align__run_read(&work->reward, i, 1, &x);
        align__run_weights(&work->mask, i, 1, &w);
        if (w != 0 && x - x == 0)
            r[live++] = (struct align__ranked){x, i};
        else if (w != 0 && p->nan == ALIGN_NORM_NAN_KEEP)
            y = x - x;
        if (work->out.length > 0)
            align__run_write(&work->out, i, 1, &y);
        if (work->dreward.length > 0)
            align__run_write(&work->dreward, i, 1, &zero);
    }
    align__norm_rank(r, live, p->kind);
    for (int64_t i = 0; i < live && work->out.length > 0; i++) {
        double dy = 0, y = align__norm_finish(p, r[i].x, &dy);
        align__run_write(&work->out, r[i].index, 1, &y);
    }
    return ALIGN_E_NONE;
}

static align_status check_sorted(const align_exec *exec, const struct align__run *samples)
{
    double before = -INFINITY, x;
    for (int64_t i = 0; i < samples->length; i++, before = x) {
        align__run_read(samples, i, 1, &x);
        if (!(x >= before))
            return ALIGN__FAIL(exec, NORM_ORDER, .owner = "align_norm_args", .field = "reference",
                               .axes = 1, .index = {i}, .value = x, .low = before);
    }
    return ALIGN_E_NONE;
}

/* Shape of reference: like reward, or with one more axis; QUANTILE: [M], M of 1 or more. */
align_status align__norm_check_reference(const align_exec *exec, const align_norm_params *p,
                                         const align_norm_args *args)
{
    const struct align__named named = {"align_norm_args", "reference", &args->reference};
    const align_tensor *t = named.tensor;
    bool curved = p->kind >= ALIGN_NORM_REFERENCE && p->kind <= ALIGN_NORM_TANH;
    bool needed = p->kind == ALIGN_NORM_REFERENCE || p->kind == ALIGN_NORM_QUANTILE;
    if (!align__present(t) && needed)
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = named.owner, .field = named.field,
                           .word = "this kind");
    if (!align__present(t))
        return ALIGN_E_NONE;
    if (!needed && !curved)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = named.owner, .field = named.field,
                           .word = "this kind");
    align_status status = align__check_tensor(exec, named, ALIGN__SET_REAL);
    if (status != ALIGN_E_NONE)
        return status;
    int64_t shape[3] = {t->shape[0], t->shape[1], t->shape[2]};
    int32_t ndim = p->kind == ALIGN_NORM_QUANTILE ? 1 : args->reward.ndim;
    for (int32_t k = 0; curved && k < ndim; k++)
        shape[k] = args->reward.shape[k];
    if (curved && t->ndim == ndim + 1)
        ndim++;
    status = align__check_shape(exec, named, ndim, shape);
    if (status != ALIGN_E_NONE)
        return status;
    if (t->shape[ndim - 1] == 0 && (!curved || ndim > args->reward.ndim))
        return ALIGN__FAIL(exec, TENSOR_SIZE, .owner = named.owner, .field = named.field,
                           .low = ndim - 1, .high = 1);
    struct align__run samples = align__run_of(t);
    return p->kind == ALIGN_NORM_QUANTILE ? check_sorted(exec, &samples)
                                          : align__check_finite(exec, named);
}

align_status align__norm_curve(const align_exec *exec, const align_norm_params *p,
                               const align_norm_args *args)
{
    struct work work = {
        .params = p,
        .reward = align__run_of(&args->reward),
        .mask = align__run_of(&args->mask),
        .reference = align__run_of(&args->reference),
        .out = align__run_of(&args->out),
        .dout = align__run_of(&args->dout),
        .dreward = align__run_of(&args->dreward),
        .per_reward = 1,
    };
    if (args->reference.ndim > args->reward.ndim)
        work.per_reward = args->reference.shape[args->reward.ndim];
    if (align__norm_is_rank(p->kind))
        return rank_batch(exec, &work);
    return align__parallel(exec, align__pieces(work.reward.length), curve_piece, &work);
}
