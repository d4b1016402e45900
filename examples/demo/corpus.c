#include "corpus.h"

#include "bpe.h"

#include <stdlib.h>

/* The text is cut into chapters of so many passages; one in HELD_OUT_EVERY is held out whole, and no
 * window reaches into the next chapter. */
enum { CHAPTER = 32, HELD_OUT_EVERY = 16, PROMPT_LETTERS = 20 };

static bool is_held_out(int64_t passage)
{
    return passage / CHAPTER % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
}

typedef struct encoding {
    const corpus *corpus;
    token_list *passage;
} encoding;

static void encode_chapter(void *context, int64_t task, int worker)
{
    const encoding *e = context;
    const prose *t = &e->corpus->text;

    (void)worker;
    for (int64_t i = task * CHAPTER; i < (task + 1) * CHAPTER && i < t->count; i++)
        tokenizer_encode(&e->corpus->tokenizer, t->passage[i], &e->passage[i]);
}

/* The window of `context` tokens from the beginning of passage i on, if its chapter is that long. */
static bool fill_window(token_list *window, const token_list *passage, int64_t i, int64_t count,
                        int context)
{
    const int64_t chapter = i / CHAPTER;

    window->count = 0;
    for (; i < count && i / CHAPTER == chapter; i++) {
        for (int64_t k = 0; k < passage[i].count; k++) {
            if (window->count == context)
                return true;
            token_push(window, passage[i].id[k]);
        }
    }
    return window->count == context;
}

static void make_windows(corpus *c, int context, pool *threads)
{
    const int64_t count = c->text.count;
    token_list *passage = take(count, sizeof *passage), window = {0};
    encoding e = {c, passage};
    int begin = TOKEN_BEGIN;
    const token_list prompt = {.id = &begin, .count = 1};
    const double score = 0;

    pool_run(threads, (count + CHAPTER - 1) / CHAPTER, encode_chapter, &e);
    for (int64_t i = 0; i < count; i++)
        if (!is_held_out(i) && fill_window(&window, passage, i, count, context))
            data_append(&c->windows, &prompt, &window, &score, 1);
    for (int64_t i = 0; i < count; i++)
        free(passage[i].id);
    free(passage);
    free(window.id);
}

static bool choose_prompts(corpus *c, prompt_set *set, int count, bool held_out, uint64_t seed,
                           problem *why)
{
    int *passage = take(c->text.count, sizeof *passage), found = 0;
    rng random = {seed};

    for (int i = 0; i < (int)c->text.count; i++)
        if (is_held_out(i) == held_out)
            passage[found++] = i;
    rng_shuffle(&random, passage, found);
    set->count = count < found ? count : found;
    set->text = take(set->count, sizeof *set->text);
    set->tokens = take(set->count, sizeof *set->tokens);
    for (int i = 0; i < set->count; i++) {
        set->text[i] = prose_opening(c->text.passage[passage[i]], PROMPT_LETTERS);
        token_push(&set->tokens[i], TOKEN_BEGIN);
        tokenizer_encode(&c->tokenizer, set->text[i], &set->tokens[i]);
    }
    free(passage);
    return set->count == count || refuse(why, "the text has %d passages for %d %s prompts", found,
                                         count, held_out ? "held-out" : "practice");
}

bool corpus_load(corpus *c, const corpus_plan *plan, pool *threads, problem *why)
{
    *c = (corpus){0};
    if (!prose_load(&c->text, plan->path, why) ||
        !bpe_learn(&c->text, plan->vocab, plan->vocabulary, why) ||
        !tokenizer_load(&c->tokenizer, plan->vocabulary, plan->vocab, why) ||
        !choose_prompts(c, &c->practice, plan->practice, false, plan->seed, why) ||
        !choose_prompts(c, &c->held_out, plan->held_out, true, plan->seed + 1, why))
        return false;
    make_windows(c, plan->context, threads);
    return c->windows.groups > 0 ||
           refuse(why, "%s: no chapter of %d tokens", plan->path, plan->context);
}

static void free_prompts(prompt_set *set)
{
    for (int i = 0; i < set->count; i++) {
        free(set->text[i]);
        free(set->tokens[i].id);
    }
    free(set->text);
    free(set->tokens);
}

void corpus_free(corpus *c)
{
    free_prompts(&c->practice);
    free_prompts(&c->held_out);
    data_free(&c->windows);
    tokenizer_free(&c->tokenizer);
    prose_free(&c->text);
    *c = (corpus){0};
}
