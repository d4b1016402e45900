/* Published answers of reward normalisers, and what trainers compute under their own names.
 *
 * Origin: the trainers' own code run on the group {0,0,1,1,1,0,0,0} (huggingface/trl f2cd5771,
 * volcengine/verl b178a3cd, OpenRLHF 3c3be623, NVIDIA-NeMo/RL 7ea279ab); GDPO: redai-studio/Relax
 * PR 277; PAR and LSC: arXiv 2502.18770 (repository b8caf40) and 2402.00742; BEST, OPO, GPG by hand
 * from the formulas in verl's core_algos. */
#include "../suite.h"

#include <libalign/norm.h>

#include <math.h>

static const double tolerance = 5.1e-13; /* half of the last printed digit */

struct preset_case {
    const char *trainer, *estimator;
    double zero, one;
};

START_TEST(trainers_on_eight_rewards)
{
    static const struct preset_case cases[] = {
        {"trl", "grpo", -.724428864355, 1.207381440591},
        {"trl", "grpo_batch", -.724428864355, 1.207381440591},
        {"trl", "dr_grpo", -.375, .625},
        {"trl", "rloo", -.428571428571, .714285714286},
        {"verl", "grpo", -.724567437312, 1.207612395520},
        {"verl", "dr_grpo", -.375, .625},
        {"verl", "rloo", -.428571428571, .714285714286},
        {"verl", "rloo_vectorized", -.428571428571, .714285714286},
        {"openrlhf", "grpo", -.724568835909, 1.207614726516},
        {"openrlhf", "rloo", -.428571428571, .714285714286},
        {"openrlhf", "dr_grpo", -.375, .625},
        {"nemo_rl", "grpo", -.801782225740, 1.463847109429},
        {"nemo_rl", "rloo", -.428571428571, .714285714286},
        {"verl", "gpg", -.375 * 8 / 3, .625 * 8 / 3},
    };
    float x[8] = {0, 0, 1, 1, 1, 0, 0, 0};
    double y[8];
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        align_norm_params group = {.size = sizeof group}, then = {.size = sizeof then};
        align_norm_groups_args args;
        align_norm_groups_args_init(&args, sizeof args);
        ck_assert_int_eq(
            align_norm_preset_get(cases[c].trainer, cases[c].estimator, &group, &then, &args.flags),
            0);
        args.params = &group;
        ck_assert_int_eq(then.kind, 0);
        args.reward = align_2d(x, ALIGN_F32, 1, 8);
        args.out = align_2d(y, ALIGN_F64, 1, 8);
        ck_assert_int_eq(align_norm_groups(NULL, &args), 0);
        for (int i = 0; i < 8; i++)
            ck_assert_msg(fabs(y[i] - (x[i] != 0 ? cases[c].one : cases[c].zero)) <= tolerance,
                          "%s %s: %.12f", cases[c].trainer, cases[c].estimator, y[i]);
    }
}
END_TEST

static void with_preset(const char *trainer, const char *estimator, align_tensor reward,
                        align_tensor length, align_tensor out)
{
    align_norm_params group = {.size = sizeof group}, then = {.size = sizeof then};
    align_norm_groups_args args;
    align_norm_groups_args_init(&args, sizeof args);
    ck_assert_int_eq(align_norm_preset_get(trainer, estimator, &group, &then, &args.flags), 0);
    args.params = &group;
    args.then = then.kind != 0 ? &then : NULL;
    args.reward = reward;
    args.length = length;
    args.out = out;
    ck_assert_int_eq(align_norm_groups(NULL, &args), 0);
}

/* Two prompts with two answers, two reward models; the second model is constant on the first prompt. GRPO
 * on the sums gives +-.7071 to both, GDPO tells them apart. eps 1e-4 moves the fourth digit. */
START_TEST(gdpo_tells_groups_apart)
{
    double x[2][2][2] = {{{0, 1}, {1, 1}}, {{0, 0}, {1, 1}}}, y[2][2];
    const align_tensor none = {0};
    with_preset("trl", "gdpo", align_3d(x, ALIGN_F64, 2, 2, 2), none, align_2d(y, ALIGN_F64, 2, 2));
    const double expected[2][2] = {{-.5477, .5477}, {-1.0954, 1.0954}};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(y[i / 2][i % 2], expected[i / 2][i % 2], 2e-4);
    with_preset("trl", "grpo", align_3d(x, ALIGN_F64, 2, 2, 2), none, align_2d(y, ALIGN_F64, 2, 2));
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(fabs(y[i / 2][i % 2]), .7071, 2e-4);
}
END_TEST

START_TEST(other_estimators_of_verl)
{
    double x[2][3] = {{1, 3, 2}, {5, 5, 2}}, length[2][3] = {{10, 20, 30}, {1, 1, 2}}, y[2][3];
    const align_tensor none = {0}, reward = align_2d(x, ALIGN_F64, 2, 3),
                       out = align_2d(y, ALIGN_F64, 2, 3);
    with_preset("verl", "passk", reward, none, out);
    ck_assert_double_eq_tol(y[0][1], 1 / (1 + 1e-6), 1e-15);
    for (int i = 0; i < 6; i++)
        ck_assert(i == 1 || y[i / 3][i % 3] == 0);
    with_preset("verl", "opo", reward, align_2d(length, ALIGN_F64, 2, 3), out);
    const double mean[2] = {(10 + 60 + 60) / 60., (5 + 5 + 4) / 4.};
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq_tol(y[i / 3][i % 3], x[i / 3][i % 3] - mean[i / 3], 1e-15);
    with_preset("verl", "reinforce_baseline", reward, none, out);
    double square = 2 + 1 + 1 + 4; /* deviations -1 1 0, 1 1 -2 */
    ck_assert_double_eq_tol(y[1][2], -2 / sqrt(square / 5 + 1e-8), 1e-14);
    with_preset("openrlhf", "reinforce_baseline", reward, none, out);
    ck_assert_double_eq_tol(y[1][2], -2 / sqrt(square / 6), 1e-14);
}
END_TEST

/* Groups of one: TRL and NeMo-RL answer 0, verl's GRPO divides the raw reward by 1 + eps. */
START_TEST(singletons)
{
    double x = 3, y = 0;
    const align_tensor none = {0}, reward = align_2d(&x, ALIGN_F64, 1, 1),
                       out = align_2d(&y, ALIGN_F64, 1, 1);
    const struct {
        const char *trainer, *estimator;
        double answer;
    } cases[] = {
        {"trl", "grpo", 0},     {"trl", "rloo", 0},
        {"verl", "rloo", 3},    {"verl", "rloo_vectorized", 0},
        {"verl", "gpg", 3},     {"verl", "grpo", 3 / (1 + 1e-6)},
        {"nemo_rl", "grpo", 0},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        with_preset(cases[c].trainer, cases[c].estimator, reward, none, out);
        ck_assert_double_eq(y, cases[c].answer);
    }
}
END_TEST

/* Where f32 one-pass statistics fail (verl's vectorised form gives a deviation of 3.02 here). */
START_TEST(rewards_of_ten_thousand)
{
    double x[4] = {1e4, 1e4 + .1, 1e4 + .2, 1e4 + .3}, y[4];
    const align_tensor none = {0};
    with_preset("openrlhf", "grpo", align_2d(x, ALIGN_F64, 1, 4), none,
                align_2d(y, ALIGN_F64, 1, 4));
    ck_assert_double_eq_tol(.3 / (y[3] - y[0]), .129099, 5e-7);
}
END_TEST

/* trl's masked_whiten with and without the mean, verl's, and OpenRLHF's over all ranks. */
START_TEST(whitening_under_a_mask)
{
    static const struct {
        int32_t kind, form;
        double ddof, y[5];
    } cases[] = {
        {ALIGN_NORM_ZSCORE,
         ALIGN_NORM_EPS_SQRT,
         1,
         {-.478091443597, -.239045721799, 0, 1.673320052590, -.956182887194}},
        {ALIGN_NORM_RESCALE,
         ALIGN_NORM_EPS_SQRT,
         1,
         {2.521908556403, 2.760954278201, 3, 4.673320052590, 2.043817112806}},
        {ALIGN_NORM_ZSCORE,
         ALIGN_NORM_EPS_MAX_SQRT,
         0,
         {-.534522483825, -.267261241912, 0, 1.870828693387, -1.069044967650}},
    };
    const int place[5] = {0, 1, 2, 4, 5};
    float x[8] = {1, 2, 3, 4, 10, -1, 7, 0};
    uint8_t mask[8] = {1, 1, 1, 0, 1, 1, 0, 0};
    double y[8];
    for (int c = 0; c < 3; c++) {
        align_norm_params p;
        align_norm_args args;
        ck_assert_int_eq(align_norm_params_init(&p, sizeof p, cases[c].kind), 0);
        p.eps_form = cases[c].form;
        p.ddof = cases[c].ddof;
        align_norm_args_init(&args, sizeof args);
        args.params = &p;
        args.reward = align_2d(x, ALIGN_F32, 2, 4);
        args.mask = align_2d(mask, ALIGN_BOOL, 2, 4);
        args.out = align_2d(y, ALIGN_F64, 2, 4);
        ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
        for (int i = 0; i < 5; i++)
            ck_assert_double_eq_tol(y[place[i]], cases[c].y[i], tolerance);
        ck_assert(y[3] == 0 && y[6] == 0 && y[7] == 0);
    }
}
END_TEST

static void apply_curve(int32_t kind, const double *refs, int n_refs, double *y, double *dx)
{
    double x[4] = {-1, 0, .5, 3}, g[4] = {1, 1, 1, 1};
    align_norm_params p;
    align_norm_args args;
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, kind), 0);
    align_norm_args_init(&args, sizeof args);
    args.params = &p;
    args.reward = align_1d(x, ALIGN_F64, 4);
    args.reference = align_2d(refs, ALIGN_F64, 4, n_refs);
    args.reference.stride[0] = 0;
    args.out = align_1d(y, ALIGN_F64, 4);
    args.dout = align_1d(g, ALIGN_F64, 4);
    args.dreward = align_1d(dx, ALIGN_F64, 4);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
}

START_TEST(par_and_lsc)
{
    const double refs[5] = {.1, .5, .9, -.3, 1.2}, one[1] = {.5};
    const double par[4] = {.198767321905, .389505942401, .504357341792, .917093836306};
    const double dpar[4] = {.152241958643, .222446562415, .233228812259, .074553442067};
    const double lsc[4] = {-1.701413277983, -.974076984180, -.693147180560, -.078889734293};
    const double dlsc[4] = {.817574476194, .622459331202, .5, .075858180021};
    double y[4], dx[4];
    apply_curve(ALIGN_NORM_SIGMOID, refs, 5, y, dx);
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(y[i], par[i], tolerance);
        ck_assert_double_eq_tol(dx[i], dpar[i], tolerance);
    }
    apply_curve(ALIGN_NORM_LOG_SIGMOID, one, 1, y, dx);
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(y[i], lsc[i], tolerance);
        ck_assert_double_eq_tol(dx[i], dlsc[i], tolerance);
    }
}
END_TEST

/* Ziegler et al. 2019 (lm-human-preferences): gain = s* / s, bias = m* - gain m; m .7, s 2.5. */
START_TEST(affine_of_reward_models)
{
    double x[1] = {.7 + 2.5}, y[1];
    align_norm_params p;
    align_norm_args args;
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, ALIGN_NORM_AFFINE), 0);
    p.gain = .4;
    p.bias = -.28;
    align_norm_args_init(&args, sizeof args);
    args.params = &p;
    args.reward = align_1d(x, ALIGN_F64, 1);
    args.out = align_1d(y, ALIGN_F64, 1);
    ck_assert_int_eq(align_norm_apply(NULL, NULL, &args), 0);
    ck_assert_double_eq_tol(y[0], 1, 1e-15);
}
END_TEST

SUITE_MAIN("norm golden", trainers_on_eight_rewards, gdpo_tells_groups_apart,
           other_estimators_of_verl, singletons, rewards_of_ten_thousand, whitening_under_a_mask,
           par_and_lsc, affine_of_reward_models)
