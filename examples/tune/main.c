/* libalign-tune: tunes a language model on preferences; see --help. */
#include "checkpoint.h"
#include "labels.h"
#include "options.h"
#include "refcache.h"
#include "report.h"
#include "sample.h"
#include "train.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_INTERRUPTED = 130, EVALUATIONS = 8, WARM_UP = 4, HELD_OUT_MOST = 100 };

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* A second Ctrl-C ends the program at once. A plot's pipe may break without ending it. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGPIPE, &action, NULL);
}

/* Everything of a run that is not the trainer's own. */
typedef struct run {
    options options;
    model model;
    tokenizer tokenizer;
    dataset data;
    pool *threads;
    preference loss;
    trainer trainer;
    report report;
    int *groups; /* training groups in their present order, then the held-out ones */
    int train, held_out, steps;
} run;

/* The loss must read labels and the data must have scores, or the option would mean nothing. */
static bool normalise(run *r, problem *why)
{
    const align_loss_info *info = &r->loss.info;

    if (r->options.kind != DATA_LISTS)
        return refuse(why, "--reward-norm: pairs have no scores; expected --lists");
    if (info->arity != ALIGN_LOSS_LIST || !(info->reads & ALIGN_LOSS_READS_LABEL))
        return refuse(why, "--reward-norm: %s is no loss over lists that reads labels", info->name);
    return labels_normalise(&r->data, r->options.reward_norm, why);
}

static bool load(run *r, problem *why)
{
    const options *o = &r->options;

    if (!checkpoint_load(&r->model, o->model, why) ||
        !tokenizer_load(&r->tokenizer, o->tokenizer, r->model.config.vocab, why) ||
        !data_load(&r->data, o->data, o->kind, &r->tokenizer, r->model.config.context, why))
        return false;
    data_report(&r->data, o->data, stderr);
    r->threads = pool_start(o->threads);
    if (!preference_open(&r->loss, o->loss, r->model.config.vocab, r->threads, why))
        return false;
    for (int i = 0; i < o->sets; i++)
        if (!(o->set[i].word ? preference_choose(&r->loss, o->set[i].name, o->set[i].word, why)
                             : preference_set(&r->loss, o->set[i].name, o->set[i].value, why)))
            return false;
    return !o->reward_norm || normalise(r, why);
}

static bool split(run *r, problem *why)
{
    const options *o = &r->options;
    const int64_t tenth = r->data.groups / 10 < HELD_OUT_MOST ? r->data.groups / 10 : HELD_OUT_MOST;

    r->held_out = o->held_out < 0 ? (int)tenth : o->held_out;
    if (r->data.groups - r->held_out < 1)
        return refuse(why, "--held-out %d: expected fewer than the %lld usable rows", r->held_out,
                      (long long)r->data.groups);
    r->train = (int)r->data.groups - r->held_out;
    r->steps = o->steps >= 0 ? o->steps : (r->train + o->batch - 1) / o->batch;
    r->groups = take(r->data.groups, sizeof *r->groups);
    for (int i = 0; i < (int)r->data.groups; i++)
        r->groups[i] = i;
    return true;
}

/* Finds out before the training, not after it, that a result could not be written. */
static bool check_writable(const char *path, problem *why)
{
    FILE *file = path ? fopen(path, "ab") : NULL;

    if (path && !file)
        return refuse(why, "%s: cannot write: %s", path, strerror(errno));
    if (file)
        fclose(file);
    return true;
}

/* The reference of groups first .. end-1, in the same batches as `evaluate`, so that an untrained model
 * has exactly its reference's log-probabilities on the held-out rows. */
static bool compute_reference(run *r, int first, int end, problem *why)
{
    const int batch = r->options.batch;

    for (int i = first; i < end; i += batch) {
        const int count = batch < end - i ? batch : end - i;

        if (interrupted)
            return refuse(why, "interrupted before the first step: nothing to save");
        if (!train_log_probabilities(&r->trainer, r->groups + i, count, r->trainer.ref, why))
            return false;
        report_phase(&r->report, "reference", i + count, r->data.groups);
    }
    return true;
}

static bool provide_reference(run *r, problem *why)
{
    const char *path = r->options.ref_cache;
    const uint64_t data = data_checksum(&r->data);
    const uint64_t key = checksum(data, r->model.params,
                                  (size_t)r->model.count * sizeof *r->model.params);
    refcache_found found = REFCACHE_ABSENT;

    if (!preference_needs_reference(&r->loss))
        return true;
    r->trainer.ref = take(r->data.count, sizeof *r->trainer.ref);
    if (path) {
        found = refcache_read(path, key, r->trainer.ref, r->data.count, why);
        if (found == REFCACHE_BROKEN)
            return false;
        if (found == REFCACHE_READ)
            fprintf(stderr, "reference: read from %s\n", path);
        else if (why->text[0])
            fprintf(stderr, "reference: %s: computed anew\n", why->text);
    }
    if (found == REFCACHE_READ)
        return true;
    return compute_reference(r, 0, r->train, why) &&
           compute_reference(r, r->train, (int)r->data.groups, why) &&
           (!path || refcache_write(path, key, r->trainer.ref, r->data.count, why));
}

static bool evaluate(run *r, int step, problem *why)
{
    const int *groups = r->groups + r->train;
    const int batch = r->options.batch;
    tally sum = {0};

    for (int i = 0; i < r->held_out; i += batch) {
        const int count = batch < r->held_out - i ? batch : r->held_out - i;

        if (!train_evaluate(&r->trainer, groups + i, count, &sum, why))
            return false;
    }
    if (r->held_out > 0)
        report_held_out(&r->report, step, &sum);
    return true;
}

/* The next groups of an endless walk through the training data, shuffled anew each time round. */
static void next_batch(run *r, rng *random, int *at, int *batch)
{
    for (int i = 0; i < r->options.batch; i++) {
        if (*at % r->train == 0)
            rng_shuffle(random, r->groups, r->train);
        batch[i] = r->groups[(*at)++ % r->train];
        *at %= r->train;
    }
}

static bool take_step(run *r, int step, const int *batch, problem *why)
{
    const options *o = &r->options;
    const double warm = step < WARM_UP ? (double)step / WARM_UP : 1;
    const double begin = now_seconds();
    report_step s = {.step = step, .rate = o->rate * warm};
    trainer *t = &r->trainer;

    if (!train_gradient(t, batch, o->batch, &s.tally, why))
        return false;
    s.gradient_norm = adamw_step(&t->optimizer, r->threads, r->model.params, t->gradient, s.rate);
    if (!isfinite(s.gradient_norm))
        return refuse(why, "step %d: the gradient is not finite; try a smaller --lr", step);
    s.tokens = t->pack.rows.rows;
    s.seconds = now_seconds() - begin;
    report_trained(&r->report, &s);
    return true;
}

static bool train(run *r, problem *why)
{
    const int eighth = r->steps / EVALUATIONS > 0 ? r->steps / EVALUATIONS : 1;
    const int every = r->options.interval > 0 ? r->options.interval : eighth;
    int *batch = take(r->options.batch, sizeof *batch), at = 0, step = 0;
    rng random = {(uint64_t)r->options.seed};
    bool ok = evaluate(r, 0, why);

    r->report.start = now_seconds();
    while (ok && step < r->steps && !interrupted) {
        next_batch(r, &random, &at, batch);
        ok = take_step(r, ++step, batch, why) &&
             ((step % every != 0 && step != r->steps && !interrupted) || evaluate(r, step, why));
    }
    free(batch);
    return ok;
}

static bool print_sample(run *r, const char *when, problem *why)
{
    const sampling how = {
        .most = 100, .temperature = 0.8, .top = 40, .seed = (uint64_t)r->options.seed};
    const char *prompt = r->options.sample;
    char *text;

    if (!prompt)
        return true;
    if (!sample_texts(&r->model, r->threads, &r->tokenizer, &prompt, 1, &how, &text, why))
        return false;
    printf("--- %s\n%s%s\n", when, prompt, text);
    fflush(stdout);
    free(text);
    return true;
}

static bool finish(run *r, problem *why)
{
    const options *o = &r->options;

    if (o->save) {
        if (!checkpoint_save(&r->model, o->save, why))
            return false;
        fprintf(stderr, "%s%s: saved\n", interrupted ? "interrupted; " : "", o->save);
    } else if (interrupted) {
        fprintf(stderr, "interrupted; no --save, so nothing is kept\n");
    }
    return (!o->plot || report_plot(&r->report, o->plot, why)) && print_sample(r, "after", why);
}

static bool run_all(run *r, problem *why)
{
    const options *o = &r->options;

    if (!load(r, why) || !split(r, why) || !check_writable(o->plot, why) ||
        !check_writable(o->save, why) || !report_open(&r->report, o->loss, r->steps, o->log, why))
        return false;
    trainer_create(&r->trainer, &r->model, r->threads, &r->data, &r->loss);
    return print_sample(r, "before", why) && provide_reference(r, why) && train(r, why) &&
           finish(r, why);
}

static void release(run *r)
{
    trainer_free(&r->trainer);
    preference_close(&r->loss);
    pool_stop(r->threads);
    data_free(&r->data);
    tokenizer_free(&r->tokenizer);
    model_free(&r->model);
    free(r->groups);
}

int main(int argc, char **argv)
{
    run r = {0};
    problem why = {""};
    bool ok = options_read(&r.options, argc, argv, &why);

    if (ok && r.options.help) {
        options_help("libalign-tune");
        return EXIT_SUCCESS;
    }
    if (ok && r.options.list_losses) {
        preference_list(stdout);
        return EXIT_SUCCESS;
    }
    catch_signals();
    linear_single_threaded_blas();
    ok = ok && run_all(&r, &why);
    ok = report_close(&r.report, ok ? &why : &(problem){""}) && ok;
    release(&r);
    if (!ok) {
        fprintf(stderr, "libalign-tune: %s\n", why.text);
        return interrupted ? EXIT_INTERRUPTED : EXIT_FAILURE;
    }
    return interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}
