/* Numbers that a loss takes from a whole batch or from all that went before: KTO's z0, BCO's shift,
 * beta-DPO's moving averages. */
#include "pair.h"
#include "plan.h"

#include <string.h>

#define OWNER "align_loss_state"

enum { FIRST_SIZE = sizeof(align_loss_state), ARGS_FIRST_SIZE = sizeof(align_loss_args) };

static bool has_state(align_loss_id loss)
{
    return loss == ALIGN_LOSS_KTO || loss == ALIGN_LOSS_BCO || loss == ALIGN_LOSS_BCO_PAIR ||
           loss == ALIGN_LOSS_BETA_DPO;
}

align_status align_loss_state_init(align_loss_state *state, size_t size, align_loss_id loss)
{
    if (state == NULL)
        return ALIGN_E_ARG;
    if (!has_state(loss))
        return ALIGN_E_RANGE;
    align_loss_state local;
    memset(&local, 0, sizeof local);
    local.loss = loss;
    if (loss == ALIGN_LOSS_BETA_DPO) {
        local.beta = 0.1;
        local.alpha = 0.6;
        local.momentum = 0.9;
        local.least = 1e-3;
    }
    memset(state, 0, size);
    memcpy(state, &local, size < sizeof local ? size : sizeof local);
    state->size = size;
    return ALIGN_E_NONE;
}

static align_status check_state(const align_exec *exec, const char *field,
                                const align_loss_state *state, align_loss_state *local)
{
    align_status status = align__import(exec, field, local, sizeof *local, FIRST_SIZE, state);
    if (status == ALIGN_E_NONE && !has_state(local->loss))
        return ALIGN__FAIL(exec, LOSS_STATELESS, .owner = field, .field = "loss",
                           .value = local->loss);
    return status;
}

/* Two samples seen as one (Chan, Golub and LeVeque 1979). */
static void join(align_loss_state *state, int k, double count, double mean, double squares)
{
    const double all = state->count[k] + count, gap = mean - state->mean[k];
    if (count == 0)
        return;
    state->squares[k] += squares + gap * gap * state->count[k] * (count / all);
    state->mean[k] += gap * (count / all);
    state->count[k] = all;
}

static double ratio_at(const struct align__plan *plan, int64_t g, int64_t k)
{
    const align_loss_args *a = plan->args;
    struct align__place place;
    align__find(plan, g, k, &place);
    const double score = align__load(a->score.dtype, align__at(&a->score, place.i, place.j));
    const double ref = align__present(&a->ref)
                           ? align__load(a->ref.dtype, align__at(&a->ref, place.i, place.j))
                           : 0;
    return align__minus(score, ref);
}

static bool is_desirable(const struct align__plan *plan, int64_t g)
{
    const align_tensor *label = &plan->args->label;
    struct align__place place;
    align__find(plan, g, 0, &place);
    return align__load(label->dtype, align__at(label, place.i, place.j)) >= 0.5;
}

/* The numbers of group g under its divergence, at most two, with the class of each; those that are not finite are left
 * out. */
static int numbers_of(const struct align__plan *plan, int64_t g, double x[2], int kind[2])
{
    const align_loss_id loss = plan->args->loss;
    const align_loss_params *p = &plan->params;
    const double beta = p->beta, u = ratio_at(plan, g, 0);
    int n = 1;
    kind[0] = 0;
    x[0] = align__divergence(p, u).value;
    if (loss == ALIGN_LOSS_BETA_DPO) {
        x[0] = align__divergence_minus(p, u, ratio_at(plan, g, 1));
    } else if (loss == ALIGN_LOSS_BCO) {
        x[0] *= beta;
        kind[0] = is_desirable(plan, g) ? 0 : 1;
    } else if (loss == ALIGN_LOSS_BCO_PAIR) {
        x[0] *= beta;
        x[1] = beta * align__divergence(p, ratio_at(plan, g, 1)).value;
        kind[1] = 1;
        n = 2;
    }
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (fabs(x[i]) <= ALIGN__ANY) {
            kind[kept] = kind[i];
            x[kept++] = x[i];
        }
    return kept;
}

/* Means first and squares around them second, so that large equal parts do not cancel. */
static void collect(const struct align__plan *plan, align_loss_state *state)
{
    struct align__total sum[2] = {{0}, {0}}, squares[2] = {{0}, {0}};
    double count[2] = {0, 0}, mean[2] = {0, 0}, x[2];
    int kind[2];
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t g = 0; g < plan->groups; g++) {
            if (!align__is_live(plan, g))
                continue;
            for (int i = 0, n = numbers_of(plan, g, x, kind); i < n; i++) {
                const double gap = x[i] - mean[kind[i]];
                align__add(pass == 0 ? &sum[kind[i]] : &squares[kind[i]],
                           pass == 0 ? x[i] : gap * gap);
                count[kind[i]] += pass == 0;
            }
        }
        for (int k = 0; k < 2 && pass == 0; k++)
            mean[k] = count[k] > 0 ? align__total(sum[k]) / count[k] : 0;
    }
    for (int k = 0; k < 2; k++)
        join(state, k, count[k], mean[k], align__total(squares[k]));
}

/* After a batch was applied, the next one begins. BCO goes on counting. */
static void begin(align_loss_state *state)
{
    if (state->applied == 0)
        return;
    state->applied = 0;
    if (state->loss == ALIGN_LOSS_BCO || state->loss == ALIGN_LOSS_BCO_PAIR)
        return;
    for (int k = 0; k < 2; k++)
        state->count[k] = state->mean[k] = state->squares[k] = 0;
}

static align_status open_plan(struct align__plan *plan, const align_exec *exec,
                              const align_loss_state *state, align_loss_state *local,
                              const align_loss_args *args)
{
    align_exec own;
    align_status status = align__enter(&own, exec);
    if (status == ALIGN_E_NONE)
        status = check_state(&own, OWNER, state, local);
    if (status == ALIGN_E_NONE)
        status = align__plan_shapes(plan, exec, args);
    if (status == ALIGN_E_NONE && plan->args->loss != local->loss)
        return ALIGN__FAIL(&own, LOSS_STATE_OF, .owner = "align_loss_args", .field = "loss",
                           .value = plan->args->loss, .low = local->loss);
    return status;
}

static void give_back(align_loss_state *state, const align_loss_state *local)
{
    const size_t head = sizeof state->size;
    memcpy((char *)state + head, (const char *)local + head, sizeof *local - head);
}

align_status align_loss_state_update(const align_exec *exec, align_loss_state *state,
                                     const align_loss_args *args)
{
    struct align__plan plan;
    align_loss_state local;
    align_status status = open_plan(&plan, exec, state, &local, args);
    if (status == ALIGN_E_NONE)
        status = align__plan_inputs(&plan);
    if (status != ALIGN_E_NONE)
        return status;
    begin(&local);
    collect(&plan, &local);
    give_back(state, &local);
    return ALIGN_E_NONE;
}

align_status align_loss_state_merge(const align_exec *exec, align_loss_state *state,
                                    const align_loss_state *other)
{
    align_exec own;
    align_loss_state local, from;
    align_status status = align__enter(&own, exec);
    if (status == ALIGN_E_NONE)
        status = check_state(&own, OWNER, state, &local);
    if (status == ALIGN_E_NONE)
        status = check_state(&own, "other", other, &from);
    if (status != ALIGN_E_NONE)
        return status;
    if (from.loss != local.loss)
        return ALIGN__FAIL(&own, LOSS_STATE_OF, .owner = "other", .field = "loss",
                           .value = from.loss, .low = local.loss);
    begin(&local);
    begin(&from);
    for (int k = 0; k < 2; k++)
        join(&local, k, from.count[k], from.mean[k], from.squares[k]);
    give_back(state, &local);
    return ALIGN_E_NONE;
}

static double shift_of(const align_loss_state *s)
{
    const double all = s->count[0] + s->count[1];
    if (all == 0)
        return 0;
    if (s->form == ALIGN_SHIFT_ALL)
        return s->mean[0] + (s->mean[1] - s->mean[0]) * (s->count[1] / all);
    if (s->count[0] == 0 || s->count[1] == 0)
        return s->count[0] == 0 ? s->mean[1] : s->mean[0];
    return s->mean[0] + (s->mean[1] - s->mean[0]) / 2;
}

/* Takes the batch into the averages, once. */
static void average(align_loss_state *s)
{
    if (s->applied != 0 || s->count[0] == 0)
        return;
    const double spread = s->count[0] > 1 ? sqrt(s->squares[0] / (s->count[0] - 1)) : 0;
    s->gap_mean = s->momentum * s->gap_mean + (1 - s->momentum) * s->mean[0];
    s->gap_spread = s->momentum * s->gap_spread + (1 - s->momentum) * spread;
}

static align_status write_beta(const align_exec *exec, const align_loss_state *s,
                               const align_loss_args *args)
{
    const double beta = s->beta * (1 + s->alpha * (s->mean[0] - s->gap_mean));
    if (args->params == NULL)
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = "align_loss_args", .field = "params",
                           .word = "align_loss_state_apply");
    /* The caller's own struct, as the header asks; it is const to the calls that only read it. */
    ((align_loss_params *)(uintptr_t)args->params)->beta = beta > s->least ? beta : s->least;
    return ALIGN_E_NONE;
}

align_status align_loss_state_apply(const align_exec *exec, align_loss_state *state,
                                    const align_loss_args *args)
{
    struct align__plan plan;
    align_loss_state local;
    align_status status = open_plan(&plan, exec, state, &local, args);
    if (status != ALIGN_E_NONE)
        return status;
    if (local.loss == ALIGN_LOSS_BETA_DPO) {
        average(&local);
        status = write_beta(&plan.exec, &local, plan.args);
    } else {
        const align_tensor *offset = &plan.args->offset;
        const double z0 = local.mean[0] > 0 ? local.mean[0] : 0;
        const double x = local.loss == ALIGN_LOSS_KTO ? plan.params.beta * z0 : shift_of(&local);
        if (!align__present(offset))
            return ALIGN__FAIL(&plan.exec, FIELD_MISSING, .owner = "align_loss_args",
                               .field = "offset", .word = "align_loss_state_apply");
        status = align__check_output(
            &plan.exec, (struct align__named){"align_loss_args", "offset", offset}, NULL, 0);
        for (int64_t g = 0; g < offset->shape[0] && status == ALIGN_E_NONE; g++)
            align__store(offset->dtype, align__at(offset, g, 0), x);
    }
    if (status != ALIGN_E_NONE)
        return status;
    local.applied = 1;
    give_back(state, &local);
    return ALIGN_E_NONE;
}

/* ---- bytes ---- */

/* Format 1, little-endian: "ALLOSS" and two zero bytes; u32 format, u32 loss, u32 form, u32 applied; the
 * doubles from beta on, as u64; u64 FNV-1a over all that stands before. */
enum { FORMAT = 1, HEAD = 24, NUMBERS = 12, LENGTH = HEAD + 8 * NUMBERS };
enum { FIRST = offsetof(align_loss_state, beta) };

_Static_assert(sizeof(align_loss_state) == FIRST + 8 * NUMBERS, "every number is saved");
_Static_assert(ALIGN_LOSS_STATE_BYTES == LENGTH + 8, "room for all and the checksum");

static const char magic[8] = "ALLOSS";

static void put(unsigned char *at, uint64_t bits, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(bits >> 8 * i);
}

static uint64_t get(const unsigned char *at, int bytes)
{
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++)
        bits |= (uint64_t)at[i] << 8 * i;
    return bits;
}

static uint64_t checksum(const unsigned char *bytes)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < LENGTH; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static align_status check_bytes(const align_exec *exec, const void *bytes, size_t n)
{
    if (bytes != NULL && n >= ALIGN_LOSS_STATE_BYTES)
        return ALIGN_E_NONE;
    return ALIGN__FAIL(exec, LOSS_BYTES, .owner = "bytes", .value = (double)(bytes != NULL ? n : 0),
                       .low = ALIGN_LOSS_STATE_BYTES);
}

align_status align_loss_state_save(const align_exec *exec, const align_loss_state *state,
                                   void *bytes, size_t n_bytes)
{
    align_exec own;
    align_loss_state local;
    align_status status = align__enter(&own, exec);
    if (status == ALIGN_E_NONE)
        status = check_state(&own, OWNER, state, &local);
    if (status == ALIGN_E_NONE)
        status = check_bytes(&own, bytes, n_bytes);
    if (status != ALIGN_E_NONE)
        return status;
    unsigned char *at = bytes;
    const int32_t words[] = {FORMAT, local.loss, local.form, local.applied};
    memcpy(at, magic, sizeof magic);
    for (int i = 0; i < 4; i++)
        put(at + 8 + 4 * i, (uint32_t)words[i], 4);
    for (int i = 0; i < NUMBERS; i++) {
        uint64_t bits;
        memcpy(&bits, (const char *)&local + FIRST + 8 * i, sizeof bits);
        put(at + HEAD + 8 * i, bits, 8);
    }
    put(at + LENGTH, checksum(at), 8);
    return ALIGN_E_NONE;
}

align_status align_loss_state_load(const align_exec *exec, align_loss_state *state,
                                   const void *bytes, size_t n_bytes)
{
    align_exec own;
    align_loss_state local;
    align_status status = align__enter(&own, exec);
    if (status == ALIGN_E_NONE)
        status = check_state(&own, OWNER, state, &local);
    if (status == ALIGN_E_NONE)
        status = check_bytes(&own, bytes, n_bytes);
    if (status != ALIGN_E_NONE)
        return status;
    const unsigned char *at = bytes;
    const align_loss_id loss = (align_loss_id)get(at + 12, 4);
    if (memcmp(at, magic, sizeof magic) != 0 || get(at + 8, 4) != FORMAT ||
        get(at + LENGTH, 8) != checksum(at) || !has_state(loss))
        return ALIGN__FAIL(&own, LOSS_FOREIGN, .owner = "bytes");
    local.loss = loss;
    local.form = (int32_t)get(at + 16, 4);
    local.applied = (int32_t)get(at + 20, 4);
    for (int i = 0; i < NUMBERS; i++) {
        uint64_t bits = get(at + HEAD + 8 * i, 8);
        memcpy((char *)&local + FIRST + 8 * i, &bits, sizeof bits);
    }
    give_back(state, &local);
    return ALIGN_E_NONE;
}
