#include "couple.h"

#include "list.h"
#include "math.h"

size_t align__couple_bytes(const struct align__plan *plan)
{
    return plan->row->couple == ALIGN__COUPLE_NONE
               ? 0
               : (size_t)ALIGN__COUPLE_ARRAYS * (size_t)plan->groups * sizeof(double);
}

static double number(const align_tensor *t, struct align__place place)
{
    return align__present(t) ? align__load(t->dtype, align__at(t, place.i, place.j)) : 0;
}

/* What the two sides of group g are sorted by. */
static void keys_of(const struct align__plan *plan, int64_t g, double key[2])
{
    double score[2], ref[2];
    struct align__place place;
    for (int k = 0; k < 2; k++) {
        align__find(plan, g, k, &place);
        score[k] = number(&plan->args.score, place);
        ref[k] = number(&plan->args.ref, place);
    }
    const bool margins = plan->row->couple == ALIGN__COUPLE_MARGINS;
    key[0] = margins ? align__minus(score[0], score[1]) : align__minus(score[0], ref[0]);
    key[1] = margins ? align__minus(ref[0], ref[1]) : align__minus(score[1], ref[1]);
}

void align__couple(struct align__plan *plan, void *memory)
{
    const int64_t n = plan->groups;
    double *twin = memory, *key[2] = {twin + 2 * n, twin + 3 * n};
    int64_t *id = (int64_t *)(void *)(twin + 4 * n), *order[2] = {id + n, id + 2 * n};
    int64_t *spare = id + 3 * n, m = 0;
    for (int64_t g = 0; g < n; g++) {
        double at[2];
        twin[g] = twin[n + g] = NAN;
        if (!align__is_live(plan, g))
            continue;
        keys_of(plan, g, at);
        if (isnan(at[0]) || isnan(at[1]))
            continue;
        key[0][m] = at[0];
        key[1][m] = at[1];
        id[m++] = g;
    }
    for (int k = 0; k < 2; k++)
        align__sort_down(m, key[k], order[k], spare);
    for (int64_t r = 0; r < m; r++) {
        twin[id[order[0][r]]] = key[1][order[1][r]];
        twin[n + id[order[1][r]]] = key[0][order[0][r]];
    }
    plan->twin[0] = twin;
    plan->twin[1] = twin + n;
}
