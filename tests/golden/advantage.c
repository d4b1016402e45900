/* Published answers of returns, advantages and KL shaping.
 *
 * Origin: GAE values and estimators, trainers' code run on a four-token example (huggingface/trl
 * f2cd5771, volcengine/verl b178a3cd); holes in masks: verl issue 7278 and pull request 6376, alibaba/ROLL
 * pull request 447; adaptive controller: Ziegler et al. 2019; whitening: trl's masked_whiten, verl's,
 * OpenRLHF's on one example. */
#include "../suite.h"

#include <libalign/advantage.h>

#include <math.h>

static void gae(const double *r, const double *v, const uint8_t *mask, int n, double gamma,
                double lambda, double *a)
{
    align_advantage_args args;
    align_advantage_args_init(&args, sizeof args);
    args.gamma = gamma;
    args.lambda = lambda;
    args.reward = align_2d(r, ALIGN_F64, 1, n);
    args.value = align_2d(v, ALIGN_F64, 1, n);
    if (mask != NULL)
        args.mask = align_2d(mask, ALIGN_BOOL, 1, n);
    args.advantage = align_2d(a, ALIGN_F64, 1, n);
    ck_assert_int_eq(align_advantage_eval(NULL, &args), 0);
}

START_TEST(gae_of_four_tokens)
{
    const double r[] = {0, -.1, .2, 1}, v[] = {.5, .4, .6, .9};
    const struct {
        double gamma, lambda, a[4];
    } cases[] = {
        {1, .95, {.5319875, .66525, .595, .1}},
        {.99, .95, {.501907273262, .644239525, .58505, .1}},
        {1, 1, {.6, .7, .6, .1}},
    };
    double a[4];
    for (int c = 0; c < 3; c++) {
        gae(r, v, NULL, 4, cases[c].gamma, cases[c].lambda, a);
        for (int t = 0; t < 4; t++)
            ck_assert_double_eq_tol(a[t], cases[c].a[t], 5.1e-13);
    }
}
END_TEST

/* A hole neither resets a return nor lends its value. */
START_TEST(holes_in_masks)
{
    const double r[] = {0, 0, 1};
    const uint8_t hole[] = {1, 0, 1}, end[] = {1, 1, 0};
    double a[3];
    align_advantage_args args;
    align_advantage_args_init(&args, sizeof args);
    args.kind = ALIGN_ADVANTAGE_RETURN;
    args.lambda = 0;
    args.gamma = .5;
    args.reward = align_2d(r, ALIGN_F64, 1, 3);
    args.mask = align_2d(hole, ALIGN_BOOL, 1, 3);
    args.advantage = align_2d(a, ALIGN_F64, 1, 3);
    ck_assert_int_eq(align_advantage_eval(NULL, &args), 0);
    ck_assert_double_eq(a[0], .5);
    ck_assert_double_eq(a[2], 1);
    const double roll_r[] = {0, 1, 0}, roll_v[] = {0, 0, 100};
    gae(roll_r, roll_v, end, 3, 1, .95, a);
    ck_assert_double_eq(a[0], .95);
    ck_assert_double_eq(a[1], 1);
    ck_assert_double_eq(a[2], 0);
}
END_TEST

START_TEST(kl_estimators)
{
    const double q[3] = {.223143551, -.405465108, 0}, zero[3] = {0};
    const double k2[3] = {.024896522, .082200977, 0}, k3[3] = {.023143551, .094534892, 0};
    double r[3];
    align_dense_args args;
    align_dense_args_init(&args, sizeof args);
    args.logp = align_2d(q, ALIGN_F64, 1, 3);
    args.ref = align_2d(zero, ALIGN_F64, 1, 3);
    args.beta = 1;
    args.reward = align_2d(r, ALIGN_F64, 1, 3);
    args.kl_kind = ALIGN_KL_K2;
    ck_assert_int_eq(align_dense_eval(NULL, &args), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol(-r[i], k2[i], 5.1e-10);
    args.kl_kind = ALIGN_KL_K3;
    ck_assert_int_eq(align_dense_eval(NULL, &args), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol(-r[i], k3[i], 5.1e-10);
}
END_TEST

START_TEST(adaptive_controller)
{
    align_kl_controller c;
    align_kl_controller_init(&c, sizeof c);
    ck_assert_int_eq(align_kl_controller_update(NULL, &c, 9, 256), 0);
    ck_assert_double_eq_tol(c.beta, .201024, 1e-15);
}
END_TEST

/* Completeness of Fine-Grained RLHF: ((r + .44678) / 8.30116) .3 at the last token. */
START_TEST(fine_grained_completeness)
{
    double score[1] = {2}, r[1][3];
    align_dense_source s;
    align_dense_source_init(&s, sizeof s);
    s.value = align_1d(score, ALIGN_F64, 1);
    s.mean = -.44678;
    s.deviation = 8.30116;
    s.scale = .3;
    align_dense_args args;
    align_dense_args_init(&args, sizeof args);
    args.sources = &s;
    args.n_sources = 1;
    args.reward = align_2d(r, ALIGN_F64, 1, 3);
    ck_assert_int_eq(align_dense_eval(NULL, &args), 0);
    ck_assert_double_eq(r[0][0], 0);
    ck_assert_double_eq_tol(r[0][2], (2 + .44678) / 8.30116 * .3, 1e-15);
}
END_TEST

SUITE_MAIN("advantage golden", gae_of_four_tokens, holes_in_masks, kl_estimators,
           adaptive_controller, fine_grained_completeness)
