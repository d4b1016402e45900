#include "collect.h"

#include "progress.h"
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 256 };

static bool draw(collection *c, const collecting *from, pool *threads, int first, problem *why)
{
    const int rows = c->count - first < ROWS ? c->count - first : ROWS;
    const sampling how = {.most = ANSWER_TOKENS,
                          .temperature = 1,
                          .seed = checksum(from->seed, &first, sizeof first)};
    token_list prompts[ROWS];

    for (int i = 0; i < rows; i++)
        prompts[i] = from->prompts->tokens[(first + i) / c->each];
    if (!sample_tokens(from->model, threads, prompts, rows, &how, c->answer + first, why))
        return false;
    for (int i = first; i < first + rows; i++) {
        const token_list *prompt = &from->prompts->tokens[i / c->each];
        verdict v;

        c->text[i] = tokens_text(from->tokenizer, &c->answer[i], prompt->id[prompt->count - 1]);
        v = judge(from->words, c->text[i]);
        c->score[i] = v.score;
        c->mean.score += v.score / c->count;
        c->mean.known += v.known / c->count;
        c->mean.repeated += v.repeated / c->count;
    }
    return true;
}

bool collect(collection *c, const collecting *from, pool *threads, problem *why)
{
    progress bar;
    char note[80];
    bool ok = true;

    *c = (collection){.count = from->prompts->count * from->each, .each = from->each};
    c->answer = take(c->count, sizeof *c->answer);
    c->text = take(c->count, sizeof *c->text);
    c->score = take(c->count, sizeof *c->score);
    progress_begin(&bar, from->what);
    for (int first = 0; first < c->count && ok; first += ROWS) {
        ok = draw(c, from, threads, first, why);
        progress_show(&bar, first, c->count, "");
    }
    snprintf(note, sizeof note, "%d answers, judge's mean score %.3f", c->count, c->mean.score);
    progress_end(&bar, ok ? note : "");
    return ok;
}

void collection_free(collection *c)
{
    for (int i = 0; i < c->count; i++) {
        free(c->answer[i].id);
        free(c->text[i]);
    }
    free(c->answer);
    free(c->text);
    free(c->score);
    *c = (collection){0};
}
