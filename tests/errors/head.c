/* Every way to call a head wrongly: status, field, index, value, and outputs left alone. */
#include "../suite.h"

#include "reach.h"

#include <libalign/head.h>

#include <math.h>
#include <stddef.h>

enum { B = 2, T = 3, N = B * T, V = 5, D = 4, SCRATCH = 1 << 16 };

/* A good padded call of forward and backward, which each row spoils in one way. */
struct call {
    align_exec exec;
    align_error error;
    align_tokens tokens;
    align_head head, other;
    int64_t target[B][T], offsets[3];
    float mask[B][T], logits[B][T][V], other_logits[B][T][V];
    float hidden[B][T][D], weight[V][D], bias[V];
    double gradient[N], sequence_gradient[B];
    char scratch[SCRATCH];
    struct outputs {
        float dlogits[B][T][V], jhidden[B][T][D], dhidden[B][T][D], dweight[V][D], dbias[V];
        double logp[B], count[B], wsum[B];
        double token_logp[N], lse[N], entropy[N], collision[N], kl[N], hit[N];
    } out;
};

static void make_good(struct call *c)
{
    memset(c, 0, sizeof *c);
    align_exec_init(&c->exec, sizeof c->exec);
    align_error_init(&c->error, sizeof c->error);
    align_tokens_init(&c->tokens, sizeof c->tokens);
    align_head_init(&c->head, sizeof c->head);
    c->exec.error = &c->error;
    c->offsets[1] = 2;
    c->offsets[2] = N;
    for (int n = 0; n < N; n++) {
        c->mask[n / T][n % T] = 1;
        c->gradient[n] = 0.5;
    }
    c->tokens.target = align_2d(c->target, ALIGN_I64, B, T);
    c->tokens.mask = align_2d(c->mask, ALIGN_F32, B, T);
    align_head *head = &c->head;
    head->tokens = &c->tokens;
    head->logits = align_3d(c->logits, ALIGN_F32, B, T, V);
    head->logp = align_1d(c->out.logp, ALIGN_F64, B);
    head->count = align_1d(c->out.count, ALIGN_F64, B);
    head->wsum = align_1d(c->out.wsum, ALIGN_F64, B);
    head->token_logp = align_2d(c->out.token_logp, ALIGN_F64, B, T);
    head->lse = align_2d(c->out.lse, ALIGN_F64, B, T);
    head->entropy = align_2d(c->out.entropy, ALIGN_F64, B, T);
    head->collision = align_2d(c->out.collision, ALIGN_F64, B, T);
    head->hit = align_2d(c->out.hit, ALIGN_F64, B, T);
    head->dlogp = align_1d(c->sequence_gradient, ALIGN_F64, B);
    head->dtoken_logp = align_2d(c->gradient, ALIGN_F64, B, T);
    head->dentropy = align_2d(c->gradient, ALIGN_F64, B, T);
    head->dlse = align_2d(c->gradient, ALIGN_F64, B, T);
    head->dlogits = align_3d(c->out.dlogits, ALIGN_F32, B, T, V);
    align_head_init(&c->other, sizeof c->other);
}

/* The same with a head to compare with. */
static void compared(struct call *c)
{
    c->other.logits = align_3d(c->other_logits, ALIGN_F32, B, T, V);
    c->head.other = &c->other;
    c->head.kl = align_2d(c->out.kl, ALIGN_F64, B, T);
    c->head.dkl = align_2d(c->gradient, ALIGN_F64, B, T);
}

/* The same with logits made of hidden and weight; then with jhidden. */
static void linear(struct call *c)
{
    c->exec.scratch = c->scratch;
    c->exec.scratch_size = SCRATCH;
    c->head.logits.ndim = c->head.dlogits.ndim = 0;
    c->head.hidden = align_3d(c->hidden, ALIGN_F32, B, T, D);
    c->head.weight = align_2d(c->weight, ALIGN_F32, V, D);
    c->head.bias = align_1d(c->bias, ALIGN_F32, V);
    c->head.dhidden = align_3d(c->out.dhidden, ALIGN_F32, B, T, D);
    c->head.dweight = align_2d(c->out.dweight, ALIGN_F32, V, D);
    c->head.dbias = align_1d(c->out.dbias, ALIGN_F32, V);
}

static void linear_compared(struct call *c)
{
    linear(c);
    compared(c);
    c->other.logits.ndim = 0;
    c->other.hidden = c->head.hidden;
    c->other.weight = c->head.weight;
    c->other.bias = c->head.bias;
}

static void one_pass(struct call *c)
{
    linear(c);
    c->head.jhidden = align_3d(c->out.jhidden, ALIGN_F32, B, T, D);
    c->head.dentropy.ndim = c->head.dlse.ndim = c->head.dweight.ndim = c->head.dbias.ndim = 0;
}

static align_status forward(struct call *c)
{
    return align_head_forward(&c->exec, &c->head);
}

static align_status backward(struct call *c)
{
    return align_head_backward(&c->exec, &c->head);
}

static align_status scratch(struct call *c)
{
    size_t least = 77, best = 78;
    align_status status = align_head_scratch(&c->exec, &c->head, &least, &best);
    ck_assert(status == ALIGN_E_NONE || (least == 77 && best == 78));
    return status;
}

static void packed(struct call *c)
{
    c->tokens.target = align_1d(c->target, ALIGN_I64, N);
    c->tokens.mask = align_1d(c->mask, ALIGN_F32, N);
    c->tokens.offsets = align_1d(c->offsets, ALIGN_I64, 3);
    c->head.logits = align_2d(c->logits, ALIGN_F32, N, V);
    c->head.dlogits = align_2d(c->out.dlogits, ALIGN_F32, N, V);
    align_tensor *const rows[] = {
        &c->head.token_logp, &c->head.lse,         &c->head.entropy,  &c->head.collision,
        &c->head.hit,        &c->head.dtoken_logp, &c->head.dentropy, &c->head.dlse,
    };
    for (int i = 0; i < 8; i++)
        *rows[i] = align_1d(rows[i]->data, ALIGN_F64, N);
}

static void expect(struct call *c, align_status (*run)(struct call *), align_status status,
                   const char *field, const char *text)
{
    struct outputs before = c->out;
    align_status found = run(c);
    ck_assert_msg(found == status, "%s: status %d, %s", field, found, c->error.text);
    ck_assert_int_eq(c->error.status, status);
    ck_assert_msg(strcmp(c->error.field, field) == 0, "%s, not of %s", c->error.text, field);
    ck_assert_msg(text == NULL || strcmp(c->error.text, text) == 0, "'%s', expected '%s'",
                  c->error.text, text);
    ck_assert_mem_eq(&before, &c->out, sizeof before);
    reach_note(&c->error);
}

#define SPOIL(name, body)                                                                          \
    static void name(struct call *c)                                                               \
    {                                                                                              \
        body;                                                                                      \
    }

SPOIL(no_tokens, c->head.tokens = NULL)
SPOIL(head_size, c->head.size = 16)
SPOIL(tokens_size, c->tokens.size = 16)
SPOIL(no_target, c->tokens.target.ndim = 0)
SPOIL(target_3d, c->tokens.target = align_3d(c->target, ALIGN_I64, B, T, 1))
SPOIL(target_high, c->target[1][2] = V)
SPOIL(target_low, c->target[1][0] = -1)
SPOIL(target_packed, packed(c); c->target[1][1] = 50257)
SPOIL(target_shifted, c->tokens.shift = 1; c->target[0][1] = -7)
SPOIL(mask_below, c->mask[1][1] = -0.5f)
SPOIL(mask_nan, c->mask[0][2] = NAN)
SPOIL(mask_inf, packed(c); c->mask[1][0] = INFINITY)
SPOIL(mask_form, c->tokens.mask = align_1d(c->mask, ALIGN_F32, N))
SPOIL(shift_2, c->tokens.shift = 2)
SPOIL(shift_below, c->tokens.shift = -1)
SPOIL(offsets_padded, c->tokens.offsets = align_1d(c->offsets, ALIGN_I64, 3))
SPOIL(offsets_start, packed(c); c->offsets[0] = 1)
SPOIL(offsets_fall, packed(c); c->offsets[1] = -1)
SPOIL(offsets_beyond, packed(c); c->offsets[1] = N + 1)
SPOIL(offsets_short, packed(c); c->offsets[2] = N - 1)
SPOIL(offsets_none, packed(c); c->tokens.offsets.shape[0] = 0)
SPOIL(offsets_2d, packed(c); c->tokens.offsets = align_2d(c->offsets, ALIGN_I64, 3, 1))
SPOIL(no_logits, c->head.logits.ndim = 0)
SPOIL(logits_2d, c->head.logits = align_2d(c->logits, ALIGN_F32, N, V))
SPOIL(logits_few, c->head.logits.shape[1] = T - 1)
SPOIL(inner, c->head.logits.stride[2] = 2; c->head.logits.shape[2] = 2)
SPOIL(dinner, c->head.dlogits.stride[2] = -1)
SPOIL(scale_0, c->head.scale = 0)
SPOIL(scale_nan, c->head.scale = NAN)
SPOIL(softcap_below, c->head.softcap = -30)
SPOIL(softcap_inf, c->head.softcap = INFINITY)
SPOIL(flags_32, c->head.flags = 32)
SPOIL(add_without, c->head.flags = ALIGN_HEAD_ADD_DLOGITS; c->head.dlogits.ndim = 0)
SPOIL(add_in_place, c->head.flags = ALIGN_HEAD_ADD_DLOGITS; c->head.dlogits = c->head.logits)
SPOIL(shifted_place, c->head.dlogits = c->head.logits; c->head.dlogits.data = &c->logits[0][0][1])
SPOIL(place_dtype, c->head.dlogits = c->head.logits; c->head.dlogits.dtype = ALIGN_BF16)
SPOIL(no_lse, c->head.lse.ndim = 0)
SPOIL(no_token_logp, c->head.token_logp.ndim = 0)
SPOIL(no_entropy, c->head.entropy.ndim = 0)
SPOIL(no_dlogits, c->head.dlogits.ndim = 0)
SPOIL(no_gradient,
      c->head.dlogp.ndim = c->head.dtoken_logp.ndim = c->head.dentropy.ndim = c->head.dlse.ndim = 0)
SPOIL(no_output,
      c->head.logp.ndim = c->head.count.ndim = c->head.wsum.ndim = c->head.token_logp.ndim =
          c->head.lse.ndim = c->head.entropy.ndim = c->head.collision.ndim = c->head.hit.ndim = 0)
SPOIL(vocab_begin, c->head.vocab_begin = 1)
SPOIL(vocab_few, c->head.vocab_total = V - 1)
SPOIL(vocab_many, c->head.vocab_total = INT64_C(1) << 31)
SPOIL(vocab_part, c->head.vocab_total = V + 3; c->head.vocab_begin = 3)
SPOIL(vocab_outside, c->head.vocab_total = V + 3; c->head.vocab_begin = 4)
SPOIL(vocab_before, c->head.vocab_total = V + 3; c->head.vocab_begin = -1)
SPOIL(other_head, c->head.other = &c->other)
SPOIL(temperature, c->head.temperature = 2)
SPOIL(add_hidden, c->head.flags = ALIGN_HEAD_ADD_DHIDDEN)
SPOIL(add_weight, c->head.flags = ALIGN_HEAD_ADD_DWEIGHT)
SPOIL(add_bias, c->head.flags = ALIGN_HEAD_ADD_DBIAS)
SPOIL(finite_dlogp, c->exec.flags = ALIGN_FLAG_FINITE; c->sequence_gradient[1] = NAN)
SPOIL(finite_lse, c->exec.flags = ALIGN_FLAG_FINITE; c->out.lse[4] = INFINITY)
SPOIL(finite_flat, c->exec.flags = ALIGN_FLAG_FINITE;
      c->head.lse = align_1d(c->out.lse, ALIGN_F64, N); c->out.lse[4] = NAN)

SPOIL(hidden_too, c->head.hidden = align_3d(c->hidden, ALIGN_F32, B, T, D))
SPOIL(weight_too, c->head.weight = align_2d(c->weight, ALIGN_F32, V, D))
SPOIL(bias_too, c->head.bias = align_1d(c->bias, ALIGN_F32, V))
SPOIL(jhidden_too, c->head.jhidden = align_3d(c->out.jhidden, ALIGN_F32, B, T, D))
SPOIL(dhidden_too, c->head.dhidden = align_3d(c->out.dhidden, ALIGN_F32, B, T, D))
SPOIL(dweight_too, c->head.dweight = align_2d(c->out.dweight, ALIGN_F32, V, D))
SPOIL(dbias_too, c->head.dbias = align_1d(c->out.dbias, ALIGN_F32, V))
SPOIL(kl_alone, c->head.kl = align_2d(c->out.kl, ALIGN_F64, B, T))
SPOIL(dkl_alone, c->head.dkl = align_2d(c->gradient, ALIGN_F64, B, T))
SPOIL(reverse_alone, c->head.flags = ALIGN_HEAD_KL_REVERSE)
SPOIL(temperature_0, compared(c); c->head.temperature = 0)
SPOIL(temperature_nan, compared(c); c->head.temperature = NAN)
SPOIL(other_size, compared(c); c->other.size = 3)
SPOIL(other_linear, compared(c); c->other.logits.ndim = 0)
SPOIL(other_scale, compared(c); c->other.scale = 0)
SPOIL(other_softcap, compared(c); c->other.softcap = NAN)
SPOIL(other_shape, compared(c); c->other.logits.shape[1] = T - 1)
SPOIL(other_dtype, compared(c); c->other.logits.dtype = ALIGN_I32)
SPOIL(other_inner, compared(c); c->other.logits.stride[2] = 0)
SPOIL(other_written, compared(c); c->other.logits = c->head.dlogits)
SPOIL(linear_dlogits, linear(c); c->head.dlogits = align_3d(c->out.dlogits, ALIGN_F32, B, T, V))
SPOIL(linear_kl, linear(c); kl_alone(c))
SPOIL(other_hidden, compared(c); c->other.hidden = align_3d(c->hidden, ALIGN_F32, B, T, D))
SPOIL(other_part, compared(c); c->other.vocab_begin = 2)
SPOIL(other_total, compared(c); c->other.vocab_total = V)
SPOIL(linear_other, linear_compared(c); c->other.weight.ndim = 0)
SPOIL(linear_other_both, linear_compared(c);
      c->other.logits = align_3d(c->other_logits, ALIGN_F32, B, T, V))
SPOIL(linear_other_hidden, linear_compared(c); c->other.hidden.shape[2] = D - 1)
SPOIL(linear_other_long, linear_compared(c); c->other.weight.shape[0] = V - 1)
SPOIL(linear_other_wide, linear_compared(c); c->other.weight.shape[1] = INT64_C(1) << 31)
SPOIL(linear_other_bias, linear_compared(c); c->other.bias.shape[0] = V - 1)
SPOIL(linear_other_written, linear_compared(c); c->other.weight = c->head.dweight)
SPOIL(one_pass_dkl, one_pass(c); c->head.dkl = c->head.dtoken_logp; c->head.other = &c->other)
SPOIL(finite_other, compared(c); c->exec.flags = ALIGN_FLAG_FINITE; c->other_logits[1][0][3] = NAN)
SPOIL(finite_other_weight, linear_compared(c); c->exec.flags = ALIGN_FLAG_FINITE;
      c->other.weight = align_2d(c->other_logits, ALIGN_F32, V, D); c->other_logits[0][0][3] = NAN)
SPOIL(finite_other_hidden, linear_compared(c); c->exec.flags = ALIGN_FLAG_FINITE;
      c->other.hidden = align_3d(c->other_logits, ALIGN_F32, B, T, D);
      c->other_logits[0][0][1] = NAN)
SPOIL(finite_other_bias, linear_compared(c); c->exec.flags = ALIGN_FLAG_FINITE;
      c->other.bias = align_1d(c->other_logits, ALIGN_F32, V); c->other_logits[0][0][4] = -INFINITY)
SPOIL(no_hidden, linear(c); c->head.hidden.ndim = 0)
SPOIL(no_weight, linear(c); c->head.weight.ndim = 0)
SPOIL(no_linear_output, linear(c);
      c->head.dhidden.ndim = c->head.dweight.ndim = c->head.dbias.ndim = 0)
SPOIL(one_pass_dhidden, one_pass(c); c->head.dhidden.ndim = 0)
SPOIL(one_pass_dweight, one_pass(c); dweight_too(c))
SPOIL(one_pass_dbias, one_pass(c); dbias_too(c))
SPOIL(one_pass_dlse, one_pass(c); c->head.dlse = c->head.dtoken_logp)
SPOIL(one_pass_dentropy, one_pass(c); c->head.dentropy = c->head.dtoken_logp)
SPOIL(one_pass_add, one_pass(c); c->head.dhidden = c->head.jhidden;
      c->head.flags = ALIGN_HEAD_ADD_DHIDDEN)
SPOIL(weight_narrow, linear(c); c->head.weight.shape[1] = D - 1)
SPOIL(weight_inner, linear(c); c->head.weight.stride[1] = D)
SPOIL(weight_wide, linear(c); c->head.weight.shape[1] = INT64_C(1) << 31)
SPOIL(weight_empty, linear(c); c->head.weight.shape[1] = c->head.hidden.shape[2] = 0)
SPOIL(weight_long, linear(c); c->head.weight.shape[0] = INT64_C(1) << 31)
SPOIL(weight_far, linear(c); c->head.weight.stride[0] = -(INT64_C(1) << 31))
SPOIL(hidden_far, linear(c); c->head.hidden.stride[0] = INT64_C(1) << 31)
SPOIL(add_to_bf16, linear(c); c->head.flags = ALIGN_HEAD_ADD_DWEIGHT;
      c->head.dweight.dtype = ALIGN_BF16)
SPOIL(linear_target, linear(c); c->target[0][0] = V)
SPOIL(small_scratch, linear(c); c->exec.scratch_size = 100)
SPOIL(no_scratch, linear(c); c->exec.scratch = NULL)
SPOIL(finite_hidden, linear(c); c->exec.flags = ALIGN_FLAG_FINITE; c->hidden[1][0][2] = NAN)
SPOIL(finite_weight, linear(c); c->exec.flags = ALIGN_FLAG_FINITE; c->weight[4][1] = INFINITY)
SPOIL(finite_bias, linear(c); c->exec.flags = ALIGN_FLAG_FINITE; c->bias[3] = -INFINITY)
SPOIL(finite_jhidden, one_pass(c); c->exec.flags = ALIGN_FLAG_FINITE; c->out.jhidden[0][1][3] = NAN)

static const struct row {
    void (*spoil)(struct call *);
    align_status (*run)(struct call *);
    align_status status;
    const char *field, *text;
} rows[] = {
    {no_tokens, forward, ALIGN_E_ARG, "align_tokens", "align_tokens is NULL"},
    {head_size, backward, ALIGN_E_VERSION, "align_head.size", NULL},
    {tokens_size, forward, ALIGN_E_VERSION, "align_tokens.size", NULL},
    {no_target, forward, ALIGN_E_ARG, "align_tokens.target",
     "align_tokens.target is absent, and a head needs it"},
    {target_3d, forward, ALIGN_E_SHAPE, "align_tokens.target",
     "align_tokens.target has ndim 3, expected 1 or 2"},
    {target_high, forward, ALIGN_E_RANGE, "align_tokens.target",
     "align_tokens.target[1,2] = 5, expected 0..4 or ignore -100"},
    {target_high, backward, ALIGN_E_RANGE, "align_tokens.target", NULL},
    {target_low, forward, ALIGN_E_RANGE, "align_tokens.target",
     "align_tokens.target[1,0] = -1, expected 0..4 or ignore -100"},
    {target_packed, forward, ALIGN_E_RANGE, "align_tokens.target",
     "align_tokens.target[4] = 50257, expected 0..4 or ignore -100"},
    {target_shifted, backward, ALIGN_E_RANGE, "align_tokens.target",
     "align_tokens.target[0,1] = -7, expected 0..4 or ignore -100"},
    {mask_below, forward, ALIGN_E_RANGE, "align_tokens.mask",
     "align_tokens.mask[1,1] = -0.5, expected a finite number of 0 or more"},
    {mask_nan, backward, ALIGN_E_RANGE, "align_tokens.mask",
     "align_tokens.mask[0,2] = nan, expected a finite number of 0 or more"},
    {mask_inf, forward, ALIGN_E_RANGE, "align_tokens.mask",
     "align_tokens.mask[3] = inf, expected a finite number of 0 or more"},
    {mask_form, forward, ALIGN_E_SHAPE, "align_tokens.mask", NULL},
    {shift_2, forward, ALIGN_E_RANGE, "align_tokens.shift",
     "align_tokens.shift = 2, expected 0..1"},
    {shift_below, scratch, ALIGN_E_RANGE, "align_tokens.shift",
     "align_tokens.shift = -1, expected 0..1"},
    {offsets_padded, forward, ALIGN_E_ARG, "align_tokens.offsets",
     "align_tokens.offsets is set, and a padded batch does not read it"},
    {offsets_start, forward, ALIGN_E_RANGE, "align_tokens.offsets",
     "align_tokens.offsets[0] = 1, expected 0..0"},
    {offsets_fall, forward, ALIGN_E_RANGE, "align_tokens.offsets",
     "align_tokens.offsets[1] = -1, expected 0..6"},
    {offsets_beyond, backward, ALIGN_E_RANGE, "align_tokens.offsets",
     "align_tokens.offsets[1] = 7, expected 0..6"},
    {offsets_short, forward, ALIGN_E_RANGE, "align_tokens.offsets",
     "align_tokens.offsets[2] = 5, expected 6..6"},
    {offsets_none, forward, ALIGN_E_SHAPE, "align_tokens.offsets", NULL},
    {offsets_2d, forward, ALIGN_E_SHAPE, "align_tokens.offsets", NULL},
    {no_logits, forward, ALIGN_E_ARG, "align_head.logits",
     "align_head.logits is absent, and a head without hidden and weight needs it"},
    {no_logits, scratch, ALIGN_E_ARG, "align_head.logits", NULL},
    {logits_2d, forward, ALIGN_E_SHAPE, "align_head.logits",
     "align_head.logits has ndim 2, expected 3"},
    {logits_few, forward, ALIGN_E_SHAPE, "align_head.logits",
     "align_head.logits has size 2 along axis 1, expected 3"},
    {inner, forward, ALIGN_E_LAYOUT, "align_head.logits",
     "align_head.logits has stride 2 along axis 2, expected 1"},
    {dinner, backward, ALIGN_E_LAYOUT, "align_head.dlogits",
     "align_head.dlogits has stride -1 along axis 2, expected 1"},
    {scale_0, forward, ALIGN_E_RANGE, "align_head.scale",
     "align_head.scale = 0, expected a finite number other than 0"},
    {scale_nan, backward, ALIGN_E_RANGE, "align_head.scale", NULL},
    {softcap_below, forward, ALIGN_E_RANGE, "align_head.softcap",
     "align_head.softcap = -30, expected a finite number of 0 or more"},
    {softcap_inf, backward, ALIGN_E_RANGE, "align_head.softcap", NULL},
    {flags_32, forward, ALIGN_E_ARG, "align_head.flags",
     "align_head.flags = 32, a flag that a head does not know"},
    {add_without, forward, ALIGN_E_ARG, "align_head.dlogits",
     "align_head.dlogits is absent, and ALIGN_HEAD_ADD_DLOGITS needs it"},
    {add_in_place, backward, ALIGN_E_LAYOUT, "align_head.dlogits", NULL},
    {shifted_place, backward, ALIGN_E_LAYOUT, "align_head.dlogits",
     "align_head.dlogits is written, and shares memory with logits"},
    {place_dtype, backward, ALIGN_E_LAYOUT, "align_head.dlogits", NULL},
    {no_lse, backward, ALIGN_E_ARG, "align_head.lse",
     "align_head.lse is absent, and the backward needs it"},
    {no_token_logp, backward, ALIGN_E_ARG, "align_head.token_logp", NULL},
    {no_entropy, backward, ALIGN_E_ARG, "align_head.entropy",
     "align_head.entropy is absent, and the backward of dentropy needs it"},
    {no_dlogits, backward, ALIGN_E_ARG, "align_head.dlogits", NULL},
    {no_gradient, backward, ALIGN_E_ARG, "align_head.dlogp",
     "align_head.dlogp is absent, and a backward without any other gradient needs it"},
    {no_output, forward, ALIGN_E_ARG, "align_head.logp",
     "align_head.logp is absent, and a forward without any other output needs it"},
    {vocab_begin, forward, ALIGN_E_ARG, "align_head.vocab_total",
     "align_head.vocab_total is absent, and vocab_begin needs it"},
    {vocab_few, forward, ALIGN_E_RANGE, "align_head.vocab_total",
     "align_head.vocab_total = 4, expected 5..2147483647"},
    {vocab_many, scratch, ALIGN_E_RANGE, "align_head.vocab_total", NULL},
    {vocab_part, backward, ALIGN_E_ARG, "align_exec.allreduce",
     "align_exec.allreduce is absent, and a part of a vocabulary needs it"},
    {vocab_outside, forward, ALIGN_E_RANGE, "align_head.vocab_begin",
     "align_head.vocab_begin = 4, expected 0..3"},
    {vocab_before, forward, ALIGN_E_RANGE, "align_head.vocab_begin", NULL},
    {other_head, forward, ALIGN_E_ARG, "align_head.other", NULL},
    {temperature, backward, ALIGN_E_ARG, "align_head.temperature",
     "align_head.temperature is set, and a head without kl and dkl does not read it"},
    {add_hidden, backward, ALIGN_E_ARG, "align_head.dhidden",
     "align_head.dhidden is absent, and ALIGN_HEAD_ADD_DHIDDEN needs it"},
    {add_weight, backward, ALIGN_E_ARG, "align_head.dweight", NULL},
    {add_bias, scratch, ALIGN_E_ARG, "align_head.dbias", NULL},
    {hidden_too, forward, ALIGN_E_ARG, "align_head.logits",
     "align_head.logits is set, and a linear head does not read it"},
    {weight_too, backward, ALIGN_E_ARG, "align_head.logits", NULL},
    {bias_too, forward, ALIGN_E_ARG, "align_head.bias",
     "align_head.bias is set, and a head of dense logits does not read it"},
    {jhidden_too, forward, ALIGN_E_ARG, "align_head.jhidden", NULL},
    {dhidden_too, backward, ALIGN_E_ARG, "align_head.dhidden", NULL},
    {dweight_too, scratch, ALIGN_E_ARG, "align_head.dweight", NULL},
    {dbias_too, forward, ALIGN_E_ARG, "align_head.dbias", NULL},
    {kl_alone, forward, ALIGN_E_ARG, "align_head.other",
     "align_head.other is absent, and kl or dkl needs it"},
    {dkl_alone, backward, ALIGN_E_ARG, "align_head.other", NULL},
    {reverse_alone, forward, ALIGN_E_ARG, "align_head.kl",
     "align_head.kl is absent, and ALIGN_HEAD_KL_REVERSE needs it"},
    {temperature_0, forward, ALIGN_E_RANGE, "align_head.temperature",
     "align_head.temperature = 0, expected a finite number above 0"},
    {temperature_nan, backward, ALIGN_E_RANGE, "align_head.temperature", NULL},
    {other_size, forward, ALIGN_E_VERSION, "align_head.other.size", NULL},
    {other_linear, forward, ALIGN_E_ARG, "align_head.other.logits",
     "align_head.other.logits is absent, and kl or dkl needs it"},
    {other_scale, backward, ALIGN_E_RANGE, "align_head.other.scale", NULL},
    {other_softcap, forward, ALIGN_E_RANGE, "align_head.other.softcap", NULL},
    {other_shape, forward, ALIGN_E_SHAPE, "align_head.other.logits",
     "align_head.other.logits has size 2 along axis 1, expected 3"},
    {other_dtype, backward, ALIGN_E_DTYPE, "align_head.other.logits", NULL},
    {other_inner, forward, ALIGN_E_LAYOUT, "align_head.other.logits", NULL},
    {other_written, backward, ALIGN_E_LAYOUT, "align_head.dlogits",
     "align_head.dlogits is written, and shares memory with logits"},
    {linear_dlogits, backward, ALIGN_E_ARG, "align_head.dlogits", NULL},
    {linear_kl, forward, ALIGN_E_ARG, "align_head.other", NULL},
    {other_hidden, forward, ALIGN_E_ARG, "align_head.other.hidden",
     "align_head.other.hidden is set, and a head of dense logits does not read it"},
    {other_part, backward, ALIGN_E_RANGE, "align_head.other.vocab_begin",
     "align_head.other.vocab_begin = 2, expected 0..0"},
    {other_total, forward, ALIGN_E_RANGE, "align_head.other.vocab_total", NULL},
    {linear_other, forward, ALIGN_E_ARG, "align_head.other.weight",
     "align_head.other.weight is absent, and kl or dkl needs it"},
    {linear_other_both, backward, ALIGN_E_ARG, "align_head.other.hidden", NULL},
    {linear_other_hidden, forward, ALIGN_E_SHAPE, "align_head.other.hidden",
     "align_head.other.hidden has size 3 along axis 2, expected 4"},
    {linear_other_long, backward, ALIGN_E_SHAPE, "align_head.other.weight", NULL},
    {linear_other_wide, forward, ALIGN_E_RANGE, "align_head.other.weight", NULL},
    {linear_other_bias, forward, ALIGN_E_SHAPE, "align_head.other.bias", NULL},
    {linear_other_written, backward, ALIGN_E_LAYOUT, "align_head.dweight",
     "align_head.dweight is written, and shares memory with weight"},
    {one_pass_dkl, scratch, ALIGN_E_ARG, "align_head.dkl",
     "align_head.dkl is set, and a head with jhidden does not read it"},
    {finite_other, forward, ALIGN_E_RANGE, "align_head.other.logits",
     "align_head.other.logits[1,0,3] = nan, and ALIGN_FLAG_FINITE is set"},
    {finite_other_weight, backward, ALIGN_E_RANGE, "align_head.other.weight",
     "align_head.other.weight[0,3] = nan, and ALIGN_FLAG_FINITE is set"},
    {finite_other_hidden, forward, ALIGN_E_RANGE, "align_head.other.hidden",
     "align_head.other.hidden[0,0,1] = nan, and ALIGN_FLAG_FINITE is set"},
    {finite_other_bias, forward, ALIGN_E_RANGE, "align_head.other.bias",
     "align_head.other.bias[4] = -inf, and ALIGN_FLAG_FINITE is set"},
    {no_hidden, forward, ALIGN_E_ARG, "align_head.hidden",
     "align_head.hidden is absent, and a linear head needs it"},
    {no_weight, backward, ALIGN_E_ARG, "align_head.weight",
     "align_head.weight is absent, and a linear head needs it"},
    {no_linear_output, backward, ALIGN_E_ARG, "align_head.dhidden",
     "align_head.dhidden is absent, and a backward without any other output needs it"},
    {one_pass_dhidden, backward, ALIGN_E_ARG, "align_head.dhidden",
     "align_head.dhidden is absent, and the backward of jhidden needs it"},
    {one_pass_dweight, forward, ALIGN_E_ARG, "align_head.dweight",
     "align_head.dweight is set, and a head with jhidden does not read it"},
    {one_pass_dbias, backward, ALIGN_E_ARG, "align_head.dbias", NULL},
    {one_pass_dlse, backward, ALIGN_E_ARG, "align_head.dlse", NULL},
    {one_pass_dentropy, scratch, ALIGN_E_ARG, "align_head.dentropy", NULL},
    {one_pass_add, backward, ALIGN_E_LAYOUT, "align_head.dhidden",
     "align_head.dhidden is jhidden itself, and nothing can be added to what is replaced"},
    {weight_narrow, forward, ALIGN_E_SHAPE, "align_head.hidden", NULL},
    {weight_inner, forward, ALIGN_E_LAYOUT, "align_head.weight",
     "align_head.weight has stride 4 along axis 1, expected 1"},
    {weight_wide, forward, ALIGN_E_RANGE, "align_head.weight", NULL},
    {weight_empty, forward, ALIGN_E_RANGE, "align_head.weight", NULL},
    {weight_long, backward, ALIGN_E_RANGE, "align_head.weight", NULL},
    {weight_far, forward, ALIGN_E_RANGE, "align_head.weight", NULL},
    {hidden_far, backward, ALIGN_E_RANGE, "align_head.hidden", NULL},
    {add_to_bf16, backward, ALIGN_E_DTYPE, "align_head.dweight", NULL},
    {linear_target, forward, ALIGN_E_RANGE, "align_tokens.target", NULL},
    {small_scratch, forward, ALIGN_E_SCRATCH, "align_exec.scratch_size", NULL},
    {no_scratch, backward, ALIGN_E_SCRATCH, "align_exec.scratch_size", NULL},
    {finite_hidden, forward, ALIGN_E_RANGE, "align_head.hidden",
     "align_head.hidden[1,0,2] = nan, and ALIGN_FLAG_FINITE is set"},
    {finite_weight, backward, ALIGN_E_RANGE, "align_head.weight",
     "align_head.weight[4,1] = inf, and ALIGN_FLAG_FINITE is set"},
    {finite_bias, forward, ALIGN_E_RANGE, "align_head.bias",
     "align_head.bias[3] = -inf, and ALIGN_FLAG_FINITE is set"},
    {finite_jhidden, backward, ALIGN_E_RANGE, "align_head.jhidden",
     "align_head.jhidden[0,1,3] = nan, and ALIGN_FLAG_FINITE is set"},
    {finite_dlogp, backward, ALIGN_E_RANGE, "align_head.dlogp",
     "align_head.dlogp[1] = nan, and ALIGN_FLAG_FINITE is set"},
    {finite_lse, backward, ALIGN_E_RANGE, "align_head.lse",
     "align_head.lse[1,1] = inf, and ALIGN_FLAG_FINITE is set"},
    {finite_flat, backward, ALIGN_E_RANGE, "align_head.lse",
     "align_head.lse[4] = nan, and ALIGN_FLAG_FINITE is set"},
};

/* What holds for every tensor, tried on each of them. */
struct field {
    const char *name;
    size_t offset;
    void (*make)(struct call *); /* the call that has it */
    bool in_tokens;
    int output; /* of forward 1, of backward 2 */
};

static void dense(struct call *c)
{
    (void)c;
}

#define TOKENS_FIELD(name, make)                                                                   \
    {                                                                                              \
        "align_tokens." #name, offsetof(align_tokens, name), make, true, 0                         \
    }
#define HEAD_FIELD(name, make, output)                                                             \
    {                                                                                              \
        "align_head." #name, offsetof(align_head, name), make, false, output                       \
    }

static const struct field fields[] = {
    TOKENS_FIELD(target, dense),      TOKENS_FIELD(mask, dense),
    TOKENS_FIELD(offsets, packed),    HEAD_FIELD(logits, dense, 0),
    HEAD_FIELD(logp, dense, 1),       HEAD_FIELD(count, dense, 1),
    HEAD_FIELD(wsum, dense, 1),       HEAD_FIELD(token_logp, dense, 1),
    HEAD_FIELD(lse, dense, 1),        HEAD_FIELD(entropy, dense, 1),
    HEAD_FIELD(collision, dense, 1),  HEAD_FIELD(hit, dense, 1),
    HEAD_FIELD(dlogp, dense, 0),      HEAD_FIELD(dtoken_logp, dense, 0),
    HEAD_FIELD(dentropy, dense, 0),   HEAD_FIELD(dlse, dense, 0),
    HEAD_FIELD(dlogits, dense, 2),    HEAD_FIELD(kl, compared, 1),
    HEAD_FIELD(dkl, compared, 0),     HEAD_FIELD(weight, linear, 0),
    HEAD_FIELD(hidden, linear, 0),    HEAD_FIELD(bias, linear, 0),
    HEAD_FIELD(logp, linear, 1),      HEAD_FIELD(lse, linear, 1),
    HEAD_FIELD(dlogp, linear, 0),     HEAD_FIELD(dhidden, linear, 2),
    HEAD_FIELD(dweight, linear, 2),   HEAD_FIELD(dbias, linear, 2),
    HEAD_FIELD(jhidden, one_pass, 1), HEAD_FIELD(dtoken_logp, one_pass, 0),
    HEAD_FIELD(dhidden, one_pass, 2),
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void ndim_4(align_tensor *t)
{
    t->ndim = 4;
}

static void ndim_below(align_tensor *t)
{
    t->ndim = -1;
}

static void size_below(align_tensor *t)
{
    t->shape[0] = -1;
}

static void size_wrong(align_tensor *t)
{
    t->shape[0]++;
}

static void dtype_wrong(align_tensor *t)
{
    t->dtype = 0x310;
}

static void no_data(align_tensor *t)
{
    t->data = NULL;
}

static void odd_data(align_tensor *t)
{
    t->data = (char *)t->data + 1;
}

static void huge(align_tensor *t)
{
    t->stride[0] = INT64_MAX / 2;
}

static void repeats(align_tensor *t)
{
    t->stride[0] = 0;
}

static const struct rule {
    void (*spoil)(align_tensor *);
    align_status status;
    bool output;
} rules[] = {
    {ndim_4, ALIGN_E_SHAPE, false},      {ndim_below, ALIGN_E_SHAPE, false},
    {size_below, ALIGN_E_SHAPE, false},  {size_wrong, ALIGN_E_SHAPE, false},
    {dtype_wrong, ALIGN_E_DTYPE, false}, {no_data, ALIGN_E_ARG, false},
    {odd_data, ALIGN_E_LAYOUT, false},   {huge, ALIGN_E_RANGE, false},
    {repeats, ALIGN_E_LAYOUT, true},
};

static align_tensor *tensor_of(struct call *c, const struct field *field)
{
    char *base = field->in_tokens ? (char *)&c->tokens : (char *)&c->head;
    return (align_tensor *)(void *)(base + field->offset);
}

static bool is_named(const struct field *field, const char *name)
{
    return strcmp(field->name, name) == 0;
}

/* The rule broken for this field, in the call that meets it first. */
static void break_rule(const struct field *field, const struct rule *rule)
{
    static struct call c;
    make_good(&c);
    field->make(&c);
    bool forward_reads = field->in_tokens || field->output == 1 ||
                         is_named(field, "align_head.logits") ||
                         is_named(field, "align_head.weight") ||
                         is_named(field, "align_head.hidden") || is_named(field, "align_head.bias");
    rule->spoil(tensor_of(&c, field));
    /* target and weight lead: with another size, what follows them no longer fits */
    const char *name = field->name;
    if (rule->spoil == size_wrong && is_named(field, "align_tokens.target"))
        name = "align_tokens.mask";
    if (rule->spoil == size_wrong && is_named(field, "align_head.weight"))
        name = "align_head.bias";
    expect(&c, forward_reads ? forward : backward, rule->status, name, NULL);
}

START_TEST(every_rule_on_every_tensor)
{
    for (int f = 0; f < FIELDS; f++)
        for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++)
            if ((!rules[r].output || fields[f].output != 0) &&
                !(rules[r].spoil == size_wrong && is_named(&fields[f], "align_tokens.offsets")))
                break_rule(&fields[f], &rules[r]);
}
END_TEST

/* Inputs and outputs of one call meet in memory. */
static void meet(const struct field *output, const struct field *other)
{
    static struct call c;
    make_good(&c);
    output->make(&c);
    bool of_rows = is_named(other, "align_head.lse") || is_named(other, "align_head.token_logp") ||
                   is_named(other, "align_head.entropy");
    bool backward_reads = other->output == 0 || (of_rows && output->make != one_pass);
    bool forward_reads = other->in_tokens || is_named(other, "align_head.logits") ||
                         is_named(other, "align_head.weight") ||
                         is_named(other, "align_head.hidden") || is_named(other, "align_head.bias");
    bool together = output->output == other->output ||
                    (output->output == 2 ? backward_reads : forward_reads);
    bool replaces = output->output == 2 && is_named(other, "align_head.logits");
    if (!together || replaces || tensor_of(&c, other)->ndim == 0)
        return;
    tensor_of(&c, output)->data = tensor_of(&c, other)->data;
    struct outputs before = c.out;
    align_status status = output->output == 1 ? forward(&c) : backward(&c);
    ck_assert_msg(status == ALIGN_E_LAYOUT, "%s in %s", output->name, other->name);
    ck_assert_mem_eq(&before, &c.out, sizeof before);
    reach_note(&c.error);
}

START_TEST(outputs_share_nothing)
{
    for (int f = 0; f < FIELDS; f++)
        for (int g = 0; g < FIELDS && fields[f].output != 0; g++)
            if (strcmp(fields[f].name, fields[g].name) != 0 &&
                (fields[g].make == dense || fields[g].make == fields[f].make))
                meet(&fields[f], &fields[g]);
}
END_TEST

START_TEST(a_good_call_is_good)
{
    static struct call c;
    make_good(&c);
    ck_assert_int_eq(forward(&c), ALIGN_E_NONE);
    ck_assert_int_eq(backward(&c), ALIGN_E_NONE);
    ck_assert_int_eq(scratch(&c), ALIGN_E_NONE);
    packed(&c);
    ck_assert_int_eq(forward(&c), ALIGN_E_NONE);
    ck_assert_int_eq(backward(&c), ALIGN_E_NONE);
    void (*const others[])(struct call *) = {linear, one_pass, compared};
    for (int i = 0; i < 3; i++) {
        make_good(&c);
        others[i](&c);
        ck_assert_int_eq(forward(&c), ALIGN_E_NONE);
        ck_assert_int_eq(backward(&c), ALIGN_E_NONE);
        size_t least = 0, best = 0;
        ck_assert_int_eq(align_head_scratch(&c.exec, &c.head, &least, &best), ALIGN_E_NONE);
        ck_assert((least > 0) == (others[i] != compared) && least <= best);
    }
    ck_assert_str_eq(c.error.text, "");
    ck_assert_int_eq(align_head_forward(&c.exec, NULL), ALIGN_E_ARG);
    ck_assert_str_eq(c.error.text, "align_head is NULL");
}
END_TEST

/* Wide inputs are looked at as they are read; the first in order is named. */
START_TEST(logits_that_are_not_finite)
{
    static struct call c;
    make_good(&c);
    c.exec.flags = ALIGN_FLAG_FINITE;
    ck_assert_int_eq(forward(&c), ALIGN_E_NONE);
    c.logits[1][0][3] = -INFINITY;
    c.logits[1][1][0] = NAN;
    ck_assert_int_eq(forward(&c), ALIGN_E_RANGE);
    ck_assert_str_eq(c.error.text, "align_head.logits[1,0,3] = -inf, and ALIGN_FLAG_FINITE is set");
    c.mask[1][0] = 0;
    ck_assert_int_eq(forward(&c), ALIGN_E_RANGE);
    ck_assert_str_eq(c.error.text, "align_head.logits[1,1,0] = nan, and ALIGN_FLAG_FINITE is set");
    packed(&c);
    ck_assert_int_eq(forward(&c), ALIGN_E_RANGE);
    ck_assert_str_eq(c.error.text, "align_head.logits[4,0] = nan, and ALIGN_FLAG_FINITE is set");

    make_good(&c);
    linear(&c);
    c.exec.flags = ALIGN_FLAG_FINITE;
    ck_assert_int_eq(forward(&c), ALIGN_E_NONE);
    c.hidden[1][0][0] = c.weight[2][0] = -1e30f; /* finite, and their product is not */
    ck_assert_int_eq(forward(&c), ALIGN_E_RANGE);
    ck_assert_str_eq(c.error.text, "align_head.logits[1,0,2] = inf, and ALIGN_FLAG_FINITE is set");
}
END_TEST

START_TEST(rows_of_the_table)
{
    static const char *const area[] = {"HEAD_", NULL};
    static struct call c;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_good(&c);
        rows[i].spoil(&c);
        expect(&c, rows[i].run, rows[i].status, rows[i].field, rows[i].text);
    }
    /* Where memory ends at 2^31 bytes, so does every stride. */
    if (PTRDIFF_MAX < INT64_MAX)
        reach_seen[ALIGN__SITE_HEAD_BLAS_STRIDE] = true;
    reach_demand(area, false);
}
END_TEST

SUITE_MAIN("errors/head", a_good_call_is_good, rows_of_the_table, every_rule_on_every_tensor,
           outputs_share_nothing, logits_that_are_not_finite)
