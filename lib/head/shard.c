/* Sums over a vocabulary of which each rank has a part, with bits that do not depend on who comes when.
 *
 * Four rounds for some rows at a time. Maxima of F64 are exact in any order; sums are made of 64-bit
 * integers, of which the largest that any rank adds uses all bits that leave room for the others:
 *
 *   1. the maximum of each row; then each rank's sums become relative to it
 *   2. which element that is (the lowest), the target's logit, the other side's logit at a maximum of kl
 *   3. the largest of each kind of sum, which sets the unit of its integers
 *   4. those, and how many ranks have the maximum: its own term is kept out of the sums as ever.
 *
 * A row that is NaN on one rank has +inf for its maximum, and so is NaN on all. */
#include "head.h"

#include <math.h>

enum { ROWS = 64, TOPS = 3, PLACES = 4, SUMS = 7, COUNTS = 5 };

struct join {
    const struct align__head *head;
    struct align__head_row *rows;
    int64_t count;
    double top[ROWS][TOPS]; /* of this head, of both sides of kl */
    double place[ROWS][PLACES];
    double sum[ROWS][SUMS]; /* sum, dot, square; sum and cross of both sides of kl */
    double most[ROWS][SUMS];
    int64_t fixed[ROWS][SUMS + COUNTS];
};

/* Parts whose sizes add up to the whole, and whose squares of ends less those of begins do too, follow one
 * on the other, or come very close to it. Modulo a prime, so that no sum overflows. */
static int64_t square_of(int64_t x)
{
    return x * x % INT32_MAX;
}

align_status align__head_agree(struct align__head *head, align_status status)
{
    int64_t part = square_of(head->begin + head->vocab) - square_of(head->begin);
    int64_t sums[] = {status != ALIGN_E_NONE, 1, head->vocab, part, head->rows};
    align_status heard = align__allreduce(&head->exec, sums, 5, ALIGN_I64, ALIGN_REDUCE_SUM);
    if (status != ALIGN_E_NONE || heard != ALIGN_E_NONE)
        return status != ALIGN_E_NONE ? status : heard;
    head->ranks = sums[1];
    if (sums[0] != 0)
        return ALIGN__FAIL(&head->exec, COMM_PEER, .owner = "align_exec", .field = "allreduce",
                           .value = (double)sums[0]);
    if (sums[2] != head->total || (sums[3] - square_of(head->total)) % INT32_MAX != 0)
        return ALIGN__FAIL(&head->exec, COMM_SHARDS, .owner = "align_head", .field = "vocab_begin",
                           .value = (double)head->begin, .high = (double)head->total);
    if (sums[4] != head->rows * head->ranks)
        return ALIGN__FAIL(&head->exec, COMM_ROWS, .owner = "align_tokens", .field = "target",
                           .value = (double)head->rows);
    return ALIGN_E_NONE;
}

/* The sums of a row by number: 0 is the head's own, 1 and 2 are those of kl. */
static struct align__row *sums_of(struct align__head_row *row, int i)
{
    return i == 0 ? &row->sums : &row->weighers[i - 1].sums;
}

static bool broken(double top)
{
    return isnan(top) || top == INFINITY;
}

/* ---- 1 ---- */

static align_status find_tops(struct join *join, align_status status)
{
    double buffer[ROWS * TOPS + 1], *at = buffer;
    for (int64_t r = 0; r < join->count; r++)
        for (int i = 0; i < TOPS; i++) {
            const struct align__row *sums = sums_of(&join->rows[r], i);
            *at++ = isnan(sums->sum) || isnan(sums->top) ? INFINITY : sums->top;
        }
    *at++ = status != ALIGN_E_NONE;
    align_status heard = align__allreduce(&join->head->exec, buffer, at - buffer, ALIGN_F64,
                                          ALIGN_REDUCE_MAX);
    if (status != ALIGN_E_NONE || heard != ALIGN_E_NONE)
        return status != ALIGN_E_NONE ? status : heard;
    if (*--at != 0)
        return ALIGN__FAIL(&join->head->exec, COMM_PEER, .owner = "align_exec",
                           .field = "allreduce", .value = 1);
    at = buffer;
    for (int64_t r = 0; r < join->count; r++)
        for (int i = 0; i < TOPS; i++)
            join->top[r][i] = *at++;
    return ALIGN_E_NONE;
}

/* ---- 2 ---- */

static align_status find_places(struct join *join)
{
    const struct align__head *head = join->head;
    for (int64_t r = 0; r < join->count; r++) {
        struct align__head_row *row = &join->rows[r];
        double *place = join->place[r], *top = join->top[r];
        bool holds = row->target >= head->begin && row->target < head->begin + head->vocab;
        bool tied = row->sums.at >= 0 && row->sums.top == top[0];
        place[0] = tied ? -(double)row->sums.at : -INFINITY;
        place[1] = holds && !broken(top[0]) ? row->z : -INFINITY;
        for (int i = 0; i < 2; i++) {
            const struct align__weigher *w = &row->weighers[i];
            tied = w->sums.at >= 0 && w->sums.top == top[i + 1];
            place[i + 2] = tied && !broken(top[i + 1]) ? w->against : -INFINITY;
        }
    }
    return align__allreduce(&head->exec, join->place, join->count * PLACES, ALIGN_F64,
                            ALIGN_REDUCE_MAX);
}

/* ---- 3 ---- */

/* Sums relative to a maximum that another rank may have; then the own maximum is a term like others. */
static void shift_sums(const struct align__row *from, double top, double out[3])
{
    out[0] = out[1] = out[2] = 0;
    if (from->at < 0 || broken(top))
        return;
    double rise = top - from->top, scale = exp(-rise), own = rise == 0 ? 0 : 1;
    if (scale == 0)
        return;
    out[0] = scale * (from->sum + own);
    out[1] = scale * (from->dot + rise * (from->sum + 1));
    out[2] = scale * scale * (from->square + own);
}

static void shift_weigher(const struct align__weigher *w, double top, double against, double out[2])
{
    double sums[3];
    shift_sums(&w->sums, top, sums);
    out[0] = sums[0];
    out[1] = 0;
    double scale = exp(w->sums.top - top), at_top = against - top;
    if (sums[0] == 0 && w->sums.top != top)
        return;
    if (w->sums.at >= 0 && !w->infinite && !broken(top) && !isinf(at_top))
        out[1] = scale * (w->cross + (w->at_top - at_top) * (w->sums.sum + 1));
}

static align_status find_most(struct join *join)
{
    for (int64_t r = 0; r < join->count; r++) {
        struct align__head_row *row = &join->rows[r];
        double *sum = join->sum[r];
        shift_sums(&row->sums, join->top[r][0], sum);
        for (int i = 0; i < 2; i++)
            shift_weigher(&row->weighers[i], join->top[r][i + 1], join->place[r][i + 2],
                          sum + 3 + 2 * i);
        /* A sum of kl that is not finite has the reason in the other side's maximum. */
        for (int k = 0; k < SUMS; k++) {
            sum[k] = isfinite(sum[k]) ? sum[k] : 0;
            join->most[r][k] = fabs(sum[k]);
        }
    }
    return align__allreduce(&join->head->exec, join->most, join->count * SUMS, ALIGN_F64,
                            ALIGN_REDUCE_MAX);
}

/* ---- 4 ---- */

/* The exponent of a unit in which no rank adds more than 2^62 / ranks. */
static int unit_of(const struct join *join, double most)
{
    int top, bits = 62;
    for (int64_t ranks = 1; ranks < join->head->ranks; ranks *= 2)
        bits--;
    frexp(most, &top);
    return top - bits;
}

static align_status add_up(struct join *join)
{
    for (int64_t r = 0; r < join->count; r++) {
        struct align__head_row *row = &join->rows[r];
        int64_t *fixed = join->fixed[r];
        for (int k = 0; k < SUMS; k++) {
            double most = join->most[r][k];
            fixed[k] = most > 0 && isfinite(most)
                           ? llrint(ldexp(join->sum[r][k], -unit_of(join, most)))
                           : 0;
        }
        for (int i = 0; i < TOPS; i++) {
            const struct align__row *sums = sums_of(row, i);
            fixed[SUMS + i] = sums->at >= 0 && sums->top == join->top[r][i];
        }
        fixed[SUMS + 3] = row->weighers[0].infinite;
        fixed[SUMS + 4] = row->weighers[1].infinite;
    }
    return align__allreduce(&join->head->exec, join->fixed, join->count * (SUMS + COUNTS),
                            ALIGN_I64, ALIGN_REDUCE_SUM);
}

static double value_of(const struct join *join, int64_t r, int k)
{
    double most = join->most[r][k];
    return most > 0 ? ldexp((double)join->fixed[r][k], unit_of(join, most)) : 0;
}

/* Where several ranks have the maximum, all but one are terms of the sum. */
static void take_sums(struct align__row *to, double top, double sum, int64_t tied)
{
    to->top = top;
    to->at = tied > 0 ? 0 : -1;
    to->sum = broken(top) ? NAN : sum + (tied > 1 ? (double)(tied - 1) : 0);
}

static void take_row(const struct join *join, int64_t r)
{
    struct align__head_row *row = &join->rows[r];
    const int64_t *counts = join->fixed[r] + SUMS;
    const double *top = join->top[r], *place = join->place[r];
    take_sums(&row->sums, top[0], value_of(join, r, 0), counts[0]);
    row->sums.dot = value_of(join, r, 1);
    row->sums.square = value_of(join, r, 2) + (counts[0] > 1 ? (double)(counts[0] - 1) : 0);
    if (counts[0] > 0)
        row->sums.at = (int64_t)-place[0];
    row->z = place[1];
    for (int i = 0; i < 2; i++) {
        struct align__weigher *w = &row->weighers[i];
        take_sums(&w->sums, top[i + 1], value_of(join, r, 3 + 2 * i), counts[i + 1]);
        w->cross = value_of(join, r, 4 + 2 * i);
        w->against = place[i + 2];
        w->at_top = w->against - w->sums.top;
        w->infinite = counts[3 + i] > 0;
    }
}

static align_status join_some(struct join *join, align_status status)
{
    status = find_tops(join, status);
    if (status == ALIGN_E_NONE)
        status = find_places(join);
    if (status == ALIGN_E_NONE)
        status = find_most(join);
    if (status == ALIGN_E_NONE)
        status = add_up(join);
    for (int64_t r = 0; r < join->count && status == ALIGN_E_NONE; r++)
        take_row(join, r);
    return status;
}

align_status align__head_join(const struct align__head *head, struct align__head_row *rows,
                              int64_t count, align_status status)
{
    struct join join = {.head = head};
    align_status first = status;
    for (int64_t i = 0; i < count; i += ROWS) {
        join.rows = rows + i;
        join.count = count - i < ROWS ? count - i : ROWS;
        status = join_some(&join, first);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return status;
}
