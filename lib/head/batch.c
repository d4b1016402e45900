/* From tensors of a batch to rows, and back. */
#include "head.h"

void *align__head_at(const struct align__head *head, const align_tensor *t, int64_t n)
{
    if (head->length == 0 || t->ndim == 1)
        return (char *)t->data + n * t->stride[0] * align_dtype_bytes(t->dtype);
    return align__at(t, n / head->length, n % head->length);
}

uint32_t align__head_index(const struct align__head *head, int64_t n, int64_t index[3])
{
    index[0] = head->length > 0 ? n / head->length : n;
    index[1] = head->length > 0 ? n % head->length : 0;
    return head->length > 0 ? 2 : 1;
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

static int64_t sequence_begin(const struct align__head *head, int64_t sequence)
{
    return sequence > 0 ? sequence_end(head, sequence - 1) : 0;
}

struct align__head_walk align__head_walk_of(const struct align__head *head, int64_t sequence)
{
    return (struct align__head_walk){sequence_begin(head, sequence), sequence,
                                     sequence_end(head, sequence)};
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
                         struct align__head_row *rows, int64_t most)
{
    int64_t count = 0;
    while (count < most && walk->next < head->rows) {
        while (walk->next == walk->end)
            walk->end = sequence_end(head, ++walk->sequence);
        struct align__head_row *row = &rows[count++];
        *row = (struct align__head_row){.index = walk->next, .sequence = walk->sequence};
        align__row_start(&row->sums);
        align__row_start(&row->weighers[0].sums);
        align__row_start(&row->weighers[1].sums);
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
