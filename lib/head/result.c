/* Numbers a row: what the forward writes, and what the backward begins with. */
#include "head.h"

#include <math.h>

static void store(const struct align__head *head, const align_tensor *t, int64_t n, double x)
{
    if (align__present(t))
        align__store(t->dtype, align__head_at(head, t, n), x);
}

void align__head_finish(const struct align__head *head, struct align__head_row *row)
{
    const align_head *args = &head->args;
    struct align__row_result result = {0};
    double hit = 0;
    if (row->weight != 0 && align__present(&args->kl))
        align__head_kl_finish(head, row);
    if (row->weight != 0) {
        result = align__row_finish(&row->sums);
        row->lse = result.lse;
        row->logp = align__row_logp(&row->sums, &result, row->target, row->z);
        hit = row->sums.at == row->target && !isnan(result.lse);
    }
    store(head, &args->token_logp, row->index, row->logp);
    store(head, &args->lse, row->index, result.lse);
    store(head, &args->entropy, row->index, result.entropy);
    store(head, &args->kl, row->index, row->kl.value);
    store(head, &args->collision, row->index, result.collision);
    store(head, &args->hit, row->index, hit);
}

static double load(const struct align__head *head, const align_tensor *t, int64_t n)
{
    return align__present(t) ? align__head_load(head, t, n) : 0;
}

static enum align__head_kind read_gradients(const struct align__head *head,
                                            struct align__head_row *row)
{
    const align_head *args = &head->args;
    if (row->weight == 0)
        return ALIGN__ROW_ZERO;
    if (align__present(&args->dlogp))
        row->dlogp = row->weight *
                     align__load(args->dlogp.dtype, align__at(&args->dlogp, row->sequence, 0));
    row->dlogp += load(head, &args->dtoken_logp, row->index);
    if (align__present(&args->jhidden))
        return row->dlogp == 0 ? ALIGN__ROW_ZERO : ALIGN__ROW_LIVE;
    row->dentropy = load(head, &args->dentropy, row->index);
    row->dlse = load(head, &args->dlse, row->index);
    row->dkl = load(head, &args->dkl, row->index);
    row->lse = load(head, &args->lse, row->index);
    bool flat = row->dlogp == 0 && row->dentropy == 0 && row->dlse == 0 && row->dkl == 0;
    if (flat || row->lse == -INFINITY)
        return ALIGN__ROW_ZERO;
    bool finite = isfinite(row->lse) && isfinite(row->dlse - row->dlogp) &&
                  isfinite(row->dentropy) && isfinite(row->dkl);
    return finite ? ALIGN__ROW_LIVE : ALIGN__ROW_NAN;
}

/* The target's own: -expm1(log p) is 1 - p without the rounding of p. */
static void start_target(const struct align__head *head, struct align__head_row *row)
{
    if (align__present(&head->args.dentropy))
        row->entropy = align__head_load(head, &head->args.entropy, row->index);
    double logp = load(head, &head->args.token_logp, row->index), p = exp(logp);
    double surprise = p == 0 ? 0 : p * (logp + row->entropy);
    row->dtarget = -row->dlogp * expm1(logp) + p * row->dlse - row->dentropy * surprise;
}

void align__head_gradient_start(const struct align__head *head, struct align__head_row *row)
{
    row->kind = read_gradients(head, row);
    if (row->kind == ALIGN__ROW_LIVE && !align__present(&head->args.jhidden))
        start_target(head, row);
}

void align__head_gradient_kl(const struct align__head *head, struct align__head_row *row)
{
    align__head_kl_finish(head, row);
    if (isnan(row->kl.value))
        row->kind = ALIGN__ROW_NAN;
}
