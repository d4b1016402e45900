/* Every way to call a loss wrongly: status, field, index, value, and outputs left alone. */
#include "../suite.h"

#include "reach.h"

#include <libalign/loss.h>
#include <math.h>
#include <stddef.h>

enum { G = 3, K = 2, ALL = G * K };

/* A good call, which each row of a table spoils in one way. */
struct call {
    align_exec exec;
    align_error error;
    align_loss_args args;
    align_loss_params params;
    double score[ALL], other[ALL], group[ALL];
    int64_t index[ALL], offsets[G + 1];
    uint8_t mask[ALL];
    struct outputs {
        double value, group_value[G], dscore[ALL], metrics[64];
    } out;
};

static void make_good(struct call *c, align_loss_id loss)
{
    memset(c, 0, sizeof *c);
    align_exec_init(&c->exec, sizeof c->exec);
    align_error_init(&c->error, sizeof c->error);
    align_loss_args_init(&c->args, sizeof c->args);
    c->exec.error = &c->error;
    for (int i = 0; i < ALL; i++) {
        c->score[i] = -1 - i;
        c->other[i] = 0.5;
        c->mask[i] = 1;
        c->index[i] = i;
    }
    for (int g = 0; g <= G; g++)
        c->offsets[g] = g * K;
    c->args.loss = loss;
    c->args.params = &c->params;
    ck_assert_int_eq(align_loss_params_init(&c->params, sizeof c->params, loss, NULL), 0);
    c->args.score = align_2d(c->score, ALIGN_F64, G, K);
    c->args.value = align_1d(&c->out.value, ALIGN_F64, 1);
    c->args.group_value = align_1d(c->out.group_value, ALIGN_F64, G);
    c->args.dscore = align_2d(c->out.dscore, ALIGN_F64, G, K);
}

static void by_index(struct call *c)
{
    c->args.score = align_1d(c->score, ALIGN_F64, ALL);
    c->args.dscore = align_1d(c->out.dscore, ALIGN_F64, ALL);
    c->args.index = align_2d(c->index, ALIGN_I64, G, K);
}

static void by_offsets(struct call *c)
{
    by_index(c);
    c->args.index.ndim = 0;
    c->args.offsets = align_1d(c->offsets, ALIGN_I64, G + 1);
}

static void expect(struct call *c, align_status status, const char *field, const char *text)
{
    struct outputs before = c->out;
    align_status found = align_loss_eval(&c->exec, &c->args);
    ck_assert_msg(found == status, "%s: status %d, %s", field, found, c->error.text);
    ck_assert_int_eq(c->error.status, status);
    ck_assert_msg(strcmp(c->error.field, field) == 0, "%s, not of %s", c->error.text, field);
    ck_assert_msg(text == NULL || strcmp(c->error.text, text) == 0, "'%s', expected '%s'",
                  c->error.text, text);
    ck_assert_mem_eq(&before, &c->out, sizeof before);
    reach_note(&c->error);
}

/* ---- one mistake a row -------------------------------------------------------------------- */

#define SPOIL(name, ...)                                                                           \
    static void name(struct call *c)                                                               \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }

SPOIL(args_size, c->args.size = 8)
SPOIL(no_such_loss, c->args.loss = 0)
SPOIL(unknown_flag, c->args.flags = 2)
SPOIL(params_of_another, c->params.loss = ALIGN_LOSS_SLIC)
static void divergence_of_aot(struct call *c)
{
    c->args.loss = ALIGN_LOSS_AOT;
    ck_assert_int_eq(align_loss_params_init(&c->params, sizeof c->params, ALIGN_LOSS_AOT, NULL), 0);
    c->params.divergence = ALIGN_DIVERGENCE_JS;
}

SPOIL(params_size, c->params.size = 8)
SPOIL(no_score, c->args.score.ndim = 0)
SPOIL(no_output, c->args.value.ndim = c->args.group_value.ndim = c->args.dscore.ndim = 0)
SPOIL(one_dimension, c->args.score = align_1d(c->score, ALIGN_F64, ALL))
SPOIL(triples, c->args.score = align_2d(c->score, ALIGN_F64, 2, 3))
SPOIL(short_ref, c->args.ref = align_2d(c->other, ALIGN_F64, 2, 2))
SPOIL(index_of_a_view, c->args.index = align_2d(c->index, ALIGN_I64, G, K))
SPOIL(index_too_large, by_index(c); c->index[3] = ALL)
SPOIL(offsets_for_pairs, by_offsets(c))
SPOIL(mask_of_two, c->mask[4] = 2; c->args.mask = align_2d(c->mask, ALIGN_U8, G, K))
SPOIL(mask_shape, c->args.mask = align_2d(c->mask, ALIGN_U8, K, G))
SPOIL(mask_ndim, c->args.mask = align_3d(c->mask, ALIGN_U8, G, K, 1))
SPOIL(negative_weight, c->group[2] = -1; c->args.weight = align_1d(c->group, ALIGN_F64, G))
SPOIL(nan_weight, c->group[1] = NAN; c->args.weight = align_1d(c->group, ALIGN_F64, G))
SPOIL(far_prob, c->group[1] = 1.5; c->args.prob = align_1d(c->group, ALIGN_F64, G))
SPOIL(infinite_offset, c->group[0] = INFINITY; c->args.offset = align_1d(c->group, ALIGN_F64, G))
SPOIL(negative_denom, c->args.denom = -1)
SPOIL(nan_denom, c->args.denom = NAN)
SPOIL(infinite_scale, c->args.scale = INFINITY)
SPOIL(gradient_over_score, c->args.dscore.data = c->score)
SPOIL(gradient_on_itself, c->args.dscore.stride[0] = 0)
SPOIL(value_dtype, c->args.value.dtype = ALIGN_F32)
SPOIL(value_size, c->args.value.shape[0] = 2)
SPOIL(metrics_shape, c->args.metrics = align_2d(c->out.metrics, ALIGN_F64, 2, 2))
SPOIL(finite_score, c->exec.flags = ALIGN_FLAG_FINITE; c->score[3] = NAN)
SPOIL(finite_ref, c->exec.flags = ALIGN_FLAG_FINITE; c->other[0] = -INFINITY;
      c->args.ref = align_2d(c->other, ALIGN_F64, G, K))

static const struct mistake {
    void (*spoil)(struct call *c);
    align_status status;
    const char *field, *text;
} pair_mistakes[] = {
    {args_size, ALIGN_E_VERSION, "align_loss_args.size", NULL},
    {no_such_loss, ALIGN_E_RANGE, "align_loss_args.loss", NULL},
    {unknown_flag, ALIGN_E_ARG, "align_loss_args.flags",
     "align_loss_args.flags = 2, a flag that align_loss_eval does not know"},
    {params_of_another, ALIGN_E_RANGE, "align_loss_params.loss",
     "align_loss_params.loss = 3, expected the loss of align_loss_args"},
    {params_size, ALIGN_E_VERSION, "align_loss_params.size", NULL},
    {divergence_of_aot, ALIGN_E_ARG, "align_loss_params.divergence",
     "align_loss_params.divergence is set, and aot sorts policy and reference apart and has no "
     "log-ratios"},
    {no_score, ALIGN_E_ARG, "align_loss_args.score",
     "align_loss_args.score is absent, and dpo needs it"},
    {no_output, ALIGN_E_ARG, "align_loss_args.value",
     "align_loss_args.value is absent, and a call without any other output needs it"},
    {one_dimension, ALIGN_E_SHAPE, "align_loss_args.score",
     "align_loss_args.score has ndim 1, expected 2"},
    {triples, ALIGN_E_SHAPE, "align_loss_args.score",
     "align_loss_args.score has size 3 along axis 1, expected 2"},
    {short_ref, ALIGN_E_SHAPE, "align_loss_args.ref",
     "align_loss_args.ref has size 2 along axis 0, expected 3"},
    {index_of_a_view, ALIGN_E_SHAPE, "align_loss_args.score",
     "align_loss_args.score has ndim 2, expected 1, with index"},
    {index_too_large, ALIGN_E_RANGE, "align_loss_args.index",
     "align_loss_args.index[1,1] = 6, expected 0..5"},
    {offsets_for_pairs, ALIGN_E_ARG, "align_loss_args.offsets",
     "align_loss_args.offsets is set, and dpo does not read it"},
    {mask_of_two, ALIGN_E_RANGE, "align_loss_args.mask",
     "align_loss_args.mask[2,0] = 2, expected 0 or 1"},
    {mask_shape, ALIGN_E_SHAPE, "align_loss_args.mask",
     "align_loss_args.mask has size 2 along axis 0, expected 3"},
    {mask_ndim, ALIGN_E_SHAPE, "align_loss_args.mask",
     "align_loss_args.mask has ndim 3, expected 1 or 2"},
    {negative_weight, ALIGN_E_RANGE, "align_loss_args.weight",
     "align_loss_args.weight[2] = -1, expected a finite number of 0 or more"},
    {nan_weight, ALIGN_E_RANGE, "align_loss_args.weight",
     "align_loss_args.weight[1] = nan, expected a finite number of 0 or more"},
    {far_prob, ALIGN_E_RANGE, "align_loss_args.prob",
     "align_loss_args.prob[1] = 1.5, expected 0..1"},
    {infinite_offset, ALIGN_E_RANGE, "align_loss_args.offset",
     "align_loss_args.offset[0] = inf, expected a finite number"},
    {negative_denom, ALIGN_E_RANGE, "align_loss_args.denom",
     "align_loss_args.denom = -1, expected a finite number of 0 or more"},
    {nan_denom, ALIGN_E_RANGE, "align_loss_args.denom", NULL},
    {infinite_scale, ALIGN_E_RANGE, "align_loss_args.scale",
     "align_loss_args.scale = inf, expected a finite number"},
    {gradient_over_score, ALIGN_E_LAYOUT, "align_loss_args.dscore",
     "align_loss_args.dscore is written, and shares memory with score"},
    {gradient_on_itself, ALIGN_E_LAYOUT, "align_loss_args.dscore",
     "align_loss_args.dscore is written, and two of its elements share memory"},
    {value_dtype, ALIGN_E_DTYPE, "align_loss_args.value",
     "align_loss_args.value has dtype 544, expected F64"},
    {value_size, ALIGN_E_SHAPE, "align_loss_args.value",
     "align_loss_args.value has size 2 along axis 0, expected 1"},
    {metrics_shape, ALIGN_E_SHAPE, "align_loss_args.metrics", NULL},
    {finite_score, ALIGN_E_RANGE, "align_loss_args.score",
     "align_loss_args.score[1,1] = nan, and ALIGN_FLAG_FINITE is set"},
    {finite_ref, ALIGN_E_RANGE, "align_loss_args.ref",
     "align_loss_args.ref[0,0] = -inf, and ALIGN_FLAG_FINITE is set"},
};

SPOIL(no_label, by_offsets(c))
SPOIL(nan_label, c->other[1] = NAN; c->args.label = align_2d(c->other, ALIGN_F64, G, K))

static void lists(struct call *c)
{
    by_offsets(c);
    c->args.label = align_1d(c->other, ALIGN_F64, ALL);
}

SPOIL(falling_offsets, lists(c); c->offsets[2] = 1)
SPOIL(offsets_beyond, lists(c); c->offsets[3] = 7)
SPOIL(negative_offsets, lists(c); c->offsets[0] = -1)
SPOIL(no_offsets, lists(c); c->args.offsets.shape[0] = 0)
SPOIL(flat_offsets, lists(c); c->args.offsets = align_2d(c->offsets, ALIGN_I64, 2, 2))
SPOIL(score_of_offsets, lists(c); c->args.score = align_2d(c->score, ALIGN_F64, G, K))
SPOIL(expected_inside, lists(c); c->params.score_ties = ALIGN_SCORE_TIES_EXPECTED;
      c->params.top = ALIGN_TOP_BOTH; c->params.top_n = 1)
SPOIL(rank_by_index, lists(c); by_index(c); c->args.offsets.ndim = 0;
      c->args.rank = align_1d(c->group, ALIGN_F64, ALL))
SPOIL(rank_expected, lists(c); c->params.score_ties = ALIGN_SCORE_TIES_EXPECTED;
      c->args.rank_out = align_1d(c->out.metrics, ALIGN_F64, ALL))
SPOIL(rank_zero, lists(c); c->args.rank = align_1d(c->index, ALIGN_I64, ALL))
SPOIL(index_and_offsets, lists(c); c->args.index = align_2d(c->index, ALIGN_I64, G, K))

static const struct mistake list_mistakes[] = {
    {no_label, ALIGN_E_ARG, "align_loss_args.label",
     "align_loss_args.label is absent, and lipo_lambda needs it"},
    {nan_label, ALIGN_E_RANGE, "align_loss_args.label", NULL},
    {falling_offsets, ALIGN_E_RANGE, "align_loss_args.offsets",
     "align_loss_args.offsets[2] = 1, expected 2..6"},
    {offsets_beyond, ALIGN_E_RANGE, "align_loss_args.offsets",
     "align_loss_args.offsets[3] = 7, expected 4..6"},
    {negative_offsets, ALIGN_E_RANGE, "align_loss_args.offsets",
     "align_loss_args.offsets[0] = -1, expected 0..6"},
    {no_offsets, ALIGN_E_SHAPE, "align_loss_args.offsets",
     "align_loss_args.offsets has size 0 along axis 0, expected 1"},
    {flat_offsets, ALIGN_E_SHAPE, "align_loss_args.offsets",
     "align_loss_args.offsets has ndim 2, expected 1"},
    {score_of_offsets, ALIGN_E_SHAPE, "align_loss_args.score",
     "align_loss_args.score has ndim 2, expected 1, with offsets"},
    {expected_inside, ALIGN_E_RANGE, "align_loss_params",
     "align_loss_params contradict each other: expected top cut where score_ties is expected"},
    {rank_by_index, ALIGN_E_ARG, "align_loss_args.rank",
     "align_loss_args.rank is set, and a call with index does not read it"},
    {rank_expected, ALIGN_E_ARG, "align_loss_args.rank_out",
     "align_loss_args.rank_out is set, and an expectation over orders does not read it"},
    {rank_zero, ALIGN_E_RANGE, "align_loss_args.rank", NULL},
    {index_and_offsets, ALIGN_E_ARG, "align_loss_args.index",
     "align_loss_args.index is set, and a call with offsets does not read it"},
};

SPOIL(dual_below_one, c->params.clip_dual = 0.5)
SPOIL(falling_thresholds, c->params.threshold2 = 0.25)

static const struct mistake clip_mistakes[] = {
    {dual_below_one, ALIGN_E_RANGE, "align_loss_params",
     "align_loss_params contradict each other: expected a clip_dual of 0, or of 1 or more"},
};

static const struct mistake threshold_mistakes[] = {
    {falling_thresholds, ALIGN_E_RANGE, "align_loss_params",
     "align_loss_params contradict each other: expected thresholds that rise over the levels in "
     "use"},
};

static void make_all(const struct mistake *mistakes, size_t n, align_loss_id loss)
{
    for (size_t i = 0; i < n; i++) {
        struct call c;
        make_good(&c, loss);
        mistakes[i].spoil(&c);
        expect(&c, mistakes[i].status, mistakes[i].field, mistakes[i].text);
    }
}

/* ---- states ------------------------------------------------------------------------------- */

static void expect_state(struct call *c, align_status found, align_status status, const char *text)
{
    ck_assert_msg(found == status, "status %d, %s", found, c->error.text);
    ck_assert_str_eq(c->error.text, text);
    reach_note(&c->error);
}

static void spoil_states(void)
{
    struct call c;
    align_loss_state state, other, before;
    unsigned char bytes[ALIGN_LOSS_STATE_BYTES] = {0};
    make_good(&c, ALIGN_LOSS_DPO);
    ck_assert_int_eq(align_loss_state_init(&state, sizeof state, ALIGN_LOSS_DPO), ALIGN_E_RANGE);
    ck_assert_int_eq(align_loss_state_init(NULL, sizeof state, ALIGN_LOSS_KTO), ALIGN_E_ARG);
    ck_assert_int_eq(align_loss_state_init(&state, sizeof state, ALIGN_LOSS_BETA_DPO), 0);
    ck_assert_int_eq(align_loss_state_init(&other, sizeof other, ALIGN_LOSS_BCO), 0);
    before = state;
    expect_state(&c, align_loss_state_update(&c.exec, &state, &c.args), ALIGN_E_ARG,
                 "align_loss_args.loss = 1, and the state is of 27");
    expect_state(&c, align_loss_state_merge(&c.exec, &state, &other), ALIGN_E_ARG,
                 "other.loss = 49, and the state is of 27");
    expect_state(&c, align_loss_state_merge(&c.exec, &state, NULL), ALIGN_E_ARG, "other is NULL");
    expect_state(&c, align_loss_state_save(&c.exec, &state, bytes, 127), ALIGN_E_SCRATCH,
                 "bytes has room for 127, expected at least 128");
    expect_state(&c, align_loss_state_load(&c.exec, &state, bytes, sizeof bytes), ALIGN_E_VERSION,
                 "bytes are not those of a loss state, or damaged");
    make_good(&c, ALIGN_LOSS_BETA_DPO);
    c.args.params = NULL;
    expect_state(&c, align_loss_state_apply(&c.exec, &state, &c.args), ALIGN_E_ARG,
                 "align_loss_args.params is absent, and align_loss_state_apply needs it");
    ck_assert_mem_eq(&state, &before, sizeof state);
    ck_assert_int_eq(align_loss_state_init(&other, sizeof other, ALIGN_LOSS_BCO_PAIR), 0);
    make_good(&c, ALIGN_LOSS_BCO_PAIR);
    expect_state(&c, align_loss_state_apply(&c.exec, &other, &c.args), ALIGN_E_ARG,
                 "align_loss_args.offset is absent, and align_loss_state_apply needs it");
    other.loss = ALIGN_LOSS_SFT;
    expect_state(
        &c, align_loss_state_update(&c.exec, &other, &c.args), ALIGN_E_RANGE,
        "align_loss_state.loss = 12, a row without a state: call align_loss_state_init first");
}

START_TEST(one_mistake_each)
{
    spoil_states();
    make_all(pair_mistakes, sizeof pair_mistakes / sizeof pair_mistakes[0], ALIGN_LOSS_DPO);
    make_all(list_mistakes, sizeof list_mistakes / sizeof list_mistakes[0], ALIGN_LOSS_LIPO_LAMBDA);
    make_all(clip_mistakes, 1, ALIGN_LOSS_PPO_CLIP);
    make_all(threshold_mistakes, 1, ALIGN_LOSS_ORDINAL);
    static const char *const mine[] = {"LOSS_", NULL};
    reach_demand(mine, false);
}
END_TEST

/* ---- every field of every row ------------------------------------------------------------- */

#define FIELD(name, bit)                                                                           \
    {                                                                                              \
        "align_loss_args." #name, offsetof(align_loss_args, name), bit                             \
    }

static const struct field {
    const char *name;
    size_t offset;
    uint32_t bit;
} fields[] = {
    FIELD(ref, ALIGN_LOSS_READS_REF),         FIELD(old, ALIGN_LOSS_READS_OLD),
    FIELD(aux, ALIGN_LOSS_READS_AUX),         FIELD(label, ALIGN_LOSS_READS_LABEL),
    FIELD(prob, ALIGN_LOSS_READS_PROB),       FIELD(offset, ALIGN_LOSS_READS_OFFSET),
    FIELD(offsets, ALIGN_LOSS_READS_OFFSETS), FIELD(daux, ALIGN_LOSS_WRITES_DAUX),
    FIELD(dparam, ALIGN_LOSS_WRITES_DPARAM),  FIELD(hscore, ALIGN_LOSS_WRITES_HSCORE),
};

enum { N_FIELDS = sizeof fields / sizeof fields[0] };

static align_tensor *field_of(struct call *c, int i)
{
    return (align_tensor *)((char *)&c->args + fields[i].offset);
}

/* What no field accepts, whatever shape it should have. */
static const struct {
    align_status status;
    align_dtype dtype;
    int32_t ndim;
    int64_t size;
    size_t skip; /* bytes from an aligned address; SIZE_MAX: no data */
} broken[] = {
    {ALIGN_E_DTYPE, ALIGN_U8, 1, 2, 0},   {ALIGN_E_DTYPE, 0x999, 1, 2, 0},
    {ALIGN_E_SHAPE, ALIGN_F64, 4, 2, 0},  {ALIGN_E_SHAPE, ALIGN_F64, -1, 2, 0},
    {ALIGN_E_SHAPE, ALIGN_F64, 1, -2, 0}, {ALIGN_E_RANGE, ALIGN_F64, 1, INT64_MAX, 0},
    {ALIGN_E_LAYOUT, ALIGN_F64, 1, 2, 1}, {ALIGN_E_ARG, ALIGN_F64, 1, 2, SIZE_MAX},
};

static void break_field(align_loss_id loss, int i, size_t way)
{
    struct call c;
    make_good(&c, loss);
    align_tensor *t = field_of(&c, i);
    *t = align_1d(c.other, broken[way].dtype, broken[way].size);
    t->ndim = broken[way].ndim;
    t->data = broken[way].skip == SIZE_MAX ? NULL : (char *)c.other + broken[way].skip;
    expect(&c, broken[way].status, fields[i].name, NULL);
}

static void give_what_it_needs(struct call *c, uint32_t needs)
{
    for (int i = 0; i < N_FIELDS; i++)
        if ((needs & fields[i].bit) != 0)
            *field_of(c, i) = align_2d(c->other, ALIGN_F64, G, K);
    if ((needs & ALIGN_LOSS_READS_COUNT) != 0)
        c->args.count = align_2d(c->other, ALIGN_F64, G, K);
}

START_TEST(every_unread_field)
{
    align_loss_info info = {0};
    ck_assert_int_eq(align_loss_get_info(_i, &info), 0);
    for (int i = 0; i < N_FIELDS; i++) {
        struct call c;
        if ((info.reads & fields[i].bit) != 0)
            continue;
        make_good(&c, _i);
        give_what_it_needs(&c, info.needs);
        *field_of(&c, i) = align_2d(c.other, ALIGN_F64, G, K);
        expect(&c, ALIGN_E_ARG, fields[i].name, NULL);
    }
}
END_TEST

START_TEST(broken_tensors)
{
    for (size_t way = 0; way < sizeof broken / sizeof broken[0]; way++) {
        break_field(ALIGN_LOSS_DPO, 0, way);
        break_field(ALIGN_LOSS_DPO, 4, way);
        break_field(ALIGN_LOSS_DPO, 5, way);
        break_field(ALIGN_LOSS_LIPO_LAMBDA, 3, way);
    }
}
END_TEST

static void spoil_param(align_loss_id loss, const align_param_info *info, double x)
{
    struct call c;
    char field[64] = "align_loss_params.";
    make_good(&c, loss);
    char *at = (char *)&c.params + info->offset;
    if (info->dtype == ALIGN_I32)
        memcpy(at, &(int32_t){(int32_t)x}, sizeof(int32_t));
    else
        memcpy(at, &x, sizeof x);
    expect(&c, ALIGN_E_RANGE, strcat(field, info->name), NULL);
}

START_TEST(every_parameter_outside_its_range)
{
    align_param_info info = {0};
    for (uint32_t i = 0; align_loss_get_param(_i, i, &info) == 0; i++) {
        const bool whole = info.dtype == ALIGN_I32;
        const double lowest = whole ? INT32_MIN : -1e300, highest = whole ? INT32_MAX : 1e300;
        if (!whole) {
            spoil_param(_i, &info, NAN);
            spoil_param(_i, &info, -INFINITY);
            spoil_param(_i, &info, INFINITY);
        }
        if (info.least > lowest)
            spoil_param(_i, &info, info.least - 1);
        if (info.most < highest)
            spoil_param(_i, &info, info.most + 1);
    }
}
END_TEST

START_TEST(every_unread_parameter)
{
    align_param_info info = {0};
    bool read[sizeof(align_loss_params)] = {false};
    for (uint32_t i = 0; align_loss_get_param(_i, i, &info) == 0; i++)
        read[info.offset] = true;
    for (align_loss_id other = 1; other <= align_loss_count(); other++)
        for (uint32_t i = 0; align_loss_get_param(other, i, &info) == 0; i++) {
            struct call c;
            char field[64] = "align_loss_params.";
            if (read[info.offset])
                continue;
            make_good(&c, _i);
            memset((char *)&c.params + info.offset, 1, 1);
            expect(&c, ALIGN_E_ARG, strcat(field, info.name), NULL);
        }
}
END_TEST

int main(void)
{
    const TTest *once[] = {one_mistake_each, broken_tensors};
    const TTest *rows[] = {every_unread_field, every_parameter_outside_its_range,
                           every_unread_parameter};
    Suite *suite = suite_create("errors loss");
    TCase *tcase = tcase_create("errors loss");
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
        tcase_add_test(tcase, once[i]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        tcase_add_loop_test(tcase, rows[i], 1, align_loss_count() + 1);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
