/* Process rewards: ReNorm, progress, follow-ups, claims, aspects. */
#include "../suite.h"

#include <libalign/advantage.h>

#include <math.h>
#include <string.h>

static void close_to(double got, double expected)
{
    ck_assert_msg(fabs(got - expected) <= 1e-14 * fmax(1, fabs(expected)), "%.17g, not %.17g", got,
                  expected);
}

/* PPR's authors' code: .8 and 1 give .8, .8 and 0 give -.2, .2 and 1 give .2, .2 and 0 give -.8; the last
 * step carries the outcome alone, so a sequence of one step is unchanged. */
START_TEST(renorm)
{
    const double score[] = {.8, .2, .5, 8, 2, NAN, .9, .3}, outcome[] = {1, 0, 1, .5};
    const double most[] = {1, 1, 1, 10, 10, 10, 1, 1};
    const int64_t offsets[] = {0, 3, 7, 8, 8};
    const double expected[] = {.8, .2, 1, -.2, -.8, -1, 0, 1};
    double r[8];
    align_renorm_args args;
    align_renorm_args_init(&args, sizeof args);
    args.score = align_1d(score, ALIGN_F64, 8);
    args.most = align_1d(most, ALIGN_F64, 8);
    args.offsets = align_1d(offsets, ALIGN_I64, 5);
    args.outcome = align_1d(outcome, ALIGN_F64, 4);
    args.reward = align_1d(r, ALIGN_F64, 8);
    ck_assert_int_eq(align_renorm_eval(NULL, &args), 0);
    for (int i = 0; i < 8; i++)
        close_to(r[i], expected[i]);
}
END_TEST

START_TEST(progress)
{
    const double q[] = {.5, .75, .25, 1, .1, 1e-12}, policy[] = {0, .6, .4, .9, 0, .3};
    const int64_t offsets[] = {0, 4, 6};
    double a[6], e[6];
    align_progress_args args;
    align_progress_args_init(&args, sizeof args);
    args.prover = align_1d(q, ALIGN_F64, 6);
    args.offsets = align_1d(offsets, ALIGN_I64, 3);
    args.advantage = align_1d(a, ALIGN_F64, 6);
    ck_assert_int_eq(align_progress_eval(NULL, &args), 0);
    const double one[] = {0, .25, -.5, .75, 0, 1e-12 - .1};
    for (int i = 0; i < 6; i++)
        close_to(a[i], one[i]);
    args.best_of = 4;
    args.alpha = 2;
    args.policy = align_1d(policy, ALIGN_F64, 6);
    args.effective = align_1d(e, ALIGN_F64, 6);
    ck_assert_int_eq(align_progress_eval(NULL, &args), 0);
    close_to(a[1], pow(.5, 4) - pow(.25, 4));
    close_to(a[3], pow(.75, 4));
    close_to(e[1], .6 + 2 * a[1]);
    close_to(a[5] + 1 - pow(.9, 4), 4e-12);
    ck_assert_double_eq(e[0], 0);
}
END_TEST

START_TEST(followups)
{
    const double logp[2][3][2] = {{{-1, -3}, {-4, NAN}, {-10, -20}},
                                  {{-1, -1}, {NAN, NAN}, {-2, NAN}}};
    const uint8_t mask[2][3][2] = {{{1, 1}, {1, 0}, {1, 1}}, {{1, 1}, {0, 0}, {1, 0}}};
    const int32_t sign[3] = {1, 1, -1};
    double r[2];
    align_followup_args args;
    align_followup_args_init(&args, sizeof args);
    args.logp = align_3d(logp, ALIGN_F64, 2, 3, 2);
    args.mask = align_3d(mask, ALIGN_BOOL, 2, 3, 2);
    args.sign = align_1d(sign, ALIGN_I32, 3);
    args.reward = align_1d(r, ALIGN_F64, 2);
    ck_assert_int_eq(align_followup_eval(NULL, &args), 0);
    close_to(r[0], (-2 - 4) / 2. + 15);
    close_to(r[1], -1 + 2);
}
END_TEST

START_TEST(claims)
{
    const float yes[] = {.9f, .5f, .2f, NAN, .7f}, no[] = {.1f, .5f, .8f, .1f, .3f};
    const int64_t offsets[] = {0, 4, 5, 5};
    double r[3];
    align_claims_args args;
    align_claims_args_init(&args, sizeof args);
    args.accept = align_1d(yes, ALIGN_F32, 5);
    args.reject = align_1d(no, ALIGN_F32, 5);
    args.offsets = align_1d(offsets, ALIGN_I64, 4);
    args.reward = align_1d(r, ALIGN_F64, 3);
    ck_assert_int_eq(align_claims_eval(NULL, &args), 0);
    ck_assert_double_eq(r[0], -3);
    ck_assert(r[1] == 0 && !signbit(r[1]) && r[2] == 0);
}
END_TEST

START_TEST(aspects)
{
    const float rating[3][4] = {{5, 4, NAN, 3}, {1, 1, 1, 1}, {NAN, NAN, NAN, NAN}};
    const int64_t chosen[] = {0, 1}, rejected[] = {1, 0};
    double s[3], m[2];
    align_aspects_args args;
    align_aspects_args_init(&args, sizeof args);
    args.rating = align_2d(rating, ALIGN_F32, 3, 4);
    args.score = align_1d(s, ALIGN_F64, 3);
    args.chosen = align_1d(chosen, ALIGN_I64, 2);
    args.rejected = align_1d(rejected, ALIGN_I64, 2);
    args.margin = align_1d(m, ALIGN_F64, 2);
    ck_assert_int_eq(align_aspects_eval(NULL, &args), 0);
    close_to(s[0], 4);
    ck_assert(isnan(s[2]));
    close_to(m[0], .75);
    close_to(m[1], .75);
}
END_TEST

/* ---- bad calls -------------------------------------------------------------------------------- */

static align_error error;

static align_exec reporting(void)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    return exec;
}

static void expect(align_status got, align_status status, const char *field, int64_t index,
                   double value)
{
    ck_assert_msg(got == status, "%s", error.text);
    ck_assert_str_eq(error.field, field);
    ck_assert_int_eq(error.index[0], index);
    ck_assert(error.value == value || (isnan(value) && isnan(error.value)));
}

START_TEST(bad_renorm_and_claims)
{
    double x[4] = {1, 1, 1, 1}, r[4] = {7, 7, 7, 7};
    const double before[4] = {7, 7, 7, 7};
    int64_t offsets[] = {0, 1, 4};
    align_exec exec = reporting();
    align_renorm_args a;
    align_renorm_args_init(&a, sizeof a);
    expect(align_renorm_eval(&exec, &a), ALIGN_E_ARG, "align_renorm_args.score", 0, 0);
    a.score = a.most = align_1d(x, ALIGN_F64, 4);
    expect(align_renorm_eval(&exec, &a), ALIGN_E_ARG, "align_renorm_args.offsets", 0, 0);
    a.offsets = align_1d(offsets, ALIGN_I64, 3);
    expect(align_renorm_eval(&exec, &a), ALIGN_E_ARG, "align_renorm_args.outcome", 0, 0);
    a.outcome = align_1d(x, ALIGN_F64, 2);
    a.reward = align_1d(r, ALIGN_F64, 4);
    x[2] = 0;
    expect(align_renorm_eval(&exec, &a), ALIGN_E_RANGE, "align_renorm_args.most", 2, 0);
    x[2] = 1;
    a.beta = NAN;
    expect(align_renorm_eval(&exec, &a), ALIGN_E_RANGE, "align_renorm_args.beta", 0, NAN);
    a.beta = 1;
    a.outcome.shape[0] = 3;
    expect(align_renorm_eval(&exec, &a), ALIGN_E_SHAPE, "align_renorm_args.outcome", 0, 3);
    a.outcome.shape[0] = 2;
    a.reward.data = x;
    expect(align_renorm_eval(&exec, &a), ALIGN_E_LAYOUT, "align_renorm_args.reward", 0, 0);
    a.reward.data = r;
    offsets[1] = 5;
    expect(align_renorm_eval(&exec, &a), ALIGN_E_RANGE, "align_renorm_args.offsets", 1, 5);
    align_claims_args c;
    align_claims_args_init(&c, sizeof c);
    c.accept = align_1d(x, ALIGN_F64, 4);
    c.offsets = a.offsets;
    c.reward = align_1d(r, ALIGN_F64, 2);
    expect(align_claims_eval(&exec, &c), ALIGN_E_RANGE, "align_claims_args.offsets", 1, 5);
    offsets[1] = 1;
    expect(align_claims_eval(&exec, &c), ALIGN_E_ARG, "align_claims_args.reject", 0, 0);
    exec.flags = ALIGN_FLAG_FINITE;
    c.reject = c.accept;
    x[3] = NAN;
    expect(align_claims_eval(&exec, &c), ALIGN_E_RANGE, "align_claims_args.accept", 3, NAN);
    ck_assert_mem_eq(r, before, sizeof r);
}
END_TEST

START_TEST(bad_progress_followups_and_aspects)
{
    double x[4] = {.5, .5, .5, 1.5}, r[4] = {7, 7, 7, 7};
    const double before[4] = {7, 7, 7, 7};
    int64_t offsets[] = {0, 4}, index[] = {0, 2};
    int32_t sign[] = {1, 0};
    align_exec exec = reporting();
    align_progress_args p;
    align_progress_args_init(&p, sizeof p);
    p.prover = align_1d(x, ALIGN_F64, 4);
    p.offsets = align_1d(offsets, ALIGN_I64, 2);
    expect(align_progress_eval(&exec, &p), ALIGN_E_ARG, "align_progress_args.advantage", 0, 0);
    p.advantage = align_1d(r, ALIGN_F64, 4);
    expect(align_progress_eval(&exec, &p), ALIGN_E_RANGE, "align_progress_args.prover", 3, 1.5);
    p.alpha = 1;
    expect(align_progress_eval(&exec, &p), ALIGN_E_ARG, "align_progress_args.alpha", 0, 0);
    p.best_of = .5;
    expect(align_progress_eval(&exec, &p), ALIGN_E_RANGE, "align_progress_args.best_of", 0, .5);
    align_followup_args f;
    align_followup_args_init(&f, sizeof f);
    f.logp = align_3d(x, ALIGN_F64, 1, 2, 2);
    f.sign = align_1d(sign, ALIGN_I32, 2);
    expect(align_followup_eval(&exec, &f), ALIGN_E_ARG, "align_followup_args.reward", 0, 0);
    f.reward = align_1d(r, ALIGN_F64, 1);
    expect(align_followup_eval(&exec, &f), ALIGN_E_RANGE, "align_followup_args.sign", 1, 0);
    align_aspects_args a;
    align_aspects_args_init(&a, sizeof a);
    a.rating = align_2d(x, ALIGN_F64, 2, 2);
    expect(align_aspects_eval(&exec, &a), ALIGN_E_ARG, "align_aspects_args.score", 0, 0);
    a.margin = align_1d(r, ALIGN_F64, 2);
    expect(align_aspects_eval(&exec, &a), ALIGN_E_ARG, "align_aspects_args.chosen", 0, 0);
    a.chosen = a.rejected = align_1d(index, ALIGN_I64, 2);
    expect(align_aspects_eval(&exec, &a), ALIGN_E_RANGE, "align_aspects_args.chosen", 1, 2);
    a.range = 0;
    expect(align_aspects_eval(&exec, &a), ALIGN_E_RANGE, "align_aspects_args.range", 0, 0);
    a.size = 8;
    expect(align_aspects_eval(&exec, &a), ALIGN_E_VERSION, "align_aspects_args.size", 0, 8);
    ck_assert_mem_eq(r, before, sizeof r);
}
END_TEST

SUITE_MAIN("process", renorm, progress, followups, claims, aspects, bad_renorm_and_claims,
           bad_progress_followups_and_aspects)
