/* Heads: a sequence of 64 rows each, F32 results. */
#include "bench.h"

struct head_state {
    align_head head;
    align_tokens tokens;
    align_loss_args loss;
    align_step_args step;
};

/* A head without a source of logits. */
static struct head_state *make_tokens(struct bench *bench, int64_t n, int64_t v)
{
    struct head_state *state = bench_alloc(1, sizeof *state);
    int64_t sequences = (n + 63) / 64;
    align_tokens_init(&state->tokens, sizeof state->tokens);
    state->tokens.target = bench_tensor(ALIGN_I32, n, 0);
    bench_fill(state->tokens.target, 0, (double)v);
    state->tokens.offsets = bench_tensor(ALIGN_I64, sequences + 1, 0);
    for (int64_t s = 0; s <= sequences; s++)
        ((int64_t *)state->tokens.offsets.data)[s] = s * 64 < n ? s * 64 : n;
    align_head *head = &state->head;
    align_head_init(head, sizeof *head);
    head->tokens = &state->tokens;
    bench->exec.flags |= bench_number(bench->line, "fast", 0) == 1 ? ALIGN_FLAG_FAST : 0;
    head->logp = bench_tensor(ALIGN_F32, sequences, 0);
    head->token_logp = bench_tensor(ALIGN_F64, n, 0);
    head->lse = bench_tensor(ALIGN_F64, n, 0);
    head->dlogp = bench_tensor(ALIGN_F32, sequences, 0);
    bench_fill(head->dlogp, 0.5, 1);
    bench->state = state;
    return state;
}

static void finish_head(struct bench *bench, struct head_state *state)
{
    size_t least, best;
    bench_must(bench, align_head_scratch(&bench->exec, &state->head, &least, &best));
    bench_scratch(bench, best);
}

static struct head_state *make_state(struct bench *bench)
{
    int64_t n = bench_number(bench->line, "n", 1024), v = bench_number(bench->line, "v", 32000);
    struct head_state *state = make_tokens(bench, n, v);
    state->head.logits = bench_tensor(bench_dtype(bench->line), n, v);
    bench_fill(state->head.logits, -8, 8);
    finish_head(bench, state);
    return state;
}

static double logits_bytes(const struct head_state *state)
{
    const align_tensor *logits = &state->head.logits;
    return (double)logits->shape[0] * (double)logits->shape[1] * align_dtype_bytes(logits->dtype);
}

static void run_forward(struct bench *bench)
{
    struct head_state *state = bench->state;
    bench_must(bench, align_head_forward(&bench->exec, &state->head));
}

static void run_backward(struct bench *bench)
{
    struct head_state *state = bench->state;
    bench_must(bench, align_head_backward(&bench->exec, &state->head));
}

static void run_both(struct bench *bench)
{
    run_forward(bench);
    run_backward(bench);
}

static void setup_forward(struct bench *bench)
{
    bench->work = logits_bytes(make_state(bench));
    bench->run = run_forward;
}

/* The same beside plain exponentials, as many as there are logits: what binds where logits are short. */
static void setup_exponentials(struct bench *bench)
{
    const align_tensor *logits = &make_state(bench)->head.logits;
    bench->work = (double)logits->shape[0] * (double)logits->shape[1];
    bench->run = run_forward;
}

/* Into a gradient of its own: in place, the second run would read gradients as logits. The time is
 * that of reading one array and writing another. */
static void setup_backward(struct bench *bench)
{
    struct head_state *state = make_state(bench);
    const align_tensor *logits = &state->head.logits;
    state->head.dlogits = bench_tensor(logits->dtype, logits->shape[0], logits->shape[1]);
    run_forward(bench);
    bench->work = 2 * logits_bytes(state);
    bench->run = run_backward;
}

/* In place. From the second run on the logits are gradients, which costs the same, but would become
 * equal numbers; so the weights are small. */
static void setup_backward_in_place(struct bench *bench)
{
    struct head_state *state = make_state(bench);
    run_forward(bench);
    state->head.dlogits = state->head.logits;
    bench->work = 2 * logits_bytes(state);
    bench->run = run_backward;
}

static void setup_both(struct bench *bench)
{
    setup_backward(bench);
    bench->work = 1.5 * bench->work;
    bench->run = run_both;
}

static struct head_state *make_linear(struct bench *bench, int64_t plan)
{
    const char *line = bench->line;
    int64_t n = bench_number(line, "n", 1024), v = bench_number(line, "v", 32000);
    int64_t d = bench_number(line, "d", 1024);
    struct head_state *state = make_tokens(bench, n, v);
    align_head *head = &state->head;
    head->hidden = bench_tensor(bench_dtype(line), n, d);
    head->weight = bench_tensor(bench_dtype(line), v, d);
    bench_fill(head->hidden, -1, 1);
    bench_fill(head->weight, -0.1, 0.1);
    head->dhidden = bench_tensor(ALIGN_F32, n, d);
    if (plan == 1)
        head->jhidden = head->dhidden;
    else
        head->dweight = bench_tensor(ALIGN_F32, v, d);
    return state;
}

static double linear_flops(const struct head_state *state, double times)
{
    const align_tensor *hidden = &state->head.hidden, *weight = &state->head.weight;
    return times * (double)hidden->shape[0] * (double)hidden->shape[1] * (double)weight->shape[0];
}

/* A linear head: plan=2 (two passes, with dweight) or plan=1 (one pass, for weights without gradient). */
static void setup_linear(struct bench *bench)
{
    int64_t plan = bench_number(bench->line, "plan", 2);
    struct head_state *state = make_linear(bench, plan);
    finish_head(bench, state);
    bench->work = linear_flops(state, plan == 1 ? 4 : 8);
    bench->run = run_both;
}

static void run_step(struct bench *bench)
{
    struct head_state *state = bench->state;
    bench_must(bench, align_step_run(&bench->exec, &state->step));
}

/* The resident plan: a step of DPO whose scratch keeps all logits. */
static void setup_step(struct bench *bench)
{
    struct head_state *state = make_linear(bench, 2);
    int64_t pairs = state->head.logp.shape[0] / 2;
    align_loss_args *loss = &state->loss;
    align_loss_args_init(loss, sizeof *loss);
    loss->loss = ALIGN_LOSS_DPO;
    loss->score = align_2d(state->head.logp.data, ALIGN_F32, pairs, 2);
    loss->dscore = align_2d(state->head.dlogp.data, ALIGN_F32, pairs, 2);
    loss->ref = bench_tensor(ALIGN_F32, pairs, 2);
    bench_fill(loss->ref, -700, -600);
    loss->value = bench_tensor(ALIGN_F64, 1, 0);
    align_step_args_init(&state->step, sizeof state->step);
    state->step.policy = &state->head;
    state->step.losses = loss;
    state->step.n_losses = 1;
    size_t least, best;
    bench_must(bench, align_step_scratch(&bench->exec, &state->step, &least, &best));
    bench_scratch(bench, best);
    bench->work = linear_flops(state, 6);
    bench->run = run_step;
}

const struct bench_kind bench_head_kinds[] = {
    {"dense_forward", "GB/s", "limit.read", setup_forward},
    {"dense_exponentials", "Gexp/s", "limit.exp", setup_exponentials},
    {"dense_backward", "GB/s", "limit.copy", setup_backward},
    {"dense_backward_in_place", "GB/s", "limit.update", setup_backward_in_place},
    {"dense_both", "GB/s", "limit.copy", setup_both},
    {"linear_both", "GFLOP/s", "limit.gemm", setup_linear},
    {"linear_step", "GFLOP/s", "limit.gemm", setup_step},
    {NULL, NULL, NULL, NULL},
};
