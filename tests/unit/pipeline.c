/* Pipelines of trainers, against the same steps written out by hand. */
#include "../suite.h"

#include <libalign/advantage.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { B = 6, T = 5, K = 3 };

static double score[B] = {3, -20, .5, 12, 1, 1}, logp[B][T], ref[B][T], value[B][T];
static double shaped[B], kl[B], reward[B][T], advantage[B][T], target[B][T];
static const uint8_t mask[B][T] = {{1, 1, 1, 1, 1}, {1, 1, 0, 1, 0}, {1, 0, 0, 0, 0},
                                   {1, 1, 1, 0, 0}, {0, 1, 1, 1, 1}, {1, 1, 1, 1, 0}};

static uint64_t seed = 3;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) * 0x1p-53;
}

static align_norm_params params[3];
static align_pipeline plan;

static align_pipeline_args make(const char *name)
{
    align_pipeline_args args;
    for (int i = 0; i < 3; i++)
        params[i].size = sizeof params[i];
    align_pipeline_init(&plan, sizeof plan);
    ck_assert_int_eq(align_pipeline_preset_get(name, &plan, params), ALIGN_E_NONE);
    align_pipeline_args_init(&args, sizeof args);
    args.pipeline = &plan;
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++) {
            logp[b][t] = mask[b][t] ? -uniform() : NAN;
            ref[b][t] = mask[b][t] ? -uniform() : NAN;
            value[b][t] = mask[b][t] ? uniform() : NAN;
        }
    args.score = align_1d(score, ALIGN_F64, B);
    args.mask = align_2d(mask, ALIGN_BOOL, B, T);
    args.shaped = align_1d(shaped, ALIGN_F64, B);
    args.advantage = align_2d(advantage, ALIGN_F64, B, T);
    args.group_size = plan.group != NULL ? K : 0;
    if (plan.kl_kind != 0) {
        args.logp = align_2d(logp, ALIGN_F64, B, T);
        args.ref = align_2d(ref, ALIGN_F64, B, T);
        args.sequence_kl = align_1d(kl, ALIGN_F64, B);
    }
    if (plan.advantage != 0) {
        args.reward = align_2d(reward, ALIGN_F64, B, T);
        args.target = align_2d(target, ALIGN_F64, B, T);
        if (plan.advantage == ALIGN_ADVANTAGE_GAE)
            args.value = align_2d(value, ALIGN_F64, B, T);
    }
    return args;
}

static void close_to(double got, double expected)
{
    ck_assert_msg(fabs(got - expected) <= 1e-13 * fmax(1, fabs(expected)), "%.17g, not %.17g", got,
                  expected);
}

static int last_of(int b)
{
    int last = T - 1;
    while (!mask[b][last])
        last--;
    return last;
}

static double clip(double x, double limit)
{
    return fmin(fmax(x, -limit), limit);
}

/* GAE over the counted tokens of one sequence, with the score at the last of them. */
static void hand_gae(int b, double last_score, double beta, double lambda, double *out)
{
    double next = 0, carried = 0;
    for (int t = T - 1; t >= 0; t--) {
        out[t] = 0;
        if (!mask[b][t])
            continue;
        double r = (t == last_of(b) ? last_score : 0) - beta * (logp[b][t] - ref[b][t]);
        carried = r + next - value[b][t] + lambda * carried;
        next = value[b][t];
        out[t] = carried;
    }
}

static void hand_whiten(double x[B][T], double ddof, double eps)
{
    double sum = 0, square = 0, n = 0;
    for (int i = 0; i < B * T; i++)
        if (mask[i / T][i % T]) {
            sum += x[i / T][i % T];
            n++;
        }
    for (int i = 0; i < B * T; i++)
        if (mask[i / T][i % T])
            square += pow(x[i / T][i % T] - sum / n, 2);
    for (int i = 0; i < B * T; i++)
        if (mask[i / T][i % T])
            x[i / T][i % T] = (x[i / T][i % T] - sum / n) / sqrt(square / (n - ddof) + eps);
}

static void expect(double x[B][T])
{
    for (int i = 0; i < B * T; i++)
        close_to(advantage[i / T][i % T], x[i / T][i % T]);
}

START_TEST(deepspeed_chat)
{
    double x[B][T];
    align_pipeline_args args = make("deepspeed_chat");
    ck_assert_int_eq(align_pipeline_eval(NULL, &args), 0);
    for (int b = 0; b < B; b++)
        hand_gae(b, clip(score[b], 5), .1, .95, x[b]);
    expect(x);
    for (int i = 0; i < B * T; i++)
        close_to(target[i / T][i % T],
                 mask[i / T][i % T] ? x[i / T][i % T] + value[i / T][i % T] : 0);
}
END_TEST

START_TEST(ppo_of_trl_verl_and_openrlhf)
{
    static const struct {
        const char *name;
        double limit, beta, lambda, ddof, eps;
    } cases[] = {{"trl_ppo", 1e9, .05, .95, 1, 1e-8},
                 {"verl_ppo", 1e9, 0, 1, 1, 1e-8},
                 {"openrlhf_ppo", 10, .01, 1, 0, 0}};
    double x[B][T];
    for (int c = 0; c < 3; c++) {
        align_pipeline_args args = make(cases[c].name);
        ck_assert_int_eq(align_pipeline_eval(NULL, &args), 0);
        for (int b = 0; b < B; b++)
            hand_gae(b, clip(score[b], cases[c].limit), cases[c].beta, cases[c].lambda, x[b]);
        hand_whiten(x, cases[c].ddof, cases[c].eps);
        expect(x);
    }
}
END_TEST

/* TRL subtracts the KL before the baseline is taken ... */
START_TEST(rloo_of_trl)
{
    double x[B][T], s[B];
    align_pipeline_args args = make("trl_rloo");
    ck_assert_int_eq(align_pipeline_eval(NULL, &args), 0);
    for (int b = 0; b < B; b++) {
        double sum = 0;
        for (int t = 0; t < T; t++)
            sum += mask[b][t] ? logp[b][t] - ref[b][t] : 0;
        close_to(kl[b], sum);
        s[b] = score[b] - .05 * sum;
    }
    for (int b = 0; b < B; b++) {
        int g = b / K * K;
        double others = (s[g] + s[g + 1] + s[g + 2] - s[b]) / 2;
        close_to(shaped[b], s[b] - others);
        for (int t = 0; t < T; t++)
            x[b][t] = mask[b][t] ? s[b] - others : 0;
    }
    expect(x);
}
END_TEST

/* ... and OpenRLHF after it, token by token. */
START_TEST(rloo_of_openrlhf)
{
    double x[B][T] = {{0}};
    align_pipeline_args args = make("openrlhf_rloo");
    ck_assert_int_eq(align_pipeline_eval(NULL, &args), 0);
    for (int b = 0; b < B; b++) {
        int g = b / K * K;
        double others = (score[g] + score[g + 1] + score[g + 2] - score[b]) / 2, carried = 0;
        for (int t = T - 1; t >= 0; t--) {
            if (!mask[b][t])
                continue;
            carried += (t == last_of(b) ? clip(score[b] - others, 10) : 0) -
                       .01 * (logp[b][t] - ref[b][t]);
            x[b][t] = carried;
        }
    }
    hand_whiten(x, 0, 0);
    expect(x);
}
END_TEST

START_TEST(every_preset_runs)
{
    static const char *const names[] = {"trl_ppo",       "trl_grpo",
                                        "trl_rloo",      "verl_ppo",
                                        "verl_grpo",     "verl_reinforce_plus_plus",
                                        "openrlhf_ppo",  "openrlhf_rloo",
                                        "nemo_rl_grpo",  "openrlhf_reinforce_baseline",
                                        "deepspeed_chat"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        align_pipeline_args args = make(names[i]);
        memset(advantage, 0xff, sizeof advantage);
        ck_assert_int_eq(align_pipeline_eval(NULL, &args), 0);
        for (int k = 0; k < B * T; k++)
            ck_assert(mask[k / T][k % T] ? isfinite(advantage[k / T][k % T])
                                         : advantage[k / T][k % T] == 0);
    }
}
END_TEST

/* Every step at once: overlong answers, ragged groups, whitened rewards, packed tokens. */
START_TEST(own_pipeline_over_packed_tokens)
{
    static const int32_t steps[] = {ALIGN_PIPELINE_OVERLONG,      ALIGN_PIPELINE_CLIP,
                                    ALIGN_PIPELINE_GROUP,         ALIGN_PIPELINE_DENSE,
                                    ALIGN_PIPELINE_WHITEN_REWARD, ALIGN_PIPELINE_ADVANTAGE};
    const int64_t offsets[] = {0, 4, 6, 9}, groups[] = {0, 2, 3};
    double judge[3] = {1, 5, 9}, out[3], r[9], a[9], v[9] = {0};
    align_norm_params center, keep;
    align_pipeline_args args;
    ck_assert_int_eq(align_norm_params_init(&center, sizeof center, ALIGN_NORM_CENTER), 0);
    ck_assert_int_eq(align_norm_params_init(&keep, sizeof keep, ALIGN_NORM_RESCALE), 0);
    align_pipeline_init(&plan, sizeof plan);
    memcpy(plan.step, steps, sizeof steps);
    plan.overlong_limit = 4;
    plan.overlong_buffer = 2;
    plan.overlong_factor = .5;
    plan.clip_low = -1;
    plan.clip_high = 4;
    plan.advantage = ALIGN_ADVANTAGE_GAE;
    plan.gamma = plan.lambda = 1;
    plan.group = &center;
    plan.whiten_reward = &keep;
    align_pipeline_args_init(&args, sizeof args);
    args.pipeline = &plan;
    args.score = align_1d(judge, ALIGN_F64, 3);
    args.group_offsets = align_1d(groups, ALIGN_I64, 3);
    args.offsets = align_1d(offsets, ALIGN_I64, 4);
    args.shaped = align_1d(out, ALIGN_F64, 3);
    args.reward = align_1d(r, ALIGN_F64, 9);
    args.value = align_1d(v, ALIGN_F64, 9);
    args.advantage = align_1d(a, ALIGN_F64, 9);
    ck_assert_int_eq(align_pipeline_eval(NULL, &args), 0);
    /* 1 - .5 and 5 and 9 - .25 clipped to 4; centred within {0, 1} and {2}. */
    close_to(out[0], .5 - 2.25);
    close_to(out[1], 4 - 2.25);
    close_to(out[2], 0);
    double deviation = sqrt(2 * 1.75 * 1.75 / 8) + 1e-8;
    close_to(r[3], -1.75 / deviation);
    close_to(r[0], 0);
    close_to(a[0], -1.75 / deviation);
    close_to(a[5], 1.75 / deviation);
}
END_TEST

SUITE_MAIN("pipeline", deepspeed_chat, ppo_of_trl_verl_and_openrlhf, rloo_of_trl, rloo_of_openrlhf,
           every_preset_runs, own_pipeline_over_packed_tokens)
