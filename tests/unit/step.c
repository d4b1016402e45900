/* A step is its parts, to the last bit. */
#include "../suite.h"

#include "../step_bed.h"

static void run_parts(struct bed *bed, const align_exec *exec)
{
    if (bed->step.ref != NULL)
        ck_assert_int_eq(align_head_forward(exec, &bed->ref), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_forward(exec, &bed->policy), ALIGN_E_NONE);
    for (uint32_t i = 0; i < bed->step.n_losses; i++)
        ck_assert_int_eq(align_loss_eval(exec, &bed->losses[i]), ALIGN_E_NONE);
    ck_assert_int_eq(align_head_backward(exec, &bed->policy), ALIGN_E_NONE);
}

static void expect_equal(const struct bed *a, const struct bed *b)
{
    size_t bytes;
    const void *results = bed_results(a, &bytes);
    ck_assert_mem_eq(results, bed_results(b, &bytes), bytes);
}

static int32_t backwards(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    while (tasks-- > 0)
        fn(ctx, tasks);
    return 0;
}

START_TEST(step_is_its_parts)
{
    static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_F64, ALIGN_BF16, ALIGN_F16};
    static struct bed parts, whole;
    align_exec shared;
    align_exec_init(&shared, sizeof shared);
    shared.parallel = backwards;
    for (int d = 0; d < 4; d++)
        for (int with_exec = 0; with_exec < 2; with_exec++) {
            bed_make(&parts, dtypes[d]);
            bed_make(&whole, dtypes[d]);
            run_parts(&parts, NULL);
            ck_assert_int_eq(align_step_run(with_exec ? &shared : NULL, &whole.step), ALIGN_E_NONE);
            expect_equal(&parts, &whole);
            ck_assert(whole.value[0] > 0 && whole.value[1] > 0);
        }
}
END_TEST

START_TEST(reference_may_be_from_before)
{
    static struct bed parts, whole;
    bed_make(&parts, ALIGN_F32);
    bed_make(&whole, ALIGN_F32);
    for (int s = 0; s < BED_SEQUENCES; s++)
        parts.ref_logp[s] = whole.ref_logp[s] = -20 - (float)s;
    parts.step.ref = whole.step.ref = NULL;
    run_parts(&parts, NULL);
    ck_assert_int_eq(align_step_run(NULL, &whole.step), ALIGN_E_NONE);
    expect_equal(&parts, &whole);
}
END_TEST

/* A list of more than 64 items needs scratch, and so does the step. */
START_TEST(scratch_is_the_most_of_the_parts)
{
    enum { WIDTH = 70 };
    static double score[WIDTH], label[WIDTH], dscore[WIDTH];
    static struct bed bed;
    bed_make(&bed, ALIGN_F32);
    size_t least = 7, best = 7, least_of_list, best_of_list;
    ck_assert_int_eq(align_step_scratch(NULL, &bed.step, &least, &best), ALIGN_E_NONE);
    ck_assert(least == 0 && best == 0);
    align_loss_args *list = &bed.losses[1];
    align_loss_args_init(list, sizeof *list);
    list->loss = ALIGN_LOSS_LIPO_LAMBDA;
    list->score = align_2d(score, ALIGN_F64, 1, WIDTH);
    list->label = align_2d(label, ALIGN_F64, 1, WIDTH);
    list->dscore = align_2d(dscore, ALIGN_F64, 1, WIDTH);
    bed_fill(label, ALIGN_F64, WIDTH, 3);
    for (int i = 0; i < WIDTH; i++)
        label[i] = label[i] > 0 ? label[i] : 0;
    ck_assert_int_eq(align_loss_scratch(NULL, list, &least_of_list, &best_of_list), ALIGN_E_NONE);
    ck_assert_int_eq(align_step_scratch(NULL, &bed.step, &least, &best), ALIGN_E_NONE);
    ck_assert(least > 0 && least == least_of_list && best == best_of_list);

    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.scratch = malloc(least);
    exec.scratch_size = least - 1;
    ck_assert_int_eq(align_step_run(&exec, &bed.step), ALIGN_E_SCRATCH);
    ck_assert(bed.logp[0] == 0);
    exec.scratch_size = least;
    ck_assert_int_eq(align_step_run(&exec, &bed.step), ALIGN_E_NONE);
    ck_assert(bed.logp[BED_SEQUENCES - 1] != 0);
    free(exec.scratch);
}
END_TEST

/* Hidden states and weights of both heads, and what the policy's backward writes. */
enum { WIDTH = 24 };
struct linear {
    float hidden[2][BED_ROWS * WIDTH], weight[2][BED_VOCABULARY * WIDTH];
    float dhidden[BED_ROWS * WIDTH], dweight[BED_VOCABULARY * WIDTH];
};

static void make_linear(struct bed *bed, struct linear *linear, int one_pass)
{
    bed_make(bed, ALIGN_F32);
    memset(linear, 0, sizeof *linear);
    align_head *heads[] = {&bed->policy, &bed->ref};
    for (uint32_t h = 0; h < 2; h++) {
        bed_fill(linear->hidden[h], ALIGN_F32, BED_ROWS * WIDTH, 11 + h);
        bed_fill(linear->weight[h], ALIGN_F32, BED_VOCABULARY * WIDTH, 21 + h);
        heads[h]->logits.ndim = heads[h]->dlogits.ndim = 0;
        heads[h]->hidden = align_2d(linear->hidden[h], ALIGN_F32, BED_ROWS, WIDTH);
        heads[h]->weight = align_2d(linear->weight[h], ALIGN_F32, BED_VOCABULARY, WIDTH);
    }
    bed->policy.dhidden = align_2d(linear->dhidden, ALIGN_F32, BED_ROWS, WIDTH);
    if (one_pass)
        bed->policy.jhidden = bed->policy.dhidden;
    else
        bed->policy.dweight = align_2d(linear->dweight, ALIGN_F32, BED_VOCABULARY, WIDTH);
}

START_TEST(linear_heads_make_the_same_step)
{
    static struct bed parts, whole;
    static struct linear of_parts, of_whole;
    for (int one_pass = 0; one_pass < 2; one_pass++) {
        make_linear(&parts, &of_parts, one_pass);
        make_linear(&whole, &of_whole, one_pass);
        align_exec exec;
        align_exec_init(&exec, sizeof exec);
        size_t best;
        ck_assert_int_eq(align_step_scratch(&exec, &whole.step, &exec.scratch_size, &best),
                         ALIGN_E_NONE);
        ck_assert_uint_gt(exec.scratch_size, 0);
        exec.scratch = malloc(exec.scratch_size);
        run_parts(&parts, &exec);
        ck_assert_int_eq(align_step_run(&exec, &whole.step), ALIGN_E_NONE);
        expect_equal(&parts, &whole);
        ck_assert_mem_eq(&of_parts, &of_whole, sizeof of_whole);
        ck_assert(of_whole.dhidden[WIDTH * (BED_ROWS - 1)] != 0);
        ck_assert((of_whole.dweight[0] != 0) == !one_pass);
        free(exec.scratch);
    }
}
END_TEST

SUITE_MAIN("unit/step", step_is_its_parts, reference_may_be_from_before,
           scratch_is_the_most_of_the_parts, linear_heads_make_the_same_step)
