/* Every way to use the normalisers wrongly: status, field, index, value, and outputs left alone. */
#include "../suite.h"

#include "reach.h"

#include <libalign/norm.h>

#include <math.h>
#include <string.h>

enum { N = 4 };

/* A good call, which each row spoils in one way. */
struct call {
    align_norm_params params;
    align_norm state, other;
    align_norm_args args;
    align_norm_moments moments;
    unsigned char bytes[ALIGN_NORM_BYTES];
    size_t n_bytes;
    float reward[2][N], mask[2][N], dout[2][N], out[2][N], dreward[2][N];
    align_exec exec;
    align_error error;
};

static void make_good(struct call *c)
{
    memset(c, 0, sizeof *c);
    align_exec_init(&c->exec, sizeof c->exec);
    align_error_init(&c->error, sizeof c->error);
    c->exec.error = &c->error;
    ck_assert_int_eq(align_norm_params_init(&c->params, sizeof c->params, ALIGN_NORM_ZSCORE), 0);
    ck_assert_int_eq(align_norm_init(&c->state, sizeof c->state, NULL), 0);
    ck_assert_int_eq(align_norm_init(&c->other, sizeof c->other, NULL), 0);
    align_norm_args_init(&c->args, sizeof c->args);
    for (int i = 0; i < 2 * N; i++) {
        c->reward[i / N][i % N] = (float)i;
        c->mask[i / N][i % N] = 1;
    }
    c->args.reward = align_2d(c->reward, ALIGN_F32, 2, N);
    ck_assert_int_eq(align_norm_update(NULL, &c->state, &c->args), 0);
    ck_assert_int_eq(align_norm_save(NULL, &c->state, c->bytes, sizeof c->bytes), 0);
    c->n_bytes = sizeof c->bytes;
    c->moments.size = sizeof c->moments;
    c->args.mask = align_2d(c->mask, ALIGN_F32, 2, N);
}

/* The same with everything that apply reads and writes. */
static void make_apply(struct call *c)
{
    c->args.dout = align_2d(c->dout, ALIGN_F32, 2, N);
    c->args.out = align_2d(c->out, ALIGN_F32, 2, N);
    c->args.dreward = align_2d(c->dreward, ALIGN_F32, 2, N);
}

static align_status call_update(struct call *c)
{
    return align_norm_update(&c->exec, &c->state, &c->args);
}

static align_status call_batch(struct call *c)
{
    make_apply(c);
    c->args.params = &c->params;
    return align_norm_apply(&c->exec, NULL, &c->args);
}

static align_status call_running(struct call *c)
{
    make_apply(c);
    return align_norm_apply(&c->exec, &c->state, &c->args);
}

static align_status call_apply(struct call *c)
{
    return align_norm_apply(&c->exec, NULL, &c->args);
}

static align_status call_merge(struct call *c)
{
    return align_norm_merge(&c->exec, &c->state, &c->other);
}

static align_status call_save(struct call *c)
{
    return align_norm_save(&c->exec, &c->state, c->bytes, c->n_bytes);
}

static align_status call_load(struct call *c)
{
    return align_norm_load(&c->exec, &c->state, sizeof c->state, c->bytes, c->n_bytes);
}

static align_status call_get(struct call *c)
{
    return align_norm_get(&c->exec, &c->state, &c->moments);
}

/* Bytes that pass the checksum, made from a state that no program makes. */
static void seal(struct call *c)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < ALIGN_NORM_BYTES - 8; i++)
        hash = (hash ^ c->bytes[i]) * UINT64_C(1099511628211);
    for (int i = 0; i < 8; i++)
        c->bytes[ALIGN_NORM_BYTES - 8 + i] = (unsigned char)(hash >> 8 * i);
}

#define SPOIL(name, body)                                                                          \
    static void name(struct call *c)                                                               \
    {                                                                                              \
        body;                                                                                      \
    }

SPOIL(no_change, (void)c)
SPOIL(kind_9, c->params.kind = 9)
SPOIL(form_0, c->params.eps_form = 0)
SPOIL(nan_3, c->params.nan = 3)
SPOIL(few_7, c->params.few = 7)
SPOIL(equal_below, c->params.equal = -1)
SPOIL(reserved_1, c->params.reserved = 1)
SPOIL(formula, c->params.eps = 0; c->params.few = ALIGN_NORM_AS_FORMULA)
SPOIL(clip, c->params.clip_low = 2; c->params.clip_high = 1)
SPOIL(clip_nan, c->params.clip_low = NAN)
SPOIL(eps_below, c->params.eps = -1)
SPOIL(ddof_nan, c->params.ddof = NAN)
SPOIL(gain_inf, c->params.gain = INFINITY)
SPOIL(bias_inf, c->params.bias = -INFINITY)
SPOIL(center_eps, c->params.kind = ALIGN_NORM_CENTER)
SPOIL(state_ddof, c->state.ddof = -2)
SPOIL(params_size, c->params.size = 8)
SPOIL(args_size, c->args.size = 8)
SPOIL(args_tail, c->args.size = sizeof c->args + 8)
SPOIL(state_size, c->state.size = 8)
SPOIL(moments_size, c->moments.size = 8)
SPOIL(refuse_nan, c->params.nan = ALIGN_NORM_NAN_REFUSE; c->reward[1][2] = NAN)
SPOIL(finite_flag, c->exec.flags = ALIGN_FLAG_FINITE; c->reward[1][3] = INFINITY)
SPOIL(weight_below, c->mask[1][1] = -1)
SPOIL(weight_nan, c->mask[0][3] = NAN)
SPOIL(refuse_few, c->params.few = ALIGN_NORM_AS_REFUSE; memset(c->mask, 0, sizeof c->mask))
SPOIL(refuse_equal, c->params.equal = ALIGN_NORM_AS_REFUSE; memset(c->reward, 0, sizeof c->reward))
SPOIL(set_params, c->args.params = &c->params)
SPOIL(set_out, c->args.out = align_2d(c->out, ALIGN_F32, 2, N))
SPOIL(set_dout, c->args.dout = align_2d(c->dout, ALIGN_F32, 2, N))
SPOIL(set_dreward, c->args.dreward = align_2d(c->dreward, ALIGN_F32, 2, N))
SPOIL(out_and_dout, set_out(c); set_dout(c))
SPOIL(no_reward, c->args.reward.ndim = 0)
SPOIL(other_ddof, c->other.ddof = 0)
SPOIL(other_bad, c->other.kind = 12)
SPOIL(few_bytes, c->n_bytes = ALIGN_NORM_BYTES - 1)
SPOIL(foreign, c->bytes[0] = 'B')
SPOIL(later_format, c->bytes[8] = 2)
SPOIL(other_length, c->bytes[12] ^= 8)
SPOIL(damaged, c->bytes[200] ^= 1)
SPOIL(forged_kind, c->bytes[16] = 77; seal(c))
SPOIL(forged_count, c->bytes[95] = 0x80; seal(c))
SPOIL(forged_skipped, c->bytes[103] = 0x80; seal(c))
SPOIL(forged_sums, memset(c->bytes + 88, 0, 8); seal(c))
SPOIL(forged_least, c->bytes[111] = 0x7f; c->bytes[110] = 0xf8; seal(c))

static const struct row {
    const char *name;
    void (*spoil)(struct call *);
    align_status (*run)(struct call *);
    align_status status;
    const char *field;
    uint32_t axes;
    int64_t index[2];
    double value;
} rows[] = {
    {"kind", kind_9, call_batch, ALIGN_E_ARG, "align_norm_params.kind", 0, {0}, 9},
    {"form", form_0, call_batch, ALIGN_E_ARG, "align_norm_params.eps_form", 0, {0}, 0},
    {"nan", nan_3, call_batch, ALIGN_E_ARG, "align_norm_params.nan", 0, {0}, 3},
    {"few", few_7, call_batch, ALIGN_E_ARG, "align_norm_params.few", 0, {0}, 7},
    {"equal", equal_below, call_batch, ALIGN_E_ARG, "align_norm_params.equal", 0, {0}, -1},
    {"reserved", reserved_1, call_batch, ALIGN_E_ARG, "align_norm_params.reserved", 0, {0}, 1},
    {"formula", formula, call_batch, ALIGN_E_ARG, "align_norm_params.eps", 0, {0}, 0},
    {"clip", clip, call_batch, ALIGN_E_RANGE, "align_norm_params.clip_low", 0, {0}, 2},
    {"clip nan", clip_nan, call_batch, ALIGN_E_RANGE, "align_norm_params.clip_low", 0, {0}, NAN},
    {"eps", eps_below, call_batch, ALIGN_E_RANGE, "align_norm_params.eps", 0, {0}, -1},
    {"ddof", ddof_nan, call_batch, ALIGN_E_RANGE, "align_norm_params.ddof", 0, {0}, NAN},
    {"gain", gain_inf, call_batch, ALIGN_E_RANGE, "align_norm_params.gain", 0, {0}, INFINITY},
    {"bias", bias_inf, call_batch, ALIGN_E_RANGE, "align_norm_params.bias", 0, {0}, -INFINITY},
    {"center eps", center_eps, call_batch, ALIGN_E_ARG, "align_norm_params.eps", 0, {0}, 0},
    {"state ddof", state_ddof, call_update, ALIGN_E_RANGE, "align_norm.ddof", 0, {0}, -2},
    {"state ddof", state_ddof, call_running, ALIGN_E_RANGE, "align_norm.ddof", 0, {0}, -2},
    {"state ddof", state_ddof, call_get, ALIGN_E_RANGE, "align_norm.ddof", 0, {0}, -2},
    {"state ddof", state_ddof, call_save, ALIGN_E_RANGE, "align_norm.ddof", 0, {0}, -2},
    {"params size", params_size, call_batch, ALIGN_E_VERSION, "align_norm_params.size", 0, {0}, 8},
    {"args size", args_size, call_update, ALIGN_E_VERSION, "align_norm_args.size", 0, {0}, 8},
    {"args tail",
     args_tail,
     call_update,
     ALIGN_E_VERSION,
     "align_norm_args.size",
     0,
     {0},
     sizeof(align_norm_args) + 8},
    {"state size", state_size, call_update, ALIGN_E_VERSION, "align_norm.size", 0, {0}, 8},
    {"moments size", moments_size, call_get, ALIGN_E_VERSION, "align_norm_moments.size", 0, {0}, 8},
    {"nan", refuse_nan, call_batch, ALIGN_E_RANGE, "align_norm_args.reward", 2, {1, 2}, NAN},
    {"flag",
     finite_flag,
     call_update,
     ALIGN_E_RANGE,
     "align_norm_args.reward",
     2,
     {1, 3},
     INFINITY},
    {"flag",
     finite_flag,
     call_running,
     ALIGN_E_RANGE,
     "align_norm_args.reward",
     2,
     {1, 3},
     INFINITY},
    {"weight", weight_below, call_update, ALIGN_E_RANGE, "align_norm_args.mask", 2, {1, 1}, -1},
    {"weight", weight_below, call_running, ALIGN_E_RANGE, "align_norm_args.mask", 2, {1, 1}, -1},
    {"weight nan", weight_nan, call_batch, ALIGN_E_RANGE, "align_norm_args.mask", 2, {0, 3}, NAN},
    {"few", refuse_few, call_batch, ALIGN_E_RANGE, "align_norm_args.reward", 0, {0}, 0},
    {"equal", refuse_equal, call_batch, ALIGN_E_RANGE, "align_norm_args.reward", 0, {0}, 0},
    {"params", set_params, call_update, ALIGN_E_ARG, "align_norm_args.params", 0, {0}, 0},
    {"params", set_params, call_running, ALIGN_E_ARG, "align_norm_args.params", 0, {0}, 0},
    {"out", set_out, call_update, ALIGN_E_ARG, "align_norm_args.out", 0, {0}, 0},
    {"dout", set_dout, call_update, ALIGN_E_ARG, "align_norm_args.dout", 0, {0}, 0},
    {"dreward", set_dreward, call_update, ALIGN_E_ARG, "align_norm_args.dreward", 0, {0}, 0},
    {"no dout", set_dreward, call_apply, ALIGN_E_ARG, "align_norm_args.dout", 0, {0}, 0},
    {"dout alone", out_and_dout, call_apply, ALIGN_E_ARG, "align_norm_args.dout", 0, {0}, 0},
    {"no output", no_change, call_apply, ALIGN_E_ARG, "align_norm_args.out", 0, {0}, 0},
    {"no reward", no_reward, call_update, ALIGN_E_ARG, "align_norm_args.reward", 0, {0}, 0},
    {"other", other_ddof, call_merge, ALIGN_E_ARG, "other.ddof", 0, {0}, 0},
    {"other", other_bad, call_merge, ALIGN_E_ARG, "other.kind", 0, {0}, 12},
    {"save short", few_bytes, call_save, ALIGN_E_SCRATCH, "n_bytes", 0, {0}, ALIGN_NORM_BYTES - 1},
    {"load short", few_bytes, call_load, ALIGN_E_SCRATCH, "n_bytes", 0, {0}, ALIGN_NORM_BYTES - 1},
    {"foreign", foreign, call_load, ALIGN_E_VERSION, "bytes", 0, {0}, 0},
    {"format", later_format, call_load, ALIGN_E_VERSION, "bytes", 0, {0}, 2},
    {"length", other_length, call_load, ALIGN_E_VERSION, "bytes", 0, {0}, 1},
    {"damaged", damaged, call_load, ALIGN_E_RANGE, "bytes", 0, {0}, 0},
    {"kind in bytes", forged_kind, call_load, ALIGN_E_ARG, "bytes.kind", 0, {0}, 77},
    {"count in bytes", forged_count, call_load, ALIGN_E_RANGE, "bytes.count", 0, {0}, -0x1p63 + 8},
    {"skipped", forged_skipped, call_load, ALIGN_E_RANGE, "bytes.skipped", 0, {0}, -0x1p63},
    {"sums in bytes", forged_sums, call_load, ALIGN_E_RANGE, "bytes.sum_w", 0, {0}, 0},
    {"least in bytes", forged_least, call_load, ALIGN_E_RANGE, "bytes.sum_w", 0, {0}, 8},
};

static void expect(struct call *c, const struct row *row)
{
    align_norm state = c->state;
    align_norm_moments moments = c->moments;
    unsigned char bytes[ALIGN_NORM_BYTES];
    static const float zeros[2][N];
    memcpy(bytes, c->bytes, sizeof bytes);
    ck_assert_msg(row->run(c) == row->status, "%s: %s", row->name, c->error.text);
    ck_assert_int_eq(c->error.status, row->status);
    ck_assert_msg(strcmp(c->error.field, row->field) == 0, "%s: %s", row->name, c->error.text);
    ck_assert_msg(c->error.axes == row->axes, "%s: %s", row->name, c->error.text);
    ck_assert_int_eq(c->error.index[0], row->index[0]);
    ck_assert_int_eq(c->error.index[1], row->index[1]);
    bool same = isnan(row->value) ? isnan(c->error.value) : c->error.value == row->value;
    ck_assert_msg(same, "%s: %g, %s", row->name, c->error.value, c->error.text);
    ck_assert_mem_eq(&state, &c->state, sizeof state);
    ck_assert_mem_eq(&moments, &c->moments, sizeof moments);
    ck_assert_mem_eq(bytes, c->bytes, sizeof bytes);
    ck_assert_mem_eq(c->out, zeros, sizeof zeros);
    ck_assert_mem_eq(c->dreward, zeros, sizeof zeros);
    reach_note(&c->error);
}

static void run_rows(void)
{
    static struct call c;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_good(&c);
        rows[i].spoil(&c);
        expect(&c, &rows[i]);
    }
}

/* Numbers that only F64 can hold. */
static void run_large(void)
{
    static struct call c;
    double x[3] = {1, 2, -0x1p128};
    make_good(&c);
    c.args.reward = align_1d(x, ALIGN_F64, 3);
    c.args.mask.ndim = 0;
    ck_assert_int_eq(align_norm_update(&c.exec, &c.state, &c.args), ALIGN_E_RANGE);
    ck_assert_str_eq(c.error.field, "align_norm_args.reward");
    ck_assert_int_eq(c.error.index[0], 2);
    ck_assert_double_eq(c.error.value, x[2]);
    ck_assert_int_eq(c.state.count, 8);
    reach_note(&c.error);
}

START_TEST(null_structs_are_refused)
{
    static struct call c;
    make_good(&c);
    ck_assert_int_eq(align_norm_update(&c.exec, NULL, &c.args), ALIGN_E_ARG);
    ck_assert_str_eq(c.error.text, "align_norm is NULL");
    ck_assert_int_eq(align_norm_update(&c.exec, &c.state, NULL), ALIGN_E_ARG);
    ck_assert_str_eq(c.error.text, "align_norm_args is NULL");
    ck_assert_int_eq(align_norm_merge(&c.exec, &c.state, NULL), ALIGN_E_ARG);
    ck_assert_str_eq(c.error.text, "other is NULL");
    ck_assert_int_eq(align_norm_get(&c.exec, &c.state, NULL), ALIGN_E_ARG);
    ck_assert_str_eq(c.error.text, "align_norm_moments is NULL");
    ck_assert_int_eq(align_norm_save(&c.exec, &c.state, NULL, 1000), ALIGN_E_ARG);
    ck_assert_str_eq(c.error.text, "bytes is NULL");
    ck_assert_int_eq(align_norm_load(&c.exec, NULL, 1000, c.bytes, 1000), ALIGN_E_ARG);
    ck_assert_int_eq(align_norm_load(&c.exec, &c.state, 8, c.bytes, sizeof c.bytes),
                     ALIGN_E_VERSION);
}
END_TEST

/* What holds for every tensor, tried on each of them. */
struct field {
    const char *name;
    size_t offset;
    bool output, optional;
};

static const struct field fields[] = {
    {"align_norm_args.reward", offsetof(align_norm_args, reward), false, false},
    {"align_norm_args.mask", offsetof(align_norm_args, mask), false, true},
    {"align_norm_args.dout", offsetof(align_norm_args, dout), false, true},
    {"align_norm_args.out", offsetof(align_norm_args, out), true, true},
    {"align_norm_args.dreward", offsetof(align_norm_args, dreward), true, true},
};

#define RULE(name, body)                                                                           \
    static void name(align_tensor *t, struct call *c)                                              \
    {                                                                                              \
        (void)c;                                                                                   \
        body;                                                                                      \
    }

RULE(ndim_4, t->ndim = 4)
RULE(dtype_i32, t->dtype = ALIGN_I32)
RULE(dtype_none, t->dtype = 0)
RULE(size_below, t->shape[0] = -2)
RULE(size_other, t->shape[1] = N - 1)
RULE(ndim_1, t->ndim = 1)
RULE(too_far, t->stride[0] = INT64_C(1) << 61)
RULE(no_data, t->data = NULL)
RULE(crooked, t->data = (char *)t->data + 1)
RULE(folded, t->stride[0] = 1)
RULE(over_mask, t->data = c->mask)
RULE(over_reward_crookedly, t->data = &c->reward[0][1])

static const struct {
    align_status status;
    void (*spoil)(align_tensor *t, struct call *c);
    bool outputs_only, not_reward;
} rules[] = {
    {ALIGN_E_SHAPE, ndim_4, false, false},     {ALIGN_E_DTYPE, dtype_i32, false, false},
    {ALIGN_E_DTYPE, dtype_none, false, false}, {ALIGN_E_SHAPE, size_below, false, false},
    {ALIGN_E_SHAPE, size_other, false, true},  {ALIGN_E_SHAPE, ndim_1, false, true},
    {ALIGN_E_RANGE, too_far, false, false},    {ALIGN_E_ARG, no_data, false, false},
    {ALIGN_E_LAYOUT, crooked, false, false},   {ALIGN_E_LAYOUT, folded, true, false},
    {ALIGN_E_LAYOUT, over_mask, true, false},  {ALIGN_E_LAYOUT, over_reward_crookedly, true, false},
};

START_TEST(every_tensor_obeys_every_rule)
{
    static struct call c;
    static const float zeros[2][N];
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
            if ((rules[r].outputs_only && !fields[f].output) || (rules[r].not_reward && f == 0))
                continue;
            make_good(&c);
            make_apply(&c);
            rules[r].spoil((align_tensor *)(void *)((char *)&c.args + fields[f].offset), &c);
            align_status status = align_norm_apply(&c.exec, NULL, &c.args);
            ck_assert_msg(status == rules[r].status, "%s, rule %d: %d, %s", fields[f].name, (int)r,
                          (int)status, c.error.text);
            ck_assert_str_eq(c.error.field, fields[f].name);
            ck_assert_mem_eq(c.out, zeros, sizeof zeros);
            ck_assert_mem_eq(c.dreward, zeros, sizeof zeros);
        }
}
END_TEST

START_TEST(init_refuses_bad_parameters)
{
    align_norm_params p;
    align_norm s;
    memset(&s, 0x11, sizeof s);
    align_norm before = s;
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, 0), ALIGN_E_ARG);
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, ALIGN_NORM_MINMAX), 0);
    ck_assert_int_eq(align_norm_init(&s, 8, &p), ALIGN_E_VERSION);
    p.ddof = -1;
    ck_assert_int_eq(align_norm_init(&s, sizeof s, &p), ALIGN_E_RANGE);
    p.size = 3;
    ck_assert_int_eq(align_norm_init(&s, sizeof s, &p), ALIGN_E_VERSION);
    ck_assert_mem_eq(&s, &before, sizeof s);
}
END_TEST

START_TEST(every_row_of_the_area_is_reached)
{
    static const char *const area[] = {"NORM_", NULL};
    run_rows();
    run_large();
    reach_demand(area, false);
}
END_TEST

SUITE_MAIN("norm errors", null_structs_are_refused, every_tensor_obeys_every_rule,
           init_refuses_bad_parameters, every_row_of_the_area_is_reached)
