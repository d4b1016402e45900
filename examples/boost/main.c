/* Trees that rank, boosted through XGBoost's C API with a loss of libalign, beside XGBoost's own rank:ndcg. */
#include "compare.h"
#include "trees.h"

#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char doc[] =
    "Boosts trees on ranked lists with the gradient and the second derivatives of a loss of "
    "libalign, and again with XGBoost's rank:ndcg, and prints NDCG@10 of both on lists that they "
    "did not learn from. Trees are made in the same way for both.";

enum {
    KEY_LOSS = 256,
    KEY_PRESET,
    KEY_FACTOR,
    KEY_ROUNDS,
    KEY_RATE,
    KEY_DEPTH,
    KEY_SAMPLE,
    KEY_SEEDS,
    KEY_FOLDS,
    KEY_DATA,
    KEY_CHECK
};

static const struct argp_option options[] = {
    {"data", KEY_DATA, "FOLDER", 0,
     "Holds lightgbm_rank.train and .test with their .query (lists made up by the program)", 0},
    {"folds", KEY_FOLDS, "N", 0, "Rank each of N parts of all lists by trees learnt on the others",
     0},
    {"seeds", KEY_SEEDS, "N", 0, "Do all with seeds 1 to N (4)", 0},
    {"loss", KEY_LOSS, "NAME", 0, "A loss over lists that has second derivatives (lipo_lambda)", 0},
    {"preset", KEY_PRESET, "NAME", 0, "Of the loss (LambdaRank, the paper's for other losses)", 0},
    {"factor", KEY_FACTOR, "X", 0, "On the gradient of the loss (0.25)", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "Number of trees (100)", 0},
    {"rate", KEY_RATE, "X", 0, "Learning rate (0.1)", 0},
    {"depth", KEY_DEPTH, "N", 0, "Most levels of a tree (6)", 0},
    {"sample", KEY_SAMPLE, "X", 0, "Share of rows, and of columns, that a tree sees (0.5)", 0},
    {"check", KEY_CHECK, NULL, 0, "Fail when libalign's mean NDCG@10 is below XGBoost's", 0},
    {0},
};

struct settings {
    struct trees_options trees;
    const char *data;
    int64_t folds, seeds;
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

static double positive(struct argp_state *state, const char *option, const char *word)
{
    char *end;
    double number = strtod(word, &end);
    if (end == word || *end != '\0' || !(number > 0 && number <= 1e6))
        argp_error(state, "--%s is '%s', expected a number above 0", option, word);
    return number;
}

static error_t parse(int key, char *word, struct argp_state *state)
{
    struct settings *s = state->input;
    struct trees_options *trees = &s->trees;
    switch (key) {
    case KEY_LOSS:
        trees->loss = word;
        break;
    case KEY_PRESET:
        trees->preset = word;
        break;
    case KEY_FACTOR:
        trees->factor = positive(state, "factor", word);
        break;
    case KEY_ROUNDS:
        trees->rounds = whole(state, "rounds", word, 1);
        break;
    case KEY_RATE:
        trees->rate = word;
        break;
    case KEY_DEPTH:
        trees->depth = word;
        break;
    case KEY_SAMPLE:
        trees->sample = word;
        break;
    case KEY_SEEDS:
        s->seeds = whole(state, "seeds", word, 1);
        break;
    case KEY_FOLDS:
        s->folds = whole(state, "folds", word, 2);
        break;
    case KEY_DATA:
        s->data = word;
        break;
    case KEY_CHECK:
        s->check = true;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Trees of each seed, learnt on `train`; NDCG of the lists of `test`, which are those from `first` on. */
static bool try_seeds(const struct settings *s, const char *loss, const struct lists *train,
                      const struct lists *test, int64_t first, struct tally *tally)
{
    struct trees_options trees = s->trees;
    trees.loss = loss;
    float *score = calloc((size_t)test->rows, sizeof *score);
    double *ndcg = calloc((size_t)test->count, sizeof *ndcg);
    bool good = score != NULL && ndcg != NULL;
    for (int64_t seed = 0; good && seed < s->seeds; seed++) {
        trees.seed = seed + 1;
        good = trees_boost(&trees, train, test, score) && lists_ndcg(test, score, ndcg);
        if (good)
            tally_add(tally, seed, first, test->count, ndcg);
    }
    free(score);
    free(ndcg);
    return good;
}

/* The two sides: libalign, and XGBoost's own. */
struct sides {
    struct tally ours, theirs;
};

static bool compare(const struct settings *s, const struct lists *train, const struct lists *test,
                    int64_t first, struct sides *sides)
{
    return try_seeds(s, s->trees.loss, train, test, first, &sides->ours) &&
           try_seeds(s, NULL, train, test, first, &sides->theirs);
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

static bool compare_folds(const struct settings *s, const struct lists *all, struct sides *sides)
{
    bool good = true;
    int64_t first = 0;
    for (int64_t fold = 0; good && fold < s->folds; fold++) {
        struct lists train = {0}, test = {0};
        good = lists_pick(&train, all, s->folds, fold, true) &&
               lists_pick(&test, all, s->folds, fold, false) &&
               compare(s, &train, &test, first, sides);
        first += test.count;
        lists_free(&train);
        lists_free(&test);
    }
    return good;
}

/* Prints what came out, and returns whether libalign's mean is the lower one. */
static bool print_sides(const struct settings *s, const struct sides *sides)
{
    const struct spread ours = tally_spread(&sides->ours), theirs = tally_spread(&sides->theirs);
    double interval[2] = {NAN, NAN};
    tally_interval(&sides->ours, &sides->theirs, interval);
    printf("NDCG@10 of %lld lists: libalign %s %.4f (%.4f to %.4f with %lld seeds), "
           "XGBoost rank:ndcg %.4f (%.4f to %.4f)\n",
           (long long)sides->ours.lists, s->trees.loss, ours.mean, ours.least, ours.most,
           (long long)s->seeds, theirs.mean, theirs.least, theirs.most);
    printf("difference %+.4f, 95 %% interval over lists %+.4f to %+.4f\n", ours.mean - theirs.mean,
           interval[0], interval[1]);
    return !(ours.mean >= theirs.mean);
}

int main(int argc, char **argv)
{
    struct settings s = {
        .trees = {"lipo_lambda", NULL, 0.25, 100, 1, "0.1", "6", "0.5"},
        .seeds = 4,
    };
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &s);
    if (s.folds > 0 && s.data == NULL) {
        fprintf(stderr, "--folds needs --data\n");
        return 1;
    }
    struct lists train = {0}, test = {0};
    struct sides sides = {{0}, {0}};
    bool good = get_lists(&s, &train, &test);
    const int64_t count = s.folds > 0 ? train.count : test.count;
    good = good && tally_make(&sides.ours, count, s.seeds) &&
           tally_make(&sides.theirs, count, s.seeds) &&
           (s.folds > 0 ? compare_folds(&s, &train, &sides)
                        : compare(&s, &train, &test, 0, &sides));
    const bool lower = good && print_sides(&s, &sides);
    lists_free(&train);
    lists_free(&test);
    tally_free(&sides.ours);
    tally_free(&sides.theirs);
    return !good || (s.check && lower);
}
