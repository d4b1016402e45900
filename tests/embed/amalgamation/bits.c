/* A checksum of what one copy of the library makes of fixed numbers: every row of the loss table, both heads in several
 * dtypes, and the fits. Compiled against the header and under the name that the command line says. */
#include LIBALIGN_HEADER

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 37, ITEMS = 5, TOKENS = 12, VOCABULARY = 333, WIDTH = 40 };

static uint64_t hash, state;

static void mix(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
}

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) * 0x1p-53;
}

static void fill(double *x, int n, double low, double high)
{
    for (int i = 0; i < n; i++)
        x[i] = low + (high - low) * uniform();
}

/* Returns 1 when the row was evaluated. */
static int mix_loss(const align_exec *exec, align_loss_id id)
{
    static double score[GROUPS * ITEMS], ref[GROUPS * ITEMS], label[GROUPS * ITEMS],
        count[GROUPS * ITEMS];
    static double dscore[GROUPS * ITEMS], metrics[32][2], value;
    align_loss_info info = {sizeof info};
    if (align_loss_get_info(id, &info) != ALIGN_E_NONE)
        return 0;
    const int items = info.arity == ALIGN_LOSS_LIST ? ITEMS : info.arity, all = GROUPS * items;
    fill(score, all, -3, -.01);
    fill(ref, all, -3, -.01);
    for (int i = 0; i < all; i++) {
        label[i] = i % 2;
        count[i] = 1 + i % 7;
    }
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = id;
    loss.score = align_2d(score, ALIGN_F64, GROUPS, items);
    const align_tensor like_ref = align_2d(ref, ALIGN_F64, GROUPS, items);
    if (info.reads & ALIGN_LOSS_READS_REF)
        loss.ref = like_ref;
    if (info.needs & ALIGN_LOSS_READS_OLD)
        loss.old = like_ref;
    if (info.needs & ALIGN_LOSS_READS_AUX)
        loss.aux = like_ref;
    if (info.needs & ALIGN_LOSS_READS_LABEL)
        loss.label = align_2d(label, ALIGN_F64, GROUPS, items);
    if (info.reads & ALIGN_LOSS_READS_COUNT)
        loss.count = align_2d(count, ALIGN_F64, GROUPS, items);
    loss.value = align_1d(&value, ALIGN_F64, 1);
    loss.dscore = align_2d(dscore, ALIGN_F64, GROUPS, items);
    loss.metrics = align_2d(metrics, ALIGN_F64, info.n_metrics, 2);
    align_status status = align_loss_eval(exec, &loss);
    mix(&status, sizeof status);
    mix(&value, sizeof value);
    mix(dscore, (size_t)all * sizeof *dscore);
    mix(metrics, info.n_metrics * sizeof *metrics);
    return status == ALIGN_E_NONE;
}

static int32_t target[TOKENS];
static double logp[2], dlogp[2] = {.7, -1.3}, token_logp[TOKENS], lse[TOKENS], entropy[TOKENS];
static int64_t offsets[3] = {0, 5, TOKENS};

static align_tokens tokens(void)
{
    align_tokens tok;
    align_tokens_init(&tok, sizeof tok);
    for (int n = 0; n < TOKENS; n++)
        target[n] = (int32_t)(uniform() * VOCABULARY);
    tok.target = align_1d(target, ALIGN_I32, TOKENS);
    tok.offsets = align_1d(offsets, ALIGN_I64, 3);
    return tok;
}

/* Forward and backward of a head whose inputs are set; the gradients are mixed by the caller. */
static int run_head(const align_exec *exec, align_head *head, const align_tokens *tok)
{
    head->tokens = tok;
    head->logp = align_1d(logp, ALIGN_F64, 2);
    head->token_logp = align_1d(token_logp, ALIGN_F64, TOKENS);
    head->lse = align_1d(lse, ALIGN_F64, TOKENS);
    head->dlogp = align_1d(dlogp, ALIGN_F64, 2);
    int done = align_head_forward(exec, head) == ALIGN_E_NONE &&
               align_head_backward(exec, head) == ALIGN_E_NONE;
    mix(logp, sizeof logp);
    mix(token_logp, sizeof token_logp);
    mix(lse, sizeof lse);
    mix(entropy, sizeof entropy);
    return done;
}

static int mix_dense(const align_exec *exec, align_dtype dtype)
{
    static double wide[TOKENS * VOCABULARY];
    static float narrow[TOKENS * VOCABULARY];
    static uint16_t half[TOKENS * VOCABULARY];
    fill(wide, TOKENS * VOCABULARY, -9, 9);
    for (int i = 0; i < TOKENS * VOCABULARY; i++) {
        narrow[i] = (float)wide[i];
        half[i] = (uint16_t)(i * 7919 % 0x3c00 | (i % 3 == 0 ? 0x8000 : 0));
    }
    void *data = dtype == ALIGN_F64   ? (void *)wide
                 : dtype == ALIGN_F32 ? (void *)narrow
                                      : (void *)half;
    const align_tokens tok = tokens();
    align_head head;
    align_head_init(&head, sizeof head);
    head.logits = head.dlogits = align_2d(data, dtype, TOKENS, VOCABULARY);
    head.entropy = align_1d(entropy, ALIGN_F64, TOKENS);
    int done = run_head(exec, &head, &tok);
    mix(data, (size_t)TOKENS * VOCABULARY * (size_t)align_dtype_bytes(dtype));
    return done;
}

static int mix_linear(align_exec exec)
{
    static double numbers[(TOKENS + VOCABULARY) * WIDTH];
    static float hidden[TOKENS * WIDTH], weight[VOCABULARY * WIDTH], dhidden[TOKENS * WIDTH];
    static float dweight[VOCABULARY * WIDTH];
    fill(numbers, (TOKENS + VOCABULARY) * WIDTH, -1, 1);
    for (int i = 0; i < TOKENS * WIDTH; i++)
        hidden[i] = (float)numbers[i];
    for (int i = 0; i < VOCABULARY * WIDTH; i++)
        weight[i] = (float)numbers[TOKENS * WIDTH + i];
    const align_tokens tok = tokens();
    align_head head;
    align_head_init(&head, sizeof head);
    head.tokens = &tok;
    head.hidden = align_2d(hidden, ALIGN_F32, TOKENS, WIDTH);
    head.weight = align_2d(weight, ALIGN_F32, VOCABULARY, WIDTH);
    head.logp = align_1d(logp, ALIGN_F64, 2);
    head.token_logp = align_1d(token_logp, ALIGN_F64, TOKENS);
    head.lse = align_1d(lse, ALIGN_F64, TOKENS);
    head.dlogp = align_1d(dlogp, ALIGN_F64, 2);
    head.dhidden = align_2d(dhidden, ALIGN_F32, TOKENS, WIDTH);
    head.dweight = align_2d(dweight, ALIGN_F32, VOCABULARY, WIDTH);
    size_t least, best;
    if (align_head_scratch(&exec, &head, &least, &best) != ALIGN_E_NONE)
        return 0;
    exec.scratch = malloc(best);
    exec.scratch_size = best;
    int done = run_head(&exec, &head, &tok);
    free(exec.scratch);
    mix(dhidden, sizeof dhidden);
    mix(dweight, sizeof dweight);
    return done;
}

static int mix_fits(align_exec exec)
{
    enum { GAMES = 200, PLAYERS = 9 };
    static int32_t first[GAMES], second[GAMES];
    double strength[PLAYERS], se[PLAYERS], rewards[GAMES], out[GAMES];
    for (int g = 0; g < GAMES; g++) {
        first[g] = g % PLAYERS;
        second[g] = (int32_t)((g % PLAYERS + 1 + (int)(uniform() * (PLAYERS - 1))) % PLAYERS);
    }
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(first, ALIGN_I32, GAMES);
    rows.second = align_1d(second, ALIGN_I32, GAMES);
    align_bt_args bt;
    align_bt_args_init(&bt, sizeof bt);
    bt.n_items = PLAYERS;
    bt.rows = &rows;
    bt.strength = align_1d(strength, ALIGN_F64, PLAYERS);
    bt.se = align_1d(se, ALIGN_F64, PLAYERS);
    size_t least, best;
    if (align_bt_scratch(&exec, &bt, &least, &best) != ALIGN_E_NONE)
        return 0;
    exec.scratch = malloc(best);
    exec.scratch_size = best;
    int done = align_bt_fit(&exec, &bt) == ALIGN_E_NONE;
    free(exec.scratch);
    mix(strength, sizeof strength);
    mix(se, sizeof se);

    fill(rewards, GAMES, -2, 5);
    align_norm norm;
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.reward = align_1d(rewards, ALIGN_F64, GAMES);
    done = done && align_norm_init(&norm, sizeof norm, NULL) == ALIGN_E_NONE &&
           align_norm_update(&exec, &norm, &args) == ALIGN_E_NONE;
    args.out = align_1d(out, ALIGN_F64, GAMES);
    done = done && align_norm_apply(&exec, &norm, &args) == ALIGN_E_NONE;
    mix(out, sizeof out);
    return done;
}

uint64_t BITS(uint64_t cpu_forbidden);

/* 0 when something did not run. */
uint64_t BITS(uint64_t cpu_forbidden)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.cpu_forbidden = cpu_forbidden;
    hash = UINT64_C(14695981039346656037);
    state = 1;
    int rows = 0;
    for (align_loss_id id = 1; id <= align_loss_count(); id++)
        rows += mix_loss(&exec, id);
    int done = rows > 65;
    const align_dtype dtypes[] = {ALIGN_F64, ALIGN_F32, ALIGN_BF16, ALIGN_F16};
    for (int i = 0; i < 4; i++)
        done = mix_dense(&exec, dtypes[i]) && done;
    done = mix_linear(exec) && done;
    done = mix_fits(exec) && done;
    return done ? hash : 0;
}
