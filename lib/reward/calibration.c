#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   "align_reward_calibration_args"
#define READER "align_reward_calibration_update"

void align_reward_calibration_args_init(align_reward_calibration_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

enum { WEIGHT, BRIER, LOG_LOSS, JUDGED, RIGHT, TOTALS };

struct pair {
    double z, prob, weight;
};

static struct pair pair_of(const align_reward_calibration_args *a, int64_t i)
{
    return (struct pair){
        align__reward_number(&a->first, i, 0) - align__reward_number(&a->second, i, 0),
        align__reward_number(&a->prob, i, 1), align__reward_number(&a->weight, i, 1)};
}

#define ROW_FAIL(site, name, ...)                                                                  \
    ALIGN__FAIL(exec, site, .owner = ARGS, .field = name, .axes = 1, .index = {i}, __VA_ARGS__)

static align_status check_rows(const align_exec *exec, const align_reward_calibration_args *a)
{
    for (int64_t i = 0; i < a->first.shape[0]; i++) {
        struct pair pair = pair_of(a, i);
        double first = align__reward_number(&a->first, i, 0);
        double second = align__reward_number(&a->second, i, 0);
        if (isnan(first))
            return ROW_FAIL(FIELD_VALUE, "first", .value = first, .word = "a number");
        if (isnan(pair.z))
            return ROW_FAIL(FIELD_VALUE, "second", .value = second,
                            .word = "a number, and not the same infinity as first");
        if (!(pair.prob >= 0 && pair.prob <= 1))
            return ROW_FAIL(FIELD_BOUNDS, "prob", .value = pair.prob, .high = 1);
        if (!(pair.weight >= 0 && pair.weight < INFINITY))
            return ROW_FAIL(FIELD_VALUE, "weight", .value = pair.weight,
                            .word = "finite and 0 or more");
    }
    return ALIGN_E_NONE;
}

static align_status check(const align_exec *exec, const align_reward_calibration_args *a)
{
    int64_t m = a->first.shape[0], bins = a->bins.shape[0];
    bool binned = align__present(&a->bins);
    const struct align__reward_field fields[] = {
        {"first", &a->first, ALIGN__SET_REAL, 1, {m}, .needed = true},
        {"second", &a->second, ALIGN__SET_REAL, 1, {m}, .needed = false},
        {"prob", &a->prob, ALIGN__SET_REAL, 1, {m}, .needed = false},
        {"weight", &a->weight, ALIGN__SET_REAL, 1, {m}, .needed = false},
        {"bins", &a->bins, ALIGN__SET_F64, 2, {bins, 3}, .output = true},
        {"totals", &a->totals, ALIGN__SET_F64, 1, {TOTALS}, .output = true, .needed = !binned},
    };
    align_status status = align__reward_check_fields(exec, ARGS, READER, fields,
                                                     sizeof fields / sizeof fields[0]);
    const struct align__reward_option option = {"bins (rows)", (double)bins, !binned || bins >= 1,
                                                "1 or more"};
    if (status == ALIGN_E_NONE)
        status = align__reward_check_options(exec, ARGS, &option, 1);
    return status == ALIGN_E_NONE ? check_rows(exec, a) : status;
}

static void add(const align_tensor *t, int64_t i, int64_t j, double x)
{
    if (align__present(t) && x != 0)
        *(double *)align__at(t, i, j) += x;
}

/* y softplus(-z) + (1 - y) softplus(z), where a share of 0 has no part in an infinite one. */
static double loss_of(struct pair pair)
{
    double tail = log1p(exp(-fabs(pair.z))), against = pair.z > 0 ? 1 - pair.prob : pair.prob;
    return tail + (against > 0 ? against * fabs(pair.z) : 0);
}

static void add_pair(const align_reward_calibration_args *a, struct pair pair)
{
    double small = exp(-fabs(pair.z)), near = 1 / (1 + small), far = small / (1 + small);
    double p = pair.z > 0 ? near : far;
    /* p - prob, from the side where little is lost */
    double error = pair.z > 0 ? (1 - pair.prob) - far : far - pair.prob;
    if (align__present(&a->bins)) {
        int64_t bins = a->bins.shape[0], at = (int64_t)(p * (double)bins);
        at = at < bins ? at : bins - 1;
        add(&a->bins, at, 0, pair.weight);
        add(&a->bins, at, 1, pair.weight * p);
        add(&a->bins, at, 2, pair.weight * pair.prob);
    }
    add(&a->totals, WEIGHT, 0, pair.weight);
    add(&a->totals, BRIER, 0, pair.weight * error * error);
    add(&a->totals, LOG_LOSS, 0, pair.weight * loss_of(pair));
    if (pair.prob == 0.5)
        return;
    double turned = pair.prob > 0.5 ? pair.z : -pair.z;
    add(&a->totals, JUDGED, 0, pair.weight);
    add(&a->totals, RIGHT, 0, turned > 0 ? pair.weight : turned == 0 ? pair.weight / 2 : 0);
}

align_status align_reward_calibration_update(const align_exec *user_exec,
                                             const align_reward_calibration_args *user_args)
{
    align_exec exec;
    align_reward_calibration_args a;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, ARGS, &a, sizeof a, sizeof a, user_args);
    if (status == ALIGN_E_NONE)
        status = check(&exec, &a);
    for (int64_t i = 0; status == ALIGN_E_NONE && i < a.first.shape[0]; i++) {
        struct pair pair = pair_of(&a, i);
        if (pair.weight > 0)
            add_pair(&a, pair);
    }
    return status;
}
