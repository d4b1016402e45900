/* The head that kl compares with: what of it is read, and its checks. */
#include "head.h"

#include <math.h>
#include <stddef.h>

static const char owner[] = "align_head.other";

static struct align__named named(const align_tensor *tensor, const char *field)
{
    return (struct align__named){owner, field, tensor};
}

static align_status missing(const struct align__head *head, const char *field, const char *who)
{
    return ALIGN__FAIL(&head->exec, FIELD_MISSING, .owner = owner, .field = field, .word = who);
}

/* Dense logits go with heads of both kinds, hidden and weight with a linear one, which has tiles. */
static align_status check_source(const struct align__head *head)
{
    const align_head *other = &head->other;
    const struct {
        const char *name;
        const align_tensor *tensor;
    } linear[] = {{"hidden", &other->hidden}, {"weight", &other->weight}, {"bias", &other->bias}};
    bool dense = align__present(&other->logits);
    for (int i = 0; i < 3; i++)
        if (align__present(linear[i].tensor) && (dense || !head->linear))
            return ALIGN__FAIL(&head->exec, FIELD_UNREAD, .owner = owner, .field = linear[i].name,
                               .word = dense ? "a head of dense logits"
                                             : "kl of a head of dense logits");
    if (dense)
        return ALIGN_E_NONE;
    if (!head->linear)
        return missing(head, "logits", "kl or dkl");
    for (int i = 0; i < 2; i++)
        if (!align__present(linear[i].tensor))
            return missing(head, linear[i].name, "kl or dkl");
    return ALIGN_E_NONE;
}

static align_status check_numbers(const struct align__head *head)
{
    const align_head *args = &head->args, *other = &head->other;
    if (!isfinite(other->scale) || other->scale == 0)
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "scale",
                           .value = other->scale, .word = "a finite number other than 0");
    if (!isfinite(other->softcap) || other->softcap < 0)
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = owner, .field = "softcap",
                           .value = other->softcap, .word = "a finite number of 0 or more");
    bool begin = other->vocab_begin != args->vocab_begin;
    if (begin || other->vocab_total != args->vocab_total) {
        int64_t wanted = begin ? args->vocab_begin : args->vocab_total;
        return ALIGN__FAIL(&head->exec, FIELD_BOUNDS, .owner = owner,
                           .field = begin ? "vocab_begin" : "vocab_total",
                           .value = (double)(begin ? other->vocab_begin : other->vocab_total),
                           .low = (double)wanted, .high = (double)wanted);
    }
    return ALIGN_E_NONE;
}

static align_status check_logits(const struct align__head *head)
{
    struct align__named logits = named(&head->other.logits, "logits");
    const align_tensor *target = &head->tokens.target;
    int64_t shape[3] = {target->shape[0], target->shape[1]};
    shape[target->ndim] = head->vocab;
    align_status status = align__check_tensor(&head->exec, logits, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(&head->exec, logits, target->ndim + 1, shape);
    return status == ALIGN_E_NONE ? align__head_check_inner(&head->exec, logits) : status;
}

/* A width of its own, the same rows and vocabulary. */
static align_status check_linear(const struct align__head *head)
{
    const align_tensor *target = &head->tokens.target;
    const struct align__named weight = named(&head->other.weight, "weight"),
                              hidden = named(&head->other.hidden, "hidden"),
                              bias = named(&head->other.bias, "bias");
    align_status status = align__check_tensor(&head->exec, weight, ALIGN__SET_REAL);
    int64_t width = weight.tensor->ndim > 1 ? weight.tensor->shape[1] : 0;
    const int64_t of_weight[2] = {head->vocab, width};
    int64_t of_hidden[3] = {target->shape[0], target->shape[1]};
    of_hidden[target->ndim] = width;
    if (status == ALIGN_E_NONE)
        status = align__check_shape(&head->exec, weight, 2, of_weight);
    if (status == ALIGN_E_NONE)
        status = align__head_check_matrix(&head->exec, weight);
    if (status == ALIGN_E_NONE)
        status = align__check_tensor(&head->exec, hidden, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(&head->exec, hidden, target->ndim + 1, of_hidden);
    if (status == ALIGN_E_NONE)
        status = align__head_check_matrix(&head->exec, hidden);
    if (status == ALIGN_E_NONE)
        status = align__check_tensor(&head->exec, bias, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE && align__present(bias.tensor))
        status = align__check_shape(&head->exec, bias, 1, of_weight);
    return status;
}

align_status align__head_check_other(struct align__head *head)
{
    if (head->args.other == NULL)
        return ALIGN_E_NONE;
    align_status status = align__import(&head->exec, owner, &head->other, sizeof head->other,
                                        sizeof head->other, head->args.other);
    if (status == ALIGN_E_NONE)
        status = check_source(head);
    if (status == ALIGN_E_NONE)
        status = check_numbers(head);
    if (status != ALIGN_E_NONE)
        return status;
    return align__present(&head->other.logits) ? check_logits(head) : check_linear(head);
}

/* ---- ALIGN_FLAG_FINITE ---- */

/* A vector of n numbers, at `index` of a field, of which it is the last axis. */
static align_status check_vector(const struct align__head *head, const char *field,
                                 const align_tensor *t, const char *at, int64_t n, uint32_t axes,
                                 const int64_t index[2])
{
    double x[256];
    for (int64_t i = 0; i < n; i += 256) {
        int64_t m = n - i < 256 ? n - i : 256;
        align__load_row(x, t->dtype, at + i * t->stride[axes] * align_dtype_bytes(t->dtype),
                        t->stride[axes], m);
        for (int64_t j = 0; j < m; j++) {
            if (isfinite(x[j]))
                continue;
            int64_t place[3] = {index[0], index[1]};
            place[axes] = i + j;
            return ALIGN__FAIL(&head->exec, NOT_FINITE, .owner = owner, .field = field,
                               .axes = axes + 1, .index = {place[0], place[1], place[2]},
                               .value = x[j]);
        }
    }
    return ALIGN_E_NONE;
}

static align_status check_rows(const struct align__head *head, const char *field,
                               const align_tensor *t)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    align_status status = ALIGN_E_NONE;
    for (int64_t count; status == ALIGN_E_NONE &&
                        (count = align__head_next(head, &walk, rows, ALIGN__HEAD_BATCH)) > 0;)
        for (int64_t i = 0; i < count && status == ALIGN_E_NONE; i++) {
            int64_t index[3] = {0};
            uint32_t axes = align__head_index(head, rows[i].index, index);
            if (rows[i].weight != 0)
                status = check_vector(head, field, t, align__head_at(head, t, rows[i].index),
                                      t->shape[axes], axes, index);
        }
    return status;
}

align_status align__head_check_other_finite(const struct align__head *head)
{
    const align_head *other = &head->other;
    const int64_t none[2] = {0};
    align_status status = ALIGN_E_NONE;
    if (align__present(&other->logits))
        return check_rows(head, "logits", &other->logits);
    if (!align__present(&other->hidden))
        return status;
    for (int64_t v = 0; v < head->vocab && status == ALIGN_E_NONE; v++)
        status = check_vector(head, "weight", &other->weight, align__at(&other->weight, v, 0),
                              other->weight.shape[1], 1, (const int64_t[2]){v, 0});
    if (status == ALIGN_E_NONE && align__present(&other->bias))
        status = check_vector(head, "bias", &other->bias, other->bias.data, head->vocab, 0, none);
    return status == ALIGN_E_NONE ? check_rows(head, "hidden", &other->hidden) : status;
}
