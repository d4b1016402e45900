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
    align_norm_groups_args groups;
    align_norm_moments moments;
    unsigned char bytes[ALIGN_NORM_BYTES];
    size_t n_bytes;
    float reward[2][N], mask[2][N], dout[2][N], out[2][N], dreward[2][N];
    float length[2][N], weight[N], reference[2];
    int64_t offsets[4];
    int32_t key[2][N];
    align_popart_args popart;
    align_norm_ring ring;
    double held[16];
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
    align_norm_groups_args_init(&c->groups, sizeof c->groups);
    c->groups.params = &c->params;
    c->groups.reward = c->args.reward;
    c->groups.mask = c->args.mask;
    c->groups.out = align_2d(c->out, ALIGN_F32, 2, N);
    align_norm_ring_init(&c->ring, sizeof c->ring);
    c->ring.value = align_1d(c->held, ALIGN_F64, 16);
    c->ring.filled = c->ring.next = 2 * N;
    align_popart_args_init(&c->popart, sizeof c->popart);
    c->popart.weight = align_2d(c->length, ALIGN_F32, 2, N);
    c->popart.bias = align_1d(c->reference, ALIGN_F32, 2);
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

static align_status call_ring(struct call *c)
{
    return align_norm_ring_update(&c->exec, &c->state, &c->ring, &c->args);
}

static align_status call_popart(struct call *c)
{
    return align_popart_apply(&c->exec, &c->popart);
}

static align_status call_groups(struct call *c)
{
    return align_norm_groups(&c->exec, &c->groups);
}

/* One list of 8 rewards that offsets cut. */
static align_status call_ragged(struct call *c)
{
    c->groups.reward = align_1d(c->reward, ALIGN_F32, 2 * N);
    c->groups.mask = align_1d(c->mask, ALIGN_F32, 2 * N);
    c->groups.out = align_1d(c->out, ALIGN_F32, 2 * N);
    c->groups.offsets = align_1d(c->offsets, ALIGN_I64, 4);
    return align_norm_groups(&c->exec, &c->groups);
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

static void use_kind(struct call *c, int32_t kind)
{
    ck_assert_int_eq(align_norm_params_init(&c->params, sizeof c->params, kind), 0);
}

#define SPOIL(name, body)                                                                          \
    static void name(struct call *c)                                                               \
    {                                                                                              \
        body;                                                                                      \
    }

SPOIL(no_change, (void)c)
SPOIL(kind_99, c->params.kind = 99)
SPOIL(form_0, c->params.eps_form = 0)
SPOIL(nan_3, c->params.nan = 3)
SPOIL(few_8, c->params.few = 8)
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
SPOIL(rate_of_batch, c->params.rate = .5; c->params.ddof = 0)
SPOIL(rate_2, c->params.rate = 2)
SPOIL(rate_state, c->state.rate = .5)
SPOIL(rate_merge, c->state.rate = c->other.rate = .5; c->state.ddof = c->other.ddof = 0)
SPOIL(set_key, c->args.key = align_2d(c->key, ALIGN_I32, 2, N); c->args.n_states = 1)
SPOIL(rate_key, set_key(c); c->state.rate = .5; c->state.ddof = 0)
SPOIL(key_beyond, set_key(c); c->key[1][1] = 1)
SPOIL(key_below, set_key(c); c->key[0][1] = -1)
SPOIL(key_no_states, set_key(c); c->args.n_states = 0)
SPOIL(states_no_key, c->args.n_states = 2)
SPOIL(key_other, set_key(c); c->args.n_states = 2; c->other.eps = 1)
SPOIL(ring_filled, c->ring.filled = 3)
SPOIL(ring_next, c->ring.next = 4)
SPOIL(ring_none, c->ring.value.ndim = 0)
SPOIL(ring_dtype, c->ring.value.dtype = ALIGN_BF16)
SPOIL(ring_empty, c->ring.value.shape[0] = 0)
SPOIL(ring_over, c->ring.next = 0; c->ring.value = align_1d(c->reward, ALIGN_F32, 2 * N))
SPOIL(ring_size, c->ring.size = 8)
SPOIL(ring_weight, c->mask[1][0] = .5f)
SPOIL(popart_deviation, c->popart.deviation = 0)
SPOIL(popart_mean, c->popart.new_mean = NAN)
SPOIL(popart_no_bias, c->popart.bias.ndim = 0)
SPOIL(popart_no_weight, c->popart.weight.ndim = 0)
SPOIL(popart_over, c->popart.bias.data = c->length)
SPOIL(popart_flat, c->popart.weight.ndim = 1)
SPOIL(popart_size, c->popart.size = 8)
SPOIL(args_size, c->args.size = 8)
SPOIL(args_tail, c->args.size = sizeof c->args + 8)
SPOIL(state_size, c->state.size = 8)
SPOIL(moments_size, c->moments.size = 8)
SPOIL(refuse_nan, c->params.nan = ALIGN_NORM_NAN_REFUSE; c->reward[1][2] = NAN)
SPOIL(finite_flag, c->exec.flags = ALIGN_FLAG_FINITE; c->reward[1][3] = INFINITY)
SPOIL(kind_of_groups, use_kind(c, ALIGN_NORM_LEAVE_OUT))
SPOIL(use_kind_affine, use_kind(c, ALIGN_NORM_AFFINE))
SPOIL(use_kind_length, use_kind(c, ALIGN_NORM_LENGTH_CENTER))
SPOIL(use_quantile, use_kind(c, ALIGN_NORM_QUANTILE);
      c->args.reference = align_1d(c->weight, ALIGN_F32, N))
SPOIL(quantile_falls, use_quantile(c); c->weight[2] = -1)
SPOIL(quantile_nan, use_quantile(c); c->weight[3] = NAN)
SPOIL(quantile_none, use_quantile(c); c->args.reference.ndim = 0)
SPOIL(quantile_empty, use_quantile(c); c->args.reference.shape[0] = 0)
SPOIL(rank_alone, use_kind(c, ALIGN_NORM_RANK))
SPOIL(steep, c->params.steepness = 1)
SPOIL(steep_nan, c->params.kind = 7; c->params.steepness = NAN)
SPOIL(set_reference, c->args.reference = align_2d(c->length, ALIGN_F32, 2, N))
SPOIL(reference_nan, use_kind(c, ALIGN_NORM_REFERENCE); set_reference(c); c->length[1][0] = NAN;
      c->exec.flags = ALIGN_FLAG_FINITE)
SPOIL(finite_dout, c->dout[0][1] = INFINITY; c->exec.flags = ALIGN_FLAG_FINITE)
SPOIL(group_then, c->params.few = ALIGN_NORM_AS_REFUSE; c->groups.then = &c->params)
SPOIL(group_then_kind, kind_of_groups(c); c->groups.then = &c->params)
SPOIL(group_flags, c->groups.flags = 2)
SPOIL(group_each, c->params.kind = ALIGN_NORM_BATCH_SCALE; c->groups.flags = 1)
SPOIL(group_few, c->params.few = ALIGN_NORM_AS_REFUSE; memset(c->mask[1], 0, sizeof c->mask[1]))
SPOIL(group_equal, c->params.equal = ALIGN_NORM_AS_REFUSE;
      memset(c->reward[1], 0, sizeof c->reward[1]))
SPOIL(group_mask, c->mask[1][2] = .5f)
SPOIL(group_weight, c->groups.weight = align_1d(c->weight, ALIGN_F32, 1); c->weight[0] = NAN)
SPOIL(group_length, use_kind_length(c); c->groups.length = align_2d(c->length, ALIGN_F32, 2, N);
      c->length[1][3] = -2)
SPOIL(no_length, use_kind_length(c))
SPOIL(length_unread, c->groups.length = align_2d(c->length, ALIGN_F32, 2, N))
SPOIL(group_reference, c->groups.reference = align_1d(c->reference, ALIGN_F32, 2))
SPOIL(group_no_reference, use_kind(c, ALIGN_NORM_REFERENCE))
SPOIL(group_reference_nan, group_no_reference(c); group_reference(c); c->reference[1] = NAN;
      c->exec.flags = ALIGN_FLAG_FINITE)
SPOIL(group_no_out, c->groups.out.ndim = 0)
SPOIL(group_pull, c->groups.dout = align_2d(c->dout, ALIGN_F32, 2, N);
      c->groups.dreward = align_2d(c->dreward, ALIGN_F32, 2, N))
SPOIL(group_no_dout, group_pull(c); c->groups.dout.ndim = 0)
SPOIL(group_no_dreward, group_pull(c); c->groups.dreward.ndim = 0)
SPOIL(group_in_place, group_pull(c); c->groups.out = c->groups.reward)
SPOIL(group_finite_dout, group_pull(c); c->dout[1][2] = INFINITY; c->exec.flags = ALIGN_FLAG_FINITE)
SPOIL(group_no_reward, c->groups.reward.ndim = 0)
SPOIL(group_flat, c->groups.reward.ndim = 1)
SPOIL(group_size, c->groups.size = 8)
SPOIL(offsets_fall, c->offsets[1] = 5; c->offsets[2] = 4; c->offsets[3] = 8)
SPOIL(offsets_start, c->offsets[0] = 1; c->offsets[3] = 8)
SPOIL(offsets_end, c->offsets[3] = 7)
SPOIL(offsets_beyond, c->offsets[1] = 9)
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
SPOIL(other_bad, c->other.kind = 99)
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
    {"kind", kind_99, call_batch, ALIGN_E_ARG, "align_norm_params.kind", 0, {0}, 99},
    {"form", form_0, call_batch, ALIGN_E_ARG, "align_norm_params.eps_form", 0, {0}, 0},
    {"nan", nan_3, call_batch, ALIGN_E_ARG, "align_norm_params.nan", 0, {0}, 3},
    {"few", few_8, call_batch, ALIGN_E_ARG, "align_norm_params.few", 0, {0}, 8},
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
    {"rate", rate_of_batch, call_batch, ALIGN_E_ARG, "align_norm_params.rate", 0, {0}, .5},
    {"rate", rate_2, call_batch, ALIGN_E_RANGE, "align_norm_params.rate", 0, {0}, 2},
    {"rate", rate_state, call_update, ALIGN_E_ARG, "align_norm.rate", 0, {0}, .5},
    {"rate", rate_merge, call_merge, ALIGN_E_ARG, "align_norm.rate", 0, {0}, .5},
    {"rate", rate_key, call_update, ALIGN_E_ARG, "align_norm_args.key", 0, {0}, 0},
    {"key", key_beyond, call_update, ALIGN_E_RANGE, "align_norm_args.key", 2, {1, 1}, 1},
    {"key", key_below, call_running, ALIGN_E_RANGE, "align_norm_args.key", 2, {0, 1}, -1},
    {"key", key_no_states, call_update, ALIGN_E_RANGE, "align_norm_args.n_states", 0, {0}, 0},
    {"key", states_no_key, call_running, ALIGN_E_RANGE, "align_norm_args.n_states", 0, {0}, 2},
    {"key", key_other, call_running, ALIGN_E_ARG, "align_norm.eps", 0, {0}, 1},
    {"popart",
     popart_deviation,
     call_popart,
     ALIGN_E_RANGE,
     "align_popart_args.deviation",
     0,
     {0},
     0},
    {"popart", popart_mean, call_popart, ALIGN_E_RANGE, "align_popart_args.new_mean", 0, {0}, NAN},
    {"popart", popart_no_bias, call_popart, ALIGN_E_ARG, "align_popart_args.bias", 0, {0}, 0},
    {"popart", popart_no_weight, call_popart, ALIGN_E_ARG, "align_popart_args.weight", 0, {0}, 0},
    {"popart", popart_over, call_popart, ALIGN_E_LAYOUT, "align_popart_args.weight", 0, {0}, 0},
    {"popart", popart_flat, call_popart, ALIGN_E_SHAPE, "align_popart_args.weight", 0, {0}, 1},
    {"popart", popart_size, call_popart, ALIGN_E_VERSION, "align_popart_args.size", 0, {0}, 8},
    {"ring", ring_filled, call_ring, ALIGN_E_ARG, "align_norm_ring.filled", 0, {0}, 3},
    {"ring", ring_next, call_ring, ALIGN_E_ARG, "align_norm_ring.filled", 0, {0}, 8},
    {"ring", ring_none, call_ring, ALIGN_E_ARG, "align_norm_ring.value", 0, {0}, 0},
    {"ring", ring_dtype, call_ring, ALIGN_E_DTYPE, "align_norm_ring.value", 0, {0}, ALIGN_BF16},
    {"ring", ring_empty, call_ring, ALIGN_E_SHAPE, "align_norm_ring.value", 0, {0}, 0},
    {"ring", ring_over, call_ring, ALIGN_E_LAYOUT, "align_norm_ring.value", 0, {0}, 0},
    {"ring", ring_size, call_ring, ALIGN_E_VERSION, "align_norm_ring.size", 0, {0}, 8},
    {"ring", ring_weight, call_ring, ALIGN_E_RANGE, "align_norm_args.mask", 2, {1, 0}, .5},
    {"ring", set_out, call_ring, ALIGN_E_ARG, "align_norm_args.out", 0, {0}, 0},
    {"place", kind_of_groups, call_batch, ALIGN_E_ARG, "align_norm_params.kind", 0, {0}, 14},
    {"place", use_kind_affine, call_groups, ALIGN_E_ARG, "align_norm_params.kind", 0, {0}, 5},
    {"then place", group_then_kind, call_groups, ALIGN_E_ARG, "align_norm_params.kind", 0, {0}, 14},
    {"samples", quantile_falls, call_batch, ALIGN_E_RANGE, "align_norm_args.reference", 1, {2}, -1},
    {"samples", quantile_nan, call_batch, ALIGN_E_RANGE, "align_norm_args.reference", 1, {3}, NAN},
    {"samples", quantile_none, call_batch, ALIGN_E_ARG, "align_norm_args.reference", 0, {0}, 0},
    {"samples", quantile_empty, call_batch, ALIGN_E_SHAPE, "align_norm_args.reference", 0, {0}, 0},
    {"rank", rank_alone, call_batch, ALIGN_E_SCRATCH, "align_exec.scratch_size", 0, {0}, 0},
    {"steepness", steep, call_batch, ALIGN_E_ARG, "align_norm_params.steepness", 0, {0}, 0},
    {"steepness", steep_nan, call_batch, ALIGN_E_RANGE, "align_norm_params.steepness", 0, {0}, NAN},
    {"reference", set_reference, call_batch, ALIGN_E_ARG, "align_norm_args.reference", 0, {0}, 0},
    {"reference", set_reference, call_running, ALIGN_E_ARG, "align_norm_args.reference", 0, {0}, 0},
    {"reference", set_reference, call_update, ALIGN_E_ARG, "align_norm_args.reference", 0, {0}, 0},
    {"reference",
     reference_nan,
     call_batch,
     ALIGN_E_RANGE,
     "align_norm_args.reference",
     2,
     {1, 0},
     NAN},
    {"dout", finite_dout, call_batch, ALIGN_E_RANGE, "align_norm_args.dout", 2, {0, 1}, INFINITY},
    {"then", group_then, call_groups, ALIGN_E_ARG, "align_norm_groups_args.then", 0, {0}, 0},
    {"flags", group_flags, call_groups, ALIGN_E_ARG, "align_norm_groups_args.flags", 0, {0}, 2},
    {"each", group_each, call_groups, ALIGN_E_ARG, "align_norm_groups_args.flags", 0, {0}, 1},
    {"group few",
     group_few,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.reward",
     2,
     {1, 0},
     0},
    {"group equal",
     group_equal,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.reward",
     2,
     {1, 0},
     0},
    {"group nan",
     refuse_nan,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.reward",
     2,
     {1, 2},
     NAN},
    {"group flag",
     finite_flag,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.reward",
     2,
     {1, 3},
     INFINITY},
    {"group mask",
     group_mask,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.mask",
     2,
     {1, 2},
     .5},
    {"group weight",
     group_weight,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.weight",
     1,
     {0},
     NAN},
    {"length",
     group_length,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.length",
     2,
     {1, 3},
     -2},
    {"no length", no_length, call_groups, ALIGN_E_ARG, "align_norm_groups_args.length", 0, {0}, 0},
    {"length", length_unread, call_groups, ALIGN_E_ARG, "align_norm_groups_args.length", 0, {0}, 0},
    {"reference",
     group_reference,
     call_groups,
     ALIGN_E_ARG,
     "align_norm_groups_args.reference",
     0,
     {0},
     0},
    {"no reference",
     group_no_reference,
     call_groups,
     ALIGN_E_ARG,
     "align_norm_groups_args.reference",
     0,
     {0},
     0},
    {"reference",
     group_reference_nan,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.reference",
     1,
     {1},
     NAN},
    {"no dout", group_no_dout, call_groups, ALIGN_E_ARG, "align_norm_groups_args.dout", 0, {0}, 0},
    {"no dreward",
     group_no_dreward,
     call_groups,
     ALIGN_E_ARG,
     "align_norm_groups_args.dout",
     0,
     {0},
     0},
    {"out is reward",
     group_in_place,
     call_groups,
     ALIGN_E_LAYOUT,
     "align_norm_groups_args.out",
     0,
     {0},
     0},
    {"finite dout",
     group_finite_dout,
     call_groups,
     ALIGN_E_RANGE,
     "align_norm_groups_args.dout",
     2,
     {1, 2},
     INFINITY},
    {"no out", group_no_out, call_groups, ALIGN_E_ARG, "align_norm_groups_args.out", 0, {0}, 0},
    {"no reward",
     group_no_reward,
     call_groups,
     ALIGN_E_ARG,
     "align_norm_groups_args.reward",
     0,
     {0},
     0},
    {"flat", group_flat, call_groups, ALIGN_E_SHAPE, "align_norm_groups_args.reward", 0, {0}, 1},
    {"groups size",
     group_size,
     call_groups,
     ALIGN_E_VERSION,
     "align_norm_groups_args.size",
     0,
     {0},
     8},
    {"offsets",
     offsets_fall,
     call_ragged,
     ALIGN_E_RANGE,
     "align_norm_groups_args.offsets",
     1,
     {2},
     4},
    {"offsets",
     offsets_start,
     call_ragged,
     ALIGN_E_RANGE,
     "align_norm_groups_args.offsets",
     1,
     {0},
     1},
    {"offsets",
     offsets_end,
     call_ragged,
     ALIGN_E_RANGE,
     "align_norm_groups_args.offsets",
     1,
     {3},
     7},
    {"offsets",
     offsets_beyond,
     call_ragged,
     ALIGN_E_RANGE,
     "align_norm_groups_args.offsets",
     1,
     {1},
     9},
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
    {"other", other_bad, call_merge, ALIGN_E_ARG, "other.kind", 0, {0}, 99},
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
    align_norm_ring ring = c->ring;
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
    ck_assert_mem_eq(&ring, &c->ring, sizeof ring);
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

static const struct field group_fields[] = {
    {"align_norm_groups_args.reward", offsetof(align_norm_groups_args, reward), false, false},
    {"align_norm_groups_args.mask", offsetof(align_norm_groups_args, mask), false, true},
    {"align_norm_groups_args.length", offsetof(align_norm_groups_args, length), false, true},
    {"align_norm_groups_args.out", offsetof(align_norm_groups_args, out), true, false},
    {"align_norm_groups_args.dout", offsetof(align_norm_groups_args, dout), false, true},
    {"align_norm_groups_args.dreward", offsetof(align_norm_groups_args, dreward), true, true},
};

START_TEST(every_tensor_of_groups_obeys_every_rule)
{
    static struct call c;
    static const float zeros[2][N];
    for (size_t f = 0; f < sizeof group_fields / sizeof group_fields[0]; f++)
        for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
            bool counts = rules[r].spoil == dtype_i32 && f == 2; /* a length may be I32 */
            if ((rules[r].outputs_only && !group_fields[f].output) ||
                (rules[r].not_reward && f == 0) || counts)
                continue;
            make_good(&c);
            use_kind_length(&c);
            c.groups.length = align_2d(c.length, ALIGN_F32, 2, N);
            group_pull(&c);
            rules[r].spoil((align_tensor *)(void *)((char *)&c.groups + group_fields[f].offset),
                           &c);
            align_status status = align_norm_groups(&c.exec, &c.groups);
            ck_assert_msg(status == rules[r].status, "%s, rule %d: %d, %s", group_fields[f].name,
                          (int)r, (int)status, c.error.text);
            ck_assert_str_eq(c.error.field, group_fields[f].name);
            ck_assert_mem_eq(c.out, zeros, sizeof zeros);
            ck_assert_mem_eq(c.dreward, zeros, sizeof zeros);
        }
}
END_TEST

START_TEST(presets_exist_or_are_refused)
{
    align_norm_params group = {.size = sizeof group}, then = {.size = sizeof then};
    uint32_t flags = 7;
    ck_assert_int_eq(align_norm_preset_get("trl", "passk", &group, &then, &flags), ALIGN_E_ARG);
    ck_assert_int_eq(align_norm_preset_get("nobody", "grpo", &group, &then, &flags), ALIGN_E_ARG);
    ck_assert_int_eq(align_norm_preset_get(NULL, "grpo", &group, &then, &flags), ALIGN_E_ARG);
    ck_assert_int_eq(flags, 7);
}
END_TEST

START_TEST(init_refuses_bad_parameters)
{
    align_norm_params p;
    align_norm s;
    memset(&s, 0x11, sizeof s);
    align_norm before = s;
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, 0), ALIGN_E_ARG);
    ck_assert_int_eq(align_norm_params_init(&p, sizeof p, ALIGN_NORM_RANK), 0);
    ck_assert_int_eq(align_norm_init(&s, sizeof s, &p), ALIGN_E_ARG);
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
           every_tensor_of_groups_obeys_every_rule, presets_exist_or_are_refused,
           init_refuses_bad_parameters, every_row_of_the_area_is_reached)
