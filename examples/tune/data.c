#include "data.h"

#include "rows.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const skip_names[SKIP_REASONS] = {
    [SKIP_EMPTY] = "empty",
    [SKIP_LONG] = "longer than the model's context",
    [SKIP_EQUAL] = "equal answers",
    [SKIP_FEW] = "fewer than two answers",
    [SKIP_TIED] = "all scores the same",
};

static bool blank(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return *text == '\0';
}

/* An answer begins a word; the encoder sets the space, so one that is already there goes. */
static void add_sequence(dataset *d, const tokenizer *t, const char *prompt, const answer *a)
{
    sequence s = {.first = d->tokens.count, .score = a->score};

    token_push(&d->tokens, TOKEN_BEGIN);
    tokenizer_encode(t, prompt, &d->tokens);
    s.prompt = (int)(d->tokens.count - s.first);
    tokenizer_encode(t, a->text + (a->text[0] == ' '), &d->tokens);
    token_push(&d->tokens, TOKEN_BEGIN);
    s.length = (int)(d->tokens.count - s.first);
    grow(&d->sequences, &d->room, d->count + 1, sizeof *d->sequences);
    d->sequences[d->count++] = s;
}

static void drop_last(dataset *d)
{
    d->tokens.count = d->sequences[--d->count].first;
}

static bool repeats(const row *r, int at)
{
    for (int i = 0; i < at; i++)
        if (strcmp(r->answers[i].text, r->answers[at].text) == 0)
            return true;
    return false;
}

/* Adds one answer as a sequence, or says why not. The last token is only predicted, never read. */
static skip_reason add_answer(dataset *d, const tokenizer *t, const row *r, int at, int context)
{
    if (blank(r->prompt) || blank(r->answers[at].text))
        return SKIP_EMPTY;
    if (repeats(r, at))
        return SKIP_EQUAL;
    add_sequence(d, t, r->prompt, &r->answers[at]);
    if (d->sequences[d->count - 1].length - 1 <= context)
        return SKIP_REASONS;
    drop_last(d);
    return SKIP_LONG;
}

static bool scores_differ(const dataset *d, int64_t first)
{
    for (int64_t i = first + 1; i < d->count; i++)
        if (d->sequences[i].score != d->sequences[first].score)
            return true;
    return false;
}

static skip_reason add_row(dataset *d, const tokenizer *t, const row *r, int context)
{
    const int64_t first = d->count;

    for (int i = 0; i < r->count; i++) {
        skip_reason reason = add_answer(d, t, r, i, context);

        if (reason == SKIP_REASONS)
            continue;
        if (d->kind == DATA_PAIRS)
            return reason;
        d->answers_skipped[reason]++;
    }
    if (d->count - first < 2)
        return SKIP_FEW;
    return scores_differ(d, first) ? SKIP_REASONS : SKIP_TIED;
}

void data_set_labels(sequence *s, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double beaten = 0;

        for (int64_t j = 0; j < count; j++)
            beaten += s[i].score > s[j].score ? 1 : s[i].score == s[j].score ? 0.5 : 0;
        s[i].label = beaten / (double)count;
    }
}

bool data_load(dataset *d, const char *path, data_kind kind, const tokenizer *t, int context,
               problem *why)
{
    row_list rows;

    *d = (dataset){.kind = kind};
    if (!(kind == DATA_PAIRS ? rows_load_pairs : rows_load_lists)(&rows, path, why)) {
        rows_free(&rows);
        return false;
    }
    grow(&d->start, &d->start_room, rows.count + 1, sizeof *d->start);
    d->start[0] = 0;
    d->rows_read = rows.count;
    for (int64_t i = 0; i < rows.count; i++) {
        skip_reason reason = add_row(d, t, &rows.rows[i], context);

        if (reason == SKIP_REASONS) {
            data_set_labels(d->sequences + d->start[d->groups], d->count - d->start[d->groups]);
            d->start[++d->groups] = d->count;
            continue;
        }
        d->rows_skipped[reason]++;
        while (d->count > d->start[d->groups])
            drop_last(d);
    }
    rows_free(&rows);
    return true;
}

void data_append(dataset *d, const token_list *prompt, const token_list *answers,
                 const double *scores, int count)
{
    grow(&d->start, &d->start_room, d->groups + 2, sizeof *d->start);
    d->start[d->groups] = d->count;
    for (int i = 0; i < count; i++) {
        sequence s = {.first = d->tokens.count, .prompt = (int)prompt->count};

        s.length = s.prompt + (int)answers[i].count;
        s.score = scores[i];
        for (int64_t k = 0; k < prompt->count; k++)
            token_push(&d->tokens, prompt->id[k]);
        for (int64_t k = 0; k < answers[i].count; k++)
            token_push(&d->tokens, answers[i].id[k]);
        grow(&d->sequences, &d->room, d->count + 1, sizeof *d->sequences);
        d->sequences[d->count++] = s;
    }
    data_set_labels(d->sequences + d->start[d->groups], count);
    d->start[++d->groups] = d->count;
}

void data_free(dataset *d)
{
    free(d->tokens.id);
    free(d->sequences);
    free(d->start);
    *d = (dataset){0};
}

static void report_skipped(const int64_t *skipped, const char *what, FILE *to)
{
    for (int i = 0; i < SKIP_REASONS; i++)
        if (skipped[i] > 0)
            fprintf(to, "  left out: %lld %s: %s\n", (long long)skipped[i], what, skip_names[i]);
}

void data_report(const dataset *d, const char *path, FILE *to)
{
    const char *what = d->kind == DATA_PAIRS ? "pairs" : "lists";

    fprintf(to, "%s: %lld %s read, %lld usable with %lld answers\n", path, (long long)d->rows_read,
            what, (long long)d->groups, (long long)d->count);
    report_skipped(d->rows_skipped, what, to);
    report_skipped(d->answers_skipped, "answers", to);
}

uint64_t data_checksum(const dataset *d)
{
    uint64_t hash = checksum(CHECKSUM_START, d->tokens.id,
                             (size_t)d->tokens.count * sizeof *d->tokens.id);

    for (int64_t i = 0; i < d->count; i++) {
        const int shape[2] = {d->sequences[i].length, d->sequences[i].prompt};

        hash = checksum(hash, shape, sizeof shape);
    }
    return hash;
}
