#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   "align_reward_pool_args"
#define READER "align_reward_pool_fit"

void align_reward_pool_args_init(align_reward_pool_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

static align_status check(const align_exec *exec, const align_reward_pool_args *a)
{
    const int64_t people = a->estimate.shape[0], f = a->estimate.shape[1];
    const struct align__reward_field fields[] = {
        {"estimate", &a->estimate, ALIGN__SET_WIDE, 2, {people, f}, .needed = true},
        {"variance", &a->variance, ALIGN__SET_WIDE, 2, {people, f}, .needed = true},
        {"mean", &a->mean, ALIGN__SET_WIDE, 1, {f}, .output = true},
        {"se", &a->se, ALIGN__SET_WIDE, 1, {f}, .output = true},
        {"tau2", &a->tau2, ALIGN__SET_WIDE, 1, {f}, .output = true},
        {"q", &a->q, ALIGN__SET_WIDE, 1, {f}, .output = true},
        {"slope", &a->slope, ALIGN__SET_WIDE, 2, {people, f}, .output = true},
    };
    const struct align__reward_option method = {
        "method", a->method, a->method >= 0 && a->method <= ALIGN_REWARD_POOL_ML, "0..4"};
    align_status status = align__reward_check_fields(exec, ARGS, READER, fields,
                                                     sizeof fields / sizeof fields[0]);
    if (status == ALIGN_E_NONE)
        status = align__reward_check_options(exec, ARGS, &method, 1);
    for (int64_t i = 0; status == ALIGN_E_NONE && i < people * f; i++) {
        int64_t row = i / f, column = i % f;
        double b = align__load(a->estimate.dtype, align__at(&a->estimate, row, column));
        double v = align__load(a->variance.dtype, align__at(&a->variance, row, column));
        if (isinf(b))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "estimate", .axes = 2,
                               .index = {row, column}, .value = b, .word = "finite, or NaN");
        if (!isnan(b) && !(v > 0 && v < INFINITY))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "variance", .axes = 2,
                               .index = {row, column}, .value = v, .word = "finite and above 0");
    }
    return status;
}

/* ---- one slope ----------------------------------------------------------------------------- */

struct column {
    const align_reward_pool_args *a;
    int64_t at;
    double tau2;
};

/* Sums at tau^2, with w = 1 / (v + tau^2) and e = b - mean. */
struct sums {
    double count, w, w2, w3, mean, we2, w2e2;
};

/* NaN where there is no estimate. */
static double weight_of(const struct column *c, int64_t i, double *estimate)
{
    const align_reward_pool_args *a = c->a;
    *estimate = align__load(a->estimate.dtype, align__at(&a->estimate, i, c->at));
    double v = align__load(a->variance.dtype, align__at(&a->variance, i, c->at));
    return isnan(*estimate) ? (double)NAN : 1 / (v + c->tau2);
}

static struct sums sum_up(const struct column *c)
{
    struct sums s = {0};
    int64_t people = c->a->estimate.shape[0];
    double b;
    for (int64_t i = 0; i < people; i++) {
        double w = weight_of(c, i, &b);
        if (isnan(w))
            continue;
        s.count++;
        s.w += w;
        s.w2 += w * w;
        s.w3 += w * w * w;
        s.mean += w * b;
    }
    s.mean /= s.w;
    for (int64_t i = 0; i < people; i++) {
        double w = weight_of(c, i, &b), e = b - s.mean;
        if (isnan(w))
            continue;
        s.we2 += w * e * e;
        s.w2e2 += w * w * e * e;
    }
    return s;
}

/* The step of tau^2 that a method takes from here. Q(tau^2) is convex and falls with slope -sum w^2 e^2, so
 * Newton's steps towards A - 1 never pass it. With P = W - w w' / sum w, the scores of the likelihoods are
 * (sum w^2 e^2 - tr P) / 2 and (sum w^2 e^2 - tr W) / 2, their informations tr P^2 / 2 and tr W^2 / 2. */
static double step_of(int32_t method, const struct sums *s)
{
    double trace = s->w - s->w2 / s->w;
    double trace2 = s->w2 - 2 * s->w3 / s->w + (s->w2 / s->w) * (s->w2 / s->w);
    switch (method) {
    case ALIGN_REWARD_POOL_PAULE_MANDEL:
        return (s->we2 - (s->count - 1)) / s->w2e2;
    case ALIGN_REWARD_POOL_REML:
        return (s->w2e2 - trace) / trace2;
    default:
        return (s->w2e2 - s->w) / s->w2;
    }
}

/* Fisher scoring starts from the moments, which are of the right size. */
static void find_tau2(struct column *c, const struct sums *fixed)
{
    enum { STEPS = 1000 };
    int32_t method = c->a->method;
    if (method == ALIGN_REWARD_POOL_FIXED || !(fixed->count > 1))
        return;
    if (method != ALIGN_REWARD_POOL_PAULE_MANDEL)
        c->tau2 = fmax(0, (fixed->we2 - (fixed->count - 1)) / (fixed->w - fixed->w2 / fixed->w));
    for (int k = 0; method != ALIGN_REWARD_POOL_DERSIMONIAN_LAIRD && k < STEPS; k++) {
        struct sums s = sum_up(c);
        double before = c->tau2;
        c->tau2 = fmax(0, before + step_of(method, &s));
        if (fabs(c->tau2 - before) <= 1e-15 * before)
            break;
    }
}

static void pool_column(void *ctx, int64_t at)
{
    const align_reward_pool_args *a = ctx;
    struct column c = {.a = a, .at = at};
    struct sums fixed = sum_up(&c), s;
    find_tau2(&c, &fixed);
    s = sum_up(&c);
    align__reward_put(&a->mean, at, 0, s.mean);
    align__reward_put(&a->se, at, 0, s.count > 0 ? sqrt(1 / s.w) : (double)NAN);
    align__reward_put(&a->tau2, at, 0, s.count > 0 ? c.tau2 : (double)NAN);
    align__reward_put(&a->q, at, 0, s.count > 0 ? fixed.we2 : (double)NAN);
    for (int64_t i = 0; align__present(&a->slope) && i < a->estimate.shape[0]; i++) {
        double b, w = weight_of(&c, i, &b);
        align__reward_put(&a->slope, i, at, isnan(w) ? s.mean : s.mean + c.tau2 * w * (b - s.mean));
    }
}

align_status align_reward_pool_fit(const align_exec *user_exec,
                                   const align_reward_pool_args *user_args)
{
    align_exec exec;
    align_reward_pool_args a;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, ARGS, &a, sizeof a, sizeof a, user_args);
    if (status == ALIGN_E_NONE)
        status = check(&exec, &a);
    return status == ALIGN_E_NONE ? align__parallel(&exec, a.estimate.shape[1], pool_column, &a)
                                  : status;
}
