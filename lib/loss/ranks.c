/* Places of items by score, and what they are worth. */
#include "list.h"

#include "../base/draw.h"

double align__gain(double label, int32_t kind)
{
    return kind == ALIGN_GAIN_LINEAR ? label : exp2(label) - 1;
}

double align__discount(double place, int32_t kind)
{
    switch (kind) {
    case ALIGN_DISCOUNT_LOG2:
        return 0x1.62e42fefa39efp-1 / log1p(place);
    case ALIGN_DISCOUNT_RECIPROCAL:
        return 1 / place;
    default:
        return 1 / log1p(place);
    }
}

double align__max_dcg(struct align__list *list, const double *gain)
{
    const int64_t top = list->params->top_n > 0 ? list->params->top_n : list->n;
    struct align__total sum = {0};
    align__sort_down(list, list->label, list->order);
    for (int64_t r = 0; r < list->n && r < top; r++)
        align__add(&sum,
                   gain[list->order[r]] * align__discount((double)(r + 1), list->params->discount));
    return align__total(sum);
}

/* Sorts by score over items that were put in a drawn order first, so that ties keep that order. */
static void sort_seeded(struct align__list *list)
{
    double *drawn = list->work[ALIGN__LIST_WORK - 2], *score = list->work[ALIGN__LIST_WORK - 1];
    for (int64_t i = 0; i < list->n; i++)
        drawn[i] = align__draw_of(list->params->seed, (uint64_t)list->group, (uint64_t)i);
    align__sort_down(list, drawn, list->rank);
    for (int64_t k = 0; k < list->n; k++)
        score[k] = list->log_ratio[list->rank[k]];
    align__sort_down(list, score, list->order);
    for (int64_t k = 0; k < list->n; k++)
        list->order[k] = list->rank[list->order[k]];
}

void align__list_places(struct align__list *list)
{
    if (list->placed)
        return;
    if (list->params->score_ties == ALIGN_SCORE_TIES_SEEDED)
        sort_seeded(list);
    else
        align__sort_down(list, list->log_ratio, list->order);
    for (int64_t k = 0; k < list->n; k++)
        list->place[list->order[k]] = (double)(k + 1);
}
