/* What the demo says at the end. */
#include "demo.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = 3 };

void show_samples(const demo *d)
{
    puts("\nHeld-out prompts, and how each model goes on:");
    for (int i = 0; i < SAMPLES; i++) {
        printf("\n  %s ...\n", d->corpus.held_out.text[i]);
        printf("    %-12s %5.2f  ...%s\n", "untuned", d->untuned.score[i], d->untuned.text[i]);
        for (int k = 0; k < LOSSES; k++) {
            const outcome *o = &d->outcome[k];

            printf("    %-12s %5.2f  ...%s\n", o->course->loss, o->answers.score[i],
                   o->answers.text[i]);
        }
    }
}

static void show_wins(const demo *d)
{
    const verdict *before = &d->untuned.mean;

    puts("loss          win rate  95 % interval   won  tied  lost   judge's score    in dictionary"
         "    repeated");
    for (int i = 0; i < LOSSES; i++) {
        const outcome *o = &d->outcome[i];
        const verdict *after = &o->answers.mean;

        printf("%-12s  %8.3f  %.3f .. %.3f  %4lld  %4lld  %4lld   %.3f -> %.3f   %.3f -> %.3f   "
               "%.3f -> %.3f\n",
               o->course->loss, o->wins.rate, o->wins.low, o->wins.high, (long long)o->wins.wins,
               (long long)o->wins.ties, (long long)o->wins.losses, before->score, after->score,
               before->known, after->known, before->repeated, after->repeated);
    }
}

static void show_learning(const demo *d)
{
    puts("                                pairs ordered       change in log-probability of the\n"
         "loss          steps  seconds    as the judge does   better half  worse half");
    for (int i = 0; i < LOSSES; i++) {
        const outcome *o = &d->outcome[i];

        printf("%-12s  %5d  %7.1f  %18.3f  %13.1f  %10.1f\n", o->course->loss, o->curve.steps,
               o->curve.seconds, o->accuracy, o->better, o->worse);
    }
}

void show_table(const demo *d)
{
    puts("\nThe judge's score of a text is the share of its letters that stand in words of the "
         "dictionary,\nless the share of its word pairs that it has said before.");
    printf("\nAgainst the untuned model, on %d held-out prompts, ties counting half:\n\n",
           d->untuned.count);
    show_wins(d);
    puts("\nWhat the tuning did to the answers that it learnt from:\n");
    show_learning(d);
    for (int i = 0; i < LOSSES; i++) {
        char reason[512];

        if (contest_won(&d->outcome[i]))
            continue;
        contest_reason(&d->outcome[i], &d->untuned.mean, reason, sizeof reason);
        printf("\n%s did not beat the untuned model: %s\n", d->outcome[i].course->loss, reason);
    }
}

static json_t *verdict_object(const verdict *v)
{
    return json_pack("{s:f,s:f,s:f}", "score", v->score, "known", v->known, "repeated",
                     v->repeated);
}

static json_t *outcome_object(const outcome *o)
{
    return json_pack("{s:s,s:b,s:f,s:[f,f],s:I,s:I,s:I,s:o,s:f,s:f,s:f,s:i,s:f}", "loss",
                     o->course->loss, "won", contest_won(o), "win_rate", o->wins.rate, "interval",
                     o->wins.low, o->wins.high, "wins", (json_int_t)o->wins.wins, "ties",
                     (json_int_t)o->wins.ties, "losses", (json_int_t)o->wins.losses, "answers",
                     verdict_object(&o->answers.mean), "rank_accuracy", o->accuracy,
                     "better_log_probability", o->better, "worse_log_probability", o->worse,
                     "steps", o->curve.steps, "seconds", o->curve.seconds);
}

bool show_results(const demo *d, const char *picture, problem *why)
{
    json_t *losses = json_array(), *all;
    char path[1024];
    bool ok;

    for (int i = 0; i < LOSSES; i++)
        json_array_append_new(losses, outcome_object(&d->outcome[i]));
    all = json_pack("{s:i,s:i,s:i,s:f,s:f,s:b,s:o,s:o,s:s,s:f}", "held_out_prompts",
                    d->untuned.count, "practice_prompts", d->corpus.practice.count,
                    "pretraining_steps", d->pretraining.steps, "pretraining_loss",
                    curve_end(d->pretraining.loss, d->pretraining.steps), "pretraining_seconds",
                    d->pretraining.seconds, "pretraining_cut", d->pretraining.cut, "untuned",
                    verdict_object(&d->untuned.mean), "losses", losses, "picture", picture,
                    "seconds", now_seconds() - d->begin);
    snprintf(path, sizeof path, "%s/results.json", d->settings.out);
    ok = json_dump_file(all, path, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) ==
         0;
    json_decref(all);
    return ok || refuse(why, "%s: cannot write: %s", path, strerror(errno));
}
