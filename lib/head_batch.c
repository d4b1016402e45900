/* From tensors of a batch to rows, and back. */
#include "head.h"

#include <math.h>

void *align__head_at(const struct align__head *head, const align_tensor *t, int64_t n)
{
    if (head->length == 0 || t->ndim == 1)
        return (char *)t->data + n * t->stride[0] * align_dtype_bytes(t->dtype);
    return align__at(t, n / head->length, n % head->length);
}

static int64_t sequence_end(const struct align__head *head, int64_t sequence)
{
    if (head->length > 0)
        return (sequence + 1) * head->length;
    const align_tensor *offsets = &head->tokens.offsets;
    if (!align__present(offsets))
        return head->rows;
    return *(const int64_t *)align__at(offsets, sequence + 1, 0);
}

/* Whether and with what weight row n, the last of its sequence or not, counts. */
static void read_row(const struct align__head *head, bool last, struct align__head_row *row)
{
    const align_tokens *tokens = &head->tokens;
    int64_t from = row->index + tokens->shift;
    if (last && tokens->shift != 0)
        return;
    double weight = 1;
    if (align__present(&tokens->mask)) {
        weight = align__head_load(head, &tokens->mask, from);
        if (tokens->mask.dtype != ALIGN_F32)
            weight = weight != 0;
    }
    const void *target = align__head_at(head, &tokens->target, from);
    row->target = tokens->target.dtype == ALIGN_I64 ? *(const int64_t *)target
                                                    : *(const int32_t *)target;
    row->weight = row->target == tokens->ignore ? 0 : weight;
}

int64_t align__head_next(const struct align__head *head, struct align__head_walk *walk,
                         struct align__head_row *rows)
{
    int64_t count = 0;
    while (count < ALIGN__HEAD_BATCH && walk->next < head->rows) {
        while (walk->next == walk->end)
            walk->end = sequence_end(head, ++walk->sequence);
        struct align__head_row *row = &rows[count++];
        *row = (struct align__head_row){.index = walk->next, .sequence = walk->sequence};
        read_row(head, ++walk->next == walk->end, row);
    }
    return count;
}

struct job {
    const struct align__head *head;
    struct align__head_row *rows;
    int64_t count, share;
    align__head_row_fn fn;
};

static void run_share(void *ctx, int64_t task)
{
    const struct job *job = ctx;
    int64_t end = (task + 1) * job->share < job->count ? (task + 1) * job->share : job->count;
    for (int64_t i = task * job->share; i < end; i++)
        job->fn(job->head, &job->rows[i]);
}

align_status align__head_run(const struct align__head *head, struct align__head_row *rows,
                             int64_t count, align__head_row_fn fn)
{
    enum { WORK = 16384, MOST = ALIGN__HEAD_BATCH / 4 };
    int64_t share = head->vocab < WORK / MOST ? MOST : 1 + WORK / head->vocab;
    struct job job = {head, rows, count, share < MOST ? share : MOST, fn};
    return align__parallel(&head->exec, (count + job.share - 1) / job.share, run_share, &job);
}

const float *align__head_block(const struct align__head *head, int64_t row, int64_t first,
                               int64_t n, float *spare)
{
    const align_tensor *t = &head->args.logits;
    const char *at = align__head_at(head, t, row);
    if (t->dtype == ALIGN_F32)
        return (const float *)(const void *)at + first;
    const uint16_t *half = (const uint16_t *)(const void *)at + first;
    (t->dtype == ALIGN_BF16 ? head->kernels->from_bf16 : head->kernels->from_f16)(spare, half, n);
    return spare;
}

/* tanh'(u) = 4 q / (1 + q)^2 with q = exp(-2 |u|): no cancellation for large u. */
static double tanh_slope(double u)
{
    double q = exp(-2 * fabs(u));
    return 4 * q / ((1 + q) * (1 + q));
}

void align__head_block_f64(const struct align__head *head, int64_t row, int64_t first, int64_t n,
                           double *z, double *dz)
{
    const align_tensor *t = &head->args.logits;
    double scale = head->args.scale, cap = head->args.softcap;
    const char *at = align__head_at(head, t, row);
    align__load_row(z, t->dtype, at + first * align_dtype_bytes(t->dtype), 1, n);
    for (int64_t i = 0; i < n; i++) {
        double u = cap > 0 ? scale * z[i] / cap : 0;
        if (dz != NULL)
            dz[i] = cap > 0 ? scale * tanh_slope(u) : scale;
        z[i] = cap > 0 ? cap * tanh(u) : scale * z[i];
    }
}
