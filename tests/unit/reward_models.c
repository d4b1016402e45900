/* Models of linear rewards beyond the plain pair: at the minimum of what the header says, by finite
 * differences of a separate long double version; known answers; separation; every way in. */
#include "../suite.h"

#include <libalign/reward.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { M = 120, D = 4, K = 5, MOST = D + 1 + 8 };

static double first[M][D], second[M][D], features[M * K][D];
static double prob[M], margin[M], offset[M], weight[M], l2_each[D], center[D];
static int32_t grade[M], list[M][K];
static double coef[D], se[D], threshold[8], threshold_se[8];
static align_error error;
static uint32_t state = 5;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int32_t below(int32_t n)
{
    return (int32_t)(uniform() * n);
}

static align_status fit_on(align_exec *exec, align_reward_args *args)
{
    size_t least, best;
    align_error_init(&error, sizeof error);
    exec->error = &error;
    align_status status = align_reward_scratch(exec, args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec->scratch = malloc(least);
    exec->scratch_size = least;
    status = align_reward_fit(exec, args);
    free(exec->scratch);
    return status;
}

static align_status fit(align_reward_args *args)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    return fit_on(&exec, args);
}

static void must_fit(align_reward_args *args)
{
    align_status status = fit(args);
    ck_assert_msg(status == ALIGN_E_NONE, "%s", error.text);
}

static void near(double found, double expected, double tolerance, const char *what, int64_t i)
{
    ck_assert_msg(fabs(found - expected) <= tolerance, "%s[%d] = %.15g, expected %.15g", what,
                  (int)i, found, expected);
}

/* ---- the objective, by its definition ------------------------------------------------------ */

typedef long double quad;

static quad logistic(quad x)
{
    return 1 / (1 + expl(-x));
}

/* Thresholds from the learned parameters after coef and position. */
static void unfold(const align_reward_args *a, const quad *p, quad *t)
{
    int n = a->levels - 1;
    for (int k = 0; k < n; k++)
        if ((a->flags & ALIGN_REWARD_SYMMETRIC) == 0)
            t[k] = p[k];
        else
            t[k] = 2 * k == n - 1  ? 0
                   : 2 * k > n - 1 ? p[k - (n + 1) / 2]
                                   : -p[n - 1 - k - (n + 1) / 2];
}

static quad loss_of_pair(const align_reward_args *a, int r, quad z, const quad *p)
{
    quad m = margin[r], y = prob[r] + a->label_smoothing * (1 - 2 * prob[r]), t[8];
    quad down = (a->flags & ALIGN_REWARD_TWO_SIDED) != 0 ? -m : m;
    switch (a->model) {
    case ALIGN_REWARD_LOGISTIC:
        return -y * logl(logistic(z - m)) - (1 - y) * logl(logistic(-(z - down)));
    case ALIGN_REWARD_DAVIDSON: {
        quad win = expl((z - m) / 2), lose = expl(-(z - m) / 2), tie = expl(p[0]);
        quad seen = prob[r] == 1 ? win : prob[r] == 0 ? lose : tie;
        return -logl(seen / (win + lose + tie));
    }
    case ALIGN_REWARD_RAO_KUPPER: {
        quad win = logistic(z - m - p[0]), lose = logistic(-(z - m) - p[0]);
        return -logl(prob[r] == 1 ? win : prob[r] == 0 ? lose : 1 - win - lose);
    }
    default:
        unfold(a, p, t);
        quad upto = grade[r] == a->levels - 1 ? 1 : logistic(t[grade[r]] - (z - m));
        quad before = grade[r] == 0 ? 0 : logistic(t[grade[r] - 1] - (z - m));
        return -logl(upto - before);
    }
}

static quad loss_of_list(const align_reward_args *a, int r, const quad *w)
{
    quad s[K], total = 0;
    int n = 0;
    for (; n < K && list[r][n] >= 0; n++) {
        s[n] = 0;
        for (int d = 0; d < D; d++)
            s[n] += w[d] * features[list[r][n]][d];
    }
    for (int j = 0; j < n - 1 && (a->stages == 0 || j < a->stages); j++) {
        quad sum = 0;
        for (int l = j; l < n; l++)
            sum += expl(s[l]);
        total -= s[j] - logl(sum);
    }
    return total;
}

/* p: coefficients, position if asked for, learned thresholds. */
static quad objective(const align_reward_args *a, const quad *p)
{
    quad total = 0;
    const quad *extra = p + D + ((a->flags & ALIGN_REWARD_POSITION) != 0);
    for (int r = 0; r < M; r++) {
        quad z = offset[r];
        for (int d = 0; d < D; d++)
            z += p[d] * ((quad)first[r][d] - second[r][d]);
        if ((a->flags & ALIGN_REWARD_POSITION) != 0)
            z += p[D];
        total += weight[r] * (a->model == ALIGN_REWARD_LISTS ? loss_of_list(a, r, p)
                                                             : loss_of_pair(a, r, z, extra));
    }
    for (int d = 0; d < D; d++)
        total += (a->l2 + l2_each[d]) * (p[d] - center[d]) * (p[d] - center[d]) / 2;
    return total;
}

static quad slope_of(const align_reward_args *a, const quad *p, int i)
{
    const quad h = 1e-5L;
    quad at[MOST];
    memcpy(at, p, sizeof at);
    at[i] += h;
    quad up = objective(a, at);
    at[i] -= 2 * h;
    return (up - objective(a, at)) / (2 * h);
}

/* ---- cases --------------------------------------------------------------------------------- */

static const struct {
    int32_t model, levels;
    uint32_t flags;
    int64_t stages;
    double smoothing, l2;
} cases[] = {
    {ALIGN_REWARD_LOGISTIC, 0, 0, 0, 0.1, 0},
    {ALIGN_REWARD_LOGISTIC, 0, ALIGN_REWARD_POSITION, 0, 0, 0},
    {ALIGN_REWARD_LOGISTIC, 0, ALIGN_REWARD_POSITION | ALIGN_REWARD_TWO_SIDED, 0, 0.2, 0.5},
    {ALIGN_REWARD_DAVIDSON, 0, 0, 0, 0, 0},
    {ALIGN_REWARD_DAVIDSON, 0, ALIGN_REWARD_POSITION, 0, 0, 0.5},
    {ALIGN_REWARD_RAO_KUPPER, 0, 0, 0, 0, 0},
    {ALIGN_REWARD_RAO_KUPPER, 0, ALIGN_REWARD_POSITION, 0, 0, 0.5},
    {ALIGN_REWARD_ORDINAL, 2, 0, 0, 0, 0},
    {ALIGN_REWARD_ORDINAL, 2, ALIGN_REWARD_SYMMETRIC, 0, 0, 0},
    {ALIGN_REWARD_ORDINAL, 3, ALIGN_REWARD_SYMMETRIC, 0, 0, 0},
    {ALIGN_REWARD_ORDINAL, 5, 0, 0, 0, 0.5},
    {ALIGN_REWARD_ORDINAL, 6, ALIGN_REWARD_SYMMETRIC | ALIGN_REWARD_POSITION, 0, 0, 0},
    {ALIGN_REWARD_ORDINAL, 7, ALIGN_REWARD_SYMMETRIC, 0, 0, 0.5},
    {ALIGN_REWARD_LISTS, 0, 0, 0, 0, 0},
    {ALIGN_REWARD_LISTS, 0, 0, 1, 0, 0},
    {ALIGN_REWARD_LISTS, 0, 0, 2, 0, 0.5},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void draw(int32_t model, int32_t levels)
{
    for (int r = 0; r < M; r++) {
        double z = 0;
        for (int d = 0; d < D; d++) {
            first[r][d] = 2 * uniform() - 1;
            second[r][d] = 2 * uniform() - 1;
            z += (d % 2 == 0 ? 1 : -0.7) * (first[r][d] - second[r][d]);
        }
        double noisy = z + log(1 / uniform() - 1 + 1e-9);
        prob[r] = model == ALIGN_REWARD_LOGISTIC && r % 3 == 0          ? uniform()
                  : model != ALIGN_REWARD_LOGISTIC && fabs(noisy) < 0.7 ? 0.5
                                                                        : noisy > 0;
        double shifted = floor(noisy / 3 * levels / 2 + levels / 2.0);
        grade[r] = (int32_t)fmax(0, fmin(levels - 1, shifted));
        margin[r] = model == ALIGN_REWARD_LISTS || r % 2 == 0 ? 0 : uniform() - 0.5;
        offset[r] = model == ALIGN_REWARD_LISTS || r % 5 < 3 ? 0 : uniform() - 0.5;
        weight[r] = r % 7 == 0 ? 0 : 0.5 + uniform();
        for (int k = 0; k < K; k++)
            list[r][k] = k >= 2 + r % (K - 1) ? -1 : r * K + (k + below(2)) % K;
    }
    for (int i = 0; i < M * K; i++)
        for (int d = 0; d < D; d++)
            features[i][d] = 2 * uniform() - 1;
    for (int d = 0; d < D; d++) {
        l2_each[d] = 0;
        center[d] = 0;
    }
}

static align_reward_args args_of(int c)
{
    align_reward_args a;
    draw(cases[c].model, cases[c].levels == 0 ? 3 : cases[c].levels);
    align_reward_args_init(&a, sizeof a);
    a.model = cases[c].model;
    a.levels = cases[c].levels;
    a.flags = cases[c].flags;
    a.stages = cases[c].stages;
    a.label_smoothing = cases[c].smoothing;
    a.l2 = cases[c].l2;
    if (a.l2 > 0) {
        for (int d = 0; d < D; d++) {
            l2_each[d] = d / 2.0;
            center[d] = 0.3 - d * 0.2;
        }
        a.l2_each = align_1d(l2_each, ALIGN_F64, D);
        a.center = align_1d(center, ALIGN_F64, D);
    }
    a.weight = align_1d(weight, ALIGN_F64, M);
    a.coef = align_1d(coef, ALIGN_F64, D);
    if (a.model == ALIGN_REWARD_LISTS) {
        a.list = align_2d(list, ALIGN_I32, M, K);
        a.features = align_2d(features, ALIGN_F64, (int64_t)M * K, D);
        return a;
    }
    a.first = align_2d(first, ALIGN_F64, M, D);
    a.second = align_2d(second, ALIGN_F64, M, D);
    a.margin = align_1d(margin, ALIGN_F64, M);
    a.offset = align_1d(offset, ALIGN_F64, M);
    if (a.model == ALIGN_REWARD_ORDINAL)
        a.grade = align_1d(grade, ALIGN_I32, M);
    else
        a.prob = align_1d(prob, ALIGN_F64, M);
    if (a.model != ALIGN_REWARD_LOGISTIC) {
        int64_t n = a.model == ALIGN_REWARD_ORDINAL ? a.levels - 1 : 1;
        a.threshold = align_1d(threshold, ALIGN_F64, n);
        a.threshold_se = align_1d(threshold_se, ALIGN_F64, n);
    }
    return a;
}

/* Parameters as the fit left them; and where the error of each is. Returns how many. */
static int read_parameters(const align_reward_args *a, quad *p, double *errors)
{
    int n = 0;
    for (; n < D; n++) {
        p[n] = coef[n];
        errors[n] = se[n];
    }
    if ((a->flags & ALIGN_REWARD_POSITION) != 0) {
        p[n] = a->position;
        errors[n++] = a->position_se;
    }
    int count = (int)(a->threshold.ndim > 0 ? a->threshold.shape[0] : 0);
    for (int k = 0; k < count; k++)
        if ((a->flags & ALIGN_REWARD_SYMMETRIC) == 0 || 2 * k > count - 1) {
            p[n] = threshold[k];
            errors[n++] = threshold_se[k];
        }
    return n;
}

static double steepest(const align_reward_args *a, const quad *p, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs((double)slope_of(a, p, i)));
    return most;
}

START_TEST(slopes_are_those_of_the_objective)
{
    for (int c = 0; c < CASES; c++) {
        quad p[MOST] = {0};
        double errors[MOST];
        align_reward_args a = args_of(c);
        a.max_iterations = 1;
        ck_assert_msg(fit(&a) == ALIGN_E_NOT_CONVERGED, "case %d: %s", c, error.text);
        int n = read_parameters(&a, p, errors);
        double most = steepest(&a, p, n);
        ck_assert_double_gt(most, 1e-6);
        near(a.score_norm, most, 1e-7, "score_norm", c);
        a.max_iterations = 0;
        ck_assert_msg(fit(&a) == ALIGN_E_NONE, "case %d: %s", c, error.text);
        read_parameters(&a, p, errors);
        near(steepest(&a, p, n), 0, 1e-7, "slope", c);
        near(a.penalty - a.log_likelihood, (double)objective(&a, p), 1e-10, "objective", c);
        ck_assert(a.accuracy > 0.4 && a.accuracy <= 1);
    }
}
END_TEST

/* Gauss and Jordan, without pivots: the matrix is positive definite. */
static void invert(quad h[MOST][MOST], int n)
{
    for (int k = 0; k < n; k++) {
        quad pivot = h[k][k];
        h[k][k] = 1;
        for (int j = 0; j < n; j++)
            h[k][j] /= pivot;
        for (int i = 0; i < n; i++) {
            quad factor = h[i][k];
            if (i == k)
                continue;
            h[i][k] = 0;
            for (int j = 0; j < n; j++)
                h[i][j] -= factor * h[k][j];
        }
    }
}

START_TEST(errors_are_those_of_the_information)
{
    for (int c = 0; c < CASES; c++) {
        const quad h = 1e-4L;
        quad p[MOST] = {0}, info[MOST][MOST];
        double errors[MOST];
        align_reward_args a = args_of(c);
        a.se = align_1d(se, ALIGN_F64, D);
        must_fit(&a);
        int n = read_parameters(&a, p, errors);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                quad at = p[j];
                p[j] = at + h;
                quad up = slope_of(&a, p, i);
                p[j] = at - h;
                info[i][j] = (up - slope_of(&a, p, i)) / (2 * h);
                p[j] = at;
            }
        invert(info, n);
        for (int i = 0; i < n; i++)
            near(errors[i], (double)sqrtl(info[i][i]), 1e-4 * errors[i], "se", c * 100 + i);
    }
}
END_TEST

SUITE_MAIN("reward models", slopes_are_those_of_the_objective, errors_are_those_of_the_information)
