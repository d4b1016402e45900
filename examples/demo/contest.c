#include "demo.h"

#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTS_AT_ONCE = 32, LISTS_MEASURED = 128 };

static const double ORDER_LEARNT = 0.6; /* share of pairs ordered rightly; chance is a half */

static void make_lists(demo *d, const collection *c)
{
    for (int i = 0; i < d->corpus.practice.count; i++)
        data_append(&d->lists, &d->corpus.practice.tokens[i], c->answer + i * ANSWERS,
                    c->score + i * ANSWERS, ANSWERS);
}

static int measured(const demo *d)
{
    return d->lists.groups < LISTS_MEASURED ? (int)d->lists.groups : LISTS_MEASURED;
}

/* logp of the answers of the first lists under m. */
static bool log_probabilities(demo *d, model *m, int groups, double *logp, const char *what,
                              problem *why)
{
    int group[LISTS_AT_ONCE];
    preference head;
    trainer t;
    progress bar;
    bool ok = preference_open(&head, "sft", m->config.vocab, d->threads, why);

    trainer_create(&t, m, d->threads, &d->lists, &head);
    progress_begin(&bar, what);
    for (int first = 0; first < groups && ok; first += LISTS_AT_ONCE) {
        int count = 0;

        for (; count < LISTS_AT_ONCE && first + count < groups; count++)
            group[count] = first + count;
        ok = train_log_probabilities(&t, group, count, logp, why);
        progress_show(&bar, first + count, groups, "");
    }
    progress_end(&bar, "");
    trainer_free(&t);
    preference_close(&head);
    return ok;
}

bool contest_prepare(demo *d, problem *why)
{
    collecting from = {.model = &d->model,
                       .tokenizer = &d->corpus.tokenizer,
                       .words = &d->words,
                       .prompts = &d->corpus.practice,
                       .each = ANSWERS,
                       .seed = d->settings.seed + 2,
                       .what = "answers to learn from"};
    collection practice;
    bool ok = collect(&practice, &from, d->threads, why);

    if (ok)
        make_lists(d, &practice);
    collection_free(&practice);
    from.prompts = &d->corpus.held_out;
    from.each = 1;
    from.seed++;
    from.what = "untuned answers";
    d->ref = take(d->lists.count, sizeof *d->ref);
    return ok && collect(&d->untuned, &from, d->threads, why) &&
           log_probabilities(d, &d->model, (int)d->lists.groups, d->ref, "reference", why);
}

/* How the tuned model orders the practice answers, and where their likelihood went. */
static void measure(const demo *d, const double *logp, outcome *o)
{
    double right = 0, pairs = 0, upper = 0, lower = 0;

    for (int64_t i = 0; i < d->lists.start[measured(d)]; i++) {
        const sequence *s = &d->lists.sequences[i];
        const double change = logp[i] - d->ref[i];
        const int64_t end = (i / ANSWERS + 1) * ANSWERS;

        o->better += s->label > 0.5 ? change : 0;
        upper += s->label > 0.5;
        o->worse += s->label < 0.5 ? change : 0;
        lower += s->label < 0.5;
        for (int64_t j = i + 1; j < end; j++) {
            const double ahead = s->score - d->lists.sequences[j].score;

            pairs += ahead != 0;
            right += ahead * (change - (logp[j] - d->ref[j])) > 0;
        }
    }
    o->accuracy = pairs > 0 ? right / pairs : 0;
    o->better /= upper > 0 ? upper : 1;
    o->worse /= lower > 0 ? lower : 1;
}

bool contest_run(demo *d, int i, problem *why)
{
    outcome *o = &d->outcome[i];
    double *logp = take(d->lists.count, sizeof *logp);
    model tuned;
    const collecting from = {.model = &tuned,
                             .tokenizer = &d->corpus.tokenizer,
                             .words = &d->words,
                             .prompts = &d->corpus.held_out,
                             .each = 1,
                             .seed = d->settings.seed + 4 + (uint64_t)i,
                             .what = "its answers"};
    bool ok;

    o->course = &d->settings.tune[i];
    model_copy(&tuned, &d->model);
    ok = learn(&tuned, d->threads, &d->lists, d->ref, o->course, d->settings.seed, &o->curve,
               why) &&
         collect(&o->answers, &from, d->threads, why) &&
         log_probabilities(d, &tuned, measured(d), logp, "its log-probabilities", why);
    if (ok) {
        measure(d, logp, o);
        o->wins = compare(o->answers.score, d->untuned.score, o->answers.count);
    }
    model_free(&tuned);
    free(logp);
    return ok;
}

bool contest_won(const outcome *o)
{
    return o->wins.low > 0.5;
}

static void say(char *text, size_t room, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, room - used, format, args);
    va_end(args);
}

void contest_reason(const outcome *o, const verdict *untuned, char *text, size_t room)
{
    const double known = o->answers.mean.known - untuned->known;
    const double repeated = o->answers.mean.repeated - untuned->repeated;

    text[0] = '\0';
    if (o->wins.rate > 0.5)
        say(text, room,
            "it won more often than it lost, but %d prompts are too few to be sure of it.",
            o->answers.count);
    else if (repeated > 0 && repeated >= known)
        say(text, room,
            "it learnt to repeat itself: word pairs said before rose by %.3f, letters in words by "
            "%.3f.",
            repeated, known);
    else if (o->accuracy < ORDER_LEARNT)
        say(text, room,
            "it did not learn what the judge prefers: of the pairs that it learnt from it orders "
            "only %.3f as the judge does, after %d steps.",
            o->accuracy, o->curve.steps);
    else
        say(text, room,
            "it learnt to order the answers that it learnt from (%.3f of the pairs), but not to "
            "write better ones.",
            o->accuracy);
    say(text, room,
        " The log-probability of their better half changed by %.1f, of the worse by %.1f%s.",
        o->better, o->worse,
        o->better < 0 ? ": what both lost went to texts that nobody judged" : "");
}
