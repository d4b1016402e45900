#include "votes.h"

#include "memory.h"

#include <string.h>
#include <time.h>

struct votes *votes_new(void)
{
    struct votes *votes = take(1, sizeof *votes);
    votes->overall = take(1, sizeof *votes->overall);
    return votes;
}

void votes_free(struct votes *votes)
{
    for (int32_t k = 0; k < votes->categories.count; k++) {
        tally_free(votes->category[k]);
        free(votes->category[k]);
    }
    tally_free(votes->overall);
    free(votes->overall);
    free(votes->category);
    names_free(&votes->items);
    names_free(&votes->categories);
    names_free(&votes->annotators);
    seen_free(&votes->seen);
    free(votes);
}

struct tally *votes_category(struct votes *votes, const char *name)
{
    int32_t before = votes->categories.count, k = names_get(&votes->categories, name);
    if (k == before) {
        size_t count = (size_t)votes->categories.count;
        votes->category = must(realloc(votes->category, sizeof(struct tally *) * count));
        votes->category[k] = take(1, sizeof *votes->category[k]);
        votes->category[k]->keeps = votes->overall->keeps;
        votes->category[k]->kept.n_covariates = votes->overall->kept.n_covariates;
    }
    return votes->category[k];
}

/* ---- one row ------------------------------------------------------------------------------ */

/* Indices of the columns in the table. */
struct columns {
    int left, right, winner, weight, by, annotator;
    int where[VOTES_CONDITIONS], unique[VOTES_UNIQUE], covariate[TALLY_COVARIATES];
};

/* What the winner's cell says. */
struct verdict {
    double outcome; /* the left item's share of the point; below 0: nothing known */
    bool both_bad;
};

static struct verdict verdict_of(const char *winner, const char *left, const char *right)
{
    static const struct {
        const char *word;
        struct verdict verdict;
    } words[] = {
        {"model_a", {1, false}},  {"model_b", {0, false}},   {"tie", {0.5, false}},
        {"left", {1, false}},     {"right", {0, false}},     {"tie (bothbad)", {0.5, true}},
        {"bothbad", {0.5, true}}, {"both_bad", {0.5, true}},
    };
    char *end;
    if (strcmp(winner, left) == 0)
        return (struct verdict){1, false};
    if (strcmp(winner, right) == 0)
        return (struct verdict){0, false};
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
        if (strcmp(winner, words[k].word) == 0)
            return words[k].verdict;
    double share = strtod(winner, &end);
    bool good = end != winner && *end == '\0' && share >= 0 && share <= 1;
    return (struct verdict){good ? share : -1, false};
}

static bool passes(const struct table *table, const struct columns *columns,
                   const struct votes_options *options)
{
    for (int k = 0; k < options->n_where; k++) {
        bool same = strcmp(table->cells[columns->where[k]], options->where[k].value) == 0;
        if (same == options->where[k].differs)
            return false;
    }
    return true;
}

static bool is_new(struct votes *votes, const struct table *table, const struct columns *columns,
                   const struct votes_options *options)
{
    if (options->n_unique == 0)
        return true;
    struct key key = seen_start();
    for (int k = 0; k < options->n_unique; k++)
        seen_mix(&key, table->cells[columns->unique[k]]);
    return seen_add(&votes->seen, key);
}

/* The number of the item in a column; -1 after a message. */
static int32_t item_of(struct votes *votes, const struct table *table, int column)
{
    int32_t before = votes->items.count, i = names_get(&votes->items, table->cells[column]);
    const char *fault = i == before ? names_fault(table->cells[column]) : NULL;
    if (fault == NULL && i >= TALLY_ITEMS)
        fault = "at most 2^24 items";
    if (fault == NULL)
        return i;
    table_complain(table, column, fault);
    return -1;
}

static bool read_number(const struct table *table, int column, double least, double most,
                        const char *expected, double *number)
{
    char *end;
    const char *cell = table->cells[column];
    *number = strtod(cell, &end);
    if (end != cell && *end == '\0' && *number >= least && *number <= most)
        return true;
    return table_complain(table, column, expected);
}

/* What a vote has beside its items and its winner. */
static bool read_rest(struct votes *votes, const struct table *table, const struct columns *columns,
                      struct vote *vote)
{
    vote->weight = 1;
    if (columns->weight >= 0 &&
        !read_number(table, columns->weight, 0, 0x1p32, "a number in 0..2^32", &vote->weight))
        return false;
    for (int c = 0; c < votes->overall->kept.n_covariates; c++)
        if (!read_number(table, columns->covariate[c], -0x1p64, 0x1p64, "a number below 2^64",
                         &vote->covariate[c]))
            return false;
    if (columns->annotator < 0)
        return true;
    const char *name = table->cells[columns->annotator], *fault = names_fault(name);
    vote->annotator = fault == NULL ? names_get(&votes->annotators, name) : -1;
    return fault == NULL || table_complain(table, columns->annotator, fault);
}

static bool add(struct votes *votes, const struct table *table, const struct columns *columns,
                const struct vote *vote)
{
    align_error error;
    align_error_init(&error, sizeof error);
    bool done = tally_add(votes->overall, vote, &error);
    if (done && columns->by >= 0) {
        const char *name = table->cells[columns->by], *fault = names_fault(name);
        if (fault != NULL)
            return table_complain(table, columns->by, fault);
        done = tally_add(votes_category(votes, name), vote, &error);
    }
    if (!done)
        fprintf(stderr, "%s:%ld: %s\n", table->name, table->line, error.text);
    return done;
}

static bool take_row(struct votes *votes, const struct table *table, const struct columns *columns,
                     const struct votes_options *options)
{
    const char *left = table->cells[columns->left], *right = table->cells[columns->right];
    votes->rows++;
    if (!passes(table, columns, options)) {
        votes->filtered++;
        return true;
    }
    if (strcmp(left, right) == 0 && left[0] != '\0')
        return table_complain(table, columns->right, "another item than on the left");
    struct vote vote = {.left = item_of(votes, table, columns->left)};
    vote.right = vote.left < 0 ? -1 : item_of(votes, table, columns->right);
    if (vote.right < 0)
        return false;
    struct verdict v = verdict_of(table->cells[columns->winner], left, right);
    vote.outcome = v.outcome;
    if (v.outcome < 0)
        return table_complain(table, columns->winner,
                              "left, right, tie, model_a, model_b, tie (bothbad), a share in 0..1 "
                              "or the name of one of the two");
    if (!read_rest(votes, table, columns, &vote))
        return false;
    if (!is_new(votes, table, columns, options))
        votes->duplicates++;
    else if ((v.outcome == 0.5 && options->drop_ties) || (v.both_bad && options->drop_both_bad))
        votes->dropped++;
    else
        return add(votes, table, columns, &vote);
    return true;
}

/* ---- all rows ----------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void tell(const struct votes *votes, const struct table *table, double begin,
                 const char *end)
{
    double megabytes = 1e-6 * (double)table->bytes;
    fprintf(stderr, "\r%.1f million votes, %.0f MB, %.0f MB/s%s", 1e-6 * (double)votes->rows,
            megabytes, megabytes / (now() - begin), end);
}

static bool flush_all(struct votes *votes, const struct table *table)
{
    align_error error;
    align_error_init(&error, sizeof error);
    bool done = tally_flush(votes->overall, &error);
    for (int32_t k = 0; k < votes->categories.count && done; k++)
        done = tally_flush(votes->category[k], &error);
    if (!done)
        fprintf(stderr, "%s: %s\n", table->name, error.text);
    return done;
}

static struct columns columns_of(struct table *table, const struct votes_options *options)
{
    struct columns c = {
        .left = table_want(table, options->left),
        .right = table_want(table, options->right),
        .winner = table_want(table, options->winner),
        .weight = options->weight == NULL ? -1 : table_want(table, options->weight),
        .by = options->by == NULL ? -1 : table_want(table, options->by),
        .annotator = options->annotator == NULL ? -1 : table_want(table, options->annotator),
    };
    for (int k = 0; k < options->n_where; k++)
        c.where[k] = table_want(table, options->where[k].column);
    for (int k = 0; k < options->n_unique; k++)
        c.unique[k] = table_want(table, options->unique[k]);
    for (int k = 0; k < options->n_covariates; k++)
        c.covariate[k] = table_want(table, options->covariate[k]);
    return c;
}

static bool read_rows(struct votes *votes, struct table *table, const struct columns *columns,
                      const struct votes_options *options)
{
    double begin = now();
    while (table_next(table)) {
        if (!take_row(votes, table, columns, options))
            return false;
        if (options->progress && votes->rows % (1 << 19) == 0)
            tell(votes, table, begin, "");
    }
    if (options->progress)
        tell(votes, table, begin, "\n");
    return table->problem == NULL && flush_all(votes, table);
}

bool votes_read(struct votes *votes, FILE *file, const char *name, enum table_format format,
                const struct votes_options *options)
{
    struct table *table = take(1, sizeof *table);
    const struct columns columns = columns_of(table, options);
    votes->overall->keeps = options->annotator != NULL || options->n_covariates > 0;
    votes->overall->kept.n_covariates = options->n_covariates;
    bool done = table_open(table, file, name, format) && read_rows(votes, table, &columns, options);
    table_close(table);
    free(table);
    return done;
}
