/* The engine: gathers groups, runs the row's function over them, scales and scatters what it says.
 *
 * Groups are cut into chunks by shapes alone, and every chunk keeps its own sums, which are added in the
 * order of the chunks: so the bits do not depend on who ran what. */
#include "couple.h"
#include "metrics.h"
#include "pair.h"
#include "plan.h"
#include "transfer.h"

#include <string.h>

/* Items of a chunk at least; those of lists take longer. */
enum { MAX_CHUNKS = 64, CHUNK_ITEMS = 4096, CHUNK_LISTED = 1024, STACK_ITEMS = 64 };

struct partial {
    struct align__total value, learn[ALIGN__MAX_LEARN];
    double metrics[ALIGN__MAX_METRICS][2];
};

struct call {
    const struct align__plan *plan;
    int64_t chunks, tasks; /* as many tasks work on chunks at once */
    char *slots;           /* one a task, for lists that do not fit the stack */
    size_t slot_bytes;
    struct partial *partials;
};

static int64_t count_chunks(const struct align__plan *plan)
{
    double items = plan->form == ALIGN__FORM_OFFSETS ? (double)plan->sequences
                                                     : (double)plan->groups * (double)plan->width;
    double least = plan->row->arity == ALIGN_LOSS_LIST ? CHUNK_LISTED : CHUNK_ITEMS;
    if (items < least)
        return plan->groups < 1 ? plan->groups : 1;
    int64_t chunks = items < MAX_CHUNKS * least ? (int64_t)(items / least) + 1 : MAX_CHUNKS;
    return chunks < plan->groups ? chunks : plan->groups;
}

static bool writes_items(const struct align__plan *plan)
{
    return align__present(&plan->args->dscore) || align__present(&plan->args->daux) ||
           align__present(&plan->args->hscore);
}

static void keep_metrics(struct partial *partial, align__metric_sums sums, uint32_t count)
{
    for (uint32_t m = 0; m < count; m++) {
        partial->metrics[m][0] = align__total(sums[m][0]);
        partial->metrics[m][1] = align__total(sums[m][1]);
    }
}

/* ---- singles and pairs ---- */

static void learn_from(const struct align__plan *plan, const struct align__block *b,
                       const struct align__batch *batch, struct partial *partial)
{
    for (uint32_t p = 0; p < align__loss_n_params(plan->row); p++)
        for (int i = 0; i < b->n; i++)
            align__add(&partial->learn[p], batch->any_nan && batch->nan[i]
                                               ? NAN
                                               : align__times(batch->weight[i], b->learn[p][i]));
}

static void finish_block(const struct align__plan *plan, struct align__block *b,
                         struct align__batch *batch, struct partial *partial)
{
    double weighed[ALIGN__BLOCK];
    const double *value = b->value;
    const align_loss_args *a = plan->args;
    for (int i = 0; batch->any_nan && i < b->n; i++)
        if (batch->nan[i])
            b->value[i] = NAN;
    if (align__given(plan, ALIGN__FIELD_weight)) {
        b->f64->times(weighed, batch->weight, b->value, b->n);
        value = weighed;
    }
    align__add_all(&partial->value, b->f64, value, b->n);
    if (align__given(plan, ALIGN__FIELD_group_value))
        align__batch_put_group(plan, batch, b->value);
    const bool pair = plan->row->arity == ALIGN_LOSS_PAIR;
    const struct align__side *x = &b->side[0], *y = &b->side[1];
    if (align__given(plan, ALIGN__FIELD_dscore))
        align__batch_put(plan, batch, &a->dscore, x->d, pair ? y->d : NULL);
    if (align__given(plan, ALIGN__FIELD_daux))
        align__batch_put(plan, batch, &a->daux, x->daux, pair ? y->daux : NULL);
    if (align__given(plan, ALIGN__FIELD_hscore))
        align__batch_put(plan, batch, &a->hscore, x->h, pair ? y->h : NULL);
    if (align__given(plan, ALIGN__FIELD_dparam))
        learn_from(plan, b, batch, partial);
}

/* What log-ratios are worth, where rows look at them. */
static void find_worths(const struct align__plan *plan, struct align__block *b)
{
    for (int k = 0; k < plan->row->arity; k++) {
        struct align__side *side = &b->side[k];
        b->worth[k] = side->ratio;
        if (plan->params.divergence == ALIGN_DIVERGENCE_REVERSE_KL)
            continue;
        align__divergence_worths(b->params, side->ratio, side->worth, b->n);
        b->worth[k] = side->worth;
    }
}

/* From derivatives by what a log-ratio u is worth to those by scores. */
static void chain(const align_loss_params *params, const double *u, double *d, double *h, int64_t n)
{
    if (params->divergence == ALIGN_DIVERGENCE_REVERSE_KL)
        return;
    for (int64_t i = 0; i < n; i++) {
        const struct align__phi s = align__divergence(params, u[i]);
        h[i] = align__plus(align__times(h[i], s.slope * s.slope), align__times(d[i], s.curve));
        d[i] = align__times(d[i], s.slope);
    }
}

static void run_blocks(const struct align__plan *plan, int64_t first, int64_t end,
                       struct partial *partial)
{
    struct align__block block;
    struct align__batch batch;
    align__metric_sums sums;
    const bool metrics = align__present(&plan->args->metrics);
    if (metrics)
        memset(sums, 0, sizeof sums);
    align__batch_open(plan, &batch, &block);
    while (first < end && align__batch_next(plan, &batch, &block, &first, end)) {
        find_worths(plan, &block);
        plan->row->block(&block);
        for (int k = 0; k < plan->row->arity; k++)
            chain(block.params, block.side[k].ratio, block.side[k].d, block.side[k].h, block.n);
        finish_block(plan, &block, &batch, partial);
        if (metrics)
            align__metrics_block(sums, plan->row, &block, batch.weight,
                                 batch.any_odd ? batch.odd : NULL);
    }
    if (metrics)
        keep_metrics(partial, sums, align__metrics_of(plan->row)->count);
}

/* ---- lists ---- */

/* The row's function, on what log-ratios are worth. */
static void run_row(const struct align__loss_row *row, struct align__list *list)
{
    if (list->params->divergence == ALIGN_DIVERGENCE_REVERSE_KL) {
        row->list(list);
        return;
    }
    bool far = false;
    for (int64_t i = 0; i < list->n; i++) {
        const double u = list->log_ratio[i];
        list->ratio[i] = align__divergence_bounded(list->params, u);
        far = far || (fabs(list->ratio[i]) >= ALIGN__FAR && fabs(u) <= ALIGN__ANY);
    }
    row->list(list);
    if (far && fabs(list->value) >= 0x1p-10 * list->params->beta * ALIGN__FAR)
        list->value = copysign(INFINITY, list->value);
    chain(list->params, list->log_ratio, list->d, list->h, list->n);
}

static void run_list(const struct align__plan *plan, int64_t g, struct align__list *list,
                     int64_t *at, align__metric_sums sums, struct partial *partial)
{
    const struct align__listed listed = align__list_get(plan, g, list, at);
    if (list->n == 0)
        return;
    if (!listed.vain && !listed.nan)
        run_row(plan->row, list);
    if (listed.nan) {
        list->value = NAN;
        for (int64_t i = 0; i < list->n; i++)
            list->d[i] = list->daux[i] = list->h[i] = NAN;
    }
    align__add(&partial->value, align__times(listed.weight, list->value));
    align__list_put(plan, g, list, at, plan->factor * listed.weight);
    if (sums != NULL)
        align__metrics_list(sums, plan->row, list, listed.weight, listed.odd);
}

static void run_lists(const struct align__plan *plan, int64_t first, int64_t end, char *slot,
                      struct partial *partial)
{
    struct align__list list;
    align__metric_sums sums;
    const bool metrics = align__present(&plan->args->metrics);
    if (metrics)
        memset(sums, 0, sizeof sums);
    int64_t *at = align__list_lay(&list, slot, plan->width);
    list.params = &plan->params;
    list.f64 = plan->f64;
    for (int64_t g = first; g < end; g++)
        if (align__is_live(plan, g))
            run_list(plan, g, &list, at, metrics ? sums : NULL, partial);
    if (metrics)
        keep_metrics(partial, sums, align__metrics_of(plan->row)->count);
}

/* The slot of a list that needs no scratch. */
static void run_short_lists(const struct align__plan *plan, int64_t first, int64_t end,
                            struct partial *partial)
{
    double slot[(ALIGN__LIST_ARRAYS + ALIGN__SINKHORN_MOST) * STACK_ITEMS];
    run_lists(plan, first, end, (char *)slot, partial);
}

/* ---- the call ---- */

static void open_partial(const struct align__plan *plan, struct partial *partial)
{
    partial->value = (struct align__total){0};
    if (align__given(plan, ALIGN__FIELD_dparam))
        memset(partial->learn, 0, sizeof partial->learn);
}

static void run_chunk(void *ctx, int64_t slot, int64_t c)
{
    const struct call *call = ctx;
    const struct align__plan *plan = call->plan;
    const int64_t share = plan->groups / call->chunks, rest = plan->groups % call->chunks;
    const int64_t first = share * c + (c < rest ? c : rest);
    const int64_t end = first + share + (c < rest);
    struct partial *partial = &call->partials[c];
    open_partial(plan, partial);
    if (plan->row->arity != ALIGN_LOSS_LIST)
        run_blocks(plan, first, end, partial);
    else if (plan->width <= STACK_ITEMS)
        run_short_lists(plan, first, end, partial);
    else
        run_lists(plan, first, end, call->slots + (size_t)slot * call->slot_bytes, partial);
}

/* The sum of one of the totals of each chunk, in the order of the chunks. */
static double join(const struct align__total *first, int64_t chunks)
{
    struct align__total all = {0};
    const char *at = (const char *)first;
    for (int64_t c = 0; c < chunks; c++, at += sizeof(struct partial)) {
        const struct align__total *total = (const struct align__total *)(const void *)at;
        align__add(&all, total->sum);
        align__add(&all, total->lost);
    }
    return align__total(all);
}

static void put_sums(const struct align__plan *plan, const struct partial *partials, int64_t chunks)
{
    const align_loss_args *a = plan->args;
    const bool add = (a->flags & ALIGN_LOSS_ADD) != 0;
    if (align__given(plan, ALIGN__FIELD_value))
        align__put(&a->value, 0, 0, align__times(plan->factor, join(&partials->value, chunks)),
                   add);
    if (align__given(plan, ALIGN__FIELD_dparam))
        for (int64_t p = 0; p < a->dparam.shape[0]; p++)
            align__put(&a->dparam, p, 0,
                       align__times(plan->factor, join(&partials->learn[p], chunks)), add);
    if (align__given(plan, ALIGN__FIELD_metrics))
        for (int64_t m = 0; m < a->metrics.shape[0]; m++)
            for (int64_t k = 0; k < 2; k++) {
                double sum = 0;
                for (int64_t c = 0; c < chunks; c++)
                    sum += partials[c].metrics[m][k];
                align__put(&a->metrics, m, k, sum, false);
            }
}

/* Scratch for `tasks` lists at a time, or for matching groups; 0 where the stack is enough. */
static size_t scratch_for(const struct align__plan *plan, int64_t tasks)
{
    if (plan->row->couple != ALIGN__COUPLE_NONE && plan->groups > STACK_ITEMS)
        return align__arena_slack() + align__block(align__couple_bytes(plan));
    if (plan->row->arity != ALIGN_LOSS_LIST || plan->width <= STACK_ITEMS)
        return 0;
    return align__arena_slack() + (size_t)tasks * align__block(align__list_bytes(plan));
}

align_status align_loss_scratch(const align_exec *exec, const align_loss_args *args, size_t *least,
                                size_t *best)
{
    struct align__plan plan;
    align_status status = align__plan_shapes(&plan, exec, args);
    if (status != ALIGN_E_NONE)
        return status;
    int64_t chunks = count_chunks(&plan), workers = plan.exec.workers;
    *least = scratch_for(&plan, 1);
    *best = scratch_for(&plan, workers < 1 ? 1 : workers < chunks ? workers : chunks);
    return ALIGN_E_NONE;
}

static align_status lay_out(struct call *call, struct align__plan *plan, double *stack)
{
    call->chunks = count_chunks(plan);
    call->tasks = call->chunks;
    const size_t least = scratch_for(plan, 1);
    if (least > 0) {
        struct align__arena arena;
        align_status status = align__arena_open(&plan->exec, &arena, least);
        if (status != ALIGN_E_NONE)
            return status;
        if (plan->row->couple != ALIGN__COUPLE_NONE)
            stack = align__arena_take(&arena, align__couple_bytes(plan));
        call->slot_bytes = align__block(align__list_bytes(plan));
        call->slots = arena.at;
        int64_t fit = (int64_t)(arena.left / call->slot_bytes);
        if (plan->row->arity == ALIGN_LOSS_LIST)
            call->tasks = fit < call->chunks ? fit : call->chunks;
    }
    if (plan->row->couple != ALIGN__COUPLE_NONE)
        align__couple(plan, stack);
    /* Several groups may write one sequence: then the order of the groups must be kept. */
    if (plan->form == ALIGN__FORM_INDEX && writes_items(plan))
        call->tasks = 1;
    return ALIGN_E_NONE;
}

align_status align_loss_eval(const align_exec *exec, const align_loss_args *args)
{
    struct align__plan plan;
    struct partial partials[MAX_CHUNKS];
    double stack[ALIGN__COUPLE_ARRAYS * STACK_ITEMS]; /* where few groups are matched */
    struct call call = {.plan = &plan, .partials = partials};
    align_status status = align__plan_shapes(&plan, exec, args);
    if (status == ALIGN_E_NONE)
        status = align__plan_values(&plan);
    if (status == ALIGN_E_NONE)
        status = lay_out(&call, &plan, stack);
    if (status != ALIGN_E_NONE)
        return status;
    align__clear_outputs(&plan);
    status = align__rooms(&plan.exec, call.tasks, call.chunks, run_chunk, &call);
    if (status == ALIGN_E_NONE)
        put_sums(&plan, partials, call.chunks);
    return status;
}

void align_loss_args_init(align_loss_args *args, size_t size)
{
    align_loss_args local;
    memset(&local, 0, sizeof local);
    local.scale = 1;
    memset(args, 0, size);
    memcpy(args, &local, size < sizeof local ? size : sizeof local);
    args->size = size;
}
