/* Bradley-Terry with ties, home, priors and errors: against finite differences of the definitions. */
#include "../suite.h"

#include "../bt_games.h"
#include "../ref/bt.h"

#include <math.h>

enum { SIZE = 64 };

static struct games games, other;
static struct answer answer, second;
static uint32_t state = 5;

static double uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 0x1p24;
}

static int64_t below(int64_t n)
{
    return (int64_t)(uniform() * (double)n);
}

static void draw(int64_t n, int64_t rows, bool soft)
{
    games.n = n;
    games.rows = 0;
    for (int64_t i = 0; i < n; i++)
        games_add(&games, i, (i + 1) % n, i % 2 == 0 ? 1 : 0, 1);
    while (games.rows < rows) {
        int64_t a = below(n), b = (a + 1 + below(n - 1)) % n;
        double kind = uniform(), win = uniform() < 0.55 ? 1 : 0;
        double outcome = kind < 0.3 ? 0.5 : kind < 0.5 && soft ? uniform() : win;
        games_add(&games, a, b, outcome, uniform() < 0.5 ? 1 : 2 * uniform());
    }
}

static struct ref_rows reference_rows(void)
{
    return (struct ref_rows){games.n,      games.rows,    games.first,
                             games.second, games.outcome, games.weight};
}

static void finish_finite(struct answer *a)
{
    games_finish(&games, a);
    ck_assert_msg(a->status == ALIGN_E_NONE, "%s", a->error.text);
    ck_assert_int_eq(a->args.existence, ALIGN_BT_FINITE);
}

static struct ref_model model_of(const struct answer *a)
{
    return (struct ref_model){a->args.ties, (a->args.flags & ALIGN_BT_HOME) != 0};
}

static void parameters(const struct answer *a, long double *x)
{
    int64_t k = 0;
    for (; k < games.n; k++)
        x[k] = a->strength[k];
    if (a->args.ties != 0)
        x[k++] = logl((long double)a->args.tie);
    x[k] = a->args.home;
}

/* ---- the maximum --------------------------------------------------------------------------- */

static void expect_flat(const struct answer *a, double tolerance)
{
    struct ref_rows data = reference_rows();
    struct ref_model model = model_of(a);
    long double x[SIZE], slope[SIZE], total = 0;
    parameters(a, x);
    ref_bt_slopes(&data, &model, -1, x, slope, NULL);
    for (int64_t i = 0; i < ref_bt_size(&data, &model); i++)
        games_near((double)slope[i], 0, tolerance, "slope", i);
    for (int64_t r = 0; r < data.rows; r++)
        total += ref_bt_row(&data, &model, r, x);
    games_near(a->args.log_likelihood, (double)total, 1e-11, "log_likelihood", 0);
}

START_TEST(every_model_is_at_its_maximum)
{
    for (int trial = 0; trial < 12; trial++) {
        draw(3 + trial, 12 * (3 + trial), trial % 2 == 0);
        for (int ties = 0; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++)
            for (uint32_t flags = 0; flags <= ALIGN_BT_HOME; flags++) {
                games_begin(&answer);
                answer.args.ties = ties;
                answer.args.flags = flags;
                finish_finite(&answer);
                ck_assert_double_le(answer.args.score_norm, 1e-12 * (double)games.rows);
                expect_flat(&answer, 1e-9);
            }
    }
}
END_TEST

/* Conjugate gradients and Cholesky, with both extra parameters. */
START_TEST(solvers_agree)
{
    for (int ties = 0; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++) {
        draw(20, 300, false);
        games_begin(&answer);
        games_begin(&second);
        answer.args.ties = second.args.ties = ties;
        answer.args.flags = second.args.flags = ALIGN_BT_HOME;
        answer.args.solver = ALIGN_BT_SOLVER_CG;
        finish_finite(&answer);
        finish_finite(&second);
        for (int64_t i = 0; i < games.n; i++)
            games_near(answer.strength[i], second.strength[i], 1e-12, "strength", i);
        games_near(answer.args.tie, second.args.tie, 1e-12, "tie", ties);
        games_near(answer.args.home, second.args.home, 1e-12, "home", ties);
        ck_assert_double_gt(second.args.condition, 1);
        ck_assert_double_eq(answer.args.condition, 0);
    }
}
END_TEST

/* A tie under Davidson's model pulls as hard as half a win and half a loss; swapping turns signs. */
START_TEST(swapping_turns_signs_of_strengths_and_home)
{
    draw(8, 150, false);
    for (int ties = 0; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++) {
        games_begin(&answer);
        answer.args.ties = ties;
        answer.args.flags = ALIGN_BT_HOME;
        finish_finite(&answer);
        for (int64_t r = 0; r < games.rows; r++)
            games.outcome[r] = 1 - games.outcome[r];
        games_begin(&second);
        second.args.ties = ties;
        second.args.flags = ALIGN_BT_HOME;
        finish_finite(&second);
        for (int64_t i = 0; i < games.n; i++)
            games_near(second.strength[i], -answer.strength[i], 1e-12, "strength", i);
        games_near(second.args.home, -answer.args.home, 1e-12, "home", ties);
        games_near(second.args.tie, answer.args.tie, 1e-12, "tie", ties);
    }
}
END_TEST

/* ---- existence ----------------------------------------------------------------------------- */

struct shape {
    const char *wins; /* then ties, as pairs */
    const char *ties;
    int64_t n;
    int model;
    uint32_t flags;
    int existence;
};

static const struct shape shapes[] = {
    /* One win and one tie: d = 2 log nu makes both as likely as can be, ever further out. */
    {"01", "01", 2, ALIGN_BT_TIES_DAVIDSON, 0, ALIGN_BT_UNBOUNDED},
    {"01", "01", 2, ALIGN_BT_TIES_RAO_KUPPER, 0, ALIGN_BT_UNBOUNDED},
    {"01", "01", 2, ALIGN_BT_TIES_HALF, 0, ALIGN_BT_FINITE},
    /* A walk of two wins and one tie holds them. */
    {"01 12", "02", 3, ALIGN_BT_TIES_DAVIDSON, 0, ALIGN_BT_FINITE},
    {"01 12", "02", 3, ALIGN_BT_TIES_RAO_KUPPER, 0, ALIGN_BT_FINITE},
    {"01 10", "12", 3, ALIGN_BT_TIES_DAVIDSON, 0, ALIGN_BT_FINITE},
    {"", "01 12 20", 3, ALIGN_BT_TIES_DAVIDSON, 0, ALIGN_BT_UNBOUNDED},
    {"01 10", "", 2, ALIGN_BT_TIES_DAVIDSON, 0, ALIGN_BT_BOUNDARY},
    {"01 10", "", 2, ALIGN_BT_TIES_RAO_KUPPER, 0, ALIGN_BT_BOUNDARY},
    {"01 02", "", 3, ALIGN_BT_TIES_DAVIDSON, 0, ALIGN_BT_SEPARATED},
    /* Everyone won at home alone; two who never meet at the other's place; a point away from home that
     * one strength can explain, and two that none can. */
    {"01 12 20 10 21 02", "", 3, ALIGN_BT_TIES_HALF, ALIGN_BT_HOME, ALIGN_BT_UNBOUNDED},
    {"01", "01", 2, ALIGN_BT_TIES_HALF, ALIGN_BT_HOME, ALIGN_BT_UNBOUNDED},
    {"01 12 20 10 21 02", "01", 3, ALIGN_BT_TIES_HALF, ALIGN_BT_HOME, ALIGN_BT_UNBOUNDED},
    {"01 12 20 10 21 02", "01 10", 3, ALIGN_BT_TIES_HALF, ALIGN_BT_HOME, ALIGN_BT_FINITE},
    {"01 12 20 10 21 02", "01 10", 3, ALIGN_BT_TIES_DAVIDSON, ALIGN_BT_HOME, ALIGN_BT_UNBOUNDED},
};

static void read_shape(const struct shape *shape)
{
    games_read(&games, shape->n, shape->wins);
    for (const char *t = shape->ties; *t != '\0'; t += t[2] == ' ' ? 3 : 2)
        games_add(&games, t[0] - '0', t[1] - '0', 0.5, 1);
}

START_TEST(existence_of_shared_parameters)
{
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        const struct shape *shape = &shapes[k];
        bool none = shape->existence == ALIGN_BT_FINITE || shape->existence == ALIGN_BT_BOUNDARY;
        read_shape(shape);
        games_begin(&answer);
        answer.args.ties = shape->model;
        answer.args.flags = shape->flags;
        games_finish(&games, &answer);
        ck_assert_msg(answer.args.existence == shape->existence, "shape %d: %d", (int)k,
                      answer.args.existence);
        ck_assert_int_eq(answer.status, none ? ALIGN_E_NONE : ALIGN_E_NO_SOLUTION);
        if (shape->existence == ALIGN_BT_UNBOUNDED)
            ck_assert(isnan(answer.strength[0]) && isnan(answer.se[0]));
        if (shape->existence == ALIGN_BT_BOUNDARY)
            ck_assert_double_eq(answer.args.tie, shape->model == ALIGN_BT_TIES_DAVIDSON ? 0 : 1);
        if (shape->existence == ALIGN_BT_FINITE)
            expect_flat(&answer, 1e-9);
    }
}
END_TEST

/* Whether the information at x has a direction of its own, beside the shift of strengths, that is empty. */
static bool has_flat_direction(const struct ref_rows *data, const struct ref_model *model,
                               const long double *x)
{
    long double h[SIZE * SIZE], slope[SIZE], pivot = 1;
    int64_t size = ref_bt_size(data, model), n = data->n_items;
    ref_bt_slopes(data, model, -1, x, slope, h);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            h[i * size + j] -= 1;
    for (int64_t k = 0; k < size; k++) {
        pivot = -h[k * size + k] < pivot ? -h[k * size + k] : pivot;
        for (int64_t i = k + 1; i < size; i++)
            for (int64_t j = k + 1; j < size; j++)
                h[i * size + j] -= h[i * size + k] * h[k * size + j] / h[k * size + k];
    }
    return pivot < 1e-5L;
}

/* The fit with a faint game of every kind between all: its parameters, and what they are worth to the
 * league as it is. */
static double with_faint_games(double weight, long double *x)
{
    struct ref_rows data = reference_rows();
    games_begin(&second);
    other = games;
    for (int64_t a = 0; a < games.n; a++)
        for (int64_t b = 0; b < games.n; b++)
            for (int y = 0; y < 3 && a != b; y++)
                games_add(&other, a, b, (double)y / 2, weight);
    second.args.ties = answer.args.ties;
    second.args.flags = answer.args.flags;
    second.args.tolerance = 1e-6;
    games_finish(&other, &second);
    ck_assert_msg(second.status == ALIGN_E_NONE, "%s", second.error.text);
    struct ref_model model = model_of(&second);
    long double total = 0;
    parameters(&second, x);
    for (int64_t r = 0; r < data.rows; r++)
        total += ref_bt_row(&data, &model, r, x);
    return (double)total;
}

/* Fainter games raise what the league's own rows are worth, and either drive the parameters out, or leave
 * a direction in which nothing holds them. */
static void expect_no_maximum(int trial)
{
    struct ref_rows data = reference_rows();
    struct ref_model model = model_of(&answer);
    long double x[SIZE], size = 0;
    double last = -INFINITY;
    for (double faint = 1e-3; faint > 1e-8; faint /= 10) {
        double value = with_faint_games(faint, x);
        ck_assert_msg(value > last - 1e-9, "trial %d", trial);
        last = value;
    }
    for (int64_t i = 0; i < ref_bt_size(&data, &model); i++)
        size = fabsl(x[i]) > size ? fabsl(x[i]) : size;
    ck_assert_msg(size > 4 || has_flat_direction(&data, &model, x), "trial %d", trial);
}

START_TEST(existence_agrees_with_the_likelihood)
{
    int finite = 0, unbounded = 0;
    for (int trial = 0; trial < 400; trial++) {
        games.n = 3;
        games.rows = 0;
        for (int r = 0; r < 7; r++) {
            int64_t a = below(3), b = (a + 1 + below(2)) % 3;
            games_add(&games, a, b, (double)below(3) / 2, 1);
        }
        games_begin(&answer);
        answer.args.ties = 1 + trial % 2;
        answer.args.flags = trial % 4 < 2 ? ALIGN_BT_HOME : 0;
        games_finish(&games, &answer);
        finite += answer.args.existence == ALIGN_BT_FINITE;
        unbounded += answer.args.existence == ALIGN_BT_UNBOUNDED;
        if (answer.args.existence == ALIGN_BT_UNBOUNDED && answer.args.parts == 1)
            expect_no_maximum(trial);
        if (answer.args.existence != ALIGN_BT_FINITE)
            continue;
        ck_assert_msg(answer.status == ALIGN_E_NONE, "trial %d: %s", trial, answer.error.text);
        expect_flat(&answer, 1e-8);
        struct ref_rows data = reference_rows();
        struct ref_model model = model_of(&answer);
        long double x[SIZE];
        parameters(&answer, x);
        ck_assert_msg(!has_flat_direction(&data, &model, x), "trial %d", trial);
    }
    ck_assert_int_gt(finite, 30);
    ck_assert_int_gt(unbounded, 30);
}
END_TEST

/* ---- priors -------------------------------------------------------------------------------- */

static long double penalty_of(const align_bt_args *args, long double theta)
{
    long double off = theta - args->prior_mean;
    switch (args->prior) {
    case ALIGN_BT_PRIOR_GAUSSIAN:
        return args->prior_precision / 2 * off * off;
    case ALIGN_BT_PRIOR_GAMMA:
        return args->prior_rate * expl(theta) - (args->prior_shape - 1) * theta;
    default:
        return args->prior_games * (logl(1 + expl(theta)) + logl(1 + expl(-theta)));
    }
}

static void set_prior(align_bt_args *args, int prior)
{
    args->prior = prior;
    if (prior == ALIGN_BT_PRIOR_GAUSSIAN) {
        args->prior_mean = 0.5;
        args->prior_precision = 0.3;
    } else if (prior == ALIGN_BT_PRIOR_GAMMA) {
        args->prior_shape = 2.5;
        args->prior_rate = 0.7;
    } else {
        args->prior_games = 0.4;
    }
}

/* Islands, an unbeaten item and one that never played: finite under each prior of items. */
START_TEST(priors_of_items_balance_the_data)
{
    const long double h = 1e-5L;
    for (int prior = ALIGN_BT_PRIOR_GAUSSIAN; prior <= ALIGN_BT_PRIOR_GHOST; prior++)
        for (int solver = ALIGN_BT_SOLVER_CHOLESKY; solver <= ALIGN_BT_SOLVER_CG; solver++) {
            games_read(&games, 6, "01 02 12 21 34");
            games_begin(&answer);
            set_prior(&answer.args, prior);
            answer.args.solver = solver;
            finish_finite(&answer);
            struct ref_rows data = reference_rows();
            struct ref_model model = model_of(&answer);
            long double x[SIZE], slope[SIZE], penalty = 0;
            parameters(&answer, x);
            ref_bt_slopes(&data, &model, -1, x, slope, NULL);
            for (int64_t i = 0; i < 6; i++) {
                penalty += penalty_of(&answer.args, x[i]);
                slope[i] -= (penalty_of(&answer.args, x[i] + h) -
                             penalty_of(&answer.args, x[i] - h)) /
                            (2 * h);
                games_near((double)slope[i], 0, 1e-9, "slope", i);
            }
            games_near(answer.args.penalty, (double)penalty, 1e-12, "penalty", prior);
            ck_assert_int_eq((int)answer.args.components, 3);
            ck_assert_int_eq((int)answer.args.parts, 5);
        }
}
END_TEST

START_TEST(edge_prior_is_virtual_wins)
{
    games_read(&games, 4, "01 02 12 23");
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_EDGE;
    answer.args.prior_games = 0.5;
    finish_finite(&answer);
    other = games;
    for (int r = 0; r < 4; r++)
        games_add(&other, games.second[r], games.first[r], 1, 0.25);
    for (int r = 0; r < 4; r++)
        games_add(&other, games.first[r], games.second[r], 1, 0.25);
    games_fit(&other, &second);
    ck_assert_int_eq(second.status, ALIGN_E_NONE);
    for (int i = 0; i < 4; i++) {
        games_near(answer.strength[i], second.strength[i], 1e-13, "strength", i);
        games_near(answer.se[i], second.se[i], 1e-13, "se", i);
    }
    games_near(answer.args.penalty - answer.args.log_likelihood, -second.args.log_likelihood, 1e-13,
               "penalty", 0);
    games_read(&games, 4, "01 23");
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_EDGE;
    answer.args.prior_games = 1;
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.status, ALIGN_E_NO_SOLUTION);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_ISLANDS);
}
END_TEST

/* ---- errors -------------------------------------------------------------------------------- */

/* x := a^-1 x for symmetric positive a, columns at once, by elimination. */
static void eliminate(long double a[SIZE][SIZE], long double x[SIZE][SIZE], int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < n; i++) {
            if (i == k)
                continue;
            long double f = a[i][k] / a[k][k];
            for (int64_t j = 0; j < n; j++) {
                a[i][j] -= f * a[k][j];
                x[i][j] -= f * x[k][j];
            }
        }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            x[i][j] /= a[i][i];
}

/* The covariance by the definition: information and scores by finite differences. */
static void expected_covariance(const struct answer *a, long double inverse[SIZE][SIZE])
{
    static long double h[SIZE * SIZE], info[SIZE][SIZE], meat[SIZE][SIZE], half[SIZE][SIZE];
    struct ref_rows data = reference_rows();
    struct ref_model model = model_of(a);
    int64_t size = ref_bt_size(&data, &model), n = games.n;
    bool pinned = a->args.prior != 0;
    long double x[SIZE], slope[SIZE], total[SIZE] = {0};
    parameters(a, x);
    ref_bt_slopes(&data, &model, -1, x, slope, h);
    memset(meat, 0, sizeof meat);
    for (int64_t r = 0; r < data.rows; r++) {
        ref_bt_slopes(&data, &model, r, x, slope, NULL);
        for (int64_t i = 0; i < size; i++) {
            total[i] += slope[i];
            for (int64_t j = 0; j < size; j++)
                meat[i][j] += slope[i] * slope[j];
        }
    }
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j < size; j++) {
            info[i][j] = -h[i * size + j] + (!pinned && i < n && j < n ? 1.0L / n : 0);
            if (pinned && i == j && i < n)
                info[i][j] += a->args.prior_precision;
            inverse[i][j] = i == j;
            meat[i][j] -= total[i] * total[j] / (long double)data.rows;
        }
    eliminate(info, inverse, size);
    if (!pinned)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                inverse[i][j] -= 1.0L / n;
    if (a->args.variance == ALIGN_BT_FISHER)
        return;
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j < size; j++) {
            half[i][j] = 0;
            for (int64_t k = 0; k < size; k++)
                half[i][j] += inverse[i][k] * meat[k][j];
        }
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j < size; j++) {
            info[i][j] = 0;
            for (int64_t k = 0; k < size; k++)
                info[i][j] += half[i][k] * inverse[k][j];
        }
    memcpy(inverse, info, sizeof info);
}

static void expect_covariance(int64_t anchor)
{
    static long double v[SIZE][SIZE];
    int64_t n = games.n, extra = n;
    expected_covariance(&answer, v);
    for (int64_t i = 0; i < n; i++) {
        games_near(answer.se[i], sqrt(answer.covariance[i][i]), 1e-15, "se", i);
        for (int64_t j = 0; j < n; j++) {
            long double e = v[i][j];
            if (anchor >= 0)
                e += v[anchor][anchor] - v[i][anchor] - v[anchor][j];
            games_near(answer.covariance[i][j], (double)e, 3e-8, "covariance", i * n + j);
        }
    }
    if (answer.args.ties != 0) {
        games_near(answer.args.tie_se, (double)sqrtl(v[extra][extra]), 3e-8, "tie_se", 0);
        extra++;
    }
    if (answer.args.flags & ALIGN_BT_HOME)
        games_near(answer.args.home_se, (double)sqrtl(v[extra][extra]), 3e-8, "home_se", 0);
}

START_TEST(errors_are_those_of_the_definition)
{
    draw(5, 120, true);
    for (int ties = 0; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++)
        for (int variance = 0; variance <= ALIGN_BT_SANDWICH; variance++)
            for (uint32_t flags = 0; flags <= (ALIGN_BT_HOME | ALIGN_BT_ANCHOR); flags++) {
                games_begin(&answer);
                answer.args.ties = ties;
                answer.args.variance = variance;
                answer.args.flags = flags;
                answer.args.anchor = flags & ALIGN_BT_ANCHOR ? 3 : 0;
                finish_finite(&answer);
                expect_covariance(flags & ALIGN_BT_ANCHOR ? 3 : -1);
            }
    for (int variance = 0; variance <= ALIGN_BT_SANDWICH; variance++) {
        games_begin(&answer);
        answer.args.prior = ALIGN_BT_PRIOR_GAUSSIAN;
        answer.args.prior_precision = 2;
        answer.args.variance = variance;
        finish_finite(&answer);
        expect_covariance(-1);
    }
}
END_TEST

/* Islands: errors of each within itself, and nothing between. */
START_TEST(errors_of_islands_stay_apart)
{
    games_read(&games, 4, "01 10 01 23 32");
    games_begin(&answer);
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_ISLANDS);
    games_near(answer.covariance[0][0], 1 / (4 * 3 * (2.0 / 9)), 1e-12, "covariance", 0);
    games_near(answer.covariance[2][2], 1 / (4 * 2 * 0.25), 1e-12, "covariance", 2);
    games_near(answer.covariance[2][3], -1 / (4 * 2 * 0.25), 1e-12, "covariance", 3);
    games_near(answer.covariance[0][2], 0, 1e-15, "covariance", 4);
}
END_TEST

/* A prior alone, one row, and ties alone under a prior: errors are numbers, and 0 where nothing varies. */
START_TEST(little_data_has_errors_too)
{
    for (int rows = 0; rows <= 1; rows++)
        for (int ties = 0; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++) {
            games_read(&games, 3, rows == 0 ? "" : "01");
            games_begin(&answer);
            answer.args.ties = ties;
            answer.args.prior = ALIGN_BT_PRIOR_GAUSSIAN;
            answer.args.prior_precision = 4;
            answer.args.variance = ALIGN_BT_SANDWICH;
            games_finish(&games, &answer);
            ck_assert_int_eq(answer.status, ALIGN_E_NONE);
            for (int i = 0; i < 3; i++)
                games_near(answer.se[i], 0, 1e-8, "se", i);
        }
    games.n = 2;
    games.rows = 0;
    games_add(&games, 0, 1, 0.5, 1);
    for (int ties = ALIGN_BT_TIES_DAVIDSON; ties <= ALIGN_BT_TIES_RAO_KUPPER; ties++) {
        games_begin(&answer);
        answer.args.ties = ties;
        answer.args.prior = ALIGN_BT_PRIOR_EDGE;
        answer.args.prior_games = 0.5;
        finish_finite(&answer);
        /* Half a game of wins and a tie: the share of ties is 2/3, between equals. */
        games_near(answer.args.tie, ties == ALIGN_BT_TIES_DAVIDSON ? 4 : 5, 1e-9, "tie", ties);
    }
}
END_TEST

SUITE_MAIN("bt models", every_model_is_at_its_maximum, solvers_agree,
           swapping_turns_signs_of_strengths_and_home, existence_of_shared_parameters,
           existence_agrees_with_the_likelihood, priors_of_items_balance_the_data,
           edge_prior_is_virtual_wins, errors_are_those_of_the_definition,
           errors_of_islands_stay_apart, little_data_has_errors_too)
