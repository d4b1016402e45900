/* pair_hinge against its pairs one by one, in long double, on lists longer than the table's own tests have; and
 * that its steps do not grow with the pairs. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct lists {
    align_loss_args args;
    align_loss_params params;
    align_exec exec;
    int n;
    double *score, *label, *d, value;
    int32_t *rank, *rank_out;
};

static uint64_t state = 9;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

static void *take(size_t n)
{
    void *p = calloc(n, 1);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* One list of n items; beta 1. */
static void open_list(struct lists *l, int n, const char *preset)
{
    memset(l, 0, sizeof *l);
    l->n = n;
    l->score = take((size_t)n * sizeof(double));
    l->label = take((size_t)n * sizeof(double));
    l->d = take((size_t)n * sizeof(double));
    l->rank = take((size_t)n * sizeof(int32_t));
    l->rank_out = take((size_t)n * sizeof(int32_t));
    align_exec_init(&l->exec, sizeof l->exec);
    ck_assert_int_eq(
        align_loss_params_init(&l->params, sizeof l->params, ALIGN_LOSS_PAIR_HINGE, preset), 0);
    l->params.beta = 1;
    align_loss_args_init(&l->args, sizeof l->args);
    l->args.loss = ALIGN_LOSS_PAIR_HINGE;
    l->args.params = &l->params;
    l->args.score = align_2d(l->score, ALIGN_F64, 1, n);
    l->args.label = align_2d(l->label, ALIGN_F64, 1, n);
    l->args.dscore = align_2d(l->d, ALIGN_F64, 1, n);
    l->args.value = align_1d(&l->value, ALIGN_F64, 1);
    size_t least, best;
    ck_assert_int_eq(align_loss_scratch(NULL, &l->args, &least, &best), 0);
    ck_assert_uint_le(best, (size_t)n * 320 + 8192);
    l->exec.scratch = best > 0 ? take(best) : NULL;
    l->exec.scratch_size = best;
}

static void close_list(struct lists *l)
{
    void *const parts[] = {l->score, l->label, l->d, l->rank, l->rank_out, l->exec.scratch};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        free(parts[i]);
}

static long double discount(const struct lists *l, int i)
{
    const align_loss_params *p = &l->params;
    const bool cut = p->top == ALIGN_TOP_CUT && p->top_n > 0 && l->rank[i] > p->top_n;
    const long double place = l->rank[i];
    return cut ? 0 : p->discount == ALIGN_DISCOUNT_RECIPROCAL ? 1 / place : 1 / logl(1 + place);
}

static long double weight(const struct lists *l, int i, int j)
{
    const align_loss_params *p = &l->params;
    const bool inside = p->top != ALIGN_TOP_BOTH || p->top_n == 0 ||
                        (l->rank[i] <= p->top_n && l->rank[j] <= p->top_n);
    if (p->pair_weight == ALIGN_PAIR_WEIGHT_EVEN)
        return 1;
    return inside ? fabsl(exp2l(l->label[i]) - exp2l(l->label[j])) *
                        fabsl(discount(l, i) - discount(l, j))
                  : 0;
}

/* Value and gradient from every pair; `most` is the largest term. */
static long double plainly(const struct lists *l, long double *d, long double *most)
{
    const double m = l->params.margin, eps = l->params.label_smoothing;
    long double value = 0;
    *most = 0;
    for (int i = 0; i < l->n; i++)
        d[i] = 0;
    for (int i = 0; i < l->n; i++)
        for (int j = 0; j < l->n; j++) {
            if (!(l->label[i] > l->label[j]))
                continue;
            const double gap = l->score[i] - l->score[j];
            const long double w = weight(l, i, j);
            const long double right = gap < m ? (1 - eps) * w : 0, wrong = -gap < m ? eps * w : 0;
            const long double exact = (long double)l->score[i] - l->score[j];
            const long double term = right * (m - exact) + wrong * (m + exact);
            value += term;
            *most = fmaxl(*most, fabsl(term));
            d[i] += wrong - right;
            d[j] += right - wrong;
        }
    return value;
}

static void check_list(struct lists *l)
{
    long double *d = take((size_t)l->n * sizeof *d), most, steepest = 0;
    align_status status = align_loss_eval(&l->exec, &l->args);
    ck_assert_int_eq(status, 0);
    const long double value = plainly(l, d, &most);
    ck_assert_msg(fabsl(l->value - value) <= 1e-13L * (most + value), "%.17g, expected %.17Lg",
                  l->value, value);
    for (int i = 0; i < l->n; i++)
        steepest = fmaxl(steepest, fabsl(d[i]));
    for (int i = 0; i < l->n; i++)
        ck_assert_msg(fabsl(l->d[i] - d[i]) <= 1e-13L * steepest, "d[%d]: %.17g, expected %.17Lg",
                      i, l->d[i], d[i]);
    free(d);
}

/* Labels in a few degrees or all different, scores near each other or far apart, some of them equal, around 0 or
 * far from it. */
static void fill(struct lists *l, int kind)
{
    const double spread = kind % 3 == 0 ? 0.5 : kind % 3 == 1 ? 5 : 500;
    const double far = kind % 5 == 0 ? 4096 : 0;
    for (int i = 0; i < l->n; i++) {
        l->label[i] = kind % 2 == 0 ? floor(5 * uniform()) : uniform();
        l->score[i] = far + floor(64 * spread * uniform()) / 64;
    }
}

START_TEST(even_pairs)
{
    for (int kind = 0; kind < 60; kind++) {
        struct lists l;
        open_list(&l, 1 + kind * 5, NULL);
        fill(&l, kind);
        l.params.label_smoothing = kind % 4 == 0 ? 0 : 0.2;
        l.params.margin = kind % 7 == 0 ? 0 : 1;
        check_list(&l);
        close_list(&l);
    }
}
END_TEST

START_TEST(weighted_pairs)
{
    for (int kind = 0; kind < 60; kind++) {
        struct lists l;
        open_list(&l, 1 + kind * 5, "lambda");
        fill(&l, kind);
        l.params.label_smoothing = kind % 4 == 0 ? 0 : 0.2;
        l.params.margin = kind % 7 == 0 ? 0 : 1;
        l.params.discount = kind % 3 == 0 ? ALIGN_DISCOUNT_RECIPROCAL : ALIGN_DISCOUNT_LN;
        l.params.top = kind % 2;
        l.params.top_n = kind % 3 == 1 ? 1 + kind : 0;
        l.args.rank_out = align_2d(l.rank, ALIGN_I32, 1, l.n);
        check_list(&l);
        const double value = l.value;
        /* With these places given, every pair is looked at. */
        l.args.rank = align_2d(l.rank, ALIGN_I32, 1, l.n);
        l.args.rank_out = align_2d(l.rank_out, ALIGN_I32, 1, l.n);
        check_list(&l);
        ck_assert_double_le(fabs(l.value - value), 1e-13 * value);
        close_list(&l);
    }
}
END_TEST

/* Infinities take the way of pairs: the loss is infinite where an open pair has one. */
START_TEST(infinite_scores)
{
    struct lists l;
    open_list(&l, 3, NULL);
    const double score[] = {-INFINITY, 0, 0.5}, label[] = {0, 1, 2};
    memcpy(l.score, score, sizeof score);
    memcpy(l.label, label, sizeof label);
    ck_assert_int_eq(align_loss_eval(NULL, &l.args), 0);
    ck_assert(l.value == 0.5 && l.d[0] == 0 && l.d[1] == 1 && l.d[2] == -1);
    l.label[0] = 3;
    ck_assert_int_eq(align_loss_eval(NULL, &l.args), 0);
    ck_assert(l.value == INFINITY && l.d[0] == -2 && l.d[1] == 2 && l.d[2] == 0);
    close_list(&l);
}
END_TEST

/* 10^5 items have 5 10^9 pairs, at a nanosecond each more than is allowed here. Scores fall
 * with labels by steps of 2^-10: of each pair the worse one is ahead, and all are open. */
START_TEST(long_lists_are_quick)
{
    const int n = 100000;
    for (int preset = 0; preset < 2; preset++) {
        struct lists l;
        open_list(&l, n, preset == 0 ? NULL : "lambda");
        for (int i = 0; i < n; i++) {
            l.label[i] = (double)i / n;
            l.score[i] = -i * 0x1p-10;
        }
        const clock_t begin = clock();
        ck_assert_int_eq(align_loss_eval(&l.exec, &l.args), 0);
        ck_assert_double_le((double)(clock() - begin) / CLOCKS_PER_SEC, 4);
        /* Sum over pairs q apart of 1 + q / 1024, n - q of them. */
        const double pairs = n * (n - 1.0) / 2, gaps = (n - 1.0) * n * (n + 1.0) / 6;
        if (preset == 0)
            ck_assert_double_eq_tol(l.value, pairs + gaps * 0x1p-10, 1e-13 * l.value);
        ck_assert(preset == 1 || (l.d[0] == n - 1 && l.d[n - 1] == 1 - n));
        close_list(&l);
    }
}
END_TEST

SUITE_MAIN("loss hinge", even_pairs, weighted_pairs, infinite_scores, long_lists_are_quick)
