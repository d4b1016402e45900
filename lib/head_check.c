/* Everything about a head that can be wrong, found before the first write. */
#include "head.h"

#include "cpu.h"

#include <math.h>
#include <stddef.h>

enum form { FORM_SEQUENCE, FORM_ROW, FORM_LOGITS, FORM_NONE };

/* in, out: the calls (align__head_use) that read and write a field; a field with neither is not
 * served. */
struct field {
    const char *name;
    size_t offset;
    enum form form;
    int set, in, out;
};

#define FIELD(name, form, set, in, out)                                                            \
    {                                                                                              \
#        name, offsetof(align_head, name), FORM_##form, ALIGN__SET_##set, in, out                  \
    }
#define UNSERVED(name) FIELD(name, NONE, REAL, 0, 0)

#define F ALIGN__HEAD_FORWARD
#define B ALIGN__HEAD_BACKWARD

static const struct field fields[] = {
    FIELD(logits, LOGITS, REAL, F | B, 0),
    FIELD(logp, SEQUENCE, WIDE, 0, F),
    FIELD(count, SEQUENCE, COUNT, 0, F),
    FIELD(wsum, SEQUENCE, WIDE, 0, F),
    FIELD(token_logp, ROW, WIDE, B, F),
    FIELD(lse, ROW, WIDE, B, F),
    FIELD(entropy, ROW, WIDE, B, F),
    FIELD(collision, ROW, WIDE, 0, F),
    FIELD(hit, ROW, HIT, 0, F),
    FIELD(dlogp, SEQUENCE, WIDE, B, 0),
    FIELD(dtoken_logp, ROW, WIDE, B, 0),
    FIELD(dentropy, ROW, WIDE, B, 0),
    FIELD(dlse, ROW, WIDE, B, 0),
    FIELD(dlogits, LOGITS, REAL, 0, B),
    UNSERVED(hidden),
    UNSERVED(weight),
    UNSERVED(bias),
    UNSERVED(kl),
    UNSERVED(jhidden),
    UNSERVED(dkl),
    UNSERVED(dhidden),
    UNSERVED(dweight),
    UNSERVED(dbias),
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static const char owner[] = "align_head", tokens_owner[] = "align_tokens";

static const align_tensor *tensor_of(const struct align__head *head, const struct field *field)
{
    return (const align_tensor *)(const void *)((const char *)&head->args + field->offset);
}

static struct align__named name_of(const struct align__head *head, const struct field *field)
{
    return (struct align__named){owner, field->name, tensor_of(head, field)};
}

static align_status check_unserved(const struct align__head *head)
{
    const align_head *args = &head->args;
    const struct {
        const char *name;
        bool set;
    } numbers[] = {
        {"vocab_begin", args->vocab_begin != 0},
        {"vocab_total", args->vocab_total != 0},
        {"other", args->other != NULL},
        {"temperature", args->temperature != 1},
        {"flags", (args->flags & ALIGN_HEAD_ADD_DHIDDEN) != 0},
        {"flags", (args->flags & ALIGN_HEAD_ADD_DWEIGHT) != 0},
        {"flags", (args->flags & ALIGN_HEAD_ADD_DBIAS) != 0},
    };
    for (int i = 0; i < FIELDS; i++)
        if ((fields[i].in | fields[i].out) == 0 && tensor_of(head, &fields[i])->ndim != 0)
            return ALIGN__FAIL(&head->exec, FIELD_UNREAD, .owner = owner, .field = fields[i].name,
                               .word = "a head of dense logits");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].set)
            return ALIGN__FAIL(&head->exec, FIELD_UNREAD, .owner = owner, .field = numbers[i].name,
                               .word = "a head of dense logits");
    return ALIGN_E_NONE;
}

static align_status check_numbers(const struct align__head *head)
{
    const align_head *args = &head->args;
    if ((args->flags & ~(uint32_t)15) != 0)
        return ALIGN__FAIL(&head->exec, FLAG_UNKNOWN, .owner = owner, .field = "flags",
                           .value = args->flags, .word = "a head");
    if (!isfinite(args->scale) || args->scale == 0)
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "scale",
                           .value = args->scale, .word = "a finite number other than 0");
    if (!isfinite(args->softcap) || args->softcap < 0)
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "softcap",
                           .value = args->softcap, .word = "a finite number of 0 or more");
    if ((args->flags & ALIGN_HEAD_ADD_DLOGITS) != 0 && !align__present(&args->dlogits))
        return ALIGN__FAIL(&head->exec, FIELD_MISSING, .owner = owner, .field = "dlogits",
                           .word = "ALIGN_HEAD_ADD_DLOGITS");
    return ALIGN_E_NONE;
}

static align_status missing(const struct align__head *head, const char *owner_name,
                            const char *field, const char *who)
{
    return ALIGN__FAIL(&head->exec, FIELD_MISSING, .owner = owner_name, .field = field,
                       .word = who);
}

/* Which fields must be there for this call. */
static align_status check_presence(const struct align__head *head, enum align__head_use use)
{
    const align_head *args = &head->args;
    if (!align__present(&args->logits))
        return missing(head, owner, "logits", "a head of dense logits");
    if (use == ALIGN__HEAD_SCRATCH)
        return ALIGN_E_NONE;
    bool any = false;
    for (int i = 0; i < FIELDS; i++) {
        bool counts = use == F ? fields[i].out == F : fields[i].in == B && fields[i].out == 0;
        any |= counts && align__present(tensor_of(head, &fields[i]));
    }
    if (!any && use == F)
        return missing(head, owner, "logp", "a forward without any other output");
    if (use == F)
        return ALIGN_E_NONE;
    if (!any)
        return missing(head, owner, "dlogp", "a backward without any other gradient");
    if (!align__present(&args->lse))
        return missing(head, owner, "lse", "the backward");
    if (!align__present(&args->token_logp))
        return missing(head, owner, "token_logp", "the backward");
    if (align__present(&args->dentropy) && !align__present(&args->entropy))
        return missing(head, owner, "entropy", "the backward of dentropy");
    if (!align__present(&args->dlogits))
        return missing(head, owner, "dlogits", "the backward");
    return ALIGN_E_NONE;
}

static align_status check_offsets(struct align__head *head)
{
    const align_tensor *offsets = &head->tokens.offsets;
    if (!align__present(offsets)) {
        head->sequences = head->length > 0 || head->tokens.target.ndim == 2
                              ? head->tokens.target.shape[0]
                              : 1;
        return ALIGN_E_NONE;
    }
    struct align__named named = {tokens_owner, "offsets", offsets};
    align_status status = align__check_tensor(&head->exec, named, ALIGN__SET_OFFSET);
    if (status != ALIGN_E_NONE)
        return status;
    if (head->tokens.target.ndim == 2)
        return ALIGN__FAIL(&head->exec, FIELD_UNREAD, .owner = tokens_owner, .field = "offsets",
                           .word = "a padded batch");
    const int64_t shape[] = {offsets->shape[0] > 1 ? offsets->shape[0] : 2};
    status = align__check_shape(&head->exec, named, 1, shape);
    if (status != ALIGN_E_NONE)
        return status;
    int64_t last = offsets->shape[0] - 1, low = 0;
    for (int64_t i = 0; i <= last; i++) {
        int64_t offset = *(const int64_t *)align__at(offsets, i, 0);
        int64_t least = i == last ? head->rows : low, most = i == 0 ? 0 : head->rows;
        if (offset < low || offset < least || offset > most)
            return ALIGN__FAIL(&head->exec, FIELD_BOUNDS, .owner = tokens_owner, .field = "offsets",
                               .axes = 1, .index = {i}, .value = (double)offset,
                               .low = (double)least, .high = (double)most);
        low = offset;
    }
    head->sequences = last;
    return ALIGN_E_NONE;
}

static align_status check_tokens(struct align__head *head)
{
    const align_exec *exec = &head->exec;
    const align_tokens *tokens = &head->tokens;
    const align_tensor *target = &tokens->target;
    struct align__named named = {tokens_owner, "target", target};
    struct align__named mask = {tokens_owner, "mask", &tokens->mask};
    if (!align__present(target))
        return missing(head, tokens_owner, "target", "a head");
    align_status status = align__check_tensor(exec, named, ALIGN__SET_INDEX);
    if (status != ALIGN_E_NONE)
        return status;
    if (target->ndim > 2)
        return ALIGN__FAIL(exec, TENSOR_NDIM, .owner = tokens_owner, .field = "target",
                           .value = target->ndim, .word = "1 or 2");
    head->rows = target->shape[0] * (target->ndim == 2 ? target->shape[1] : 1);
    head->length = target->ndim == 2 ? target->shape[1] : 0;
    status = align__check_tensor(exec, mask, ALIGN__SET_MASK);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, mask, target->ndim, target->shape);
    if (status == ALIGN_E_NONE)
        status = check_offsets(head);
    if (status == ALIGN_E_NONE && (tokens->shift < 0 || tokens->shift > 1))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = tokens_owner, .field = "shift",
                           .value = tokens->shift, .low = 0, .high = 1);
    return status;
}

/* Logits like the target with one more axis; numbers a row like the target, or flat. */
static align_status check_form(const struct align__head *head, const struct field *field)
{
    const align_tensor *target = &head->tokens.target;
    struct align__named named = name_of(head, field);
    int64_t shape[3] = {target->shape[0], target->shape[1], head->vocab};
    if (field->form == FORM_SEQUENCE)
        return align__check_shape(&head->exec, named, 1, &head->sequences);
    if (field->form == FORM_ROW && named.tensor->ndim == 1)
        return align__check_shape(&head->exec, named, 1, &head->rows);
    if (field->form == FORM_ROW)
        return align__check_shape(&head->exec, named, target->ndim, shape);
    shape[target->ndim] = head->vocab;
    return align__check_shape(&head->exec, named, target->ndim + 1, shape);
}

static bool takes_part(const struct align__head *head, const struct field *field,
                       enum align__head_use use)
{
    int uses = field->in | field->out;
    if (use == ALIGN__HEAD_SCRATCH)
        return uses != 0;
    if (use == B && field->offset == offsetof(align_head, entropy))
        return align__present(&head->args.dentropy);
    return (uses & (int)use) != 0;
}

static align_status check_tensors(struct align__head *head, enum align__head_use use)
{
    const align_tensor *logits = &head->args.logits;
    for (int i = 0; i < FIELDS; i++) {
        struct align__named named = name_of(head, &fields[i]);
        if (!takes_part(head, &fields[i], use))
            continue;
        align_status status = align__check_tensor(&head->exec, named, fields[i].set);
        if (status != ALIGN_E_NONE)
            return status;
        if (named.tensor == logits)
            head->vocab = logits->shape[logits->ndim - 1];
        status = check_form(head, &fields[i]);
        if (status != ALIGN_E_NONE)
            return status;
        if (fields[i].form != FORM_LOGITS || !align__present(named.tensor) || head->vocab < 2)
            continue;
        int32_t inner = named.tensor->ndim - 1;
        if (named.tensor->stride[inner] != 1)
            return ALIGN__FAIL(&head->exec, TENSOR_INNER, .owner = owner, .field = fields[i].name,
                               .value = (double)named.tensor->stride[inner], .low = inner);
    }
    return ALIGN_E_NONE;
}

static bool same_view(const align_tensor *a, const align_tensor *b)
{
    bool same = a->data == b->data && a->dtype == b->dtype && a->ndim == b->ndim;
    for (int32_t k = 0; same && k < a->ndim; k++)
        same = a->shape[k] == b->shape[k] && (a->stride[k] == b->stride[k] || a->shape[k] < 2);
    return same;
}

/* Outputs share nothing, but for dlogits in the place of logits. */
static align_status check_sharing(const struct align__head *head, enum align__head_use use)
{
    const align_head *args = &head->args;
    struct align__named others[FIELDS + 3] = {
        {tokens_owner, "target", &head->tokens.target},
        {tokens_owner, "mask", &head->tokens.mask},
        {tokens_owner, "offsets", &head->tokens.offsets},
    };
    int count = 3;
    bool in_place = use == B && same_view(&args->logits, &args->dlogits);
    if (in_place && (args->flags & ALIGN_HEAD_ADD_DLOGITS) != 0)
        return ALIGN__FAIL(&head->exec, HEAD_ADD_IN_PLACE, .owner = owner, .field = "dlogits");
    for (int i = 0; i < FIELDS; i++)
        if (takes_part(head, &fields[i], use) && !(in_place && i == 0))
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

static align_status check_mask(const struct align__head *head)
{
    const align_tensor *mask = &head->tokens.mask;
    if (!align__present(mask) || mask->dtype != ALIGN_F32)
        return ALIGN_E_NONE;
    for (int64_t n = 0; n < head->rows; n++) {
        double weight = align__head_load(head, mask, n);
        if (!(weight >= 0) || isinf(weight))
            return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = tokens_owner, .field = "mask",
                               .axes = head->length > 0 ? 2 : 1,
                               .index = {head->length > 0 ? n / head->length : n,
                                         head->length > 0 ? n % head->length : 0},
                               .value = weight, .word = "a finite number of 0 or more");
    }
    return ALIGN_E_NONE;
}

static align_status check_targets(const struct align__head *head)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    for (int64_t count; (count = align__head_next(head, &walk, rows)) > 0;)
        for (int64_t i = 0; i < count; i++) {
            int64_t n = rows[i].index + head->tokens.shift;
            if (rows[i].weight == 0 || (rows[i].target >= 0 && rows[i].target < head->vocab))
                continue;
            return ALIGN__FAIL(&head->exec, HEAD_TARGET, .owner = tokens_owner, .field = "target",
                               .axes = head->length > 0 ? 2 : 1,
                               .index = {head->length > 0 ? n / head->length : n,
                                         head->length > 0 ? n % head->length : 0},
                               .value = (double)rows[i].target, .low = (double)head->tokens.ignore,
                               .high = (double)(head->vocab - 1));
        }
    return ALIGN_E_NONE;
}

/* ALIGN_FLAG_FINITE for the numbers that come a row or a sequence; logits are looked at as they are
 * read. Rows that do not count are not read. */
static align_status check_finite(const struct align__head *head)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    if ((head->exec.flags & ALIGN_FLAG_FINITE) == 0)
        return ALIGN_E_NONE;
    for (int64_t count; (count = align__head_next(head, &walk, rows)) > 0;)
        for (int64_t i = 0; i < count; i++)
            for (int f = 0; f < FIELDS && rows[i].weight != 0; f++) {
                const align_tensor *t = tensor_of(head, &fields[f]);
                bool number = fields[f].form == FORM_ROW || fields[f].form == FORM_SEQUENCE;
                if (!number || !takes_part(head, &fields[f], B) || !align__present(t))
                    continue;
                bool flat = fields[f].form == FORM_SEQUENCE || t->ndim == 1;
                int64_t n = fields[f].form == FORM_SEQUENCE ? rows[i].sequence : rows[i].index;
                double value = flat ? align__load(t->dtype, align__at(t, n, 0))
                                    : align__head_load(head, t, n);
                if (!isfinite(value))
                    return ALIGN__FAIL(
                        &head->exec, NOT_FINITE, .owner = owner, .field = fields[f].name,
                        .axes = flat ? 1 : 2,
                        .index = {flat ? n : n / head->length, flat ? 0 : n % head->length},
                        .value = value);
            }
    return ALIGN_E_NONE;
}

static void choose_path(struct align__head *head, enum align__head_use use)
{
    const align_head *args = &head->args;
    head->kernels = align__kernels(align__cpu_allowed(&head->exec));
    head->exact = args->logits.dtype == ALIGN_F64 || args->scale != 1 || args->softcap != 0;
    if (use == B)
        head->exact |= args->dlogits.dtype == ALIGN_F64 || align__present(&args->dentropy);
}

static align_status take_in(struct align__head *head, const align_exec *exec,
                            const align_head *args)
{
    align_status status = align__enter(&head->exec, exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&head->exec, owner, &head->args, sizeof head->args,
                               sizeof head->args, args);
    if (status == ALIGN_E_NONE)
        status = align__import(&head->exec, tokens_owner, &head->tokens, sizeof head->tokens,
                               sizeof head->tokens, head->args.tokens);
    return status;
}

align_status align__head_check(struct align__head *head, enum align__head_use use,
                               const align_exec *exec, const align_head *args)
{
    align_status status = take_in(head, exec, args);
    if (status == ALIGN_E_NONE)
        status = check_unserved(head);
    if (status == ALIGN_E_NONE)
        status = check_numbers(head);
    if (status == ALIGN_E_NONE)
        status = check_presence(head, use);
    if (status == ALIGN_E_NONE)
        status = check_tokens(head);
    if (status == ALIGN_E_NONE)
        status = check_tensors(head, use);
    if (status == ALIGN_E_NONE && use != ALIGN__HEAD_SCRATCH)
        status = check_sharing(head, use);
    if (status == ALIGN_E_NONE && use != ALIGN__HEAD_SCRATCH)
        status = check_mask(head);
    if (status == ALIGN_E_NONE && use != ALIGN__HEAD_SCRATCH)
        status = check_targets(head);
    if (status == ALIGN_E_NONE && use == B)
        status = check_finite(head);
    if (status == ALIGN_E_NONE)
        choose_path(head, use);
    return status;
}
