#include "advantage.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Inputs under ALIGN_FLAG_FINITE, those where NaN has a meaning or a mask, and outputs. */
enum role { INPUT, LOOSE, OUTPUT };

/* A tensor of a call: what it must be. */
struct entry {
    const char *field;
    const align_tensor *tensor;
    int set;
    int32_t ndim;
    const int64_t *shape;
    bool needed;
    enum role role;
};

static align_status check_entries(const align_exec *exec, const char *owner,
                                  const struct entry *entries, int count)
{
    struct align__named all[8];
    align_status status = ALIGN_E_NONE;
    for (int i = 0; i < count && status == ALIGN_E_NONE; i++) {
        const struct entry *e = &entries[i];
        all[i] = (struct align__named){owner, e->field, e->tensor};
        if (e->needed && !align__present(e->tensor))
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = e->field,
                               .word = "the call");
        status = align__check_tensor(exec, all[i], e->set);
        if (status == ALIGN_E_NONE)
            status = align__check_shape(exec, all[i], e->ndim, e->shape);
    }
    for (int i = 0; i < count && status == ALIGN_E_NONE; i++)
        if (entries[i].role == OUTPUT)
            status = align__check_output(exec, all[i], all, count);
        else if (entries[i].role == INPUT && entries[i].set == ALIGN__SET_REAL)
            status = align__check_finite(exec, all[i]);
    return status;
}

static double load_at(const align_tensor *t, int64_t i)
{
    return align__load(t->dtype, align__at(t, i, 0));
}

static void store_at(const align_tensor *t, int64_t i, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__at(t, i, 0), x);
}

static void range_of(const align_tensor *offsets, int64_t b, int64_t *first, int64_t *end)
{
    memcpy(first, align__at(offsets, b, 0), sizeof *first);
    memcpy(end, align__at(offsets, b + 1, 0), sizeof *end);
}

/* Each of the values in [low, high], or RANGE with its index. */
static align_status check_values(const align_exec *exec, const char *owner, const struct entry *e,
                                 double low, double high, const char *word)
{
    for (int64_t i = 0; align__present(e->tensor) && i < e->tensor->shape[0]; i++) {
        double x = load_at(e->tensor, i);
        if (!(x >= low && x <= high))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = e->field, .axes = 1,
                               .index = {i}, .value = x, .word = word);
    }
    return ALIGN_E_NONE;
}

/* `parts` [M], and the offsets that cut it into sequences. */
static align_status check_cuts(const align_exec *exec, struct align__named parts,
                               const align_tensor *offsets, int64_t *count)
{
    int64_t largest;
    const struct align__named named = {parts.owner, "offsets", offsets};
    const struct entry entries[] = {
        {parts.field, parts.tensor, ALIGN__SET_REAL, 1, parts.tensor->shape, true, LOOSE},
        {"offsets", offsets, ALIGN__SET_OFFSET, 1, offsets->shape, true, LOOSE},
    };
    align_status status = check_entries(exec, parts.owner, entries, 2);
    if (status != ALIGN_E_NONE)
        return status;
    return align__check_offsets(exec, named, parts.tensor->shape[0], count, &largest);
}

static align_status enter(align_exec *exec, const align_exec *user_exec, const char *owner,
                          void *local, size_t size, const void *user)
{
    align_status status = align__enter(exec, user_exec);
    return status == ALIGN_E_NONE ? align__import(exec, owner, local, size, size, user) : status;
}

/* ---- ReNorm ----------------------------------------------------------------------------------- */

void align_renorm_args_init(align_renorm_args *args, size_t size)
{
    const align_renorm_args defaults = {.size = size, .beta = 1};
    memset(args, 0, size);
    memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

align_status align_renorm_eval(const align_exec *user_exec, const align_renorm_args *user_args)
{
    static const char owner[] = "align_renorm_args";
    align_exec exec;
    align_renorm_args a;
    int64_t sequences = 0, first, end;
    align_status status = enter(&exec, user_exec, owner, &a, sizeof a, user_args);
    if (status == ALIGN_E_NONE)
        status = check_cuts(&exec, (struct align__named){owner, "score", &a.score}, &a.offsets,
                            &sequences);
    if (status != ALIGN_E_NONE)
        return status;
    const struct entry entries[] = {
        {"score", &a.score, ALIGN__SET_REAL, 1, a.score.shape, true, LOOSE},
        {"most", &a.most, ALIGN__SET_REAL, 1, a.score.shape, false, INPUT},
        {"outcome", &a.outcome, ALIGN__SET_REAL, 1, &sequences, true, INPUT},
        {"offsets", &a.offsets, ALIGN__SET_OFFSET, 1, a.offsets.shape, true, INPUT},
        {"reward", &a.reward, ALIGN__SET_REAL, 1, a.score.shape, true, OUTPUT},
    };
    const struct align__number beta = {"beta", a.beta, -DBL_MAX, DBL_MAX, "a finite number"};
    status = check_entries(&exec, owner, entries, 5);
    if (status == ALIGN_E_NONE)
        status = align__check_numbers(&exec, owner, &beta, 1);
    if (status == ALIGN_E_NONE)
        status = check_values(&exec, owner, &entries[1], DBL_MIN, DBL_MAX,
                              "a finite number above 0");
    for (int64_t b = 0; b < sequences && status == ALIGN_E_NONE; b++) {
        range_of(&a.offsets, b, &first, &end);
        double outcome = load_at(&a.outcome, b);
        for (int64_t i = first; i < end; i++) {
            double p = load_at(&a.score, i);
            p = p != p ? 0 : p / (align__present(&a.most) ? load_at(&a.most, i) : 1);
            store_at(&a.reward, i, i == end - 1 ? outcome : p + outcome - a.beta);
        }
    }
    return status;
}

/* ---- progress --------------------------------------------------------------------------------- */

void align_progress_args_init(align_progress_args *args, size_t size)
{
    const align_progress_args defaults = {.size = size, .best_of = 1};
    memset(args, 0, size);
    memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

/* 1 - (1 - q)^k without loss at small q. */
static double best_of(double q, double k)
{
    return k == 1 ? q : -expm1(k * log1p(-q));
}

static void write_progress(const align_progress_args *a, int64_t first, int64_t end)
{
    double before = 0;
    for (int64_t i = first; i < end; i++) {
        double q = best_of(load_at(&a->prover, i), a->best_of);
        double advantage = i == first ? 0 : q - before;
        before = q;
        if (align__present(&a->effective))
            store_at(&a->effective, i,
                     i == first ? 0 : load_at(&a->policy, i) + a->alpha * advantage);
        store_at(&a->advantage, i, advantage);
    }
}

align_status align_progress_eval(const align_exec *user_exec, const align_progress_args *user_args)
{
    static const char owner[] = "align_progress_args";
    align_exec exec;
    align_progress_args a;
    int64_t sequences = 0, first, end;
    align_status status = enter(&exec, user_exec, owner, &a, sizeof a, user_args);
    if (status == ALIGN_E_NONE)
        status = check_cuts(&exec, (struct align__named){owner, "prover", &a.prover}, &a.offsets,
                            &sequences);
    if (status != ALIGN_E_NONE)
        return status;
    bool effective = align__present(&a.effective);
    const struct entry entries[] = {
        {"prover", &a.prover, ALIGN__SET_REAL, 1, a.prover.shape, true, INPUT},
        {"policy", &a.policy, ALIGN__SET_REAL, 1, a.prover.shape, effective, INPUT},
        {"offsets", &a.offsets, ALIGN__SET_OFFSET, 1, a.offsets.shape, true, INPUT},
        {"advantage", &a.advantage, ALIGN__SET_REAL, 1, a.prover.shape, !effective, OUTPUT},
        {"effective", &a.effective, ALIGN__SET_REAL, 1, a.prover.shape, false, OUTPUT},
    };
    const struct align__number numbers[] = {
        {"best_of", a.best_of, 1, DBL_MAX, "a finite number of 1 or more"},
        {"alpha", a.alpha, -DBL_MAX, DBL_MAX, "a finite number"},
    };
    status = check_entries(&exec, owner, entries, 5);
    if (status == ALIGN_E_NONE)
        status = align__check_numbers(&exec, owner, numbers, 2);
    if (status == ALIGN_E_NONE && !effective && (align__present(&a.policy) || a.alpha != 0))
        status = ALIGN__FAIL(&exec, FIELD_UNREAD, .owner = owner,
                             .field = a.alpha != 0 ? "alpha" : "policy",
                             .word = "a call without effective");
    if (status == ALIGN_E_NONE)
        status = check_values(&exec, owner, &entries[0], 0, 1, "a probability");
    for (int64_t b = 0; b < sequences && status == ALIGN_E_NONE; b++) {
        range_of(&a.offsets, b, &first, &end);
        write_progress(&a, first, end);
    }
    return status;
}

/* ---- follow-ups ------------------------------------------------------------------------------- */

void align_followup_args_init(align_followup_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

static double followup_reward(const align_followup_args *a, int64_t b)
{
    struct align__run logp = align__run_of(&a->logp), mask = align__run_of(&a->mask);
    int64_t strings = a->logp.shape[1], tokens = a->logp.shape[2];
    double sum[2] = {0, 0}, count[2] = {0, 0};
    for (int64_t f = 0; f < strings; f++) {
        double total = 0, n = 0;
        for (int64_t t = 0; t < tokens; t++) {
            int64_t at = (b * strings + f) * tokens + t;
            double x, w;
            align__run_weights(&mask, at, 1, &w);
            if (w == 0)
                continue;
            align__run_read(&logp, at, 1, &x);
            total += x;
            n++;
        }
        int side = load_at(&a->sign, f) > 0;
        sum[side] += n > 0 ? total / n : 0;
        count[side] += n > 0;
    }
    return (count[1] > 0 ? sum[1] / count[1] : 0) - (count[0] > 0 ? sum[0] / count[0] : 0);
}

align_status align_followup_eval(const align_exec *user_exec, const align_followup_args *user_args)
{
    static const char owner[] = "align_followup_args";
    align_exec exec;
    align_followup_args a;
    align_status status = enter(&exec, user_exec, owner, &a, sizeof a, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    const struct entry entries[] = {
        {"logp", &a.logp, ALIGN__SET_REAL, 3, a.logp.shape, true, LOOSE},
        {"mask", &a.mask, ALIGN__SET_MASK, 3, a.logp.shape, false, INPUT},
        {"sign", &a.sign, ALIGN__SET_INDEX, 1, &a.logp.shape[1], true, INPUT},
        {"reward", &a.reward, ALIGN__SET_REAL, 1, a.logp.shape, true, OUTPUT},
    };
    status = check_entries(&exec, owner, entries, 4);
    if (status == ALIGN_E_NONE)
        status = align__check_mask(&exec, (struct align__named){owner, "mask", &a.mask});
    if (status == ALIGN_E_NONE)
        status = align__check_counted(&exec, (struct align__named){owner, "logp", &a.logp},
                                      &a.mask);
    for (int64_t f = 0; status == ALIGN_E_NONE && f < a.logp.shape[1]; f++)
        if (fabs(load_at(&a.sign, f)) != 1)
            status = ALIGN__FAIL(&exec, FIELD_VALUE, .owner = owner, .field = "sign", .axes = 1,
                                 .index = {f}, .value = load_at(&a.sign, f), .word = "1 or -1");
    for (int64_t b = 0; b < a.reward.shape[0] && status == ALIGN_E_NONE; b++)
        store_at(&a.reward, b, followup_reward(&a, b));
    return status;
}

/* ---- claims ----------------------------------------------------------------------------------- */

void align_claims_args_init(align_claims_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

align_status align_claims_eval(const align_exec *user_exec, const align_claims_args *user_args)
{
    static const char owner[] = "align_claims_args";
    align_exec exec;
    align_claims_args a;
    int64_t sequences = 0, first, end;
    align_status status = enter(&exec, user_exec, owner, &a, sizeof a, user_args);
    if (status == ALIGN_E_NONE)
        status = check_cuts(&exec, (struct align__named){owner, "accept", &a.accept}, &a.offsets,
                            &sequences);
    if (status != ALIGN_E_NONE)
        return status;
    const struct entry entries[] = {
        {"accept", &a.accept, ALIGN__SET_REAL, 1, a.accept.shape, true, INPUT},
        {"reject", &a.reject, ALIGN__SET_REAL, 1, a.accept.shape, true, INPUT},
        {"offsets", &a.offsets, ALIGN__SET_OFFSET, 1, a.offsets.shape, true, INPUT},
        {"reward", &a.reward, ALIGN__SET_REAL, 1, &sequences, true, OUTPUT},
    };
    status = check_entries(&exec, owner, entries, 4);
    for (int64_t b = 0; b < sequences && status == ALIGN_E_NONE; b++) {
        double rejected = 0;
        range_of(&a.offsets, b, &first, &end);
        for (int64_t i = first; i < end; i++)
            rejected += !(load_at(&a.accept, i) > load_at(&a.reject, i));
        store_at(&a.reward, b, rejected > 0 ? -rejected : 0);
    }
    return status;
}

/* ---- aspects ---------------------------------------------------------------------------------- */

void align_aspects_args_init(align_aspects_args *args, size_t size)
{
    const align_aspects_args defaults = {.size = size, .range = 4};
    memset(args, 0, size);
    memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

static double mean_rating(const align_tensor *rating, int64_t b)
{
    double sum = 0, count = 0;
    for (int64_t k = 0; k < rating->shape[1]; k++) {
        double x = align__load(rating->dtype, align__at(rating, b, k));
        sum += x == x ? x : 0;
        count += x == x;
    }
    return count > 0 ? sum / count : (double)NAN;
}

align_status align_aspects_eval(const align_exec *user_exec, const align_aspects_args *user_args)
{
    static const char owner[] = "align_aspects_args";
    align_exec exec;
    align_aspects_args a;
    align_status status = enter(&exec, user_exec, owner, &a, sizeof a, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    bool pairs = align__present(&a.margin);
    const struct entry entries[] = {
        {"chosen", &a.chosen, ALIGN__SET_INDEX, 1, a.chosen.shape, pairs, INPUT},
        {"rejected", &a.rejected, ALIGN__SET_INDEX, 1, a.chosen.shape, pairs, INPUT},
        {"rating", &a.rating, ALIGN__SET_REAL, 2, a.rating.shape, true, LOOSE},
        {"score", &a.score, ALIGN__SET_REAL, 1, a.rating.shape, !pairs, OUTPUT},
        {"margin", &a.margin, ALIGN__SET_REAL, 1, a.chosen.shape, false, OUTPUT},
    };
    const struct align__number range = {"range", a.range, DBL_MIN, DBL_MAX,
                                        "a finite number above 0"};
    status = check_entries(&exec, owner, entries, 5);
    if (status == ALIGN_E_NONE)
        status = align__check_numbers(&exec, owner, &range, 1);
    if (status == ALIGN_E_NONE && !pairs &&
        (align__present(&a.chosen) || align__present(&a.rejected)))
        status = ALIGN__FAIL(&exec, FIELD_UNREAD, .owner = owner,
                             .field = align__present(&a.chosen) ? "chosen" : "rejected",
                             .word = "a call without margin");
    for (int k = 0; k < 2 && status == ALIGN_E_NONE; k++)
        status = check_values(&exec, owner, &entries[k], 0, (double)a.rating.shape[0] - 1,
                              "the index of an answer");
    if (status != ALIGN_E_NONE)
        return status;
    for (int64_t b = 0; b < a.rating.shape[0]; b++)
        store_at(&a.score, b, mean_rating(&a.rating, b));
    for (int64_t i = 0; pairs && i < a.margin.shape[0]; i++) {
        double chosen = mean_rating(&a.rating, (int64_t)load_at(&a.chosen, i));
        double rejected = mean_rating(&a.rating, (int64_t)load_at(&a.rejected, i));
        store_at(&a.margin, i, fabs(chosen - rejected) / a.range);
    }
    return ALIGN_E_NONE;
}
