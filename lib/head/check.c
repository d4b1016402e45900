/* Everything about a head that can be wrong, found before the first write. */
#include "head.h"

#include "../base/cpu.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Shapes: [S]; [N] or [B,T]; those with V or D behind; [V,D]; [V]. */
enum form { FORM_SEQUENCE, FORM_ROW, FORM_LOGITS, FORM_HIDDEN, FORM_WEIGHT, FORM_VOCAB, FORM_NONE };

/* Which heads serve a field: of dense logits, linear ones. */
enum source { DENSE = 1, LINEAR = 2, BOTH = 3 };

/* in, out: the calls (align__head_use) that read and write a field. */
struct field {
    const char *name;
    size_t offset;
    enum form form;
    int set, in, out;
    enum source source;
};

#define FIELD(name, form, set, in, out, source)                                                    \
    {                                                                                              \
#        name, offsetof(align_head, name), FORM_##form, ALIGN__SET_##set, in, out, source          \
    }

#define F ALIGN__HEAD_FORWARD
#define B ALIGN__HEAD_BACKWARD

/* Logits and weight come first: they say what V is. */
static const struct field fields[] = {
    FIELD(logits, LOGITS, REAL, F | B, 0, DENSE),
    FIELD(weight, WEIGHT, REAL, F | B, 0, LINEAR),
    FIELD(hidden, HIDDEN, REAL, F | B, 0, LINEAR),
    FIELD(bias, VOCAB, REAL, F | B, 0, LINEAR),
    FIELD(logp, SEQUENCE, WIDE, 0, F, BOTH),
    FIELD(count, SEQUENCE, COUNT, 0, F, BOTH),
    FIELD(wsum, SEQUENCE, WIDE, 0, F, BOTH),
    FIELD(token_logp, ROW, WIDE, B, F, BOTH),
    FIELD(lse, ROW, WIDE, B, F, BOTH),
    FIELD(entropy, ROW, WIDE, B, F, BOTH),
    FIELD(kl, ROW, WIDE, 0, F, BOTH),
    FIELD(collision, ROW, WIDE, 0, F, BOTH),
    FIELD(hit, ROW, HIT, 0, F, BOTH),
    FIELD(jhidden, HIDDEN, REAL, B, F, LINEAR),
    FIELD(dlogp, SEQUENCE, WIDE, B, 0, BOTH),
    FIELD(dtoken_logp, ROW, WIDE, B, 0, BOTH),
    FIELD(dentropy, ROW, WIDE, B, 0, BOTH),
    FIELD(dkl, ROW, WIDE, B, 0, BOTH),
    FIELD(dlse, ROW, WIDE, B, 0, BOTH),
    FIELD(dlogits, LOGITS, REAL, 0, B, DENSE),
    FIELD(dhidden, HIDDEN, REAL, 0, B, LINEAR),
    FIELD(dweight, WEIGHT, REAL, 0, B, LINEAR),
    FIELD(dbias, VOCAB, REAL, 0, B, LINEAR),
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static const char owner[] = "align_head";

static const align_tensor *tensor_of(const struct align__head *head, const struct field *field)
{
    return (const align_tensor *)(const void *)((const char *)&head->args + field->offset);
}

static struct align__named name_of(const struct align__head *head, const struct field *field)
{
    return (struct align__named){owner, field->name, tensor_of(head, field)};
}

static bool is_set(const struct align__head *head, const struct field *field)
{
    return align__present(tensor_of(head, field));
}

static const char *source_name(const struct align__head *head)
{
    return head->linear ? "a linear head" : "a head of dense logits";
}

static align_status unread(const struct align__head *head, const char *field, const char *who)
{
    return ALIGN__FAIL(&head->exec, FIELD_UNREAD, .owner = owner, .field = field, .word = who);
}

static align_status missing(const struct align__head *head, const char *field, const char *who)
{
    return ALIGN__FAIL(&head->exec, FIELD_MISSING, .owner = owner, .field = field, .word = who);
}

/* What this kind of head does not read, and what the plan of jhidden does not. */
static align_status check_unread(const struct align__head *head)
{
    const align_head *args = &head->args;
    bool compares = align__present(&args->kl) || align__present(&args->dkl);
    const struct {
        const char *name;
        const align_tensor *tensor;
    } two_pass[] = {
        {"dweight", &args->dweight}, {"dbias", &args->dbias}, {"dentropy", &args->dentropy},
        {"dlse", &args->dlse},       {"dkl", &args->dkl},
    };
    for (int i = 0; i < FIELDS; i++)
        if (is_set(head, &fields[i]) && (fields[i].source & (head->linear ? LINEAR : DENSE)) == 0)
            return unread(head, fields[i].name, source_name(head));
    if (args->other != NULL && !compares)
        return unread(head, "other", "a head without kl and dkl");
    if (args->temperature != 1 && !compares)
        return unread(head, "temperature", "a head without kl and dkl");
    if (align__head_adds(head, ALIGN_HEAD_KL_REVERSE) && !compares)
        return missing(head, "kl", "ALIGN_HEAD_KL_REVERSE");
    if (args->other == NULL && compares)
        return missing(head, "other", "kl or dkl");
    for (size_t i = 0; i < sizeof two_pass / sizeof two_pass[0]; i++)
        if (align__present(&args->jhidden) && align__present(two_pass[i].tensor))
            return unread(head, two_pass[i].name, "a head with jhidden");
    return ALIGN_E_NONE;
}

static align_status check_numbers(const struct align__head *head)
{
    const align_head *args = &head->args;
    const struct {
        uint32_t flag;
        const char *field, *name;
        const align_tensor *tensor;
    } adds[] = {
        {ALIGN_HEAD_ADD_DLOGITS, "dlogits", "ALIGN_HEAD_ADD_DLOGITS", &args->dlogits},
        {ALIGN_HEAD_ADD_DHIDDEN, "dhidden", "ALIGN_HEAD_ADD_DHIDDEN", &args->dhidden},
        {ALIGN_HEAD_ADD_DWEIGHT, "dweight", "ALIGN_HEAD_ADD_DWEIGHT", &args->dweight},
        {ALIGN_HEAD_ADD_DBIAS, "dbias", "ALIGN_HEAD_ADD_DBIAS", &args->dbias},
    };
    if ((args->flags & ~(uint32_t)(2 * ALIGN_HEAD_KL_REVERSE - 1)) != 0)
        return ALIGN__FAIL(&head->exec, FLAG_UNKNOWN, .owner = owner, .field = "flags",
                           .value = args->flags, .word = "a head");
    for (int i = 0; i < 4; i++)
        if ((args->flags & adds[i].flag) != 0 && !align__present(adds[i].tensor))
            return missing(head, adds[i].field, adds[i].name);
    if (!isfinite(args->scale) || args->scale == 0)
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "scale",
                           .value = args->scale, .word = "a finite number other than 0");
    if (!isfinite(args->temperature) || args->temperature <= 0)
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "temperature",
                           .value = args->temperature, .word = "a finite number above 0");
    if (!isfinite(args->softcap) || args->softcap < 0)
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "softcap",
                           .value = args->softcap, .word = "a finite number of 0 or more");
    return ALIGN_E_NONE;
}

/* Some field that this call alone writes (or, for the backward's gradients, reads). */
static bool any_of(const struct align__head *head, int in, int out)
{
    for (int i = 0; i < FIELDS; i++)
        if (fields[i].in == in && fields[i].out == out && is_set(head, &fields[i]))
            return true;
    return false;
}

static align_status check_presence(const struct align__head *head, enum align__head_use use)
{
    const align_head *args = &head->args;
    bool one_pass = align__present(&args->jhidden);
    if (!head->linear && !align__present(&args->logits))
        return missing(head, "logits", "a head without hidden and weight");
    if (head->linear && !align__present(&args->hidden))
        return missing(head, "hidden", "a linear head");
    if (head->linear && !align__present(&args->weight))
        return missing(head, "weight", "a linear head");
    if (use == F && !any_of(head, 0, F) && !any_of(head, B, F))
        return missing(head, "logp", "a forward without any other output");
    if (use != B)
        return ALIGN_E_NONE;
    if (!any_of(head, B, 0))
        return missing(head, "dlogp", "a backward without any other gradient");
    if (!one_pass && !align__present(&args->lse))
        return missing(head, "lse", "the backward");
    if (!one_pass && !align__present(&args->token_logp))
        return missing(head, "token_logp", "the backward");
    if (align__present(&args->dentropy) && !align__present(&args->entropy))
        return missing(head, "entropy", "the backward of dentropy");
    if (one_pass && !align__present(&args->dhidden))
        return missing(head, "dhidden", "the backward of jhidden");
    if (!any_of(head, 0, B))
        return missing(head, head->linear ? "dhidden" : "dlogits",
                       "a backward without any other output");
    return ALIGN_E_NONE;
}

static bool takes_part(const struct align__head *head, const struct field *field,
                       enum align__head_use use)
{
    int uses = field->in | field->out;
    bool one_pass = align__present(&head->args.jhidden);
    if (use == ALIGN__HEAD_SCRATCH)
        return true;
    if (use == B && field->offset == offsetof(align_head, entropy))
        return align__present(&head->args.dentropy);
    if (use == B && one_pass && field->form == FORM_ROW)
        return field->out == 0;
    return (uses & (int)use) != 0;
}

/* Like the target, with V or D behind where the form says so; numbers a row may come flat. */
static align_status check_form(const struct align__head *head, const struct field *field)
{
    const align_tensor *target = &head->tokens.target;
    struct align__named named = name_of(head, field);
    int64_t like_target[3] = {target->shape[0], target->shape[1]};
    const int64_t weight[2] = {head->vocab, head->width};
    like_target[target->ndim] = field->form == FORM_HIDDEN ? head->width : head->vocab;
    switch (field->form) {
    case FORM_SEQUENCE:
        return align__check_shape(&head->exec, named, 1, &head->sequences);
    case FORM_ROW:
        return named.tensor->ndim == 1
                   ? align__check_shape(&head->exec, named, 1, &head->rows)
                   : align__check_shape(&head->exec, named, target->ndim, like_target);
    case FORM_WEIGHT:
        return align__check_shape(&head->exec, named, 2, weight);
    case FORM_VOCAB:
        return align__check_shape(&head->exec, named, 1, weight);
    default:
        return align__check_shape(&head->exec, named, target->ndim + 1, like_target);
    }
}

/* The BLAS counts in 32 bits. */
align_status align__head_check_matrix(const align_exec *exec, struct align__named named)
{
    const align_tensor *t = named.tensor;
    int32_t inner = t->ndim - 1;
    for (int32_t k = 0; k <= inner; k++) {
        bool wide = k == inner || t->ndim == 2;
        int64_t least = k == inner ? 1 : 0;
        if (wide && (t->shape[k] > INT32_MAX || t->shape[k] < least))
            return ALIGN__FAIL(exec, HEAD_BLAS_SIZE, .owner = named.owner, .field = named.field,
                               .value = (double)t->shape[k], .low = k, .high = INT32_MAX);
        if (t->shape[k] > 1 && (t->stride[k] > INT32_MAX || t->stride[k] < -INT32_MAX))
            return ALIGN__FAIL(exec, HEAD_BLAS_STRIDE, .owner = named.owner, .field = named.field,
                               .value = (double)t->stride[k], .low = k, .high = INT32_MAX);
    }
    return align__head_check_inner(exec, named);
}

align_status align__head_check_inner(const align_exec *exec, struct align__named named)
{
    int32_t inner = named.tensor->ndim - 1;
    if (named.tensor->shape[inner] > 1 && named.tensor->stride[inner] != 1)
        return ALIGN__FAIL(exec, TENSOR_INNER, .owner = named.owner, .field = named.field,
                           .value = (double)named.tensor->stride[inner], .low = inner);
    return ALIGN_E_NONE;
}

static align_status check_tensor(struct align__head *head, const struct field *field)
{
    struct align__named named = name_of(head, field);
    const align_tensor *t = named.tensor;
    bool matrix = field->form == FORM_HIDDEN || field->form == FORM_WEIGHT;
    align_status status = align__check_tensor(&head->exec, named, field->set);
    if (status != ALIGN_E_NONE || !align__present(t))
        return status;
    if (t == &head->args.logits || t == &head->args.weight) {
        head->vocab = t->shape[t == &head->args.weight ? 0 : t->ndim - 1];
        head->width = t->ndim > 1 ? t->shape[1] : 0;
    }
    status = check_form(head, field);
    if (status == ALIGN_E_NONE && matrix)
        status = align__head_check_matrix(&head->exec, named);
    if (status == ALIGN_E_NONE && field->form == FORM_LOGITS)
        status = align__head_check_inner(&head->exec, named);
    if (status == ALIGN_E_NONE && t == &head->args.dweight &&
        align__head_adds(head, ALIGN_HEAD_ADD_DWEIGHT))
        status = align__check_tensor(&head->exec, named, ALIGN__SET_WIDE);
    return status;
}

static align_status check_tensors(struct align__head *head, enum align__head_use use)
{
    for (int i = 0; i < FIELDS; i++) {
        align_status status = ALIGN_E_NONE;
        if (takes_part(head, &fields[i], use))
            status = check_tensor(head, &fields[i]);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

/* Which elements of which vocabulary these are. */
static align_status check_shard(struct align__head *head)
{
    const align_head *args = &head->args;
    head->begin = args->vocab_begin;
    head->total = args->vocab_total == 0 ? head->vocab : args->vocab_total;
    if (args->vocab_total == 0 && args->vocab_begin != 0)
        return missing(head, "vocab_total", "vocab_begin");
    if (head->total < head->vocab || head->total > INT32_MAX)
        return args->vocab_total == 0
                   ? ALIGN_E_NONE
                   : ALIGN__FAIL(&head->exec, FIELD_BOUNDS, .owner = owner, .field = "vocab_total",
                                 .value = (double)head->total, .low = (double)head->vocab,
                                 .high = INT32_MAX);
    if (head->begin < 0 || head->begin > head->total - head->vocab)
        return ALIGN__FAIL(&head->exec, FIELD_BOUNDS, .owner = owner, .field = "vocab_begin",
                           .value = (double)head->begin, .low = 0,
                           .high = (double)(head->total - head->vocab));
    if (!head->shared && head->total != head->vocab)
        return ALIGN__FAIL(&head->exec, FIELD_MISSING, .owner = "align_exec", .field = "allreduce",
                           .word = "a part of a vocabulary");
    return ALIGN_E_NONE;
}

static bool same_view(const align_tensor *a, const align_tensor *b)
{
    bool same = a->data == b->data && a->dtype == b->dtype && a->ndim == b->ndim;
    for (int32_t k = 0; same && k < a->ndim; k++)
        same = a->shape[k] == b->shape[k] && (a->stride[k] == b->stride[k] || a->shape[k] < 2);
    return same && align__present(a);
}

/* Outputs share nothing, but for dlogits in the place of logits and dhidden in that of jhidden. */
static align_status check_sharing(const struct align__head *head, enum align__head_use use)
{
    const align_head *args = &head->args;
    struct align__named others[FIELDS + 7] = {
        {"align_tokens", "target", &head->tokens.target},
        {"align_tokens", "mask", &head->tokens.mask},
        {"align_tokens", "offsets", &head->tokens.offsets},
        {"align_head.other", "logits", &head->other.logits},
        {"align_head.other", "hidden", &head->other.hidden},
        {"align_head.other", "weight", &head->other.weight},
        {"align_head.other", "bias", &head->other.bias},
    };
    int count = 7;
    const align_tensor *replaced = NULL;
    if (use == B && same_view(&args->logits, &args->dlogits))
        replaced = &args->logits;
    if (use == B && same_view(&args->jhidden, &args->dhidden))
        replaced = &args->jhidden;
    if (replaced != NULL && (args->flags & (ALIGN_HEAD_ADD_DLOGITS | ALIGN_HEAD_ADD_DHIDDEN)) != 0)
        return ALIGN__FAIL(&head->exec, HEAD_ADD_IN_PLACE, .owner = owner,
                           .field = head->linear ? "dhidden" : "dlogits",
                           .word = head->linear ? "jhidden" : "logits");
    for (int i = 0; i < FIELDS; i++)
        if (takes_part(head, &fields[i], use) && tensor_of(head, &fields[i]) != replaced)
            others[count++] = name_of(head, &fields[i]);
    for (int i = 0; i < FIELDS; i++) {
        if ((fields[i].out & (int)use) == 0)
            continue;
        align_status status = align__check_output(&head->exec, name_of(head, &fields[i]), others,
                                                  count);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

/* ---- ALIGN_FLAG_FINITE ---- */

/* What the call reads and a row that counts depends on. Dense logits are looked at as they are read. */
static bool is_input(const struct align__head *head, const struct field *field,
                     enum align__head_use use)
{
    return takes_part(head, field, use) && is_set(head, field) && (field->in & (int)use) != 0 &&
           field->form != FORM_LOGITS;
}

static align_status check_row(const struct align__head *head, const struct field *field,
                              const struct align__head_row *row)
{
    const align_tensor *t = tensor_of(head, field);
    int64_t index[3] = {0}, n = field->form == FORM_SEQUENCE ? row->sequence : row->index;
    bool flat = field->form == FORM_SEQUENCE || t->ndim == 1;
    int64_t width = field->form == FORM_HIDDEN ? head->width : 1;
    const char *at = flat ? align__at(t, n, 0) : align__head_at(head, t, n);
    for (int64_t d = 0; d < width; d++, at += align_dtype_bytes(t->dtype)) {
        double value = align__load(t->dtype, at);
        if (isfinite(value))
            continue;
        uint32_t axes = align__head_index(head, n, index);
        if (flat) {
            axes = 1;
            index[0] = n;
        }
        if (field->form == FORM_HIDDEN)
            index[axes++] = d;
        return ALIGN__FAIL(&head->exec, NOT_FINITE, .owner = owner, .field = field->name,
                           .axes = axes, .index = {index[0], axes > 1 ? index[1] : 0, index[2]},
                           .value = value);
    }
    return ALIGN_E_NONE;
}

static align_status check_operand(const struct align__head *head, const struct field *field)
{
    const align_tensor *t = tensor_of(head, field);
    int64_t width = t->ndim > 1 ? t->shape[1] : 1;
    for (int64_t v = 0; v < head->vocab; v++)
        for (int64_t d = 0; d < width; d++) {
            double value = align__load(t->dtype, align__at(t, v, d));
            if (!isfinite(value))
                return ALIGN__FAIL(&head->exec, NOT_FINITE, .owner = owner, .field = field->name,
                                   .axes = (uint32_t)t->ndim, .index = {v, d}, .value = value);
        }
    return ALIGN_E_NONE;
}

static align_status check_finite(const struct align__head *head, enum align__head_use use)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    align_status status = ALIGN_E_NONE;
    for (int f = 0; f < FIELDS && status == ALIGN_E_NONE; f++)
        if (is_input(head, &fields[f], use) &&
            (fields[f].form == FORM_WEIGHT || fields[f].form == FORM_VOCAB))
            status = check_operand(head, &fields[f]);
    for (int64_t count; status == ALIGN_E_NONE &&
                        (count = align__head_next(head, &walk, rows, ALIGN__HEAD_BATCH)) > 0;)
        for (int64_t i = 0; i < count; i++)
            for (int f = 0; f < FIELDS && rows[i].weight != 0 && status == ALIGN_E_NONE; f++)
                if (is_input(head, &fields[f], use) && fields[f].form != FORM_WEIGHT &&
                    fields[f].form != FORM_VOCAB)
                    status = check_row(head, &fields[f], &rows[i]);
    return status;
}

/* ---- all of it ---- */

static void choose_path(struct align__head *head, enum align__head_use use)
{
    const align_head *args = &head->args;
    head->kernels = align__kernels(align__cpu_allowed(&head->exec));
    head->f64 = align__f64(align__cpu_allowed(&head->exec));
    head->exact = args->scale != 1 || args->softcap != 0;
    if (head->linear)
        head->exact |= args->hidden.dtype == ALIGN_F64 || args->weight.dtype == ALIGN_F64 ||
                       (align__present(&args->bias) && args->bias.dtype == ALIGN_F64);
    else
        head->exact |= args->logits.dtype == ALIGN_F64;
    if (use == B)
        head->exact |= align__present(&args->dentropy) || align__present(&args->dkl) ||
                       (!head->linear && args->dlogits.dtype == ALIGN_F64);
}

static align_status take_in(struct align__head *head, const align_exec *exec,
                            const align_head *args)
{
    align_status status = align__enter(&head->exec, exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&head->exec, owner, &head->args, sizeof head->args,
                               sizeof head->args, args);
    if (status == ALIGN_E_NONE)
        status = align__import(&head->exec, "align_tokens", &head->tokens, sizeof head->tokens,
                               sizeof head->tokens, head->args.tokens);
    return status;
}

align_status align__head_check(struct align__head *head, enum align__head_use use,
                               const align_exec *exec, const align_head *args)
{
    memset(head, 0, sizeof *head);
    align_status status = take_in(head, exec, args);
    if (status != ALIGN_E_NONE)
        return status;
    head->shared = head->args.vocab_total != 0 && head->exec.allreduce != NULL;
    head->linear = align__present(&head->args.hidden) || align__present(&head->args.weight);
    status = check_unread(head);
    if (status == ALIGN_E_NONE)
        status = check_numbers(head);
    if (status == ALIGN_E_NONE)
        status = check_presence(head, use);
    if (status == ALIGN_E_NONE)
        status = align__head_check_tokens(head);
    if (status == ALIGN_E_NONE)
        status = check_tensors(head, use);
    if (status == ALIGN_E_NONE)
        status = check_shard(head);
    if (status == ALIGN_E_NONE)
        status = align__head_check_other(head);
    if (status == ALIGN_E_NONE)
        choose_path(head, use);
    if (status != ALIGN_E_NONE || use == ALIGN__HEAD_SCRATCH)
        return status;
    status = check_sharing(head, use);
    if (status == ALIGN_E_NONE)
        status = align__head_check_targets(head);
    if (status == ALIGN_E_NONE && (head->exec.flags & ALIGN_FLAG_FINITE) != 0)
        status = check_finite(head, use);
    if (status == ALIGN_E_NONE && (head->exec.flags & ALIGN_FLAG_FINITE) != 0)
        status = align__head_check_other_finite(head);
    return status;
}
