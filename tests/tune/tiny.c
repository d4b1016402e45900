#include "tiny.h"

void tiny_model(model *m, uint64_t seed, bool tied)
{
    const model_config c = {.dim = 16,
                            .hidden = 24,
                            .layers = 2,
                            .heads = 4,
                            .kv_heads = 2,
                            .vocab = 20,
                            .context = 16,
                            .tied = tied};
    rng r = {seed};

    model_create(m, &c);
    for (int64_t i = 0; i < m->count; i++)
        m->params[i] = (real)(0.4 * rng_normal(&r));
}

static void add_answer(dataset *d, rng *r, const int *prompt, int given, const model_config *c)
{
    sequence s = {.first = d->tokens.count, .prompt = given, .score = (double)rng_below(r, 4)};

    s.length = given + 1 + (int)rng_below(r, c->context - given);
    for (int i = 0; i < s.length; i++)
        token_push(&d->tokens, i < given ? prompt[i] : (int)rng_below(r, c->vocab));
    grow(&d->sequences, &d->room, d->count + 1, sizeof *d->sequences);
    d->sequences[d->count++] = s;
}

void tiny_data(dataset *d, uint64_t seed, int groups, int most, const model_config *c)
{
    rng r = {seed};

    *d = (dataset){.kind = most > 2 ? DATA_LISTS : DATA_PAIRS};
    grow(&d->start, &d->start_room, groups + 1, sizeof *d->start);
    d->start[0] = 0;
    for (int g = 0; g < groups; g++) {
        const int answers = 2 + (int)rng_below(&r, most - 1), given = 1 + (int)rng_below(&r, 5);
        sequence *first;
        int prompt[5];

        for (int i = 0; i < given; i++)
            prompt[i] = (int)rng_below(&r, c->vocab);
        for (int i = 0; i < answers; i++)
            add_answer(d, &r, prompt, given, c);
        first = &d->sequences[d->start[g]];
        first[0].score = 4;
        if (most == 2)
            first[1].score = 0;
        d->start[++d->groups] = d->count;
        data_set_labels(first, answers);
    }
}
