#include "votes.h"

#include "csv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "libalign-leaderboard: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

/* ---- names -------------------------------------------------------------------------------- */

/* FNV-1a. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return hash;
}

static int64_t find_place(const struct votes *votes, const char *name)
{
    int64_t at = (int64_t)(hash_of(name) % (uint64_t)votes->places);
    while (votes->place[at] != 0 && strcmp(votes->items[votes->place[at] - 1].name, name) != 0)
        at = at + 1 == votes->places ? 0 : at + 1;
    return at;
}

static void more_items(struct votes *votes)
{
    votes->room = votes->room == 0 ? 64 : 2 * votes->room;
    votes->items = must(realloc(votes->items, sizeof *votes->items * (size_t)votes->room));
    votes->places = 2 * votes->room + 1;
    free(votes->place);
    votes->place = must(calloc((size_t)votes->places, sizeof *votes->place));
    for (int32_t i = 0; i < votes->n_items; i++)
        votes->place[find_place(votes, votes->items[i].name)] = i + 1;
}

static int32_t item_of(struct votes *votes, const char *name)
{
    if (votes->n_items == votes->room)
        more_items(votes);
    int64_t at = find_place(votes, name);
    if (votes->place[at] == 0) {
        votes->items[votes->n_items++] = (struct item){.name = must(strdup(name))};
        votes->place[at] = (int32_t)votes->n_items;
    }
    return votes->place[at] - 1;
}

/* ---- counting ----------------------------------------------------------------------------- */

static void grow(struct votes *votes)
{
    int64_t pairs = votes->counts.room < 1024 ? 1024 : 2 * votes->counts.room;
    size_t bytes = align_bt_counts_get_bytes(VOTES_ITEMS, pairs);
    void *old = votes->counts.memory, *memory = must(malloc(bytes));
    if (old == NULL)
        align_bt_counts_init(&votes->counts, memory, bytes, VOTES_ITEMS);
    else if (align_bt_counts_grow(NULL, &votes->counts, memory, bytes) != ALIGN_E_NONE)
        abort();
    free(old);
}

/* The block goes into the counts; whenever they are full, they grow. */
static bool flush(struct votes *votes)
{
    int64_t done = 0;
    align_status status = ALIGN_E_NONE;
    if (votes->counts.memory == NULL)
        grow(votes);
    while (done < votes->waiting) {
        align_bt_rows rows;
        int64_t left = votes->waiting - done;
        align_bt_rows_init(&rows, sizeof rows);
        rows.first = align_1d(votes->first + done, ALIGN_I32, left);
        rows.second = align_1d(votes->second + done, ALIGN_I32, left);
        rows.outcome = align_1d(votes->outcome + done, ALIGN_F64, left);
        rows.weight = align_1d(votes->weight + done, ALIGN_F64, left);
        status = align_bt_counts_update(NULL, &votes->counts, &rows);
        if (status == ALIGN_E_SCRATCH)
            grow(votes);
        else if (status != ALIGN_E_NONE)
            break;
        done += votes->counts.taken;
    }
    votes->waiting = 0;
    return status == ALIGN_E_NONE || status == ALIGN_E_SCRATCH;
}

static void add_vote(struct votes *votes, int32_t left, int32_t right, double outcome,
                     double weight)
{
    struct item *a = &votes->items[left], *b = &votes->items[right];
    double *of_a[] = {&a->losses, &a->ties, &a->wins}, *of_b[] = {&b->wins, &b->ties, &b->losses};
    int kind = (int)(2 * outcome);
    *of_a[kind] += weight;
    *of_b[kind] += weight;
    int64_t k = votes->waiting++;
    votes->first[k] = left;
    votes->second[k] = right;
    votes->outcome[k] = outcome;
    votes->weight[k] = weight;
}

/* ---- rows --------------------------------------------------------------------------------- */

struct reader {
    struct csv csv;
    const char *name;
    int left, right, winner, weight; /* columns; -1: none */
    int count;
};

static bool complain(const struct reader *reader, const char *what, const char *found,
                     const char *expected)
{
    fprintf(stderr, "%s:%ld: %s is '%s', expected %s\n", reader->name, reader->csv.line, what,
            found, expected);
    return false;
}

static bool find_column(const struct reader *reader, const char *name, int *column)
{
    *column = -1;
    if (name == NULL)
        return true;
    for (int k = 0; k < reader->csv.count; k++)
        if (strcmp(reader->csv.cells[k], name) == 0) {
            *column = k;
            return true;
        }
    fprintf(stderr, "%s:%ld: no column '%s'\n", reader->name, reader->csv.line, name);
    return false;
}

/* The share of the point that goes to the left; -1 when the cell says nothing known. */
static double outcome_of(const char *winner, const char *left, const char *right)
{
    static const struct {
        const char *word;
        double outcome;
    } words[] = {
        {"left", 1},    {"right", 0},   {"tie", 0.5},
        {"model_a", 1}, {"model_b", 0}, {"tie (bothbad)", 0.5},
        {"1", 1},       {"0", 0},       {"0.5", 0.5},
        {"1.0", 1},     {"0.0", 0},
    };
    if (strcmp(winner, left) == 0)
        return 1;
    if (strcmp(winner, right) == 0)
        return 0;
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
        if (strcmp(winner, words[k].word) == 0)
            return words[k].outcome;
    return -1;
}

static bool take_row(struct votes *votes, const struct reader *reader, bool drop_ties)
{
    char *const *cells = reader->csv.cells;
    const char *left = cells[reader->left], *right = cells[reader->right];
    if (reader->csv.count != reader->count) {
        fprintf(stderr, "%s:%ld: %d cells, expected %d as in the first line\n", reader->name,
                reader->csv.line, reader->csv.count, reader->count);
        return false;
    }
    if (left[0] == '\0' || right[0] == '\0')
        return complain(reader, left[0] == '\0' ? "left" : "right", "", "a name");
    if (strcmp(left, right) == 0)
        return complain(reader, "right", right, "another item than left");
    double outcome = outcome_of(cells[reader->winner], left, right), weight = 1;
    if (outcome < 0)
        return complain(reader, "winner", cells[reader->winner],
                        "left, right, tie, model_a, model_b, tie (bothbad), 1, 0, 0.5 or a name");
    if (reader->weight >= 0) {
        char *end;
        weight = strtod(cells[reader->weight], &end);
        if (end == cells[reader->weight] || *end != '\0' || !(weight >= 0 && weight <= 0x1p32))
            return complain(reader, "weight", cells[reader->weight], "a number in 0..2^32");
    }
    votes->rows++;
    int32_t a = item_of(votes, left), b = item_of(votes, right);
    if (votes->n_items > VOTES_ITEMS)
        return complain(reader, "left or right", left, "at most 2^24 items");
    if (outcome == 0.5 && drop_ties)
        votes->dropped++;
    else
        add_vote(votes, a, b, outcome, weight);
    return true;
}

static bool read_all(struct votes *votes, struct reader *reader,
                     const struct votes_columns *columns)
{
    bool show = isatty(STDERR_FILENO) != 0;
    if (!csv_next(&reader->csv)) {
        fprintf(stderr, "%s:%ld: %s\n", reader->name, reader->csv.line,
                reader->csv.problem != NULL ? reader->csv.problem : "no rows");
        return false;
    }
    reader->count = reader->csv.count;
    if (!find_column(reader, columns->left, &reader->left) ||
        !find_column(reader, columns->right, &reader->right) ||
        !find_column(reader, columns->winner, &reader->winner) ||
        !find_column(reader, columns->weight, &reader->weight))
        return false;
    while (csv_next(&reader->csv)) {
        if (!take_row(votes, reader, columns->drop_ties))
            return false;
        if (votes->waiting == VOTES_BLOCK && !flush(votes))
            return false;
        if (show && votes->rows % (1 << 20) == 0)
            fprintf(stderr, "\r%lld million votes", (long long)(votes->rows >> 20));
    }
    if (show && votes->rows >= 1 << 20)
        fprintf(stderr, "\n");
    if (reader->csv.problem != NULL)
        fprintf(stderr, "%s:%ld: %s\n", reader->name, reader->csv.line, reader->csv.problem);
    return reader->csv.problem == NULL && flush(votes);
}

bool votes_read(struct votes *votes, FILE *file, const char *name,
                const struct votes_columns *columns)
{
    struct reader reader = {.name = name};
    csv_open(&reader.csv, file);
    bool done = read_all(votes, &reader, columns);
    csv_close(&reader.csv);
    if (done && votes->n_items < 2) {
        fprintf(stderr, "%s: %lld items, expected 2 or more\n", name, (long long)votes->n_items);
        return false;
    }
    return done;
}

void votes_free(struct votes *votes)
{
    for (int64_t i = 0; i < votes->n_items; i++)
        free(votes->items[i].name);
    free(votes->items);
    free(votes->place);
    free(votes->counts.memory);
}
