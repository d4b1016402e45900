#include "preference.h"

#include <stdlib.h>
#include <string.h>

enum { METRICS_MOST = 64 };

/* libalign's parallel-for on the trainer's threads. */
typedef struct bridge {
    align_task_fn fn;
    void *context;
} bridge;

static void run_task(void *context, int64_t task, int worker)
{
    const bridge *b = context;

    (void)worker;
    b->fn(b->context, task);
}

static int32_t run_parallel(void *user, int64_t tasks, align_task_fn fn, void *context)
{
    bridge b = {fn, context};

    pool_run(user, tasks, run_task, &b);
    return 0;
}

static bool check(const preference *f, align_status status, problem *why)
{
    return status == ALIGN_E_NONE ||
           refuse(why, "libalign: %s: %s", align_status_name(status), f->error.text);
}

static preference_aux second_number(align_loss_id id)
{
    static const struct {
        align_loss_id id;
        preference_aux second;
    } rows[] = {{ALIGN_LOSS_TDPO, AUX_DRIFT}, {ALIGN_LOSS_TPO, AUX_GOLD}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].id == id)
            return rows[i].second;
    return AUX_NONE;
}

bool preference_open(preference *f, const char *loss, int vocab, pool *threads, problem *why)
{
    const align_loss_id id = align_loss_find(loss);

    *f = (preference){.vocab = vocab, .info = {.size = sizeof f->info}};
    if (id == 0)
        return refuse(why, "loss \"%s\" is not known; --list-losses prints those that are", loss);
    align_error_init(&f->error, sizeof f->error);
    align_exec_init(&f->exec, sizeof f->exec);
    f->exec.error = &f->error;
    f->exec.parallel = run_parallel;
    f->exec.parallel_user = threads;
    f->exec.workers = (uint32_t)pool_threads(threads);
    if (!check(f, align_loss_get_info(id, &f->info), why) ||
        !check(f, align_loss_params_init(&f->params, sizeof f->params, id, NULL), why))
        return false;
    f->second = second_number(id);
    if ((f->info.needs & ALIGN_LOSS_READS_OLD) ||
        ((f->info.needs & ALIGN_LOSS_READS_AUX) && f->second == AUX_NONE))
        return refuse(why, "loss \"%s\" needs %s, which preference data alone does not have", loss,
                      f->info.needs & ALIGN_LOSS_READS_AUX ? "align_loss_args.aux"
                                                           : "align_loss_args.old");
    if (!check(f, align_loss_params_init(&f->yardstick, sizeof f->yardstick, ALIGN_LOSS_DPO, NULL),
               why))
        return false;
    if (f->params.beta > 0)
        f->yardstick.beta = f->params.beta;
    return true;
}

void preference_close(preference *f)
{
    void *const parts[] = {f->scratch, f->token_logp, f->lse, f->ref, f->label, f->count,
                           f->index,   f->kl,         f->dkl, f->aux, f->daux};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    *f = (preference){0};
}

bool preference_set(preference *f, const char *parameter, double value, problem *why)
{
    for (uint32_t i = 0; i < f->info.n_params; i++) {
        align_param_info info = {.size = sizeof info};
        char *field;

        if (!check(f, align_loss_get_param(f->info.id, i, &info), why))
            return false;
        if (strcmp(info.name, parameter) != 0)
            continue;
        if (!(value >= info.least && value <= info.most))
            return refuse(why, "%s of loss \"%s\" = %g, expected %g..%g", parameter, f->info.name,
                          value, info.least, info.most);
        field = (char *)&f->params + info.offset;
        if (info.dtype == ALIGN_I32)
            memcpy(field, &(int32_t){(int32_t)value}, sizeof(int32_t));
        else
            memcpy(field, &value, sizeof value);
        if (strcmp(parameter, "beta") == 0)
            f->yardstick.beta = value;
        return true;
    }
    return refuse(why, "loss \"%s\" has no parameter %s", f->info.name, parameter);
}

bool preference_choose(preference *f, const char *parameter, const char *word, problem *why)
{
    for (uint32_t i = 0; i < f->info.n_params; i++) {
        align_param_info info = {.size = sizeof info};

        if (!check(f, align_loss_get_param(f->info.id, i, &info), why))
            return false;
        if (strcmp(info.name, parameter) != 0)
            continue;
        for (uint32_t k = 0; k < info.n_choices; k++)
            if (strcmp(info.choices[k], word) == 0)
                return preference_set(f, parameter, k, why);
        return refuse(why, "%s of loss \"%s\" has no value %s: see --list-losses", parameter,
                      f->info.name, word);
    }
    return preference_set(f, parameter, 0, why);
}

bool preference_needs_reference(const preference *f)
{
    return (f->info.needs | f->info.reads) & ALIGN_LOSS_READS_REF;
}

bool preference_needs_reference_logits(const preference *f)
{
    return f->second == AUX_DRIFT;
}

static void take_anew(double **part, int64_t count)
{
    free(*part);
    *part = take(count, sizeof **part);
}

static void reserve(preference *f, const pack *p)
{
    if (p->rows.outputs > f->room_rows) {
        double **const rows[] = {&f->token_logp, &f->lse, &f->kl, &f->dkl};

        f->room_rows = p->rows.outputs;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            take_anew(rows[i], f->room_rows);
    }
    if (p->sequences > f->room_sequences) {
        double **const sequences[] = {&f->ref, &f->label, &f->aux, &f->daux};

        f->room_sequences = p->sequences;
        for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++)
            take_anew(sequences[i], f->room_sequences);
        free(f->count);
        f->count = take(f->room_sequences, sizeof *f->count);
    }
}

static align_tensor logits_of(const preference *f, const pack *p, real *logits)
{
    return align_2d(logits, sizeof(real) == sizeof(double) ? ALIGN_F64 : ALIGN_F32, p->rows.outputs,
                    f->vocab);
}

/* Every packed row counts: rows that predict the prompt were left out before they had logits. */
static void describe(preference *f, const pack *p, real *logits, align_tokens *tokens,
                     align_head *head)
{
    const int64_t n = p->rows.outputs;

    align_tokens_init(tokens, sizeof *tokens);
    tokens->target = align_1d(p->target, ALIGN_I32, n);
    tokens->offsets = align_1d(p->target_offset, ALIGN_I64, p->sequences + 1);
    align_head_init(head, sizeof *head);
    head->tokens = tokens;
    head->logits = logits_of(f, p, logits);
    head->token_logp = align_1d(f->token_logp, ALIGN_F64, n);
    head->lse = align_1d(f->lse, ALIGN_F64, n);
}

/* The reference as the head that KL compares with. */
static void compare(const preference *f, const pack *p, real *ref_logits, align_head *head,
                    align_head *other)
{
    align_head_init(other, sizeof *other);
    other->logits = logits_of(f, p, ref_logits);
    head->other = other;
}

/* Sums of the rows of each answer. */
static void sum_rows(const pack *p, const double *rows, double *sums)
{
    for (int64_t s = 0; s < p->sequences; s++) {
        sums[s] = 0;
        for (int64_t n = p->target_offset[s]; n < p->target_offset[s + 1]; n++)
            sums[s] += rows[n];
    }
}

bool preference_forward(preference *f, const pack *p, real *logits, real *ref_logits, double *logp,
                        problem *why)
{
    align_tokens tokens;
    align_head head, other;

    reserve(f, p);
    describe(f, p, logits, &tokens, &head);
    head.logp = align_1d(logp, ALIGN_F64, p->sequences);
    head.count = align_1d(f->count, ALIGN_I64, p->sequences);
    if (ref_logits) {
        compare(f, p, ref_logits, &head, &other);
        head.kl = align_1d(f->kl, ALIGN_F64, p->rows.outputs);
    }
    if (!check(f, align_head_forward(&f->exec, &head), why))
        return false;
    if (ref_logits)
        sum_rows(p, f->kl, f->aux);
    return true;
}

bool preference_backward(preference *f, const pack *p, real *logits, real *ref_logits,
                         const double *dlogp, problem *why)
{
    align_tokens tokens;
    align_head head, other;

    describe(f, p, logits, &tokens, &head);
    head.dlogp = align_1d(dlogp, ALIGN_F64, p->sequences);
    head.dlogits = head.logits;
    if (ref_logits) {
        compare(f, p, ref_logits, &head, &other);
        head.dkl = align_1d(f->dkl, ALIGN_F64, p->rows.outputs);
        for (int64_t s = 0; s < p->sequences; s++)
            for (int64_t n = p->target_offset[s]; n < p->target_offset[s + 1]; n++)
                f->dkl[n] = f->daux[s];
    }
    return check(f, align_head_backward(&f->exec, &head), why);
}

static void add_index(preference *f, int arity, int64_t a, int64_t b)
{
    grow(&f->index, &f->room_index, (f->index_groups + 1) * arity, sizeof *f->index);
    f->index[f->index_groups * arity] = a;
    if (arity == ALIGN_LOSS_PAIR)
        f->index[f->index_groups * arity + 1] = b;
    f->index_groups++;
}

/* Each pair of answers with different scores, the better one first. */
static void index_pairs(preference *f, const dataset *d, const pack *p)
{
    f->index_groups = 0;
    for (int64_t g = 0; g < p->groups; g++)
        for (int64_t i = p->group_offset[g]; i < p->group_offset[g + 1]; i++)
            for (int64_t j = p->group_offset[g]; j < p->group_offset[g + 1]; j++)
                if (d->sequences[p->sequence[i]].score > d->sequences[p->sequence[j]].score)
                    add_index(f, ALIGN_LOSS_PAIR, i, j);
}

static int64_t best_of(const dataset *d, const pack *p, int64_t g)
{
    int64_t best = p->group_offset[g];

    for (int64_t i = p->group_offset[g]; i < p->group_offset[g + 1]; i++)
        if (d->sequences[p->sequence[i]].score > d->sequences[p->sequence[best]].score)
            best = i;
    return best;
}

/* Every answer for a row that is told which are good, and for others the best of each group. */
static void index_singles(preference *f, const dataset *d, const pack *p)
{
    f->index_groups = 0;
    for (int64_t g = 0; g < p->groups; g++) {
        if (!(f->info.needs & ALIGN_LOSS_READS_LABEL)) {
            add_index(f, ALIGN_LOSS_SINGLE, best_of(d, p, g), 0);
            continue;
        }
        for (int64_t i = p->group_offset[g]; i < p->group_offset[g + 1]; i++)
            add_index(f, ALIGN_LOSS_SINGLE, i, 0);
    }
}

/* The best answer of a group is the gold one of all its pairs. */
static void gather_gold(preference *f, const dataset *d, const pack *p, const double *logp)
{
    for (int64_t g = 0; g < p->groups; g++)
        for (int64_t i = p->group_offset[g]; i < p->group_offset[g + 1]; i++)
            f->aux[i] = logp[best_of(d, p, g)];
}

static void return_gold(const preference *f, const dataset *d, const pack *p, double *dlogp)
{
    for (int64_t g = 0; g < p->groups; g++)
        for (int64_t i = p->group_offset[g]; i < p->group_offset[g + 1]; i++)
            dlogp[best_of(d, p, g)] += f->daux[i];
}

/* What the row reads of each answer, in the order of the pack. Of singles, a label says good or not. */
static void gather(preference *f, const dataset *d, const pack *p, const double *ref)
{
    for (int64_t i = 0; i < p->sequences; i++) {
        const double label = d->sequences[p->sequence[i]].label;

        f->label[i] = f->info.arity == ALIGN_LOSS_SINGLE ? label >= 0.5 : label;
        f->ref[i] = ref ? ref[p->sequence[i]] : 0;
    }
}

/* Lists are the groups themselves, of any length each; pairs and singles are an index into them. */
static void fill_args(preference *f, const pack *p, const double *logp, align_loss_args *args)
{
    const uint32_t reads = f->info.needs | f->info.reads;
    const int64_t n = p->sequences;

    align_loss_args_init(args, sizeof *args);
    args->loss = f->info.id;
    args->params = &f->params;
    args->score = align_1d(logp, ALIGN_F64, n);
    if (f->info.arity == ALIGN_LOSS_LIST)
        args->offsets = align_1d(p->group_offset, ALIGN_I64, p->groups + 1);
    else
        args->index = align_2d(f->index, ALIGN_I64, f->index_groups, f->info.arity);
    if (reads & ALIGN_LOSS_READS_REF)
        args->ref = align_1d(f->ref, ALIGN_F64, n);
    if (reads & ALIGN_LOSS_READS_LABEL)
        args->label = align_1d(f->label, ALIGN_F64, n);
    if (f->second != AUX_NONE)
        args->aux = align_1d(f->aux, ALIGN_F64, n);
    if ((f->info.needs & ALIGN_LOSS_READS_COUNT) || f->params.length == ALIGN_LENGTH_MEAN)
        args->count = align_1d(f->count, ALIGN_I64, n);
}

static bool evaluate(preference *f, const align_loss_args *args, problem *why)
{
    size_t least, best;

    if (!check(f, align_loss_scratch(&f->exec, args, &least, &best), why))
        return false;
    if (best > f->exec.scratch_size) {
        free(f->scratch);
        f->scratch = take((int64_t)best, 1);
        f->exec.scratch = f->scratch;
        f->exec.scratch_size = best;
    }
    return check(f, align_loss_eval(&f->exec, args), why);
}

/* Adds accuracy and margin of the pairs in the index: metrics of the row dpo with the same beta. */
static bool measure(preference *f, const pack *p, const double *logp, tally *sum, problem *why)
{
    static const char *const names[] = {"reward_accuracy", "reward_margin"};
    double *const to[] = {&sum->accuracy, &sum->margin};
    double metrics[2 * METRICS_MOST];
    align_loss_info info = {.size = sizeof info};
    align_loss_args args;

    if (!check(f, align_loss_get_info(ALIGN_LOSS_DPO, &info), why))
        return false;
    if (info.n_metrics > METRICS_MOST)
        return refuse(why, "libalign has %u metrics of pairs, expected at most %d", info.n_metrics,
                      METRICS_MOST);
    align_loss_args_init(&args, sizeof args);
    args.loss = ALIGN_LOSS_DPO;
    args.params = &f->yardstick;
    args.score = align_1d(logp, ALIGN_F64, p->sequences);
    args.ref = align_1d(f->ref, ALIGN_F64, p->sequences);
    args.index = align_2d(f->index, ALIGN_I64, f->index_groups, ALIGN_LOSS_PAIR);
    args.metrics = align_2d(metrics, ALIGN_F64, info.n_metrics, 2);
    if (!evaluate(f, &args, why))
        return false;
    for (uint32_t i = 0; i < info.n_metrics; i++) {
        align_metric_info metric = {.size = sizeof metric};

        if (!check(f, align_loss_get_metric(ALIGN_LOSS_DPO, i, &metric), why))
            return false;
        for (int k = 0; k < 2; k++)
            if (strcmp(metric.name, names[k]) == 0)
                *to[k] += metrics[2 * i];
    }
    sum->pairs += (double)f->index_groups;
    return true;
}

bool preference_loss(preference *f, const dataset *d, const pack *p, const double *logp,
                     const double *ref, tally *sum, double *dlogp, problem *why)
{
    align_loss_args args;
    double value = 0, groups;

    if (f->info.arity == ALIGN_LOSS_PAIR)
        index_pairs(f, d, p);
    else if (f->info.arity == ALIGN_LOSS_SINGLE)
        index_singles(f, d, p);
    gather(f, d, p, ref);
    if (f->second == AUX_GOLD)
        gather_gold(f, d, p, logp);
    fill_args(f, p, logp, &args);
    args.value = align_1d(&value, ALIGN_F64, 1);
    if (dlogp)
        args.dscore = align_1d(dlogp, ALIGN_F64, p->sequences);
    if (dlogp && f->second != AUX_NONE)
        args.daux = align_1d(f->daux, ALIGN_F64, p->sequences);
    if (!evaluate(f, &args, why))
        return false;
    if (dlogp && f->second == AUX_GOLD)
        return_gold(f, d, p, dlogp);
    groups = (double)(f->info.arity == ALIGN_LOSS_LIST ? p->groups : f->index_groups);
    sum->loss += value * groups;
    sum->groups += groups;
    if (f->info.arity != ALIGN_LOSS_PAIR)
        index_pairs(f, d, p);
    return measure(f, p, logp, sum, why);
}

void preference_list(FILE *to)
{
    static const char *const arities[] = {"list", "single", "pair"};

    for (align_loss_id id = 1; id <= align_loss_count(); id++) {
        align_loss_info info = {.size = sizeof info};

        if (align_loss_get_info(id, &info) != ALIGN_E_NONE)
            continue;
        fprintf(to, "%s (%s): %s\n    %s\n", info.name, arities[info.arity], info.brief,
                info.source);
        for (uint32_t i = 0; i < info.n_params; i++) {
            align_param_info param = {.size = sizeof param};

            if (align_loss_get_param(id, i, &param) != ALIGN_E_NONE)
                continue;
            if (param.n_choices == 0) {
                fprintf(to, "    %s = %g: %s\n", param.name, param.standard, param.brief);
                continue;
            }
            fprintf(to, "    %s = %s: %s; or", param.name, param.choices[(int)param.standard],
                    param.brief);
            for (uint32_t k = 0; k < param.n_choices; k++)
                if (k != (uint32_t)param.standard)
                    fprintf(to, " %s", param.choices[k]);
            fprintf(to, "\n");
        }
    }
}
