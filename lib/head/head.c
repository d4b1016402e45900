#include "head.h"
#include "linear.h"

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
        *least = *best = head.linear ? align__linear_scratch(&head) : 0;
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

align_status align__head_report_odd(const struct align__head *head,
                                    const struct align__head_row *rows, int64_t count)
{
    while (count > 0 && rows->odd == 0)
        rows++, count--;
    if (count == 0)
        return ALIGN_E_NONE;
    int64_t index[3] = {0};
    uint32_t axes = align__head_index(head, rows->index, index);
    index[axes] = rows->odd - 1 - head->begin;
    return ALIGN__FAIL(&head->exec, NOT_FINITE, .owner = "align_head", .field = "logits",
                       .axes = axes + 1, .index = {index[0], index[1], index[2]},
                       .value = rows->odd_value);
}

static struct align__part whole_row(const struct align__head *head, const align_tensor *t,
                                    int64_t n)
{
    return (struct align__part){align__head_at(head, t, n), t->dtype, head->begin, head->vocab};
}

static void compare_row(const struct align__head *head, struct align__head_row *row)
{
    struct align__part x = whole_row(head, &head->args.logits, row->index);
    struct align__part y = whole_row(head, &head->other.logits, row->index);
    align__head_kl_add(head, row, &x, &y);
}

static void reduce_row(const struct align__head *head, struct align__head_row *row)
{
    if (row->weight == 0)
        return;
    struct align__part x = whole_row(head, &head->args.logits, row->index);
    align__head_reduce(head, row, &x);
    if (align__present(&head->args.kl))
        compare_row(head, row);
}

static void forward_row(const struct align__head *head, struct align__head_row *row)
{
    reduce_row(head, row);
    align__head_finish(head, row);
}

static void prepare_row(const struct align__head *head, struct align__head_row *row)
{
    align__head_gradient_start(head, row);
    if (align__head_wants_kl(row))
        compare_row(head, row);
}

static void write_row(const struct align__head *head, struct align__head_row *row)
{
    bool adds = align__head_adds(head, ALIGN_HEAD_ADD_DLOGITS);
    struct align__part g = whole_row(head, &head->args.dlogits, row->index);
    if (align__head_wants_kl(row))
        align__head_gradient_kl(head, row);
    if (row->kind == ALIGN__ROW_LIVE) {
        struct align__part x = whole_row(head, &head->args.logits, row->index), y = x;
        if (row->dkl != 0)
            y = whole_row(head, &head->other.logits, row->index);
        align__head_gradient(head, row, &x, &y, &g, adds);
    } else if (row->kind == ALIGN__ROW_NAN || !adds) {
        align__head_fill(g.at, g.dtype, g.n, row->kind == ALIGN__ROW_NAN ? NAN : 0);
    }
}

static void backward_row(const struct align__head *head, struct align__head_row *row)
{
    prepare_row(head, row);
    write_row(head, row);
}

static align_status forward_dense(const struct align__head *head, struct totals *totals)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    for (int64_t count; (count = align__head_next(head, &walk, rows, ALIGN__HEAD_BATCH)) > 0;) {
        align_status status = align__head_run(head, rows, count,
                                              head->shared ? reduce_row : forward_row);
        if (status == ALIGN_E_NONE)
            status = align__head_report_odd(head, rows, count);
        if (head->shared)
            status = align__head_join(head, rows, count, status);
        for (int64_t i = 0; i < count && head->shared && status == ALIGN_E_NONE; i++)
            align__head_finish(head, &rows[i]);
        if (status != ALIGN_E_NONE)
            return status;
        add_rows(head, totals, rows, count);
    }
    return ALIGN_E_NONE;
}

/* A rank that fails after a join says so at the next one, if there is one. */
static align_status tell(const struct align__head *head, struct align__head_walk *walk,
                         struct align__head_row *rows, int64_t most, align_status status)
{
    int64_t count = align__head_next(head, walk, rows, most);
    return count > 0 ? align__head_join(head, rows, count, status) : status;
}

/* `prepare` (or NULL) runs over a batch, and what it finds is joined over the ranks, before fn does. */
static align_status backward_by_rows(const struct align__head *head, align__head_row_fn prepare,
                                     align__head_row_fn fn)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_start;
    for (int64_t count; (count = align__head_next(head, &walk, rows, ALIGN__HEAD_BATCH)) > 0;) {
        align_status status = ALIGN_E_NONE;
        if (prepare != NULL)
            status = align__head_join(head, rows, count,
                                      align__head_run(head, rows, count, prepare));
        if (status != ALIGN_E_NONE)
            return status;
        status = align__head_run(head, rows, count, fn);
        if (status != ALIGN_E_NONE)
            return prepare == NULL ? status : tell(head, &walk, rows, ALIGN__HEAD_BATCH, status);
    }
    return ALIGN_E_NONE;
}

static align_status forward_linear(const struct align__head *head, struct align__kept *kept,
                                   struct totals *totals)
{
    struct align__linear linear;
    struct align__head_walk walk = align__head_start;
    align_status status = align__linear_open(&linear, head, kept);
    for (int64_t count; status == ALIGN_E_NONE &&
                        (count = align__head_next(head, &walk, linear.rows, linear.most)) > 0;) {
        status = align__linear_forward(&linear, count);
        if (status == ALIGN_E_NONE)
            add_rows(head, totals, linear.rows, count);
    }
    if (kept != NULL)
        kept->filled = true;
    return linear.late ? tell(head, &walk, linear.rows, linear.most, status) : status;
}

static align_status walk_back(struct align__linear *linear)
{
    struct align__head_walk walk = align__head_start;
    align_status status = ALIGN_E_NONE;
    for (int64_t count;
         status == ALIGN_E_NONE &&
         (count = align__head_next(linear->head, &walk, linear->rows, linear->most)) > 0;)
        status = align__linear_backward(linear, count);
    return linear->late ? tell(linear->head, &walk, linear->rows, linear->most, status) : status;
}

static align_status backward_linear(const struct align__head *head, struct align__kept *kept)
{
    struct align__linear linear;
    align_status status = align__linear_open(&linear, head, kept);
    if (status == ALIGN_E_NONE && align__linear_begin_before(&linear))
        status = walk_back(&linear);
    for (int64_t v = 0; status == ALIGN_E_NONE && (v == 0 || v < head->vocab); v += linear.band) {
        align__linear_begin(&linear, v);
        status = walk_back(&linear);
        if (status == ALIGN_E_NONE)
            align__linear_end(&linear);
    }
    return status;
}

/* The one-pass plan: dhidden_n = c_n jhidden_n. */
static void scale_row(const struct align__head *head, struct align__head_row *row)
{
    const align_tensor *from = &head->args.jhidden, *to = &head->args.dhidden;
    bool adds = align__head_adds(head, ALIGN_HEAD_ADD_DHIDDEN);
    align__head_gradient_start(head, row);
    char *out = align__head_at(head, to, row->index);
    const struct align__scaled terms[] = {
        {from->dtype, align__head_at(head, from, row->index), row->dlogp},
        {to->dtype, adds ? out : NULL, 1},
    };
    if (row->kind != ALIGN__ROW_ZERO)
        align__head_combine(terms, 2, to->dtype, out, head->width);
    else if (!adds)
        align__head_fill(out, to->dtype, head->width, 0);
}

/* Checks, and then hears whether all ranks are well, where the call has something to tell them. */
static align_status enter(struct align__head *head, enum align__head_use use,
                          const align_exec *exec, const align_head *args)
{
    struct align__arena arena;
    align_status status = align__head_check(head, use, exec, args);
    bool one_pass = align__present(&head->args.jhidden) && use == ALIGN__HEAD_BACKWARD;
    if (status == ALIGN_E_NONE && head->linear && !one_pass)
        status = align__arena_open(&head->exec, &arena, align__linear_scratch(head));
    bool joins = use == ALIGN__HEAD_FORWARD || align__present(&head->args.dkl);
    return head->shared && joins ? align__head_agree(head, status) : status;
}

align_status align__head_forward(const align_exec *exec, const align_head *args,
                                 struct align__kept *kept)
{
    struct align__head head;
    struct totals totals = {0};
    align_status status = enter(&head, ALIGN__HEAD_FORWARD, exec, args);
    if (status == ALIGN_E_NONE)
        status = head.linear ? forward_linear(&head, kept, &totals) : forward_dense(&head, &totals);
    if (status == ALIGN_E_NONE)
        close_totals(&head, &totals, head.sequences);
    return status;
}

align_status align__head_backward(const align_exec *exec, const align_head *args,
                                  struct align__kept *kept)
{
    struct align__head head;
    align_status status = enter(&head, ALIGN__HEAD_BACKWARD, exec, args);
    if (status != ALIGN_E_NONE)
        return status;
    if (head.linear)
        return align__present(&head.args.jhidden) ? backward_by_rows(&head, NULL, scale_row)
                                                  : backward_linear(&head, kept);
    bool joins = head.shared && align__present(&head.args.dkl);
    return joins ? backward_by_rows(&head, prepare_row, write_row)
                 : backward_by_rows(&head, NULL, backward_row);
}

align_status align_head_forward(const align_exec *exec, const align_head *args)
{
    return align__head_forward(exec, args, NULL);
}

align_status align_head_backward(const align_exec *exec, const align_head *args)
{
    return align__head_backward(exec, args, NULL);
}
