/* The checks that belong to no area: structs, tensors, fields in general, running. */
#include "../suite.h"

#include "base/exec.h"
#include "reach.h"
#include "base/tensor.h"

#include <libalign/align.h>
#include <math.h>
#include <stdio.h>

static align_error error;

static align_exec reporting(void)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    return exec;
}

static void expect(align_status got, align_status wanted, const char *text)
{
    ck_assert_str_eq(error.text, text);
    ck_assert_int_eq(got, wanted);
    ck_assert_int_eq(error.status, wanted);
    reach_note(&error);
}

static void provoke_structs(void)
{
    align_exec exec = reporting(), local;
    struct {
        align_exec known;
        uint64_t later;
    } newer;
    memset(&newer, 0, sizeof newer);
    expect(align__import(&exec, "align_exec", &local, sizeof local, sizeof local, NULL),
           ALIGN_E_ARG, "align_exec is NULL");
    char text[128];
    const size_t known = sizeof local;
    newer.known.size = 8;
    snprintf(
        text, sizeof text,
        "align_exec.size = 8, expected at least %zu: call the init function of the struct first",
        known);
    expect(align__import(&exec, "align_exec", &local, known, known, &newer), ALIGN_E_VERSION, text);
    newer.known.size = sizeof newer;
    newer.later = 1;
    snprintf(
        text, sizeof text,
        "align_exec.size = %zu, and this library knows %zu: a field that it does not know is set",
        sizeof newer, known);
    expect(align__import(&exec, "align_exec", &local, known, known, &newer), ALIGN_E_VERSION, text);
    exec.flags = 4;
    expect(align__enter(&local, &exec), ALIGN_E_ARG,
           "align_exec.flags = 4, a flag that this library does not know");
}

#if defined(__i386__)
#    define F64_MULTIPLE "4"
#else
#    define F64_MULTIPLE "8"
#endif

struct tensor_case {
    int32_t ndim;
    int64_t shape[2], stride[2];
    align_dtype dtype;
    size_t skip; /* bytes from an aligned address; SIZE_MAX: no data */
    align_status status;
    const char *text;
};

static void provoke_tensors(void)
{
    static const struct tensor_case cases[] = {
        {4, {2, 3}, {3, 1}, ALIGN_F32, 0, ALIGN_E_SHAPE, "x.y has ndim 4, expected 1, 2 or 3"},
        {-1, {2, 3}, {3, 1}, ALIGN_F32, 0, ALIGN_E_SHAPE, "x.y has ndim -1, expected 1, 2 or 3"},
        {2,
         {2, -3},
         {3, 1},
         ALIGN_F32,
         0,
         ALIGN_E_SHAPE,
         "x.y has size -3 along axis 1, expected 0 or more"},
        {2,
         {2, 3},
         {INT64_MAX, 1},
         ALIGN_F32,
         0,
         ALIGN_E_RANGE,
         "x.y spans more bytes than can be addressed along axis 0"},
        {2, {2, 3}, {3, 1}, ALIGN_I32, 0, ALIGN_E_DTYPE, "x.y has dtype 32, expected F32 or F64"},
        {2, {2, 3}, {3, 1}, 0, 0, ALIGN_E_DTYPE, "x.y has dtype 0, expected F32 or F64"},
        {2, {2, 3}, {3, 1}, ALIGN_F32, SIZE_MAX, ALIGN_E_ARG, "x.y has NULL data"},
        {2,
         {2, 3},
         {3, 1},
         ALIGN_F64,
         2,
         ALIGN_E_LAYOUT,
         "x.y has data that is not a multiple of " F64_MULTIPLE " bytes"},
    };
    align_exec exec = reporting();
    double data[8];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tensor_case *c = &cases[i];
        align_tensor t = align_2d((char *)data + (c->skip == SIZE_MAX ? 0 : c->skip), c->dtype,
                                  c->shape[0], c->shape[1]);
        t.ndim = c->ndim;
        memcpy(t.stride, c->stride, sizeof c->stride);
        if (c->skip == SIZE_MAX)
            t.data = NULL;
        expect(align__check_tensor(&exec, (struct align__named){"x", "y", &t}, ALIGN__SET_WIDE),
               c->status, c->text);
    }
}

static void provoke_shapes_and_overlaps(void)
{
    align_exec exec = reporting();
    double data[8];
    align_tensor t = align_2d(data, ALIGN_F64, 2, 3), self = t,
                 other = align_1d(data + 5, ALIGN_F64, 2);
    struct align__named named = {"x", "y", &t}, others[] = {{"x", "z", &other}};
    expect(align__check_shape(&exec, named, 1, (int64_t[]){6}), ALIGN_E_SHAPE,
           "x.y has ndim 2, expected 1");
    expect(align__check_shape(&exec, named, 2, (int64_t[]){2, 4}), ALIGN_E_SHAPE,
           "x.y has size 3 along axis 1, expected 4");
    expect(align__check_output(&exec, named, others, 1), ALIGN_E_LAYOUT,
           "x.y is written, and shares memory with z");
    self.stride[0] = 2;
    expect(align__check_output(&exec, (struct align__named){"x", "y", &self}, NULL, 0),
           ALIGN_E_LAYOUT, "x.y is written, and two of its elements share memory");
}

static int32_t run_nothing(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user, (void)tasks, (void)fn, (void)ctx;
    return 7;
}

static void provoke_running(void)
{
    align_exec exec = reporting();
    struct align__arena arena;
    char scratch[100];
    exec.scratch = scratch;
    exec.scratch_size = sizeof scratch;
    expect(align__arena_open(&exec, &arena, 101), ALIGN_E_SCRATCH,
           "align_exec.scratch_size = 100, expected at least 101");
    exec.parallel = run_nothing;
    expect(align__parallel(&exec, 3, NULL, NULL), ALIGN_E_PARALLEL,
           "align_exec.parallel returned 7 after 0 of 3 tasks");
}

/* Rows that many calls share, through the calls. */
static void provoke_fields(void)
{
    double score[4] = {1, 2, NAN, 4}, value;
    align_exec exec = reporting();
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_DPO;
    loss.value = align_1d(&value, ALIGN_F64, 1);
    expect(align_loss_eval(&exec, &loss), ALIGN_E_ARG,
           "align_loss_args.score is absent, and dpo needs it");
    loss.score = align_2d(score, ALIGN_F64, 2, 2);
    loss.label = loss.score;
    expect(align_loss_eval(&exec, &loss), ALIGN_E_ARG,
           "align_loss_args.label is set, and dpo does not read it");
    loss.label.ndim = 0;
    loss.weight = align_1d((double[]){1, -1}, ALIGN_F64, 2);
    expect(align_loss_eval(&exec, &loss), ALIGN_E_RANGE,
           "align_loss_args.weight[1] = -1, expected a finite number of 0 or more");
    loss.weight.ndim = 0;
    loss.prob = align_1d((double[]){1.5, 1}, ALIGN_F64, 2);
    expect(align_loss_eval(&exec, &loss), ALIGN_E_RANGE,
           "align_loss_args.prob[0] = 1.5, expected 0..1");
    loss.prob.ndim = 0;
    exec.flags = ALIGN_FLAG_FINITE;
    expect(align_loss_eval(&exec, &loss), ALIGN_E_RANGE,
           "align_loss_args.score[1,0] = nan, and ALIGN_FLAG_FINITE is set");

    float logits[4] = {0};
    align_tokens tokens;
    align_head head;
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    tokens.target = align_1d((int32_t[]){0, 0}, ALIGN_I32, 2);
    head.tokens = &tokens;
    head.logits = align_2d(logits, ALIGN_F32, 2, 2);
    head.logits.stride[1] = 2;
    head.lse = align_1d(score, ALIGN_F64, 2);
    expect(align_head_forward(&exec, &head), ALIGN_E_LAYOUT,
           "align_head.logits has stride 2 along axis 1, expected 1");
}

START_TEST(every_general_check_is_reached)
{
    static const char *const areas[] = {ERROR_AREAS NULL};
    provoke_structs();
    provoke_tensors();
    provoke_shapes_and_overlaps();
    provoke_running();
    provoke_fields();
    reach_demand(areas, true);
}
END_TEST

SUITE_MAIN("errors base", every_general_check_is_reached)
