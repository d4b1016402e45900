/* The table, and questions about it. */
#include "metrics.h"
#include "params.h"

#include <string.h>

#define LIST_ROW(id, name) [ALIGN_LOSS_##id] = &align__loss_##name,

#define ROW(id, name) [ALIGN_LOSS_##id] = &align__loss_##name##_c,
static const struct align__loss_row *const rows[] = {
#include "rows.def"
};
#undef ROW

#ifdef ALIGN__HAVE_AVX2
#    define ROW(id, name) [ALIGN_LOSS_##id] = &align__loss_##name##_avx2,
static const struct align__loss_row *const rows_avx2[] = {
#    include "rows.def"
};
#    undef ROW
#endif

#ifdef ALIGN__HAVE_AVX512
#    define ROW(id, name) [ALIGN_LOSS_##id] = &align__loss_##name##_avx512,
static const struct align__loss_row *const rows_avx512[] = {
#    include "rows.def"
};
#    undef ROW
#endif

struct level {
    uint64_t needs;
    const struct align__loss_row *const *rows;
};

static const struct level levels[] = {
#ifdef ALIGN__HAVE_AVX512
    {ALIGN_CPU_AVX512, rows_avx512},
#endif
#ifdef ALIGN__HAVE_AVX2
    {ALIGN_CPU_AVX2, rows_avx2},
#endif
    {0, rows},
};

align_loss_id align_loss_count(void)
{
    return (align_loss_id)(sizeof rows / sizeof rows[0]) - 1;
}

const struct align__loss_row *align__loss_row(align_loss_id id)
{
    return id > 0 && id <= align_loss_count() ? rows[id] : NULL;
}

const struct align__loss_row *align__loss_row_for(align_loss_id id, uint64_t cpu)
{
    const struct level *level = levels;
    while ((level->needs & ~cpu) != 0)
        level++;
    return align__loss_row(id) == NULL ? NULL : level->rows[id];
}

align_loss_id align_loss_find(const char *name)
{
    for (align_loss_id id = 1; name != NULL && id <= align_loss_count(); id++)
        if (strcmp(rows[id]->name, name) == 0)
            return id;
    return 0;
}

/* Writes as much of an answer as the caller's struct holds. `first` is its size in the first release. */
static align_status give(void *user, const void *answer, size_t known, size_t first)
{
    if (user == NULL)
        return ALIGN_E_ARG;
    size_t size;
    memcpy(&size, user, sizeof size);
    size_t take = size == 0 ? first : size;
    if (take < first)
        return ALIGN_E_VERSION;
    const size_t head = sizeof size;
    if (take > known) {
        memset((char *)user + known, 0, take - known);
        take = known;
    }
    memcpy((char *)user + head, (const char *)answer + head, take - head);
    return ALIGN_E_NONE;
}

align_status align_loss_get_info(align_loss_id loss, align_loss_info *info)
{
    const struct align__loss_row *row = align__loss_row(loss);
    if (row == NULL)
        return ALIGN_E_RANGE;
    align_loss_info answer = {
        .id = loss,
        .arity = row->arity,
        .name = row->name,
        .brief = row->brief,
        .source = row->source,
        .formula = row->formula,
        .gradient = row->gradient,
        .needs = row->needs,
        .reads = align__loss_reads(row),
        .n_params = align__loss_n_params(row),
        .n_metrics = align__metrics_of(row)->count,
    };
    return give(info, &answer, sizeof answer, sizeof answer);
}

align_status align_loss_get_param(align_loss_id loss, uint32_t i, align_param_info *info)
{
    const struct align__loss_row *row = align__loss_row(loss);
    if (row == NULL || i >= align__loss_n_params(row))
        return ALIGN_E_RANGE;
    align_param_info answer = {0};
    align__param_describe(&row->params[i], &answer);
    return give(info, &answer, sizeof answer, sizeof answer);
}

align_status align_loss_get_metric(align_loss_id loss, uint32_t i, align_metric_info *info)
{
    const struct align__loss_row *row = align__loss_row(loss);
    if (row == NULL || i >= align__metrics_of(row)->count)
        return ALIGN_E_RANGE;
    align_metric_info answer = {
        .name = align__metrics_of(row)->rows[i].name,
        .brief = align__metrics_of(row)->rows[i].brief,
    };
    return give(info, &answer, sizeof answer, sizeof answer);
}
