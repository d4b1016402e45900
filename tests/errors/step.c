/* Every check of a step: what it says, as seen from the step, and that nothing is written. */
#include "../suite.h"

#include "../step_bed.h"

#include "reach.h"

#include <math.h>

static struct bed bed, before;
static align_exec exec;
static align_error error;

static void make(void)
{
    bed_make(&bed, ALIGN_F32);
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
}

static void expect_untouched(void)
{
    size_t bytes;
    const void *results = bed_results(&bed, &bytes);
    ck_assert_mem_eq(results, bed_results(&before, &bytes), bytes);
}

static void expect(align_status status, const char *field, const char *text)
{
    memcpy(&before, &bed, sizeof bed);
    ck_assert_int_eq(align_step_run(&exec, &bed.step), status);
    reach_note(&error);
    ck_assert_int_eq(error.status, status);
    ck_assert_str_eq(error.field, field);
    ck_assert_msg(strstr(error.text, text) != NULL, "'%s' has no '%s'", error.text, text);
    expect_untouched();
    exec.error = NULL;
    ck_assert_int_eq(align_step_run(&exec, &bed.step), status);
    exec.error = &error;
}

static void no_policy(void)
{
    bed.step.policy = NULL;
}

static void no_losses(void)
{
    bed.step.losses = NULL;
}

static void count_of_losses(void)
{
    bed.step.n_losses = 0;
}

static void many_losses(void)
{
    bed.step.n_losses = 100;
}

static void sizes_differ(void)
{
    bed.losses[1].size += 8;
}

static void old_step(void)
{
    bed.step.size = 8;
}

static void policy_dtype(void)
{
    bed.policy.logits.dtype = ALIGN_I32;
}

static void policy_target(void)
{
    bed.target[3] = BED_VOCABULARY;
}

static void policy_without_gradient(void)
{
    bed.policy.dlogits.ndim = 0;
}

static align_tokens ref_tokens;
static int32_t ref_target[BED_ROWS];

static void ref_target_range(void)
{
    memcpy(ref_target, bed.target, sizeof ref_target);
    ref_target[5] = -7;
    ref_tokens = bed.tokens;
    ref_tokens.target.data = ref_target;
    bed.ref.tokens = &ref_tokens;
}

static void ref_scale(void)
{
    bed.ref.scale = 0;
}

static void ref_gradient(void)
{
    bed.ref.dlogp = bed.policy.dlogp;
}

static void ref_flags(void)
{
    bed.ref.dlogits = bed.ref.logits;
    bed.ref.flags = ALIGN_HEAD_ADD_DLOGITS;
}

static void ref_only_flags(void)
{
    bed.ref.flags = ALIGN_HEAD_ADD_DHIDDEN;
}

static void ref_over_policy(void)
{
    bed.ref.logp = bed.policy.logp;
    bed.losses[0].ref.ndim = 0;
}

static void loss_shape(void)
{
    bed.losses[0].ref.shape[0]--;
}

static void loss_number(void)
{
    bed.losses[1].scale = (double)INFINITY;
}

static align_loss_params params;

static void loss_param(void)
{
    ck_assert_int_eq(align_loss_params_init(&params, sizeof params, ALIGN_LOSS_DPO, NULL),
                     ALIGN_E_NONE);
    params.beta = -1;
    bed.losses[0].params = &params;
}

START_TEST(nothing_is_written)
{
    static const struct {
        void (*spoil)(void);
        align_status status;
        const char *field, *text;
    } rows[] = {
        {no_policy, ALIGN_E_ARG, "align_step_args.policy", "is absent"},
        {no_losses, ALIGN_E_ARG, "align_step_args.losses", "is absent"},
        {count_of_losses, ALIGN_E_RANGE, "align_step_args.n_losses", "= 0, expected 1..99"},
        {many_losses, ALIGN_E_RANGE, "align_step_args.n_losses", "= 100"},
        {sizes_differ, ALIGN_E_VERSION, "align_step_args.losses.size", "losses.size[1] ="},
        {old_step, ALIGN_E_VERSION, "align_step_args.size", "= 8, expected at least"},
        {policy_dtype, ALIGN_E_DTYPE, "align_step_args.policy.logits", "has dtype"},
        {policy_target, ALIGN_E_RANGE, "align_step_args.policy.tokens.target", "target[3] = 1000"},
        {policy_without_gradient, ALIGN_E_ARG, "align_step_args.policy.dlogits", "is absent"},
        {ref_target_range, ALIGN_E_RANGE, "align_step_args.ref.tokens.target", "target[5] = -7"},
        {ref_scale, ALIGN_E_RANGE, "align_step_args.ref.scale", "scale = 0"},
        {ref_gradient, ALIGN_E_ARG, "align_step_args.ref.dlogp", "does not read"},
        {ref_flags, ALIGN_E_ARG, "align_step_args.ref.dlogits", "does not read"},
        {ref_only_flags, ALIGN_E_ARG, "align_step_args.ref.dhidden", "is absent"},
        {ref_over_policy, ALIGN_E_LAYOUT, "align_step_args.ref.logp", "shares memory with"},
        {loss_shape, ALIGN_E_SHAPE, "align_step_args.losses[0].ref", "has size 4"},
        {loss_number, ALIGN_E_RANGE, "align_step_args.losses[1].scale", "scale = inf"},
        {loss_param, ALIGN_E_RANGE, "align_step_args.losses[0].params.beta", "beta = -1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make();
        rows[i].spoil();
        expect(rows[i].status, rows[i].field, rows[i].text);
    }
    make();
    ck_assert_int_eq(align_step_run(&exec, NULL), ALIGN_E_ARG);
    reach_note(&error);
}
END_TEST

struct patience {
    int polls, allowed;
};

static int32_t lose_patience(void *user)
{
    struct patience *patience = user;
    return ++patience->polls > patience->allowed;
}

/* Before each part; what came before it is there, what comes after is not. */
START_TEST(a_step_can_be_stopped)
{
    static const char *const before_what[] = {"the reference", "the policy", "the losses",
                                              "the backward"};
    for (int allowed = 0; allowed < 4; allowed++) {
        make();
        struct patience patience = {0, allowed};
        exec.cancel = lose_patience;
        exec.cancel_user = &patience;
        const int last = BED_SEQUENCES - 1;
        double logit = (double)((float *)bed.logits)[BED_VOCABULARY];
        ck_assert_int_eq(align_step_run(&exec, &bed.step), ALIGN_E_CANCELLED);
        reach_note(&error);
        ck_assert_str_eq(error.field, "align_exec.cancel");
        ck_assert_msg(strstr(error.text, before_what[allowed]) != NULL, "%s", error.text);
        ck_assert((bed.ref_logp[last] != 0) == (allowed > 0));
        ck_assert((bed.logp[last] != 0) == (allowed > 1));
        ck_assert((bed.dlogp[last] != 0) == (allowed > 2));
        ck_assert((double)((float *)bed.logits)[BED_VOCABULARY] == logit);
    }
    static const char *const areas[] = {"STEP_", NULL};
    static void (*const others[])(void) = {sizes_differ};
    make();
    others[0]();
    ck_assert_int_eq(align_step_run(&exec, &bed.step), ALIGN_E_VERSION);
    reach_note(&error);
    reach_demand(areas, false);
}
END_TEST

/* Scratch is asked for with the same checks of structs, seen from the step. */
START_TEST(scratch_is_checked_too)
{
    static void (*const spoils[])(void) = {no_policy, policy_dtype, ref_scale, loss_shape};
    static const char *const fields[] = {"align_step_args.policy", "align_step_args.policy.logits",
                                         "align_step_args.ref.scale",
                                         "align_step_args.losses[0].ref"};
    for (int i = 0; i < 4; i++) {
        make();
        spoils[i]();
        size_t least = 5, best = 6;
        ck_assert_int_ne(align_step_scratch(&exec, &bed.step, &least, &best), ALIGN_E_NONE);
        ck_assert_str_eq(error.field, fields[i]);
        ck_assert(least == 5 && best == 6);
    }
}
END_TEST

/* What only the run can find is found where it happens, and named from the step. */
START_TEST(late_errors_are_located)
{
    make();
    exec.flags = ALIGN_FLAG_FINITE;
    ((float *)bed.ref_logits)[BED_VOCABULARY + 2] = NAN;
    ck_assert_int_eq(align_step_run(&exec, &bed.step), ALIGN_E_RANGE);
    ck_assert_str_eq(error.field, "align_step_args.ref.logits");
    ck_assert(error.axes == 2 && error.index[0] == 1 && error.index[1] == 2);
}
END_TEST

SUITE_MAIN("errors/step", nothing_is_written, a_step_can_be_stopped, scratch_is_checked_too,
           late_errors_are_located)
