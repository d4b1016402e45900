#include "transfer.h"

#include "math.h"

#include <string.h>

void align__put(const align_tensor *out, int64_t i, int64_t j, double x, bool add)
{
    void *at = align__at(out, i, j);
    align__store(out->dtype, at, add ? align__load(out->dtype, at) + x : x);
}

static bool adds(const struct align__plan *plan)
{
    return (plan->args->flags & ALIGN_LOSS_ADD) != 0;
}

static void clear(const align_tensor *t)
{
    if (!align__present(t))
        return;
    const int64_t inner = t->ndim > 1 ? t->shape[1] : 1;
    for (int64_t i = 0; i < t->shape[0]; i++)
        for (int64_t j = 0; j < inner; j++)
            align__store(t->dtype, align__at(t, i, j), 0);
}

void align__clear_outputs(const struct align__plan *plan)
{
    const align_loss_args *a = plan->args;
    if (!plan->may_miss && plan->width > 0)
        return;
    clear(&a->group_value);
    clear(&a->rank_out);
    if (adds(plan))
        return;
    clear(&a->dscore);
    clear(&a->daux);
    clear(&a->hscore);
}

/* ---- singles and pairs ---- */

/* Whole eights, which cost less than a loop that stops at the last group. */
static void fill(const struct align__plan *plan, double *x, double value)
{
    const int64_t most = plan->groups < ALIGN__BLOCK ? plan->groups : ALIGN__BLOCK;
    for (int64_t i = 0; i < most; i += 8)
        for (int64_t j = 0; j < 8; j++)
            x[i + j] = value;
}

/* Small calls should not pay for columns that the row does not look at. */
static void fill_side(const struct align__plan *plan, struct align__side *side, uint32_t reads)
{
    if ((reads & ALIGN_LOSS_READS_COUNT) != 0) {
        fill(plan, side->count, 0);
        fill(plan, side->share, 0);
    }
    if ((reads & ALIGN_LOSS_READS_AUX) != 0)
        fill(plan, side->aux, 0);
    if ((reads & ALIGN_LOSS_READS_LABEL) != 0)
        fill(plan, side->label, 0);
    if ((reads & ALIGN_LOSS_READS_OLD) != 0)
        fill(plan, side->old, 0);
}

void align__batch_open(const struct align__plan *plan, struct align__batch *batch,
                       struct align__block *block)
{
    const uint32_t reads = align__loss_reads(plan->row);
    block->params = &plan->params;
    block->f64 = plan->f64;
    block->given =
        (align__given(plan, ALIGN__FIELD_label) ? (uint32_t)ALIGN_LOSS_READS_LABEL : 0U) |
        (align__given(plan, ALIGN__FIELD_count) ? (uint32_t)ALIGN_LOSS_READS_COUNT : 0U) |
        (align__given(plan, ALIGN__FIELD_aux) ? (uint32_t)ALIGN_LOSS_READS_AUX : 0U);
    if (align__given(plan, ALIGN__FIELD_dparam))
        for (int p = 0; p < ALIGN__MAX_LEARN; p++)
            fill(plan, block->learn[p], 0);
    batch->dense = !plan->may_miss;
    batch->arity = plan->row->arity;
    batch->f64 = block->f64;
    for (int k = 0; k < plan->row->arity; k++)
        fill_side(plan, &block->side[k], reads);
    fill(plan, block->prob, 1);
    fill(plan, block->offset, 0);
    fill(plan, batch->weight, 1);
    fill(plan, batch->scale, plan->factor);
}

/* Chooses the groups of the next block. */
static void choose(const struct align__plan *plan, struct align__batch *batch, int64_t *first,
                   int64_t end)
{
    batch->first = *first;
    if (batch->dense) {
        batch->n = end - *first < ALIGN__BLOCK ? (int)(end - *first) : ALIGN__BLOCK;
        *first += batch->n;
        return;
    }
    batch->n = 0;
    for (; *first < end && batch->n < ALIGN__BLOCK; ++*first) {
        if (!align__is_live(plan, *first))
            continue;
        batch->group[batch->n] = *first;
        for (int k = 0; k < plan->row->arity; k++)
            align__find(plan, *first, k, &batch->place[k][batch->n]);
        batch->n++;
    }
}

/* One column of a dense batch. */
static void get_column(const struct align__batch *batch, const align_tensor *t, int k, double *out)
{
    const void *at = align__at(t, batch->first, k);
    if (t->dtype == ALIGN_F32)
        batch->f64->widen(out, at, t->stride[0], batch->n);
    else
        align__load_row(out, t->dtype, at, t->stride[0], batch->n);
}

static void put_column(const struct align__batch *batch, const align_tensor *t, int k,
                       const double *x)
{
    void *at = align__at(t, batch->first, k);
    if (t->dtype == ALIGN_F32)
        batch->f64->narrow(at, t->stride[0], x, batch->n);
    else
        align__store_row(t->dtype, at, t->stride[0], x, batch->n);
}

/* Rows of f32 one after the other. */
static bool is_rows(const struct align__batch *batch, const align_tensor *t)
{
    return batch->dense && t->dtype == ALIGN_F32 && t->stride[0] == batch->arity &&
           (batch->arity == 1 || t->stride[1] == 1);
}

/* All columns of a tensor; true when they are known to be finite. */
static bool get(const struct align__batch *batch, const align_tensor *t, double *const out[2])
{
    if (is_rows(batch, t))
        return batch->f64->read_rows(out[0], out[1], align__at(t, batch->first, 0), batch->n);
    for (int k = 0; k < batch->arity; k++)
        if (batch->dense)
            get_column(batch, t, k, out[k]);
        else
            for (int i = 0; i < batch->n; i++)
                out[k][i] = align__load(t->dtype,
                                        align__at(t, batch->place[k][i].i, batch->place[k][i].j));
    return false;
}

static void get_group(const struct align__batch *batch, const align_tensor *t, double *out)
{
    if (batch->dense)
        get_column(batch, t, 0, out);
    else
        for (int i = 0; i < batch->n; i++)
            out[i] = align__load(t->dtype, align__at(t, batch->group[i], 0));
}

static void look(struct align__batch *batch, const double *x)
{
    if (batch->f64->tame(x, batch->n))
        return;
    if (!batch->any_odd) {
        memset(batch->nan, 0, sizeof batch->nan);
        memset(batch->odd, 0, sizeof batch->odd);
    }
    for (int i = 0; i < batch->n; i++) {
        batch->nan[i] |= x[i] != x[i];
        batch->odd[i] |= !(fabs(x[i]) <= ALIGN__ANY);
        batch->any_nan |= batch->nan[i];
    }
    batch->any_odd = true;
}

/* What is read for each item: from which tensor, to where, and whether any number is allowed there. */
struct column {
    size_t tensor, side;
    bool any;
};

#define COLUMN(name, to, any)                                                                      \
    [ALIGN__FIELD_##name] = {offsetof(align_loss_args, name), offsetof(struct align__side, to), any}
static const struct column columns[] = {
    COLUMN(score, score, true),  COLUMN(ref, ratio, true), COLUMN(old, old, true),
    COLUMN(count, count, false), COLUMN(aux, aux, true),   COLUMN(label, label, false),
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void get_columns(const struct align__plan *plan, struct align__batch *batch,
                        struct align__block *block)
{
    uint32_t left = plan->given & ((UINT32_C(1) << COLUMNS) - 1);
    for (int field; align__take_field(&left, &field);) {
        const char *args = (const char *)plan->args;
        const align_tensor *t = (const align_tensor *)(args + columns[field].tensor);
        double *to[2] = {NULL, NULL};
        for (int k = 0; k < batch->arity; k++)
            to[k] = (double *)((char *)&block->side[k] + columns[field].side);
        if (get(batch, t, to) || !columns[field].any)
            continue;
        for (int k = 0; k < batch->arity; k++)
            look(batch, to[k]);
    }
}

/* What follows from the columns of a side. */
static void derive(const struct align__plan *plan, const struct align__batch *batch,
                   struct align__side *side, int k)
{
    if (align__given(plan, ALIGN__FIELD_count))
        batch->f64->shares(side->share, side->count, batch->n);
    for (int i = 0; plan->twin[k] != NULL && i < batch->n; i++)
        side->twin[i] = plan->twin[k][batch->dense ? batch->first + i : batch->group[i]];
    if (align__given(plan, ALIGN__FIELD_ref))
        batch->f64->minus(side->ratio, side->score, side->ratio, batch->n);
    else
        memcpy(side->ratio, side->score, (size_t)batch->n * sizeof side->score[0]);
}

static void get_groups(const struct align__plan *plan, struct align__batch *batch,
                       struct align__block *block)
{
    const align_loss_args *a = plan->args;
    if (align__given(plan, ALIGN__FIELD_prob))
        get_group(batch, &a->prob, block->prob);
    if (align__given(plan, ALIGN__FIELD_offset))
        get_group(batch, &a->offset, block->offset);
    if (!align__given(plan, ALIGN__FIELD_weight))
        return;
    get_group(batch, &a->weight, batch->weight);
    for (int i = 0; i < batch->n; i++)
        batch->scale[i] = plan->factor * batch->weight[i];
}

bool align__batch_next(const struct align__plan *plan, struct align__batch *batch,
                       struct align__block *block, int64_t *first, int64_t end)
{
    choose(plan, batch, first, end);
    block->n = batch->n;
    if (batch->n == 0)
        return false;
    batch->any_odd = batch->any_nan = false;
    get_columns(plan, batch, block);
    for (int k = 0; k < plan->row->arity; k++)
        derive(plan, batch, &block->side[k], k);
    get_groups(plan, batch, block);
    return true;
}

/* One column, where that is not all there is to it. */
static void put_one(const struct align__plan *plan, const struct align__batch *batch, int k,
                    const align_tensor *out, const double *x)
{
    double y[ALIGN__BLOCK], before[ALIGN__BLOCK];
    batch->f64->times(y, batch->scale, x, batch->n);
    for (int i = 0; batch->any_nan && i < batch->n; i++)
        if (batch->nan[i])
            y[i] = align__times(batch->scale[i], NAN);
    if (!batch->dense) {
        const bool add = adds(plan) || plan->form == ALIGN__FORM_INDEX;
        for (int i = 0; i < batch->n; i++)
            align__put(out, batch->place[k][i].i, batch->place[k][i].j, y[i], add);
        return;
    }
    if (adds(plan)) {
        get_column(batch, out, k, before);
        for (int i = 0; i < batch->n; i++)
            y[i] += before[i];
    }
    put_column(batch, out, k, y);
}

void align__batch_put(const struct align__plan *plan, const struct align__batch *batch,
                      const align_tensor *out, const double *x, const double *y)
{
    if (is_rows(batch, out) && !batch->any_nan && !adds(plan)) {
        batch->f64->write_rows(align__at(out, batch->first, 0), batch->scale, x, y, batch->n);
        return;
    }
    put_one(plan, batch, 0, out, x);
    if (y != NULL)
        put_one(plan, batch, 1, out, y);
}

void align__batch_put_group(const struct align__plan *plan, const struct align__batch *batch,
                            const double *value)
{
    const align_tensor *out = &plan->args->group_value;
    if (batch->dense)
        put_column(batch, out, 0, value);
    else
        for (int i = 0; i < batch->n; i++)
            align__put(out, batch->group[i], 0, value[i], false);
}

/* ---- lists ---- */

int64_t *align__list_lay(struct align__list *list, char *slot, int64_t width)
{
    double *x = (double *)(void *)slot;
    double **const reals[] = {
        &list->score,   &list->log_ratio, &list->ratio,   &list->count,   &list->aux,
        &list->label,   &list->old,       &list->d,       &list->daux,    &list->h,
        &list->place,   &list->work[0],   &list->work[1], &list->work[2], &list->work[3],
        &list->work[4], &list->work[5],
    };
    int64_t **const integers[] = {&list->order, &list->rank, &list->spare};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++, x += width)
        *reals[i] = x;
    int64_t *n = (int64_t *)(void *)x;
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++, n += width)
        *integers[i] = n;
    list->room = (double *)(void *)(n + width);
    for (int64_t i = 0; i < width; i++) {
        list->count[i] = list->aux[i] = list->label[i] = list->old[i] = 0;
        n[i] = i;
    }
    return n;
}

/* An item's place from what `at` keeps of it. */
static struct align__place place_of(const struct align__plan *plan, int64_t g, int64_t at)
{
    return plan->form == ALIGN__FORM_VIEW ? (struct align__place){g, at}
                                          : (struct align__place){at, 0};
}

static void list_row(const struct align__plan *plan, int64_t g, const struct align__list *list,
                     const int64_t *at, const align_tensor *t, double *out)
{
    if (!plan->may_miss) {
        const int64_t stride = t->ndim > 1 ? t->stride[1] : 0;
        if (t->dtype == ALIGN_F32)
            list->f64->widen(out, align__at(t, g, 0), stride, list->n);
        else
            align__load_row(out, t->dtype, align__at(t, g, 0), stride, list->n);
        return;
    }
    for (int64_t i = 0; i < list->n; i++) {
        struct align__place place = place_of(plan, g, at[i]);
        out[i] = align__load(t->dtype, align__at(t, place.i, place.j));
    }
}

static void look_list(const struct align__list *list, const double *x, struct align__listed *seen)
{
    if (list->f64->tame(x, list->n))
        return;
    for (int64_t i = 0; i < list->n; i++) {
        seen->nan |= x[i] != x[i];
        seen->odd |= !(fabs(x[i]) <= ALIGN__ANY);
    }
}

/* As columns of blocks; what is not given is 0 since the list was laid. */
#define ROW_AT(name, to, any)                                                                      \
    {                                                                                              \
        ALIGN__FIELD_##name, offsetof(align_loss_args, name), offsetof(struct align__list, to),    \
            any                                                                                    \
    }
static const struct {
    enum align__field field;
    size_t tensor, list;
    bool any;
} list_rows[] = {
    ROW_AT(score, score, true),  ROW_AT(ref, ratio, true), ROW_AT(old, old, true),
    ROW_AT(count, count, false), ROW_AT(aux, aux, true),   ROW_AT(label, label, false),
    ROW_AT(rank, place, false),
};

static void get_rows(const struct align__plan *plan, int64_t g, struct align__list *list,
                     const int64_t *at, struct align__listed *seen)
{
    for (size_t r = 0; r < sizeof list_rows / sizeof list_rows[0]; r++) {
        if (!align__given(plan, list_rows[r].field))
            continue;
        const char *args = (const char *)plan->args;
        double *to = *(double **)(void *)((char *)list + list_rows[r].list);
        list_row(plan, g, list, at, (const align_tensor *)(args + list_rows[r].tensor), to);
        if (list_rows[r].any)
            look_list(list, to, seen);
    }
}

/* Says in `at` which items there are, where not all must be. */
static void find_items(const struct align__plan *plan, int64_t g, struct align__list *list,
                       int64_t *at)
{
    struct align__place place;
    list->n = plan->may_miss ? 0 : plan->width;
    for (int64_t k = 0, n = plan->may_miss ? align__items(plan, g) : 0; k < n; k++)
        if (align__find(plan, g, k, &place))
            at[list->n++] = plan->form == ALIGN__FORM_VIEW ? place.j : place.i;
}

struct align__listed align__list_get(const struct align__plan *plan, int64_t g,
                                     struct align__list *list, int64_t *at)
{
    const align_tensor *weight = &plan->args->weight;
    const bool ref = align__given(plan, ALIGN__FIELD_ref);
    struct align__listed seen = {.weight = 1};
    find_items(plan, g, list, at);
    get_rows(plan, g, list, at, &seen);
    list->placed = align__given(plan, ALIGN__FIELD_rank);
    list->group = g;
    for (int64_t i = 0; i < list->n; i++) {
        const double u = ref ? align__minus(list->score[i], list->ratio[i]) : list->score[i];
        list->log_ratio[i] = list->ratio[i] = u;
        list->d[i] = list->daux[i] = list->h[i] = 0;
    }
    for (int64_t i = 0; !list->placed && i < list->n; i++)
        list->place[i] = (double)(i + 1);
    list->value = 0;
    seen.vain = true;
    for (int64_t i = 0; seen.vain && i < list->n; i++)
        seen.vain = list->ratio[i] == -INFINITY;
    if (align__given(plan, ALIGN__FIELD_weight))
        seen.weight = align__load(weight->dtype, align__at(weight, g, 0));
    return seen;
}

static void put_list(const struct align__plan *plan, int64_t g, const int64_t *at, int64_t n,
                     const align_tensor *out, double factor, const double *x)
{
    const bool add = adds(plan) || plan->form == ALIGN__FORM_INDEX;
    if (!align__present(out))
        return;
    if (!plan->may_miss && !add && out->dtype == ALIGN_F32) {
        float *to = align__at(out, g, 0);
        for (int64_t i = 0; i < n; i++)
            to[i * out->stride[1]] = (float)align__times(factor, x[i]);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        struct align__place place = place_of(plan, g, at[i]);
        align__put(out, place.i, place.j, align__times(factor, x[i]), add);
    }
}

void align__list_put(const struct align__plan *plan, int64_t g, const struct align__list *list,
                     const int64_t *at, double factor)
{
    const align_loss_args *a = plan->args;
    put_list(plan, g, at, list->n, &a->dscore, factor, list->d);
    put_list(plan, g, at, list->n, &a->daux, factor, list->daux);
    put_list(plan, g, at, list->n, &a->hscore, factor, list->h);
    for (int64_t i = 0; align__present(&a->rank_out) && i < list->n; i++) {
        struct align__place place = place_of(plan, g, at[i]);
        align__put(&a->rank_out, place.i, place.j, list->place[i], false);
    }
    if (align__present(&a->group_value))
        align__put(&a->group_value, g, 0, list->value, false);
}
