/* Saved bytes and what other machines read in them.
 *
 *     bytes          prints what normalisers, losses and counts of comparisons save, a line each, in hex
 *     bytes FILE     loads those lines, prints what they say, goes on with them and saves them again
 *     bytes values   prints what a head and a loss make of 16-bit and of 32-bit logits
 *
 * The output is the same on every machine. */
#include "libalign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REWARDS = 100, NORMS = 4, LOSSES = 3 };

static double rewards[REWARDS];
static const int32_t kinds[NORMS] = {ALIGN_NORM_ZSCORE, ALIGN_NORM_MINMAX, ALIGN_NORM_SCALE,
                                     ALIGN_NORM_ZSCORE};
static const align_loss_id losses[LOSSES] = {ALIGN_LOSS_KTO, ALIGN_LOSS_BCO, ALIGN_LOSS_BETA_DPO};

static void must(align_status status, const char *what)
{
    if (status != ALIGN_E_NONE) {
        printf("%s: %s\n", what, align_status_name(status));
        exit(1);
    }
}

static void fill(double shift)
{
    for (int i = 0; i < REWARDS; i++)
        rewards[i] = shift + (i * 37 % 101 - 50) / 16.0 + (i % 7 == 0 ? 1e9 : 0);
}

static void print_hex(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

/* Reads a line of at most `room` bytes, and says how many. */
static size_t read_hex(FILE *file, unsigned char *bytes, size_t room)
{
    unsigned byte;
    size_t n = 0;
    while (n < room && fscanf(file, "%2x", &byte) == 1) {
        bytes[n++] = (unsigned char)byte;
        int next = fgetc(file);
        if (next == '\n')
            return n;
        ungetc(next, file);
    }
    must(ALIGN_E_SHAPE, "a line");
    return 0;
}

/* ---- normalisers ---- */

static void init_norm(align_norm *state, int i)
{
    align_norm_params params;
    must(align_norm_params_init(&params, sizeof params, kinds[i]), "params");
    if (i == NORMS - 1) { /* one that forgets */
        params.ddof = 0;
        params.rate = 0.25;
    }
    must(align_norm_init(state, sizeof *state, &params), "init");
}

static void save_norm(align_norm *state)
{
    unsigned char bytes[ALIGN_NORM_BYTES];
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.reward = align_1d(rewards, ALIGN_F64, REWARDS);
    must(align_norm_update(NULL, state, &args), "update");
    must(align_norm_save(NULL, state, bytes, sizeof bytes), "save");
    print_hex(bytes, sizeof bytes);
}

static void load_norm(FILE *file, align_norm *state)
{
    unsigned char bytes[ALIGN_NORM_BYTES];
    read_hex(file, bytes, sizeof bytes);
    must(align_norm_load(NULL, state, sizeof *state, bytes, sizeof bytes), "load");
    double out[REWARDS];
    align_norm_moments moments = {sizeof moments};
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.reward = align_1d(rewards, ALIGN_F64, REWARDS);
    args.out = align_1d(out, ALIGN_F64, REWARDS);
    must(align_norm_apply(NULL, state, &args), "apply");
    must(align_norm_get(NULL, state, &moments), "get");
    printf("%d: %a %a %a %a, 3 -> %a, 4 -> %a\n", (int)moments.count, moments.mean,
           moments.variance, moments.least, moments.most, out[3], out[4]);
}

/* ---- states of losses ---- */

static align_loss_args loss_args(align_loss_id id, const double *label)
{
    align_loss_args args;
    align_loss_args_init(&args, sizeof args);
    args.loss = id;
    args.score = id == ALIGN_LOSS_BETA_DPO ? align_2d(rewards, ALIGN_F64, REWARDS / 2, 2)
                                           : align_1d(rewards, ALIGN_F64, REWARDS);
    if (id == ALIGN_LOSS_BCO || id == ALIGN_LOSS_KTO)
        args.label = align_1d(label, ALIGN_F64, REWARDS);
    return args;
}

static void save_state(align_loss_state *state)
{
    unsigned char bytes[ALIGN_LOSS_STATE_BYTES];
    double label[REWARDS];
    for (int i = 0; i < REWARDS; i++)
        label[i] = i % 3 == 0;
    align_loss_args args = loss_args(state->loss, label);
    must(align_loss_state_update(NULL, state, &args), "state update");
    must(align_loss_state_save(NULL, state, bytes, sizeof bytes), "state save");
    print_hex(bytes, sizeof bytes);
}

static void load_state(FILE *file, align_loss_state *state)
{
    unsigned char bytes[ALIGN_LOSS_STATE_BYTES];
    read_hex(file, bytes, sizeof bytes);
    must(align_loss_state_load(NULL, state, bytes, sizeof bytes), "state load");
    printf("%a %a, %a %a, %a %a, %a %a\n", state->count[0], state->count[1], state->mean[0],
           state->mean[1], state->squares[0], state->squares[1], state->gap_mean,
           state->gap_spread);
}

/* ---- counts of comparisons ---- */

enum { GAMES = 60, PLAYERS = 7 };

/* Adds games with weights that are no whole numbers. */
static void save_counts(align_bt_counts *counts, int shift)
{
    static unsigned char bytes[16384];
    int32_t first[GAMES], second[GAMES];
    float outcome[GAMES], weight[GAMES];
    for (int i = 0; i < GAMES; i++) {
        first[i] = (i + shift) % PLAYERS;
        second[i] = (first[i] + 1 + i / PLAYERS % (PLAYERS - 1)) % PLAYERS;
        outcome[i] = (float)(i % 3) / 2;
        weight[i] = (float)(8 + i % 5 * 3) / 8;
    }
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(first, ALIGN_I32, GAMES);
    rows.second = align_1d(second, ALIGN_I32, GAMES);
    rows.outcome = align_1d(outcome, ALIGN_F32, GAMES);
    rows.weight = align_1d(weight, ALIGN_F32, GAMES);
    size_t n = 0;
    must(align_bt_counts_update(NULL, counts, &rows), "count");
    must(align_bt_counts_save(NULL, counts, bytes, sizeof bytes, &n), "counts save");
    print_hex(bytes, n);
}

static void load_counts(FILE *file, align_bt_counts *counts)
{
    static unsigned char bytes[16384];
    size_t n = read_hex(file, bytes, sizeof bytes);
    must(align_bt_counts_load(NULL, counts, bytes, n), "counts load");
    printf("%d pairs, %d rows\n", (int)counts->pairs, (int)counts->rows);
}

/* ---- values ---- */

enum { TOKENS = 6, VOCABULARY = 70 };

static void print_values(align_dtype dtype)
{
    static uint16_t half[TOKENS * VOCABULARY];
    static float single[TOKENS * VOCABULARY];
    const int32_t target[2][TOKENS / 2] = {{1, 69, 12}, {33, 0, 7}};
    double logp[2], dlogp[2], lse[TOKENS], token_logp[TOKENS], value = 0, sum = 0;
    const double ref[2] = {-12, -13};
    for (int i = 0; i < TOKENS * VOCABULARY; i++) {
        half[i] = (uint16_t)(0x3c00 + i * 41 % 0x400 + (i % 2 == 0 ? 0x8000 : 0));
        single[i] = (float)(i * 29 % 83) / 16 - 2;
    }
    void *logits = dtype == ALIGN_F32 ? (void *)single : (void *)half;
    align_tokens tokens;
    align_tokens_init(&tokens, sizeof tokens);
    tokens.target = align_2d(target, ALIGN_I32, 2, TOKENS / 2);
    align_head head;
    align_head_init(&head, sizeof head);
    head.tokens = &tokens;
    head.logits = head.dlogits = align_3d(logits, dtype, 2, TOKENS / 2, VOCABULARY);
    head.logp = align_1d(logp, ALIGN_F64, 2);
    head.lse = align_1d(lse, ALIGN_F64, TOKENS);
    head.token_logp = align_1d(token_logp, ALIGN_F64, TOKENS);
    head.dlogp = align_1d(dlogp, ALIGN_F64, 2);
    align_loss_args loss;
    align_loss_args_init(&loss, sizeof loss);
    loss.loss = ALIGN_LOSS_DPO;
    loss.score = align_2d(logp, ALIGN_F64, 1, 2);
    loss.ref = align_2d(ref, ALIGN_F64, 1, 2);
    loss.dscore = align_2d(dlogp, ALIGN_F64, 1, 2);
    loss.value = align_1d(&value, ALIGN_F64, 1);
    must(align_head_forward(NULL, &head), "forward");
    must(align_loss_eval(NULL, &loss), "eval");
    must(align_head_backward(NULL, &head), "backward");
    for (int i = 0; i < TOKENS * VOCABULARY; i++)
        sum += (i % 5 - 2) * (dtype == ALIGN_F32 ? (double)single[i] : (double)half[i]);
    printf("%.12g %.12g, %.12g, %.12g %.12g, %.12g\n", logp[0], logp[1], value, dlogp[0], dlogp[1],
           sum);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "values") == 0) {
        print_values(ALIGN_F32);
        print_values(ALIGN_BF16);
        print_values(ALIGN_F16);
        return 0;
    }
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    must(argc > 1 && file == NULL ? ALIGN_E_ARG : ALIGN_E_NONE, "the file");
    fill(file == NULL ? 0.1 : -7.3);
    for (int i = 0; i < NORMS; i++) {
        align_norm state;
        init_norm(&state, i);
        if (file != NULL)
            load_norm(file, &state);
        save_norm(&state);
    }
    for (int i = 0; i < LOSSES; i++) {
        align_loss_state state;
        must(align_loss_state_init(&state, sizeof state, losses[i]), "state init");
        if (file != NULL)
            load_state(file, &state);
        save_state(&state);
    }
    /* The order of pairs in the bytes is that of the memory. */
    static _Alignas(64) unsigned char memory[65536];
    align_bt_counts counts;
    align_bt_counts_init(&counts, memory, sizeof memory, PLAYERS);
    if (file != NULL)
        load_counts(file, &counts);
    save_counts(&counts, file != NULL);
    return 0;
}
