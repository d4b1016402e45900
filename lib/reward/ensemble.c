#include "reward.h"

#include <math.h>
#include <string.h>

#define ARGS   "align_reward_ensemble_args"
#define READER "align_reward_ensemble_eval"

void align_reward_ensemble_args_init(align_reward_ensemble_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- kinds --------------------------------------------------------------------------------- */

/* Models of one answer: r_e = reward[e, i]. */
struct answer {
    const align_reward_ensemble_args *a;
    int64_t i, models;
};

static double reward_of(const struct answer *x, int64_t e)
{
    return align__load(x->a->reward.dtype, align__at(&x->a->reward, e, x->i));
}

static double mean_of(const struct answer *x)
{
    double sum = 0;
    for (int64_t e = 0; e < x->models; e++)
        sum += reward_of(x, e);
    return sum / (double)x->models;
}

/* NaN if there is one. */
static double least_of(const struct answer *x, double *equal)
{
    double least = INFINITY;
    *equal = 0;
    for (int64_t e = 0; e < x->models; e++) {
        double r = reward_of(x, e);
        if (!(r >= least)) {
            least = r;
            *equal = 0;
        }
        *equal += r == least;
        if (isnan(least))
            break;
    }
    return least;
}

/* A kind gives the value, and with gradient != NULL, at model e, d value / d r_e. */
static double eval_mean(const struct answer *x, int64_t e, double *gradient)
{
    (void)e;
    if (gradient != NULL)
        *gradient = 1 / (double)x->models;
    return mean_of(x);
}

static double eval_worst(const struct answer *x, int64_t e, double *gradient)
{
    double equal, least = least_of(x, &equal);
    if (gradient != NULL)
        *gradient = isnan(least) ? least : reward_of(x, e) == least ? 1 / equal : 0;
    return least;
}

/* mean - lambda sum (r - mean)^2 / (E - ddof); d/dr_e = 1/E - 2 lambda (r_e - mean) / (E - ddof). */
static double eval_variance(const struct answer *x, int64_t e, double *gradient)
{
    double mean = mean_of(x), square = 0, free = (double)(x->models - x->a->ddof);
    for (int64_t k = 0; k < x->models; k++)
        square += (reward_of(x, k) - mean) * (reward_of(x, k) - mean);
    if (gradient != NULL)
        *gradient = 1 / (double)x->models - 2 * x->a->lambda * (reward_of(x, e) - mean) / free;
    return mean - x->a->lambda * square / free;
}

/* -beta log mean exp(-r / beta), measured from the least; d/dr_e is the softmax of -r / beta. */
static double eval_soft_min(const struct answer *x, int64_t e, double *gradient)
{
    double equal, least = least_of(x, &equal), sum = 0, beta = x->a->beta;
    for (int64_t k = 0; k < x->models; k++)
        sum += reward_of(x, k) == least ? 1 : exp((least - reward_of(x, k)) / beta);
    if (gradient != NULL)
        *gradient = (reward_of(x, e) == least ? 1 : exp((least - reward_of(x, e)) / beta)) / sum;
    return least - beta * log(sum / (double)x->models);
}

static double (*const kinds[])(const struct answer *x, int64_t e, double *gradient) = {
    [ALIGN_REWARD_ENSEMBLE_MEAN] = eval_mean,
    [ALIGN_REWARD_ENSEMBLE_WORST] = eval_worst,
    [ALIGN_REWARD_ENSEMBLE_VARIANCE] = eval_variance,
    [ALIGN_REWARD_ENSEMBLE_SOFT_MIN] = eval_soft_min,
};

/* ---- the call ------------------------------------------------------------------------------ */

static align_status check_options(const align_exec *exec, const align_reward_ensemble_args *a)
{
    const int64_t models = a->reward.shape[0];
    const bool variance = a->kind == ALIGN_REWARD_ENSEMBLE_VARIANCE;
    const bool soft = a->kind == ALIGN_REWARD_ENSEMBLE_SOFT_MIN;
    const struct align__reward_option rows[] = {
        {"kind", a->kind, a->kind >= 0 && a->kind <= ALIGN_REWARD_ENSEMBLE_SOFT_MIN, "0..3"},
        {"reward (models)", (double)models, models >= 1, "1 or more"},
        {"ddof", a->ddof, a->ddof == 0 || (variance && a->ddof == 1), "0, or 1 with VARIANCE"},
        {"ddof", a->ddof, a->ddof < models, "a number below that of reward models"},
        {"lambda", a->lambda, a->lambda >= 0 && a->lambda < INFINITY, "finite and 0 or more"},
        {"lambda", a->lambda, variance || a->lambda == 0, "0 without VARIANCE"},
        {"beta", a->beta, soft ? a->beta > 0 && a->beta < INFINITY : a->beta == 0,
         "above 0 and finite with SOFT_MIN, else 0"},
    };
    return align__reward_check_options(exec, ARGS, rows, sizeof rows / sizeof rows[0]);
}

static align_status check(const align_exec *exec, const align_reward_ensemble_args *a)
{
    const int64_t models = a->reward.shape[0], n = a->reward.shape[1];
    const bool gradient = align__present(&a->dreward);
    const struct align__reward_field fields[] = {
        {"reward", &a->reward, ALIGN__SET_REAL, 2, {models, n}, .needed = true},
        {"dvalue", &a->dvalue, ALIGN__SET_WIDE, 1, {n}, .needed = gradient},
        {"value", &a->value, ALIGN__SET_WIDE, 1, {n}, .output = true, .needed = !gradient},
        {"dreward", &a->dreward, ALIGN__SET_WIDE, 2, {models, n}, .output = true},
    };
    align_status status = align__reward_check_fields(exec, ARGS, READER, fields,
                                                     sizeof fields / sizeof fields[0]);
    if (status == ALIGN_E_NONE && align__present(&a->dvalue) && !gradient)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = ARGS, .field = "dvalue",
                           .word = "a call without dreward");
    return status == ALIGN_E_NONE ? check_options(exec, a) : status;
}

enum { CHUNK = 1024 };

static void run_chunk(void *ctx, int64_t task)
{
    const align_reward_ensemble_args *a = ctx;
    struct answer x = {.a = a, .models = a->reward.shape[0]};
    int64_t n = a->reward.shape[1], end = (task + 1) * CHUNK;
    for (x.i = task * CHUNK; x.i < n && x.i < end; x.i++) {
        if (align__present(&a->value))
            align__reward_put(&a->value, x.i, 0, kinds[a->kind](&x, 0, NULL));
        for (int64_t e = 0; align__present(&a->dreward) && e < x.models; e++) {
            double gradient;
            kinds[a->kind](&x, e, &gradient);
            align__reward_put(&a->dreward, e, x.i,
                              gradient * align__reward_number(&a->dvalue, x.i, 0));
        }
    }
}

align_status align_reward_ensemble_eval(const align_exec *user_exec,
                                        const align_reward_ensemble_args *user_args)
{
    align_exec exec;
    align_reward_ensemble_args a;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, ARGS, &a, sizeof a, sizeof a, user_args);
    if (status == ALIGN_E_NONE)
        status = check(&exec, &a);
    if (status != ALIGN_E_NONE)
        return status;
    return align__parallel(&exec, (a.reward.shape[1] + CHUNK - 1) / CHUNK, run_chunk, &a);
}
