#include "calls.h"

#include "../step_bed.h"

#include <check.h>
#include <string.h>

static void *take(struct memory *memory, int64_t count, align_dtype dtype)
{
    void *at = memory->bytes + memory->used;
    memory->used += ((size_t)count * (size_t)align_dtype_bytes(dtype) + 63) / 64 * 64;
    ck_assert_uint_le(memory->used, MEMORY_BYTES);
    return at;
}

static align_tensor take_1d(struct memory *memory, align_dtype dtype, int64_t n)
{
    return align_1d(take(memory, n, dtype), dtype, n);
}

static align_tensor take_2d(struct memory *memory, align_dtype dtype, int64_t n0, int64_t n1)
{
    return align_2d(take(memory, n0 * n1, dtype), dtype, n0, n1);
}

static double next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) / 16777216.0;
}

static void put(align_tensor t, int64_t i, double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (t.dtype == ALIGN_F32)
        ((float *)t.data)[i] = f;
    else if (t.dtype == ALIGN_F64)
        ((double *)t.data)[i] = x;
    else if (t.dtype == ALIGN_BF16)
        ((uint16_t *)t.data)[i] = (uint16_t)(bits >> 16);
    else if (t.dtype == ALIGN_I32)
        ((int32_t *)t.data)[i] = (int32_t)x;
    else
        ((int64_t *)t.data)[i] = (int64_t)x;
}

/* Numbers from low up to high; whole ones in integer tensors. */
static align_tensor filled(align_tensor t, double low, double high)
{
    uint32_t state = (uint32_t)t.shape[0] * 31 + (uint32_t)(high * 7);
    int64_t count = t.shape[0] * (t.ndim > 1 ? t.shape[1] : 1);
    for (int64_t i = 0; i < count; i++)
        put(t, i, low + (high - low) * next(&state));
    return t;
}

/* Scratch comes from the far end of the memory, which is not compared. */
static align_exec with_scratch(const align_exec *exec, struct memory *memory, size_t bytes)
{
    align_exec local = *exec;
    ck_assert_uint_le(memory->used + bytes, MEMORY_BYTES);
    local.scratch = bytes == 0 ? NULL : memory->bytes + (MEMORY_BYTES - bytes);
    local.scratch_size = bytes;
    return local;
}

/* ---- losses: every row of the table, in a shape of its arity ---- */

static void add_inputs(struct memory *memory, align_loss_args *args, const align_loss_info *info,
                       int64_t groups, int64_t width)
{
    const uint32_t reads = info->needs | info->reads;
    args->score = filled(take_2d(memory, ALIGN_F32, groups, width), -30, 0);
    if (reads & ALIGN_LOSS_READS_REF)
        args->ref = filled(take_2d(memory, ALIGN_F32, groups, width), -30, 0);
    if (info->needs & ALIGN_LOSS_READS_OLD)
        args->old = filled(take_2d(memory, ALIGN_F32, groups, width), -30, 0);
    if (info->needs & ALIGN_LOSS_READS_COUNT)
        args->count = filled(take_2d(memory, ALIGN_I32, groups, width), 1, 50);
    if (info->needs & ALIGN_LOSS_READS_AUX)
        args->aux = filled(take_2d(memory, ALIGN_F32, groups, width), 0, 1);
    if (reads & ALIGN_LOSS_READS_LABEL)
        args->label = filled(take_2d(memory, ALIGN_F32, groups, width), 0, 1);
    if (reads & ALIGN_LOSS_READS_PROB)
        args->prob = filled(take_1d(memory, ALIGN_F32, groups), 0.5, 1);
    if (reads & ALIGN_LOSS_READS_OFFSET)
        args->offset = filled(take_1d(memory, ALIGN_F32, groups), -1, 1);
    if (reads & ALIGN_LOSS_READS_WEIGHT)
        args->weight = filled(take_1d(memory, ALIGN_F32, groups), 0, 2);
}

static void add_outputs(struct memory *memory, align_loss_args *args, const align_loss_info *info,
                        int64_t groups, int64_t width)
{
    const uint32_t writes = info->needs | info->reads;
    args->value = take_1d(memory, ALIGN_F64, 1);
    args->group_value = take_1d(memory, ALIGN_F64, groups);
    args->dscore = take_2d(memory, ALIGN_F32, groups, width);
    if (info->n_metrics > 0)
        args->metrics = take_2d(memory, ALIGN_F64, info->n_metrics, 2);
    if (writes & ALIGN_LOSS_WRITES_DAUX)
        args->daux = take_2d(memory, ALIGN_F64, groups, width);
    if (writes & ALIGN_LOSS_WRITES_DPARAM)
        args->dparam = take_1d(memory, ALIGN_F64, info->n_params);
    if (writes & ALIGN_LOSS_WRITES_HSCORE)
        args->hscore = take_2d(memory, ALIGN_F64, groups, width);
}

/* Variants: short lists on the stack, long ones in scratch of three sizes. */
static align_status eval_loss(const align_exec *exec, struct memory *memory, align_loss_id id,
                              int64_t groups, int64_t width, int slots)
{
    align_loss_info info = {.size = sizeof info};
    ck_assert_int_eq(align_loss_get_info(id, &info), ALIGN_E_NONE);
    align_loss_args args;
    align_loss_args_init(&args, sizeof args);
    args.loss = id;
    add_inputs(memory, &args, &info, groups, width);
    add_outputs(memory, &args, &info, groups, width);
    size_t least, best;
    align_status status = align_loss_scratch(exec, &args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    align_exec local = with_scratch(exec, memory, slots == 0 ? best : least * (size_t)slots);
    return align_loss_eval(&local, &args);
}

static align_status run_loss_singles_and_pairs(const align_exec *exec, struct memory *memory,
                                               int variant)
{
    for (align_loss_id id = 1 + variant; id <= align_loss_count(); id += 4) {
        align_loss_info info = {.size = sizeof info};
        ck_assert_int_eq(align_loss_get_info(id, &info), ALIGN_E_NONE);
        if (info.arity == ALIGN_LOSS_LIST)
            continue;
        align_status status = eval_loss(exec, memory, id, 4201, info.arity, 0);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

static align_status run_loss_lists(const align_exec *exec, struct memory *memory, int variant)
{
    static const struct {
        int64_t groups, width;
        int slots;
    } shapes[] = {{301, 16, 0}, {51, 90, 0}, {51, 90, 3}};
    for (align_loss_id id = 1; id <= align_loss_count(); id++) {
        align_loss_info info = {.size = sizeof info};
        ck_assert_int_eq(align_loss_get_info(id, &info), ALIGN_E_NONE);
        if (info.arity != ALIGN_LOSS_LIST)
            continue;
        align_status status = eval_loss(exec, memory, id, shapes[variant].groups,
                                        shapes[variant].width, shapes[variant].slots);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

/* ---- heads ---- */

enum { VOCABULARY = 1003, SEQUENCES = 7, WIDTH = 48 };

/* `n` tokens in sequences of rising lengths, and a head of them without a source of logits, or with hidden and
 * weight. */
static align_head take_head(struct memory *memory, align_tokens *tokens, int64_t n)
{
    align_tokens_init(tokens, sizeof *tokens);
    tokens->target = filled(take_1d(memory, ALIGN_I32, n), 0, VOCABULARY);
    tokens->offsets = take_1d(memory, ALIGN_I64, SEQUENCES + 1);
    for (int64_t s = 0; s <= SEQUENCES; s++)
        put(tokens->offsets, s, (double)(s * s * n / (SEQUENCES * SEQUENCES)));
    align_head head;
    align_head_init(&head, sizeof head);
    head.tokens = tokens;
    head.logp = take_1d(memory, ALIGN_F32, SEQUENCES);
    head.token_logp = take_1d(memory, ALIGN_F64, n);
    head.lse = take_1d(memory, ALIGN_F64, n);
    head.dlogp = filled(take_1d(memory, ALIGN_F32, SEQUENCES), -1, 1);
    return head;
}

static align_head take_linear_head(struct memory *memory, align_tokens *tokens, int64_t n,
                                   align_dtype dtype)
{
    align_head head = take_head(memory, tokens, n);
    head.hidden = filled(take_2d(memory, dtype, n, WIDTH), -1, 1);
    head.weight = filled(take_2d(memory, dtype, VOCABULARY, WIDTH), -1, 1);
    head.dhidden = take_2d(memory, ALIGN_F32, n, WIDTH);
    return head;
}

/* Variants: dtype of the logits. Backward adds into what is there. */
static align_status run_head(const align_exec *exec, struct memory *memory, int variant)
{
    static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_F64, ALIGN_BF16};
    enum { TOKENS = 90 };
    align_tokens tokens;
    align_head head = take_head(memory, &tokens, TOKENS);
    tokens.mask = filled(take_1d(memory, ALIGN_F32, TOKENS), 0, 2);
    head.softcap = variant == 1 ? 30 : 0;
    head.logits = filled(take_2d(memory, dtypes[variant], TOKENS, VOCABULARY), -20, 5);
    head.count = take_1d(memory, ALIGN_I64, SEQUENCES);
    head.wsum = take_1d(memory, ALIGN_F64, SEQUENCES);
    head.entropy = take_1d(memory, ALIGN_F64, TOKENS);
    head.collision = take_1d(memory, ALIGN_F64, TOKENS);
    head.hit = take_1d(memory, ALIGN_F32, TOKENS);
    head.dentropy = filled(take_1d(memory, ALIGN_F32, TOKENS), -1, 1);
    head.dlogits = filled(take_2d(memory, dtypes[variant], TOKENS, VOCABULARY), -1, 1);
    head.flags = ALIGN_HEAD_ADD_DLOGITS;
    align_status status = align_head_forward(exec, &head);
    return status == ALIGN_E_NONE ? align_head_backward(exec, &head) : status;
}

/* Variants: two passes, one pass, two passes of BF16 with F64 sums, with kl against itself turned, and two passes
 * of more tokens than a tile has. */
static align_status run_linear_head(const align_exec *exec, struct memory *memory, int variant)
{
    const int64_t n = variant == 4 ? 2100 : 90;
    align_tokens tokens;
    align_head head = take_linear_head(memory, &tokens, n, variant == 2 ? ALIGN_BF16 : ALIGN_F32);
    if (variant == 1)
        head.jhidden = take_2d(memory, ALIGN_F32, n, WIDTH);
    else
        head.dweight = take_2d(memory, variant == 2 ? ALIGN_F64 : ALIGN_F32, VOCABULARY, WIDTH);
    align_head other = head;
    if (variant == 3) {
        other.scale = -1;
        head.other = &other;
        head.kl = take_1d(memory, ALIGN_F64, n);
        head.dkl = filled(take_1d(memory, ALIGN_F32, n), -1, 1);
    }
    size_t least, best;
    align_status status = align_head_scratch(exec, &head, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    align_exec local = with_scratch(exec, memory, best);
    status = align_head_forward(&local, &head);
    return status == ALIGN_E_NONE ? align_head_backward(&local, &head) : status;
}

/* A step with a linear policy. Variants: as little scratch as goes, and all that keeps logits. */
static align_status run_linear_step(const align_exec *exec, struct memory *memory, int variant)
{
    align_tokens tokens;
    align_head head = take_linear_head(memory, &tokens, 90, ALIGN_F32);
    head.dweight = take_2d(memory, ALIGN_F32, VOCABULARY, WIDTH);
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_SFT;
    loss.score = align_2d(head.logp.data, ALIGN_F32, SEQUENCES, 1);
    loss.dscore = align_2d(head.dlogp.data, ALIGN_F32, SEQUENCES, 1);
    loss.value = take_1d(memory, ALIGN_F64, 1);
    align_step_args step;
    align_step_args_init(&step, sizeof step);
    step.policy = &head;
    step.losses = &loss;
    step.n_losses = 1;
    size_t least, best;
    align_status status = align_step_scratch(exec, &step, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    align_exec local = with_scratch(exec, memory, variant == 0 ? least : best);
    return align_step_run(&local, &step);
}

static align_status run_step(const align_exec *exec, struct memory *memory, int variant)
{
    static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_BF16};
    struct bed *bed = take(memory, sizeof *bed, ALIGN_U8);
    bed_make(bed, dtypes[variant]);
    align_status status = align_step_run(exec, &bed->step);
    /* What points into the bed differs from one memory to the next. */
    memset(bed, 0, offsetof(struct bed, offsets));
    return status;
}

/* ---- normalisation ---- */

enum { REWARDS = 70003 };

static align_status run_norm_state(const align_exec *exec, struct memory *memory, int variant)
{
    static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_F64, ALIGN_BF16};
    align_norm *state = take(memory, sizeof *state, ALIGN_U8);
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.reward = filled(take_1d(memory, dtypes[variant], REWARDS), -5, 9);
    align_status status = align_norm_init(state, sizeof *state, NULL);
    if (status == ALIGN_E_NONE)
        status = align_norm_update(exec, state, &args);
    args.out = take_1d(memory, ALIGN_F32, REWARDS);
    args.dout = filled(take_1d(memory, ALIGN_F32, REWARDS), -1, 1);
    args.dreward = take_1d(memory, ALIGN_F64, REWARDS);
    return status == ALIGN_E_NONE ? align_norm_apply(exec, state, &args) : status;
}

static align_status run_norm_batch(const align_exec *exec, struct memory *memory, int variant)
{
    static const int32_t kinds[] = {ALIGN_NORM_ZSCORE, ALIGN_NORM_CENTER, ALIGN_NORM_SCALE,
                                    ALIGN_NORM_MINMAX};
    align_norm_params params;
    align_status status = align_norm_params_init(&params, sizeof params, kinds[variant]);
    ck_assert_int_eq(status, ALIGN_E_NONE);
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.params = &params;
    args.reward = filled(take_1d(memory, ALIGN_F32, REWARDS), -5, 9);
    args.mask = filled(take_1d(memory, ALIGN_F32, REWARDS), 0, 2);
    args.out = take_1d(memory, ALIGN_F32, REWARDS);
    args.dout = filled(take_1d(memory, ALIGN_F32, REWARDS), -1, 1);
    args.dreward = take_1d(memory, ALIGN_F32, REWARDS);
    return align_norm_apply(exec, NULL, &args);
}

static align_status run_norm_groups(const align_exec *exec, struct memory *memory, int variant)
{
    (void)variant;
    enum { GROUPS = 9001, ANSWERS = 8 };
    align_norm_groups_args args;
    align_norm_groups_args_init(&args, sizeof args);
    args.reward = filled(take_2d(memory, ALIGN_F32, GROUPS, ANSWERS), -5, 9);
    args.out = take_2d(memory, ALIGN_F32, GROUPS, ANSWERS);
    return align_norm_groups(exec, &args);
}

/* ---- advantages ---- */

enum { BATCH = 300, STEPS = 301 };

static align_status run_advantage(const align_exec *exec, struct memory *memory, int variant)
{
    (void)variant;
    align_advantage_args args;
    align_advantage_args_init(&args, sizeof args);
    args.gamma = 0.99;
    args.reward = filled(take_2d(memory, ALIGN_F32, BATCH, STEPS), -1, 1);
    args.value = filled(take_2d(memory, ALIGN_F32, BATCH, STEPS), -1, 1);
    args.advantage = take_2d(memory, ALIGN_F32, BATCH, STEPS);
    args.target = take_2d(memory, ALIGN_F32, BATCH, STEPS);
    return align_advantage_eval(exec, &args);
}

static align_status run_dense(const align_exec *exec, struct memory *memory, int variant)
{
    (void)variant;
    align_dense_source source;
    align_dense_source_init(&source, sizeof source);
    source.value = filled(take_1d(memory, ALIGN_F32, BATCH), -3, 3);
    align_dense_args args;
    align_dense_args_init(&args, sizeof args);
    args.sources = &source;
    args.n_sources = 1;
    args.kl_kind = ALIGN_KL_K3;
    args.beta = 0.1;
    args.logp = filled(take_2d(memory, ALIGN_F32, BATCH, STEPS), -9, 0);
    args.ref = filled(take_2d(memory, ALIGN_F32, BATCH, STEPS), -9, 0);
    args.reward = take_2d(memory, ALIGN_F32, BATCH, STEPS);
    args.sequence_kl = take_1d(memory, ALIGN_F64, BATCH);
    return align_dense_eval(exec, &args);
}

/* ---- Bradley-Terry ---- */

static align_status fit_bt(const align_exec *exec, struct memory *memory, int soft, int64_t draws)
{
    enum { ITEMS = 40, ROWS = 20000 };
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = take_1d(memory, ALIGN_I32, ROWS);
    rows.second = take_1d(memory, ALIGN_I32, ROWS);
    if (soft)
        rows.outcome = filled(take_1d(memory, ALIGN_F32, ROWS), 0, 1);
    uint32_t state = 5;
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t first = (int64_t)(ITEMS * next(&state));
        put(rows.first, i, (double)first);
        put(rows.second, i, (double)((first + 1 + (int64_t)((ITEMS - 1) * next(&state))) % ITEMS));
    }
    align_bt_args args;
    align_bt_args_init(&args, sizeof args);
    args.n_items = ITEMS;
    args.rows = &rows;
    args.strength = take_1d(memory, ALIGN_F64, ITEMS);
    if (draws > 0) {
        args.draws = take_2d(memory, ALIGN_F64, draws, ITEMS);
        args.seed = 3;
    }
    size_t least, best;
    align_status status = align_bt_scratch(exec, &args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    align_exec local = with_scratch(exec, memory, best);
    return align_bt_fit(&local, &args);
}

static align_status run_bt_fit(const align_exec *exec, struct memory *memory, int variant)
{
    return fit_bt(exec, memory, variant == 0, 0);
}

static align_status run_bt_draws(const align_exec *exec, struct memory *memory, int variant)
{
    (void)variant;
    return fit_bt(exec, memory, 0, 12);
}

static align_status fit_sums(const align_exec *exec, struct memory *memory, align_bt_args *args)
{
    size_t least, best;
    args->strength = take_1d(memory, ALIGN_F64, args->n_items);
    args->se = take_1d(memory, ALIGN_F64, args->n_items);
    align_status status = align_bt_scratch(exec, args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    align_exec local = with_scratch(exec, memory, best);
    return align_bt_fit(&local, args);
}

/* Counts of more pairs than one task takes, in each model of ties, and by MM. */
static align_status run_bt_counts(const align_exec *exec, struct memory *memory, int variant)
{
    enum { ITEMS = 160, PAIRS = ITEMS * (ITEMS - 1) / 2 };
    align_bt_args args;
    align_bt_rows rows;
    align_bt_counts counts;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = take_1d(memory, ALIGN_I32, PAIRS);
    rows.second = take_1d(memory, ALIGN_I32, PAIRS);
    rows.outcome = take_1d(memory, ALIGN_F64, PAIRS);
    uint32_t state = 7;
    for (int64_t i = 0, r = 0; i < ITEMS; i++)
        for (int64_t j = 0; j < i; j++, r++) {
            put(rows.first, r, (double)i);
            put(rows.second, r, (double)j);
            put(rows.outcome, r, (double)(int64_t)(3 * next(&state)) / 2);
        }
    size_t bytes = align_bt_counts_get_bytes(ITEMS, PAIRS);
    align_bt_counts_init(&counts, take(memory, (int64_t)bytes, ALIGN_U8), bytes, ITEMS);
    align_status status = align_bt_counts_update(NULL, &counts, &rows);
    if (status != ALIGN_E_NONE)
        return status;
    align_bt_args_init(&args, sizeof args);
    args.n_items = ITEMS;
    args.counts = &counts;
    args.solver = variant == 3 ? ALIGN_BT_SOLVER_MM : ALIGN_BT_SOLVER_AUTO;
    args.ties = variant == 3 ? ALIGN_BT_TIES_HALF : variant;
    return fit_sums(exec, memory, &args);
}

/* Rankings of five, without shared places and with them. */
static align_status run_bt_rankings(const align_exec *exec, struct memory *memory, int variant)
{
    enum { ITEMS = 30, ROWS = 4000, LENGTH = 5 };
    align_bt_args args;
    align_bt_rankings rows;
    align_bt_rankings_init(&rows, sizeof rows);
    rows.offsets = take_1d(memory, ALIGN_I64, ROWS + 1);
    rows.item = take_1d(memory, ALIGN_I32, ROWS * LENGTH);
    rows.place = take_1d(memory, ALIGN_I32, ROWS * LENGTH);
    uint32_t state = 3;
    for (int64_t r = 0; r <= ROWS; r++)
        put(rows.offsets, r, (double)(r * LENGTH));
    for (int64_t r = 0; r < ROWS; r++) {
        int64_t begin = (int64_t)(ITEMS * next(&state)), step = 1 + (int64_t)(5 * next(&state));
        for (int64_t k = 0; k < LENGTH; k++) {
            put(rows.item, r * LENGTH + k, (double)((begin + k * step) % ITEMS));
            put(rows.place, r * LENGTH + k,
                (double)(k == 1 && variant == 1 && r % 3 == 0 ? 0 : (k + r) % LENGTH));
        }
    }
    align_bt_args_init(&args, sizeof args);
    args.n_items = ITEMS;
    args.rankings = &rows;
    args.ties = variant == 1 ? ALIGN_BT_TIES_DAVIDSON : ALIGN_BT_TIES_HALF;
    return fit_sums(exec, memory, &args);
}

/* ---- linear rewards ---- */

static align_status run_reward(const align_exec *exec, struct memory *memory, int variant)
{
    (void)variant;
    enum { PAIRS = 3000, FEATURES = 12 };
    align_reward_args args;
    align_reward_args_init(&args, sizeof args);
    args.first = filled(take_2d(memory, ALIGN_F32, PAIRS, FEATURES), -1, 1);
    args.second = filled(take_2d(memory, ALIGN_F32, PAIRS, FEATURES), -1, 1.5);
    args.coef = take_1d(memory, ALIGN_F64, FEATURES);
    args.l2 = 0.1;
    size_t least, best;
    align_status status = align_reward_scratch(exec, &args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    align_exec local = with_scratch(exec, memory, best);
    return align_reward_fit(&local, &args);
}

const struct call calls[] = {
    {"align_loss_eval, singles and pairs", run_loss_singles_and_pairs, 4},
    {"align_loss_eval, lists", run_loss_lists, 3},
    {"align_head_forward and _backward", run_head, 3},
    {"align_head_forward and _backward, linear", run_linear_head, 5},
    {"align_step_run", run_step, 2},
    {"align_step_run with a linear policy", run_linear_step, 2},
    {"align_norm_update and _apply", run_norm_state, 3},
    {"align_norm_apply of a batch", run_norm_batch, 4},
    {"align_norm_groups", run_norm_groups, 1},
    {"align_advantage_eval", run_advantage, 1},
    {"align_dense_eval", run_dense, 1},
    {"align_bt_fit", run_bt_fit, 2},
    {"align_bt_fit with draws", run_bt_draws, 1},
    {"align_bt_fit of counts", run_bt_counts, 4},
    {"align_bt_fit of rankings", run_bt_rankings, 2},
    {"align_reward_fit", run_reward, 1},
    {NULL, NULL, 0},
};
