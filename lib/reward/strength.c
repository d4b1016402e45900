#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   "align_reward_strength_args"
#define READER "align_reward_strength_eval"

void align_reward_strength_args_init(align_reward_strength_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

static align_status check_options(const align_exec *exec, const align_reward_strength_args *a)
{
    const int64_t models = a->first.shape[0];
    const bool smoothed = a->labels == ALIGN_REWARD_LABELS_SMOOTHED;
    const struct align__reward_option rows[] = {
        {"ddof", a->ddof, a->ddof == 0 || a->ddof == 1, "0 or 1"},
        {"ddof", a->ddof, a->ddof < models, "a number below that of reward models"},
        {"labels", a->labels, a->labels >= 0 && a->labels <= ALIGN_REWARD_LABELS_SMOOTHED, "0..3"},
        {"flip_share", a->flip_share, a->flip_share >= 0 && a->flip_share <= 1, "0..1"},
        {"smoothing", a->smoothing, a->smoothing >= 0 && a->smoothing <= 0.5, "0..0.5"},
        {"smoothing", a->smoothing, smoothed || a->smoothing == 0, "0 without SMOOTHED labels"},
    };
    return align__reward_check_options(exec, ARGS, rows, sizeof rows / sizeof rows[0]);
}

static align_status open(align_exec *exec, align_reward_strength_args *a,
                         const align_exec *user_exec, const align_reward_strength_args *user_args)
{
    align_status status = align__enter(exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(exec, ARGS, a, sizeof *a, sizeof *a, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    const int64_t models = a->first.shape[0], m = a->first.shape[1];
    const struct align__reward_field fields[] = {
        {"first", &a->first, ALIGN__SET_REAL, 2, {models, m}, .needed = true},
        {"second", &a->second, ALIGN__SET_REAL, 2, {models, m}, .needed = false},
        {"mean", &a->mean, ALIGN__SET_WIDE, 1, {m}, .output = true},
        {"deviation", &a->deviation, ALIGN__SET_WIDE, 1, {m}, .output = true},
        {"flip", &a->flip, ALIGN__SET_MASK, 1, {m}, .output = true},
        {"prob", &a->prob, ALIGN__SET_WIDE, 1, {m}, .output = true},
        {"margin", &a->margin, ALIGN__SET_WIDE, 1, {m}, .output = true},
    };
    status = align__reward_check_fields(exec, ARGS, READER, fields,
                                        sizeof fields / sizeof fields[0]);
    return status == ALIGN_E_NONE ? check_options(exec, a) : status;
}

/* Room for the means, where pairs are to be flipped. */
static size_t scratch_of(const align_reward_strength_args *a)
{
    return a->flip_share == 0
               ? 0
               : align__arena_slack() + align__block(sizeof(double) * (size_t)a->first.shape[1]);
}

align_status align_reward_strength_scratch(const align_exec *user_exec,
                                           const align_reward_strength_args *user_args,
                                           size_t *least, size_t *best)
{
    align_exec exec;
    align_reward_strength_args a;
    align_status status = open(&exec, &a, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        *least = *best = scratch_of(&a);
    return status;
}

/* ---- numbers ------------------------------------------------------------------------------- */

static double element(const align_tensor *t, int64_t e, int64_t i)
{
    return align__present(t) ? align__load(t->dtype, align__at(t, e, i)) : 0;
}

static align_status check_rewards(const align_exec *exec, const align_reward_strength_args *a)
{
    const struct align__named both[] = {{ARGS, "first", &a->first}, {ARGS, "second", &a->second}};
    for (int side = 0; side < 2; side++) {
        const align_tensor *t = both[side].tensor;
        for (int64_t e = 0; align__present(t) && e < t->shape[0]; e++)
            for (int64_t i = 0; i < t->shape[1]; i++)
                if (!(fabs(element(t, e, i)) < INFINITY))
                    return ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = both[side].field,
                                       .axes = 2, .index = {e, i}, .value = element(t, e, i),
                                       .word = "finite");
    }
    return ALIGN_E_NONE;
}

struct strength {
    double mean, deviation, votes;
};

static struct strength strength_of(const align_reward_strength_args *a, int64_t i)
{
    struct strength s = {0};
    const int64_t models = a->first.shape[0];
    for (int64_t e = 0; e < models; e++) {
        double gap = element(&a->first, e, i) - element(&a->second, e, i);
        s.mean += gap;
        s.votes += gap > 0 ? 1 : gap == 0 ? 0.5 : 0;
    }
    s.mean /= (double)models;
    s.votes /= (double)models;
    double square = 0;
    for (int64_t e = 0; e < models; e++) {
        double away = element(&a->first, e, i) - element(&a->second, e, i) - s.mean;
        square += away * away;
    }
    s.deviation = sqrt(square / (double)(models - a->ddof));
    return s;
}

/* A whole number in the order of f64, -0 beside 0. */
static uint64_t rank_of(double x)
{
    uint64_t bits, sign = (uint64_t)1 << 63;
    x += 0.0;
    memcpy(&bits, &x, sizeof bits);
    return (bits & sign) != 0 ? ~bits : bits | sign;
}

/* The rank of the count-th smallest mean, bit by bit, and how many are smaller. */
static uint64_t find_rank(const double *means, int64_t m, int64_t count, int64_t *smaller)
{
    uint64_t rank = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t next = rank | (uint64_t)1 << bit;
        int64_t below = 0;
        for (int64_t i = 0; i < m; i++)
            below += rank_of(means[i]) < next;
        rank = below < count ? next : rank;
    }
    *smaller = 0;
    for (int64_t i = 0; i < m; i++)
        *smaller += rank_of(means[i]) < rank;
    return rank;
}

static double label_of(const align_reward_strength_args *a, struct strength s, bool flip)
{
    switch (a->labels) {
    case ALIGN_REWARD_LABELS_SIGMOID:
        return s.mean >= 0 ? 1 / (1 + exp(-s.mean)) : exp(s.mean) / (1 + exp(s.mean));
    case ALIGN_REWARD_LABELS_VOTES:
        return s.votes;
    case ALIGN_REWARD_LABELS_FLIPPED:
        return flip ? 0 : 1;
    default:
        return s.mean < 0 ? 1 - a->smoothing : 1;
    }
}

static void write_all(const align_reward_strength_args *a, const double *means)
{
    const int64_t m = a->first.shape[1];
    int64_t count = (int64_t)floor(a->flip_share * (double)m), equals = 0;
    uint64_t rank = count > 0 ? find_rank(means, m, count, &equals) : 0;
    equals = count - equals; /* of those at the rank itself, so many are flipped */
    for (int64_t i = 0; i < m; i++) {
        struct strength s = strength_of(a, i);
        uint64_t own = rank_of(s.mean);
        bool flip = count > 0 && (own < rank || (own == rank && equals-- > 0));
        align__reward_put(&a->mean, i, 0, s.mean);
        align__reward_put(&a->deviation, i, 0, s.deviation);
        align__reward_put(&a->flip, i, 0, flip);
        align__reward_put(&a->prob, i, 0, label_of(a, s, flip));
        align__reward_put(&a->margin, i, 0, s.mean);
    }
}

align_status align_reward_strength_eval(const align_exec *user_exec,
                                        const align_reward_strength_args *user_args)
{
    align_exec exec;
    align_reward_strength_args a;
    struct align__arena arena;
    align_status status = open(&exec, &a, user_exec, user_args);
    if (status == ALIGN_E_NONE)
        status = align__arena_open(&exec, &arena, scratch_of(&a));
    if (status == ALIGN_E_NONE)
        status = check_rewards(&exec, &a);
    if (status != ALIGN_E_NONE)
        return status;
    double *means = NULL;
    if (a.flip_share > 0) {
        means = align__arena_take(&arena, sizeof *means * (size_t)a.first.shape[1]);
        for (int64_t i = 0; i < a.first.shape[1]; i++)
            means[i] = strength_of(&a, i).mean;
    }
    write_all(&a, means);
    return ALIGN_E_NONE;
}
