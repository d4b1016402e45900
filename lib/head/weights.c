/* Weights made from what a head says about groups of sequences. Counts are made by walking a sequence, so that no
 * memory is needed. */
#include "head.h"

#include "../base/draw.h"

#include <math.h>
#include <string.h>

#define TOKENS "align_token_weights"
#define WPO    "align_wpo"

void align_token_weights_init(align_token_weights *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
    args->items = 2;
}

void align_wpo_init(align_wpo *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
    args->items = 2;
    args->most = 1;
}

/* How sequences form groups. */
struct grouping {
    const char *owner;
    int32_t items, stacked;
    int64_t groups;
};

static align_status check_groups(const struct align__head *head, struct grouping *g)
{
    const align_exec *exec = &head->exec;
    if (g->items < 1)
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = g->owner, .field = "items",
                           .value = g->items, .word = "1 or more");
    if (g->stacked < 0 || g->stacked > 1)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = g->owner, .field = "stacked",
                           .value = g->stacked, .low = 0, .high = 1);
    if (head->sequences % g->items != 0)
        return ALIGN__FAIL(exec, FIELD_VALUE, .owner = g->owner, .field = "items",
                           .value = g->items, .word = "a divisor of the number of sequences");
    g->groups = head->sequences / g->items;
    return ALIGN_E_NONE;
}

static int64_t sequence_of(const struct grouping *g, int64_t group, int32_t item)
{
    return g->stacked != 0 ? item * g->groups + group : group * g->items + item;
}

/* A call's struct as it is taken in, and what it says about tokens and groups. */
struct call {
    const char *owner;
    void *args;
    size_t size;
    const align_tokens *const *tokens;
    const int32_t *items, *stacked;
};

/* Targets need no vocabulary here. */
static align_status enter(struct align__head *head, struct grouping *grouping,
                          const align_exec *exec, const struct call *call, const void *user)
{
    memset(head, 0, sizeof *head);
    head->vocab = head->total = INT64_MAX;
    align_status status = align__enter(&head->exec, exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&head->exec, call->owner, call->args, call->size, call->size, user);
    if (status == ALIGN_E_NONE)
        status = align__import(&head->exec, "align_tokens", &head->tokens, sizeof head->tokens,
                               sizeof head->tokens, *call->tokens);
    if (status == ALIGN_E_NONE)
        status = align__head_check_tokens(head);
    if (status != ALIGN_E_NONE)
        return status;
    *grouping = (struct grouping){call->owner, *call->items, *call->stacked, 0};
    return check_groups(head, grouping);
}

typedef void (*row_fn)(const struct align__head *head, const struct align__head_row *row,
                       void *context);

/* fn on each row of a sequence, in order. */
static void each_row(const struct align__head *head, int64_t sequence, row_fn fn, void *context)
{
    struct align__head_row rows[ALIGN__HEAD_BATCH];
    struct align__head_walk walk = align__head_walk_of(head, sequence);
    const int64_t end = walk.end;
    while (walk.next < end) {
        const int64_t left = end - walk.next;
        const int64_t count = align__head_next(head, &walk, rows,
                                               left < ALIGN__HEAD_BATCH ? left : ALIGN__HEAD_BATCH);
        for (int64_t i = 0; i < count; i++)
            fn(head, &rows[i], context);
    }
}

static void count_row(const struct align__head *head, const struct align__head_row *row,
                      void *context)
{
    (void)head;
    *(int64_t *)context += row->weight != 0;
}

static int64_t count_rows(const struct align__head *head, int64_t sequence)
{
    int64_t count = 0;
    each_row(head, sequence, count_row, &count);
    return count;
}

/* ---- weights of tokens ---- */

/* One sequence being weighted: of `left` counted rows to come, `wanted` are to be kept. */
struct weighting {
    const align_token_weights *args;
    int64_t sequence, at, left, wanted;
};

/* Every subset of the wanted size is as likely: a row is kept with probability wanted / left. */
static bool keeps(const struct weighting *w)
{
    const double u = align__draw_of(w->args->seed, (uint64_t)w->sequence, (uint64_t)w->at);
    return u * 0x1p-53 * (double)w->left < (double)w->wanted;
}

static void weigh_row(const struct align__head *head, const struct align__head_row *row,
                      void *context)
{
    struct weighting *w = context;
    const align_tensor *out = &w->args->weight;
    if (row->weight == 0)
        return;
    const bool first = w->wanted > 0;
    const bool keep = w->args->kind == ALIGN_TOKEN_WEIGHTS_SAMPO ? keeps(w) : first;
    const double less = w->args->kind == ALIGN_TOKEN_WEIGHTS_SAMPO ? 0 : w->args->alpha;
    w->at++;
    w->left--;
    w->wanted -= keep;
    align__store(out->dtype, align__head_at(head, out, row->index + head->tokens.shift),
                 keep ? row->weight : less * row->weight);
}

static void clear_weights(const struct align__head *head, const align_tensor *out)
{
    for (int64_t n = 0; n < head->rows; n++)
        align__store(out->dtype, align__head_at(head, out, n), 0);
}

static align_status check_token_weights(struct align__head *head, const align_token_weights *args)
{
    const align_exec *exec = &head->exec;
    const align_tensor *target = &head->tokens.target;
    const struct align__named out = {TOKENS, "weight", &args->weight};
    const struct align__named others[] = {{"align_tokens", "target", target},
                                          {"align_tokens", "mask", &head->tokens.mask},
                                          {"align_tokens", "offsets", &head->tokens.offsets}};
    if (args->kind < ALIGN_TOKEN_WEIGHTS_LD || args->kind > ALIGN_TOKEN_WEIGHTS_SAMPO)
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = TOKENS, .field = "kind",
                           .value = args->kind, .low = ALIGN_TOKEN_WEIGHTS_LD,
                           .high = ALIGN_TOKEN_WEIGHTS_SAMPO);
    if (!(args->alpha >= 0 && args->alpha <= 1))
        return ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = TOKENS, .field = "alpha",
                           .value = args->alpha, .low = 0, .high = 1);
    if (args->kind == ALIGN_TOKEN_WEIGHTS_LD && args->seed != 0)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = TOKENS, .field = "seed", .word = "LD-DPO");
    if (args->kind == ALIGN_TOKEN_WEIGHTS_SAMPO && args->alpha != 0)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = TOKENS, .field = "alpha", .word = "SamPO");
    if (!align__present(&args->weight))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = TOKENS, .field = "weight",
                           .word = "align_token_weights_apply");
    align_status status = align__check_tensor(exec, out, ALIGN__SET_WIDE);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, out, target->ndim, target->shape);
    if (status == ALIGN_E_NONE)
        status = align__check_output(exec, out, others, 3);
    return status != ALIGN_E_NONE ? status : align__head_check_targets(head);
}

align_status align_token_weights_apply(const align_exec *exec, const align_token_weights *user)
{
    struct align__head head;
    struct grouping grouping;
    align_token_weights args;
    const struct call call = {TOKENS, &args, sizeof args, &args.tokens, &args.items, &args.stacked};
    align_status status = enter(&head, &grouping, exec, &call, user);
    if (status == ALIGN_E_NONE)
        status = check_token_weights(&head, &args);
    if (status != ALIGN_E_NONE)
        return status;
    clear_weights(&head, &args.weight);
    for (int64_t g = 0; g < grouping.groups; g++) {
        int64_t shortest = INT64_MAX;
        for (int32_t k = 0; k < grouping.items; k++) {
            const int64_t count = count_rows(&head, sequence_of(&grouping, g, k));
            shortest = count < shortest ? count : shortest;
        }
        for (int32_t k = 0; k < grouping.items; k++) {
            const int64_t s = sequence_of(&grouping, g, k);
            struct weighting w = {&args, s, 0, count_rows(&head, s), shortest};
            each_row(&head, s, weigh_row, &w);
        }
    }
    return ALIGN_E_NONE;
}

/* ---- weights of groups ---- */

struct likeness {
    const align_wpo *args;
    double sum;
    int64_t count;
};

/* log p_t - log sum p^2; of a token that cannot be, in a row that says nothing, -inf. */
static void add_likeness(const struct align__head *head, const struct align__head_row *row,
                         void *context)
{
    struct likeness *l = context;
    if (row->weight == 0)
        return;
    const double logp = align__head_load(head, &l->args->token_logp, row->index);
    const double collision = align__head_load(head, &l->args->collision, row->index);
    l->sum += logp == -INFINITY && !isnan(collision) ? logp : logp - collision;
    l->count++;
}

static align_status check_rows_of(const struct align__head *head, const char *field,
                                  const align_tensor *t)
{
    const align_tensor *target = &head->tokens.target;
    const struct align__named named = {WPO, field, t};
    if (!align__present(t))
        return ALIGN__FAIL(&head->exec, FIELD_MISSING, .owner = WPO, .field = field,
                           .word = "align_wpo_apply");
    align_status status = align__check_tensor(&head->exec, named, ALIGN__SET_WIDE);
    if (status != ALIGN_E_NONE)
        return status;
    return t->ndim == 1 ? align__check_shape(&head->exec, named, 1, &head->rows)
                        : align__check_shape(&head->exec, named, target->ndim, target->shape);
}

static align_status check_wpo(const struct align__head *head, const align_wpo *args,
                              const struct grouping *grouping)
{
    const struct align__named out = {WPO, "weight", &args->weight};
    const struct align__named others[] = {{"align_tokens", "target", &head->tokens.target},
                                          {"align_tokens", "mask", &head->tokens.mask},
                                          {"align_tokens", "offsets", &head->tokens.offsets},
                                          {WPO, "token_logp", &args->token_logp},
                                          {WPO, "collision", &args->collision}};
    if (!(args->most >= 0))
        return ALIGN__FAIL(&head->exec, FIELD_VALUE, .owner = WPO, .field = "most",
                           .value = args->most, .word = "a number of 0 or more");
    align_status status = check_rows_of(head, "token_logp", &args->token_logp);
    if (status == ALIGN_E_NONE)
        status = check_rows_of(head, "collision", &args->collision);
    if (status == ALIGN_E_NONE && !align__present(&args->weight))
        return ALIGN__FAIL(&head->exec, FIELD_MISSING, .owner = WPO, .field = "weight",
                           .word = "align_wpo_apply");
    if (status == ALIGN_E_NONE)
        status = align__check_tensor(&head->exec, out, ALIGN__SET_WIDE);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(&head->exec, out, 1, &grouping->groups);
    if (status == ALIGN_E_NONE)
        status = align__check_output(&head->exec, out, others, 5);
    return status != ALIGN_E_NONE ? status : align__head_check_targets(head);
}

align_status align_wpo_apply(const align_exec *exec, const align_wpo *user)
{
    struct align__head head;
    struct grouping grouping;
    align_wpo args;
    const struct call call = {WPO, &args, sizeof args, &args.tokens, &args.items, &args.stacked};
    align_status status = enter(&head, &grouping, exec, &call, user);
    if (status == ALIGN_E_NONE)
        status = check_wpo(&head, &args, &grouping);
    for (int64_t g = 0; status == ALIGN_E_NONE && g < grouping.groups; g++) {
        double log_weight = 0;
        for (int32_t k = 0; k < grouping.items; k++) {
            struct likeness l = {&args, 0, 0};
            each_row(&head, sequence_of(&grouping, g, k), add_likeness, &l);
            log_weight += l.count > 0 ? l.sum / (double)l.count : 0;
        }
        const double weight = exp(log_weight);
        align__store(args.weight.dtype, align__at(&args.weight, g, 0),
                     weight > args.most ? args.most : weight);
    }
    return status;
}
