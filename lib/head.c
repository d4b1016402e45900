#include "head.h"

#include <math.h>
#include <string.h>

void align_tokens_init(align_tokens *tokens, size_t size)
{
    memset(tokens, 0, size);
    tokens->size = size;
    tokens->ignore = -100;
}

void align_head_init(align_head *head, size_t size)
{
    memset(head, 0, size);
    head->size = size;
    head->scale = 1;
    head->temperature = 1;
}

align_status align_head_scratch(const align_exec *user, const align_head *args, size_t *least,
                                size_t *best)
{
    struct align__head head;
    align_status status = align__head_check(&head, ALIGN__HEAD_SCRATCH, user, args);
    if (status == ALIGN_E_NONE)
        *least = *best = 0;
    return status;
}

/* Sums of one sequence, written when the walk has left it. */
struct totals {
    int64_t sequence, count;
    double logp, wsum;
};

static void store_sequence(const align_tensor *t, int64_t s, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__at(t, s, 0), x);
}

static void close_totals(const struct align__head *head, struct totals *totals, int64_t upto)
{
    for (; totals->sequence < upto; totals->sequence++) {
        store_sequence(&head->args.logp, totals->sequence, totals->logp);
        store_sequence(&head->args.count, totals->sequence, (double)totals->count);
        store_sequence(&head->args.wsum, totals->sequence, totals->wsum);
        totals->count = 0;
        totals->logp = totals->wsum = 0;
    }
}

static void add_rows(const struct align__head *head, struct totals *totals,
                     const struct align__head_row *rows, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        close_totals(head, totals, rows[i].sequence);
        if (rows[i].weight == 0)
            continue;
        totals->count++;
        totals->wsum += rows[i].weight;
        totals->logp += rows[i].weight * rows[i].logp;
    }
}

/* The first logit of these rows that ALIGN_FLAG_FINITE forbids. */
static align_status report_not_finite(const struct align__head *head,
                                      const struct align__head_row *rows, int64_t count)
{
    const align_tensor *logits = &head->args.logits;
    for (int64_t i = 0; i < count; i++) {
        if (!rows[i].not_finite)
            continue;
        const char *at = align__head_at(head, logits, rows[i].index);
        int64_t v = 0, n = rows[i].index;
        double x = 0;
        for (; v < head->vocab; v++) {
            x = align__load(logits->dtype, at + v * align_dtype_bytes(logits->dtype));
            if (!isfinite(x))
                break;
        }
        bool padded = head->length > 0;
        return ALIGN__FAIL(
            &head->exec, NOT_FINITE, .owner = "align_head", .field = "logits",
            .axes = padded ? 3 : 2,
            .index = {padded ? n / head->length : n, padded ? n % head->length : v, padded ? v : 0},
            .value = x);
    }
    return ALIGN_E_NONE;
}

align_status align_head_forward(const align_exec *exec, const align_head *args)
{
    struct align__head head;
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    struct totals totals = {0};
    align_status status = align__head_check(&head, ALIGN__HEAD_FORWARD, exec, args);
    for (int64_t count;
         status == ALIGN_E_NONE && (count = align__head_next(&head, &walk, rows)) > 0;) {
        status = align__head_run(&head, rows, count, align__head_forward_row);
        if (status == ALIGN_E_NONE && (head.exec.flags & ALIGN_FLAG_FINITE) != 0)
            status = report_not_finite(&head, rows, count);
        if (status == ALIGN_E_NONE)
            add_rows(&head, &totals, rows, count);
    }
    if (status == ALIGN_E_NONE)
        close_totals(&head, &totals, head.sequences);
    return status;
}

static double load_if(const struct align__head *head, const align_tensor *t, int64_t n)
{
    return align__present(t) ? align__head_load(head, t, n) : 0;
}

static void read_gradients(const struct align__head *head, struct align__head_row *row)
{
    const align_head *args = &head->args;
    if (row->weight == 0)
        return;
    if (align__present(&args->dlogp))
        row->dlogp = row->weight *
                     align__load(args->dlogp.dtype, align__at(&args->dlogp, row->sequence, 0));
    row->dlogp += load_if(head, &args->dtoken_logp, row->index);
    row->dentropy = load_if(head, &args->dentropy, row->index);
    row->dlse = load_if(head, &args->dlse, row->index);
}

align_status align_head_backward(const align_exec *exec, const align_head *args)
{
    struct align__head head;
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    align_status status = align__head_check(&head, ALIGN__HEAD_BACKWARD, exec, args);
    for (int64_t count;
         status == ALIGN_E_NONE && (count = align__head_next(&head, &walk, rows)) > 0;) {
        for (int64_t i = 0; i < count; i++)
            read_gradients(&head, &rows[i]);
        status = align__head_run(&head, rows, count, align__head_backward_row);
    }
    return status;
}
