/* Every way to call a head wrongly: status, field, index, value, and outputs left alone. */
#include "../suite.h"

#include "reach.h"

#include <libalign/head.h>

#include <math.h>
#include <stddef.h>

enum { B = 2, T = 3, N = B * T, V = 5 };

/* A good padded call of forward and backward, which each row spoils in one way. */
struct call {
    align_exec exec;
    align_error error;
    align_tokens tokens;
    align_head head, unread;
    int64_t target[B][T], offsets[3];
    float mask[B][T], logits[B][T][V];
    double gradient[N], sequence_gradient[B];
    struct outputs {
        float dlogits[B][T][V];
        double logp[B], count[B], wsum[B];
        double token_logp[N], lse[N], entropy[N], collision[N], hit[N];
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
    align_head_init(&c->unread, sizeof c->unread);
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
SPOIL(flags_16, c->head.flags = 16)
SPOIL(add_without, c->head.flags = ALIGN_HEAD_ADD_DLOGITS; c->head.dlogits.ndim = 0)
SPOIL(add_in_place, c->head.flags = ALIGN_HEAD_ADD_DLOGITS; c->head.dlogits = c->head.logits)
SPOIL(shifted_place, c->head.dlogits = c->head.logits; c->head.dlogits.data = &c->logits[0][0][1])
SPOIL(other_dtype, c->head.dlogits = c->head.logits; c->head.dlogits.dtype = ALIGN_BF16)
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
SPOIL(vocab_total, c->head.vocab_total = V)
SPOIL(other_head, c->head.other = &c->unread)
SPOIL(temperature, c->head.temperature = 2)
SPOIL(add_hidden, c->head.flags = ALIGN_HEAD_ADD_DHIDDEN)
SPOIL(add_weight, c->head.flags = ALIGN_HEAD_ADD_DWEIGHT)
SPOIL(add_bias, c->head.flags = ALIGN_HEAD_ADD_DBIAS)
SPOIL(finite_dlogp, c->exec.flags = ALIGN_FLAG_FINITE; c->sequence_gradient[1] = NAN)
SPOIL(finite_lse, c->exec.flags = ALIGN_FLAG_FINITE; c->out.lse[4] = INFINITY)
SPOIL(finite_flat, c->exec.flags = ALIGN_FLAG_FINITE;
      c->head.lse = align_1d(c->out.lse, ALIGN_F64, N); c->out.lse[4] = NAN)

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
     "align_head.logits is absent, and a head of dense logits needs it"},
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
    {flags_16, forward, ALIGN_E_ARG, "align_head.flags",
     "align_head.flags = 16, a flag that a head does not know"},
    {add_without, forward, ALIGN_E_ARG, "align_head.dlogits",
     "align_head.dlogits is absent, and ALIGN_HEAD_ADD_DLOGITS needs it"},
    {add_in_place, backward, ALIGN_E_LAYOUT, "align_head.dlogits", NULL},
    {shifted_place, backward, ALIGN_E_LAYOUT, "align_head.dlogits",
     "align_head.dlogits is written, and shares memory with logits"},
    {other_dtype, backward, ALIGN_E_LAYOUT, "align_head.dlogits", NULL},
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
    {vocab_begin, forward, ALIGN_E_ARG, "align_head.vocab_begin", NULL},
    {vocab_total, forward, ALIGN_E_ARG, "align_head.vocab_total", NULL},
    {other_head, forward, ALIGN_E_ARG, "align_head.other", NULL},
    {temperature, backward, ALIGN_E_ARG, "align_head.temperature",
     "align_head.temperature is set, and a head of dense logits does not read it"},
    {add_hidden, backward, ALIGN_E_ARG, "align_head.flags", NULL},
    {add_weight, backward, ALIGN_E_ARG, "align_head.flags", NULL},
    {add_bias, scratch, ALIGN_E_ARG, "align_head.flags", NULL},
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
    bool in_tokens, read;
    int output; /* of forward 1, of backward 2 */
};

#define HEAD_FIELD(name, read, output)                                                             \
    {                                                                                              \
        "align_head." #name, offsetof(align_head, name), false, read, output                       \
    }

static const struct field fields[] = {
    {"align_tokens.target", offsetof(align_tokens, target), true, true, 0},
    {"align_tokens.mask", offsetof(align_tokens, mask), true, true, 0},
    {"align_tokens.offsets", offsetof(align_tokens, offsets), true, true, 0},
    HEAD_FIELD(logits, true, 0),
    HEAD_FIELD(logp, true, 1),
    HEAD_FIELD(count, true, 1),
    HEAD_FIELD(wsum, true, 1),
    HEAD_FIELD(token_logp, true, 1),
    HEAD_FIELD(lse, true, 1),
    HEAD_FIELD(entropy, true, 1),
    HEAD_FIELD(collision, true, 1),
    HEAD_FIELD(hit, true, 1),
    HEAD_FIELD(dlogp, true, 0),
    HEAD_FIELD(dtoken_logp, true, 0),
    HEAD_FIELD(dentropy, true, 0),
    HEAD_FIELD(dlse, true, 0),
    HEAD_FIELD(dlogits, true, 2),
    HEAD_FIELD(hidden, false, 0),
    HEAD_FIELD(weight, false, 0),
    HEAD_FIELD(bias, false, 0),
    HEAD_FIELD(kl, false, 0),
    HEAD_FIELD(jhidden, false, 0),
    HEAD_FIELD(dkl, false, 0),
    HEAD_FIELD(dhidden, false, 0),
    HEAD_FIELD(dweight, false, 0),
    HEAD_FIELD(dbias, false, 0),
};

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

/* Offsets have no size of their own. */
enum { OFFSETS = 2 };

/* The rule broken for this field; the call that meets it first. */
static void break_rule(const struct field *field, const struct rule *rule)
{
    static struct call c;
    make_good(&c);
    if (field == &fields[OFFSETS])
        packed(&c);
    align_tensor *t = tensor_of(&c, field);
    bool forward_reads = field->in_tokens || field->output == 1 ||
                         field->offset == offsetof(align_head, logits);
    rule->spoil(t);
    const char *name = field->name;
    /* the target leads: with another size, what follows it no longer fits */
    if (rule->spoil == size_wrong && strcmp(name, "align_tokens.target") == 0)
        name = "align_tokens.mask";
    expect(&c, forward_reads ? forward : backward, rule->status, name, NULL);
}

START_TEST(every_rule_on_every_tensor)
{
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++)
            if (fields[f].read && (!rules[r].output || fields[f].output != 0) &&
                !(rules[r].spoil == size_wrong && f == OFFSETS))
                break_rule(&fields[f], &rules[r]);
}
END_TEST

START_TEST(unread_fields_are_refused)
{
    static struct call c;
    align_status (*const runs[])(struct call *) = {forward, backward, scratch};
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        for (int run = 0; run < 3 && !fields[f].read; run++) {
            make_good(&c);
            *tensor_of(&c, &fields[f]) = align_1d(c.gradient, ALIGN_F32, 1);
            expect(&c, runs[run], ALIGN_E_ARG, fields[f].name, NULL);
        }
}
END_TEST

START_TEST(outputs_share_nothing)
{
    static struct call c;
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        if (fields[f].output == 0)
            continue;
        for (size_t g = 0; g < sizeof fields / sizeof fields[0]; g++) {
            make_good(&c);
            bool together = fields[g].in_tokens || fields[g].output == fields[f].output ||
                            fields[g].offset == offsetof(align_head, logits) ||
                            (fields[f].output == 2 && fields[g].output == 0);
            if (f == g || !fields[g].read || !together || tensor_of(&c, &fields[g])->ndim == 0 ||
                (fields[f].output == 2 && fields[g].offset == offsetof(align_head, logits)))
                continue;
            tensor_of(&c, &fields[f])->data = tensor_of(&c, &fields[g])->data;
            struct outputs before = c.out;
            align_status status = fields[f].output == 1 ? forward(&c) : backward(&c);
            ck_assert_msg(status == ALIGN_E_LAYOUT, "%s in %s", fields[f].name, fields[g].name);
            ck_assert_mem_eq(&before, &c.out, sizeof before);
            reach_note(&c.error);
        }
    }
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
    reach_demand(area, false);
}
END_TEST

SUITE_MAIN("errors/head", a_good_call_is_good, rows_of_the_table, every_rule_on_every_tensor,
           unread_fields_are_refused, outputs_share_nothing, logits_that_are_not_finite)
