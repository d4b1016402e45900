/* Trees that rank, boosted through XGBoost's C API with a loss of libalign, beside XGBoost's own rank:ndcg. */
#include "trees.h"

#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char doc[] =
    "Boosts trees on ranked lists with the gradient and the second derivatives of a loss of "
    "libalign, and again with XGBoost's rank:ndcg, and prints NDCG@10 of both on lists that they "
    "did not learn from.";

enum {
    KEY_LOSS = 256,
    KEY_PRESET,
    KEY_ROUNDS,
    KEY_RATE,
    KEY_DEPTH,
    KEY_FOLDS,
    KEY_DATA,
    KEY_CHECK
};

static const struct argp_option options[] = {
    {"data", KEY_DATA, "FOLDER", 0,
     "Holds lightgbm_rank.train and .test with their .query (lists made up by the program)", 0},
    {"folds", KEY_FOLDS, "N", 0, "Rank each of N parts of all lists by trees learnt on the others",
     0},
    {"loss", KEY_LOSS, "NAME", 0, "A loss over lists that has second derivatives (lipo_lambda)", 0},
    {"preset", KEY_PRESET, "NAME", 0, "Of the loss (xgb for lipo_lambda, none for others)", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "Number of trees (100)", 0},
    {"rate", KEY_RATE, "X", 0, "Learning rate (0.1)", 0},
    {"depth", KEY_DEPTH, "N", 0, "Most levels of a tree (6)", 0},
    {"check", KEY_CHECK, NULL, 0, "Fail when libalign's NDCG@10 is below XGBoost's", 0},
    {0},
};

struct settings {
    struct trees_options trees;
    const char *data;
    int64_t folds;
    bool check;
};

static int64_t whole(struct argp_state *state, const char *option, const char *word, long least)
{
    char *end;
    long number = strtol(word, &end, 10);
    if (end == word || *end != '\0' || number < least || number > 100000)
        argp_error(state, "--%s is '%s', expected %ld to 100000", option, word, least);
    return number;
}

static error_t parse(int key, char *word, struct argp_state *state)
{
    struct settings *s = state->input;
    const char **words[] = {&s->trees.loss, &s->trees.preset, NULL, &s->trees.rate, &s->trees.depth,
                            NULL,           &s->data};
    if (key == KEY_ROUNDS)
        s->trees.rounds = whole(state, "rounds", word, 1);
    else if (key == KEY_FOLDS)
        s->folds = whole(state, "folds", word, 2);
    else if (key == KEY_CHECK)
        s->check = true;
    else if (key >= KEY_LOSS && key <= KEY_DATA)
        *words[key - KEY_LOSS] = word;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

/* NDCG@10 of libalign's trees and of XGBoost's. */
struct result {
    double ours, theirs;
};

static bool compare(const struct settings *s, const struct lists *train, const struct lists *test,
                    struct result *result)
{
    struct trees_options own = s->trees;
    own.loss = NULL;
    float *score = calloc((size_t)test->rows, sizeof *score);
    bool good = score != NULL && trees_boost(&s->trees, train, test, score);
    result->ours = good ? lists_ndcg(test, score) : NAN;
    good = good && trees_boost(&own, train, test, score);
    result->theirs = good ? lists_ndcg(test, score) : NAN;
    free(score);
    return good;
}

static bool get_lists(const struct settings *s, struct lists *train, struct lists *test)
{
    char names[2][4096];
    if (s->data == NULL)
        return lists_make_up(train, 200, 1) && lists_make_up(test, 100, 2);
    snprintf(names[0], sizeof names[0], "%s/lightgbm_rank.train", s->data);
    snprintf(names[1], sizeof names[1], "%s/lightgbm_rank.test", s->data);
    return lists_read(train, names[0]) && lists_read(s->folds > 0 ? train : test, names[1]);
}

static bool compare_folds(const struct settings *s, const struct lists *all, struct result *mean)
{
    bool good = true;
    *mean = (struct result){0, 0};
    for (int64_t fold = 0; good && fold < s->folds; fold++) {
        struct lists train = {0}, test = {0};
        struct result one = {0, 0};
        good = lists_pick(&train, all, s->folds, fold, true) &&
               lists_pick(&test, all, s->folds, fold, false) && compare(s, &train, &test, &one);
        mean->ours += one.ours * (double)test.count / (double)all->count;
        mean->theirs += one.theirs * (double)test.count / (double)all->count;
        lists_free(&train);
        lists_free(&test);
    }
    return good;
}

int main(int argc, char **argv)
{
    struct settings s = {.trees = {NULL, NULL, 100, "0.1", "6"}};
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &s);
    if (s.folds > 0 && s.data == NULL) {
        fprintf(stderr, "--folds needs --data\n");
        return 1;
    }
    if (s.trees.loss == NULL) {
        s.trees.loss = "lipo_lambda";
        if (s.trees.preset == NULL)
            s.trees.preset = "xgb";
    }
    struct lists train = {0}, test = {0};
    struct result result;
    bool good = get_lists(&s, &train, &test) && (s.folds > 0 ? compare_folds(&s, &train, &result)
                                                             : compare(&s, &train, &test, &result));
    lists_free(&train);
    lists_free(&test);
    if (!good)
        return 1;
    printf("NDCG@10: libalign %s %.4f, XGBoost rank:ndcg %.4f\n", s.trees.loss, result.ours,
           result.theirs);
    return s.check && !(result.ours >= result.theirs);
}
