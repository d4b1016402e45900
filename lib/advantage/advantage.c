#include "advantage.h"
#include "../base/cpu.h"
#include "../kernels/f32.h"

#include <math.h>
#include <string.h>

/* Sequences that are walked side by side, as their recurrences do not wait for each other, and the tokens of
 * one that are handled together. */
enum { LANES = 8, TOKENS = 128 };

static const char owner[] = "align_advantage_args";

/* GAE over tensors of f32 that lie plainly. `mask` is bytes, or NULL; the outputs may be NULL. */
struct plain {
    const float *reward, *value;
    const uint8_t *mask;
    float *advantage, *target;
    bool usable;
};

struct work {
    align_advantage_args args;
    struct align__sequences sequences;
    const struct align__f32 *f32;
    struct align__run reward, value, mask, advantage, target;
    struct plain plain;
    int64_t pieces;
};

/* One sequence, walked from its end. */
struct lane {
    int64_t first, left;        /* tokens not yet done: [first, first + left) */
    double next_value, carried; /* V_{t+1}; A_{t+1} of GAE, the return after t of RETURN */
};

/* Tokens [first, first + n). A bare one is plain, and all its tokens count: `reward` holds r + gamma V_{t+1} - V_t,
 * then the advantages, and the others nothing. */
struct chunk {
    int64_t first, n;
    bool bare;
    double reward[TOKENS], value[TOKENS], mask[TOKENS];
};

void align_advantage_args_init(align_advantage_args *args, size_t size)
{
    const align_advantage_args defaults = {
        .size = size, .kind = ALIGN_ADVANTAGE_GAE, .gamma = 1, .lambda = .95};
    memset(args, 0, size);
    memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

static bool is_plain_or_absent(const struct align__run *run)
{
    return run->length == 0 || align__run_plain(run, ALIGN_F32) != NULL;
}

static struct plain plain_of(const struct work *work)
{
    struct plain p = {
        .reward = align__run_plain(&work->reward, ALIGN_F32),
        .value = align__run_plain(&work->value, ALIGN_F32),
        .mask = align__run_live(&work->mask),
        .advantage = align__run_plain(&work->advantage, ALIGN_F32),
        .target = align__run_plain(&work->target, ALIGN_F32),
    };
    p.usable = work->args.kind == ALIGN_ADVANTAGE_GAE && p.reward != NULL && p.value != NULL &&
               (work->mask.length == 0 || p.mask != NULL) && is_plain_or_absent(&work->advantage) &&
               is_plain_or_absent(&work->target);
    return p;
}

static double value_after(const struct work *work, int64_t b)
{
    const align_tensor *cut = &work->args.truncated, *boot = &work->args.bootstrap;
    if (!align__present(cut) || align__load(cut->dtype, align__at(cut, b, 0)) == 0)
        return 0;
    return align__load(boot->dtype, align__at(boot, b, 0));
}

static struct lane open_lane(const struct work *work, int64_t b)
{
    struct lane lane;
    align__sequences_range(&work->sequences, b, &lane.first, &lane.left);
    lane.next_value = value_after(work, b);
    lane.carried = work->args.kind == ALIGN_ADVANTAGE_RETURN ? lane.next_value : 0;
    return lane;
}

/* The tokens before those that are done; a sequence that has none left gives an empty chunk. */
static void read_chunk(const struct work *work, struct chunk *c, struct lane *lane)
{
    const struct plain *p = &work->plain;
    c->n = lane->left < TOKENS ? lane->left : TOKENS;
    lane->left -= c->n;
    c->first = lane->first + lane->left;
    c->bare = p->usable && c->n > 0 &&
              (p->mask == NULL || memchr(p->mask + c->first, 0, (size_t)c->n) == NULL);
    if (c->bare) {
        work->f32->deltas(c->reward, p->reward + c->first, p->value + c->first, lane->next_value,
                          work->args.gamma, c->n);
        lane->next_value = (double)p->value[c->first];
        return;
    }
    align__run_read(&work->reward, c->first, c->n, c->reward);
    align__run_weights(&work->mask, c->first, c->n, c->mask);
    if (work->value.length > 0)
        align__run_read(&work->value, c->first, c->n, c->value);
    else
        memset(c->value, 0, sizeof c->value);
}

/* What read_chunk left and a step made of it: the advantage in `reward`, the target in `value`. */
static void write_chunk(const struct work *work, const struct chunk *c)
{
    const struct plain *p = &work->plain;
    if (c->bare) {
        work->f32->targets(p->advantage == NULL ? NULL : p->advantage + c->first,
                           p->target == NULL ? NULL : p->target + c->first, c->reward,
                           p->value + c->first, c->n);
        return;
    }
    if (work->advantage.length > 0)
        align__run_write(&work->advantage, c->first, c->n, c->reward);
    if (work->target.length > 0)
        align__run_write(&work->target, c->first, c->n, c->value);
}

static void gae_step(struct chunk *c, struct lane *lane, int64_t i, double gamma, double decay)
{
    if (c->mask[i] == 0) {
        c->reward[i] = c->value[i] = 0;
        return;
    }
    double v = c->value[i];
    lane->carried = c->reward[i] + gamma * lane->next_value - v + decay * lane->carried;
    lane->next_value = v;
    c->reward[i] = lane->carried;
    c->value[i] = lane->carried + v;
}

static void return_step(struct chunk *c, struct lane *lane, int64_t i, double gamma)
{
    if (c->mask[i] == 0) {
        c->reward[i] = c->value[i] = 0;
        return;
    }
    lane->carried = c->reward[i] + gamma * lane->carried;
    c->reward[i] = lane->carried - c->value[i];
    c->value[i] = lane->carried;
}

static void step_chunk(const struct work *work, struct chunk *c, struct lane *lane)
{
    double gamma = work->args.gamma, decay = gamma * work->args.lambda;
    for (int64_t i = c->n - 1; i >= 0; i--)
        if (c->bare)
            c->reward[i] = lane->carried = c->reward[i] + decay * lane->carried;
        else if (work->args.kind == ALIGN_ADVANTAGE_GAE)
            gae_step(c, lane, i, gamma, decay);
        else
            return_step(c, lane, i, gamma);
}

/* The recurrences of LANES bare chunks of n tokens, in turns. */
static void step_bare(struct chunk *c, struct lane *lanes, int64_t n, double decay)
{
    double carried[LANES];
    for (int l = 0; l < LANES; l++)
        carried[l] = lanes[l].carried;
    for (int64_t i = n - 1; i >= 0; i--)
        for (int l = 0; l < LANES; l++)
            c[l].reward[i] = carried[l] = c[l].reward[i] + decay * carried[l];
    for (int l = 0; l < LANES; l++)
        lanes[l].carried = carried[l];
}

static void walk(const struct work *work, struct lane *lanes, int count)
{
    struct chunk chunks[LANES];
    for (bool busy = true; busy;) {
        bool even = count == LANES;
        busy = false;
        for (int l = 0; l < count; l++) {
            read_chunk(work, &chunks[l], &lanes[l]);
            even = even && chunks[l].bare && chunks[l].n == chunks[0].n;
            busy = busy || lanes[l].left > 0;
        }
        if (even)
            step_bare(chunks, lanes, chunks[0].n, work->args.gamma * work->args.lambda);
        for (int l = 0; l < count && !even; l++)
            step_chunk(work, &chunks[l], &lanes[l]);
        for (int l = 0; l < count; l++)
            write_chunk(work, &chunks[l]);
    }
}

static double element(const struct align__run *run, int64_t at)
{
    double x = 0;
    if (run->length > 0)
        align__run_read(run, at, 1, &x);
    return x;
}

static bool counts(const struct work *work, int64_t at)
{
    double w;
    align__run_weights(&work->mask, at, 1, &w);
    return w != 0;
}

/* sum_{k < n} gamma^k r_{t+k} + gamma^n V_{t+n} from the token at `at`, by Horner from the far end. */
static double n_step_return(const struct work *work, int64_t at, int64_t end, double after)
{
    int64_t last = at, taken = 0, next = at;
    for (; next < end && taken < work->args.n; next++)
        if (counts(work, next)) {
            last = next;
            taken++;
        }
    while (next < end && !counts(work, next))
        next++;
    double sum = next < end ? element(&work->value, next) : after;
    for (int64_t i = last; i >= at; i--)
        if (counts(work, i))
            sum = element(&work->reward, i) + work->args.gamma * sum;
    return sum;
}

/* Forward, so that an advantage may take the place of a reward that is not needed any more. */
static void walk_n_step(const struct work *work, int64_t b)
{
    struct lane lane = open_lane(work, b);
    double after = lane.next_value;
    for (int64_t i = lane.first; i < lane.first + lane.left; i++) {
        bool live = counts(work, i);
        double target = live ? n_step_return(work, i, lane.first + lane.left, after) : 0;
        double advantage = live ? target - element(&work->value, i) : 0;
        if (work->advantage.length > 0)
            align__run_write(&work->advantage, i, 1, &advantage);
        if (work->target.length > 0)
            align__run_write(&work->target, i, 1, &target);
    }
}

static void run_piece(void *ctx, int64_t task)
{
    const struct work *work = ctx;
    int64_t b = work->sequences.count * task / work->pieces;
    int64_t last = work->sequences.count * (task + 1) / work->pieces;
    while (b < last) {
        struct lane lanes[LANES];
        int count = 0;
        if (work->args.kind == ALIGN_ADVANTAGE_N_STEP) {
            walk_n_step(work, b++);
            continue;
        }
        while (count < LANES && b < last)
            lanes[count++] = open_lane(work, b++);
        walk(work, lanes, count);
    }
}

static align_status check_parameters(const align_exec *exec, const align_advantage_args *a)
{
    if (a->kind < ALIGN_ADVANTAGE_GAE || a->kind > ALIGN_ADVANTAGE_N_STEP)
        return ALIGN__FAIL(exec, NORM_CHOICE, .owner = owner, .field = "kind", .value = a->kind,
                           .low = ALIGN_ADVANTAGE_GAE, .high = ALIGN_ADVANTAGE_N_STEP);
    bool gae = a->kind == ALIGN_ADVANTAGE_GAE, steps = a->kind == ALIGN_ADVANTAGE_N_STEP;
    if ((!gae && a->lambda != 0) || (!steps && a->n != 0) || a->reserved != 0)
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = owner,
                           .field = !gae && a->lambda != 0 ? "lambda"
                                    : !steps && a->n != 0  ? "n"
                                                           : "reserved",
                           .word = "this kind");
    const struct align__number numbers[] = {
        {"gamma", a->gamma, 0, 1, "a number in 0..1"},
        {"lambda", a->lambda, 0, 1, "a number in 0..1"},
        {"n", steps ? (double)a->n : 1, 1, 0x1p63, "1 or more"},
    };
    return align__check_numbers(exec, owner, numbers, 3);
}

static align_status check_present(const align_exec *exec, const align_advantage_args *a)
{
    const struct {
        const char *field, *word;
        bool missing;
    } needs[] = {
        {"reward", "align_advantage_eval", !align__present(&a->reward)},
        {"value", "this kind", a->kind != ALIGN_ADVANTAGE_RETURN && !align__present(&a->value)},
        {"advantage", "align_advantage_eval without target",
         !align__present(&a->advantage) && !align__present(&a->target)},
        {"bootstrap", "truncated", align__present(&a->truncated) && !align__present(&a->bootstrap)},
        {"truncated", "bootstrap", align__present(&a->bootstrap) && !align__present(&a->truncated)},
    };
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (needs[i].missing)
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = needs[i].field,
                               .word = needs[i].word);
    return ALIGN_E_NONE;
}

static align_status check_tensors(const align_exec *exec, struct work *work)
{
    const align_advantage_args *a = &work->args;
    const struct align__named reward = {owner, "reward", &a->reward};
    align_status status = align__check_tensor(exec, reward, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__sequences_of(exec, &work->sequences, reward, &a->offsets);
    const struct {
        struct align__named named;
        int set;
        bool per_sequence;
    } tensors[] = {
        {{owner, "value", &a->value}, ALIGN__SET_REAL, false},
        {{owner, "mask", &a->mask}, ALIGN__SET_MASK, false},
        {{owner, "truncated", &a->truncated}, ALIGN__SET_MASK, true},
        {{owner, "bootstrap", &a->bootstrap}, ALIGN__SET_REAL, true},
        {{owner, "advantage", &a->advantage}, ALIGN__SET_REAL, false},
        {{owner, "target", &a->target}, ALIGN__SET_REAL, false},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0] && status == ALIGN_E_NONE; i++)
        status = tensors[i].per_sequence
                     ? align__check_per_sequence(exec, &work->sequences, tensors[i].named,
                                                 tensors[i].set)
                     : align__check_tokens(exec, &work->sequences, tensors[i].named,
                                           tensors[i].set);
    if (status == ALIGN_E_NONE)
        status = align__check_mask(exec, tensors[1].named);
    if (status == ALIGN_E_NONE)
        status = align__check_counted(exec, reward, &a->mask);
    if (status == ALIGN_E_NONE)
        status = align__check_counted(exec, tensors[0].named, &a->mask);
    return status == ALIGN_E_NONE ? align__check_finite(exec, tensors[3].named) : status;
}

/* advantage may be reward itself, target value itself. */
static align_status check_outputs(const align_exec *exec, const align_advantage_args *a)
{
    const struct align__named all[] = {
        {owner, "reward", &a->reward},       {owner, "value", &a->value},
        {owner, "mask", &a->mask},           {owner, "offsets", &a->offsets},
        {owner, "truncated", &a->truncated}, {owner, "bootstrap", &a->bootstrap},
        {owner, "advantage", &a->advantage}, {owner, "target", &a->target},
    };
    for (int k = 0; k < 2; k++) {
        struct align__named others[8];
        int count = 0;
        const struct align__named *out = &all[6 + k], *twin = &all[k];
        for (int i = 0; i < 8; i++)
            if (i != k || !align__present(twin->tensor) ||
                !align__same_view(out->tensor, twin->tensor))
                others[count++] = all[i];
        align_status status = align__check_output(exec, *out, others, count);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

align_status align_advantage_eval(const align_exec *user_exec,
                                  const align_advantage_args *user_args)
{
    align_exec exec;
    struct work work;
    memset(&work, 0, sizeof work);
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, owner, &work.args, sizeof work.args, sizeof work.args,
                               user_args);
    if (status == ALIGN_E_NONE)
        status = check_parameters(&exec, &work.args);
    if (status == ALIGN_E_NONE)
        status = check_present(&exec, &work.args);
    if (status == ALIGN_E_NONE)
        status = check_tensors(&exec, &work);
    if (status == ALIGN_E_NONE)
        status = check_outputs(&exec, &work.args);
    if (status != ALIGN_E_NONE)
        return status;
    work.f32 = align__f32(align__cpu_allowed(&exec));
    work.reward = align__run_of(&work.args.reward);
    work.value = align__run_of(&work.args.value);
    work.mask = align__run_of(&work.args.mask);
    work.advantage = align__run_of(&work.args.advantage);
    work.target = align__run_of(&work.args.target);
    work.plain = plain_of(&work);
    work.pieces = align__sequence_pieces(&work.sequences);
    return align__parallel(&exec, work.pieces, run_piece, &work);
}
