/* Metrics by hand: sums and counts of small batches, and that batches merge by addition. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <string.h>

enum { MOST = 64 };

struct measured {
    align_loss_id loss;
    double value, metrics[2 * MOST];
};

static void measure(struct measured *m, align_loss_args *a)
{
    align_loss_info info = {0};
    m->loss = a->loss;
    ck_assert_int_eq(align_loss_get_info(a->loss, &info), 0);
    a->value = align_1d(&m->value, ALIGN_F64, 1);
    a->metrics = align_2d(m->metrics, ALIGN_F64, info.n_metrics, 2);
    ck_assert_int_eq(align_loss_eval(NULL, a), 0);
}

static void expect(const struct measured *m, const char *name, double sum, double count)
{
    align_metric_info info = {0};
    for (uint32_t i = 0; align_loss_get_metric(m->loss, i, &info) == 0; i++)
        if (strcmp(info.name, name) == 0) {
            ck_assert_msg(fabs(m->metrics[2 * i] - sum) <= 1e-12 && m->metrics[2 * i + 1] == count,
                          "%s is %.15g of %g, expected %.15g of %g", name, m->metrics[2 * i],
                          m->metrics[2 * i + 1], sum, count);
            return;
        }
    ck_abort_msg("no metric %s", name);
}

/* Four pairs: right, wrong, tied, and one of impossible items. */
START_TEST(pairs)
{
    double score[] = {-1, -3, -5, -4, -2, -2, -INFINITY, -6},
           ref[] = {-2, -2, -4, -4, -2, -2, -3, -5};
    double weight[] = {1, 2, 3, 4};
    struct measured m;
    align_loss_args a;
    align_loss_args_init(&a, sizeof a);
    a.loss = ALIGN_LOSS_DPO;
    a.score = align_2d(score, ALIGN_F64, 4, 2);
    a.ref = align_2d(ref, ALIGN_F64, 4, 2);
    a.weight = align_1d(weight, ALIGN_F64, 4);
    measure(&m, &a);
    expect(&m, "reward_chosen", 0.1 * (1 - 1 + 0), 3);
    expect(&m, "reward_rejected", 0.1 * (-1 + 0 + 0 - 1), 4);
    expect(&m, "reward_accuracy", 1.5, 4);
    expect(&m, "ties", 1, 4);
    expect(&m, "chosen_falls", 2, 4);
    expect(&m, "non_finite", 1, 4);
    expect(&m, "weight", 10, 4);
    expect(&m, "weight_squared", 30, 4);
}
END_TEST

/* Scores 3 1 2, labels 2 1 0: two of three pairs, tau 1/3; DCG 3 + 1 / 2 against 3 + 1 / log2(3). And the
 * same list with all scores equal: every order is as likely. */
START_TEST(lists)
{
    double score[] = {3, 1, 2, 1, 1, 1}, label[] = {2, 1, 0, 2, 1, 0};
    const double best = 3 + 1 / log2(3), even = 4. / 3 * (1 + 1 / log2(3) + 0.5);
    struct measured m;
    align_loss_args a;
    align_loss_args_init(&a, sizeof a);
    a.loss = ALIGN_LOSS_LIPO_LAMBDA;
    a.score = align_2d(score, ALIGN_F64, 2, 3);
    a.label = align_2d(label, ALIGN_F64, 2, 3);
    measure(&m, &a);
    expect(&m, "items", 6, 2);
    expect(&m, "pairs", 6, 2);
    expect(&m, "pair_accuracy", 2 + 1.5, 6);
    expect(&m, "pair_ties", 3, 6);
    expect(&m, "kendall_tau", 1. / 3, 1);
    expect(&m, "top_accuracy", 1 + 1. / 3, 2);
    expect(&m, "ndcg", (3.5 + even) / best, 2);
    expect(&m, "ndcg_5", (3.5 + even) / best, 2);
}
END_TEST

/* Desirable and not, one of each at a reference of its own; and four tokens of which two are clipped. */
START_TEST(singles)
{
    double score[] = {-1, -3, -5}, ref[] = {-2, -2.5, -5}, kind[] = {1, 0, 1};
    double token[] = {0, 0, 0, 0}, old[] = {0, 1, -1, 1}, gain[] = {1, -2, 3, 4};
    struct measured m;
    align_loss_args a;
    align_loss_args_init(&a, sizeof a);
    a.loss = ALIGN_LOSS_KTO;
    a.score = align_1d(score, ALIGN_F64, 3);
    a.ref = align_1d(ref, ALIGN_F64, 3);
    a.label = align_1d(kind, ALIGN_F64, 3);
    measure(&m, &a);
    expect(&m, "score_desirable", -6, 2);
    expect(&m, "score_undesirable", -3, 1);
    expect(&m, "reward_desirable", 0.1, 2);
    expect(&m, "reward_undesirable", -0.05, 1);
    expect(&m, "falls", 1, 3);
    expect(&m, "kl", exp(-1) + exp(0.5) - 1.5, 3);
    expect(&m, "ratio", 0, 0);
    align_loss_args_init(&a, sizeof a);
    a.loss = ALIGN_LOSS_PPO_CLIP;
    a.score = align_1d(token, ALIGN_F64, 4);
    a.old = align_1d(old, ALIGN_F64, 4);
    a.label = align_1d(gain, ALIGN_F64, 4);
    measure(&m, &a);
    expect(&m, "ratio", 1 + 2 * exp(-1) + exp(1), 4);
    expect(&m, "clipped_low", 1, 4);
    expect(&m, "clipped_high", 1, 4);
    expect(&m, "saturated", 2, 4);
    expect(&m, "kl", 0, 0);
    expect(&m, "reward_desirable", 0, 0);
}
END_TEST

START_TEST(likelihood_of_the_chosen)
{
    double score[] = {-6, -9, -8, -2}, count[] = {3, 3, 2, 1};
    struct measured m;
    align_loss_args a;
    align_loss_args_init(&a, sizeof a);
    a.loss = ALIGN_LOSS_SIMPO;
    a.score = align_2d(score, ALIGN_F64, 2, 2);
    a.count = align_2d(count, ALIGN_F64, 2, 2);
    measure(&m, &a);
    expect(&m, "chosen_nll", 2 + 4, 2);
    a.loss = ALIGN_LOSS_SLIC;
    a.count.ndim = 0;
    measure(&m, &a);
    expect(&m, "chosen_nll", 0, 0);
}
END_TEST

SUITE_MAIN("loss metrics", pairs, lists, singles, likelihood_of_the_chosen)
