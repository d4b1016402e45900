#include "store.h"

#include "memory.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static const char FORMAT[] = "libalign-leaderboard counts 1";

static bool say(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    return false;
}

/* ---- the options that decide what is counted -------------------------------------------------- */

/* As text, so that two can be compared and a difference be shown. */
static json_t *json_of_options(const struct votes_options *o)
{
    json_t *where = json_array();
    for (int k = 0; k < o->n_where; k++)
        json_array_append_new(where,
                              json_sprintf("%s%s%s", o->where[k].column,
                                           o->where[k].differs ? "!=" : "=", o->where[k].value));
    return json_pack("{s:s?, s:b, s:b, s:o}", "by", o->by, "drop_ties", o->drop_ties,
                     "drop_both_bad", o->drop_both_bad, "where", where);
}

static bool check_options(const char *path, const json_t *saved,
                          const struct votes_options *options)
{
    json_t *mine = json_of_options(options);
    bool same = json_equal(saved, mine) != 0;
    if (!same) {
        char *was = json_dumps(saved, JSON_COMPACT | JSON_ENCODE_ANY);
        char *is = json_dumps(mine, JSON_COMPACT);
        fprintf(stderr, "%s: was counted with %s, but options say %s\n", path,
                was == NULL ? "other options" : was, is);
        free(was);
        free(is);
    }
    json_decref(mine);
    return same;
}

/* ---- saving ------------------------------------------------------------------------------- */

struct bytes {
    void *data;
    size_t length;
};

static struct bytes bytes_of(const struct tally *tally)
{
    struct bytes b = {NULL, 0};
    if (align_bt_counts_save(NULL, &tally->counts, NULL, 0, &b.length) != ALIGN_E_SCRATCH)
        abort();
    b.data = must(malloc(b.length));
    if (align_bt_counts_save(NULL, &tally->counts, b.data, b.length, &b.length) != ALIGN_E_NONE)
        abort();
    return b;
}

static json_t *json_of_tally(const struct tally *tally, const char *category, size_t length)
{
    json_t *items = json_array(), *records = json_array();
    for (int32_t i = 0; i < tally->n_items; i++) {
        const struct record *r = &tally->record[i];
        json_array_append_new(items, json_integer(tally->item[i]));
        json_array_append_new(records, json_pack("[f,f,f]", r->wins, r->losses, r->ties));
    }
    return json_pack("{s:s?, s:I, s:I, s:o, s:o}", "category", category, "votes",
                     (json_int_t)tally->votes, "bytes", (json_int_t)length, "items", items,
                     "records", records);
}

static const struct tally *board_of(const struct votes *votes, int32_t board, const char **category)
{
    *category = board == 0 ? NULL : votes->categories.text[board - 1];
    return board == 0 ? votes->overall : votes->category[board - 1];
}

static json_t *heading_of(const struct votes *votes, const struct votes_options *options,
                          const struct bytes *bytes)
{
    json_t *names = json_array(), *boards = json_array();
    for (int32_t i = 0; i < votes->items.count; i++)
        json_array_append_new(names, json_string(votes->items.text[i]));
    for (int32_t k = 0; k <= votes->categories.count; k++) {
        const char *category;
        const struct tally *tally = board_of(votes, k, &category);
        json_array_append_new(boards, json_of_tally(tally, category, bytes[k].length));
    }
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "format", FORMAT, "options",
                     json_of_options(options), "rows", (json_int_t)votes->rows, "filtered",
                     (json_int_t)votes->filtered, "duplicates", (json_int_t)votes->duplicates,
                     "dropped", (json_int_t)votes->dropped, "names", names, "boards", boards);
}

static bool write_all(FILE *file, json_t *heading, const struct bytes *bytes, int32_t count)
{
    bool good = heading != NULL &&
                json_dumpf(heading, file, JSON_COMPACT | JSON_REAL_PRECISION(17)) == 0 &&
                fputc('\n', file) != EOF;
    for (int32_t k = 0; k < count && good; k++)
        good = fwrite(bytes[k].data, 1, bytes[k].length, file) == bytes[k].length;
    return good;
}

bool store_save(const struct votes *votes, const char *path, const struct votes_options *options)
{
    int32_t count = votes->categories.count + 1;
    struct bytes *bytes = take((size_t)count, sizeof *bytes);
    size_t length = strlen(path) + sizeof ".new";
    char *fresh = take(length, 1);
    snprintf(fresh, length, "%s.new", path);
    for (int32_t k = 0; k < count; k++) {
        const char *category;
        bytes[k] = bytes_of(board_of(votes, k, &category));
    }
    json_t *heading = heading_of(votes, options, bytes);
    FILE *file = fopen(fresh, "wb");
    bool done = file != NULL && write_all(file, heading, bytes, count);
    done = file != NULL && fclose(file) == 0 && done && rename(fresh, path) == 0;
    if (!done)
        say(path, strerror(errno));
    for (int32_t k = 0; k < count; k++)
        free(bytes[k].data);
    json_decref(heading);
    free(bytes);
    free(fresh);
    return done;
}

/* ---- loading ------------------------------------------------------------------------------ */

static bool load_records(struct tally *tally, const json_t *items, const json_t *records,
                         int32_t n_items)
{
    if (!json_is_array(items) || json_array_size(items) != json_array_size(records))
        return false;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_int_t item = json_integer_value(json_array_get(items, i));
        json_t *record = json_array_get(records, i);
        if (item < 0 || item >= n_items || json_array_size(record) != 3 ||
            tally_item(tally, (int32_t)item) != (int32_t)i)
            return false;
        tally->record[i] = (struct record){json_number_value(json_array_get(record, 0)),
                                           json_number_value(json_array_get(record, 1)),
                                           json_number_value(json_array_get(record, 2))};
    }
    return true;
}

static bool load_counts(struct tally *tally, FILE *file, size_t length, const char *path)
{
    align_exec exec;
    align_error error;
    align_bt_counts saved = {.size = sizeof saved};
    struct bytes b = {must(malloc(length + 1)), length};
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    exec.error = &error;
    b.length = fread(b.data, 1, length, file);
    align_status status = align_bt_counts_get_saved(&exec, b.data, b.length, &saved);
    if (status == ALIGN_E_NONE) {
        tally_reserve(tally, saved.pairs + 256);
        status = align_bt_counts_load(&exec, &tally->counts, b.data, b.length);
    }
    free(b.data);
    return status == ALIGN_E_NONE || say(path, error.text);
}

static bool load_board(struct votes *votes, FILE *file, const json_t *board, const char *path)
{
    const json_t *category = json_object_get(board, "category");
    json_int_t length = json_integer_value(json_object_get(board, "bytes"));
    struct tally *tally = votes->overall;
    if (json_is_string(category))
        tally = votes_category(votes, json_string_value(category));
    tally->votes = json_integer_value(json_object_get(board, "votes"));
    if (length <= 0 || tally->n_items != 0 ||
        !load_records(tally, json_object_get(board, "items"), json_object_get(board, "records"),
                      votes->items.count))
        return say(path, "damaged");
    return load_counts(tally, file, (size_t)length, path);
}

static bool load_all(struct votes *votes, FILE *file, const json_t *root, const char *path)
{
    const json_t *names = json_object_get(root, "names"), *boards = json_object_get(root, "boards");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL || names_fault(name) != NULL ||
            names_get(&votes->items, name) != (int32_t)i)
            return say(path, "damaged");
    }
    votes->rows = json_integer_value(json_object_get(root, "rows"));
    votes->filtered = json_integer_value(json_object_get(root, "filtered"));
    votes->duplicates = json_integer_value(json_object_get(root, "duplicates"));
    votes->dropped = json_integer_value(json_object_get(root, "dropped"));
    for (size_t k = 0; k < json_array_size(boards); k++)
        if (!load_board(votes, file, json_array_get(boards, k), path))
            return false;
    return true;
}

bool store_load(struct votes *votes, const char *path, const struct votes_options *options)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return say(path, strerror(errno));
    json_error_t error;
    json_t *root = json_loadf(file, JSON_DISABLE_EOF_CHECK, &error);
    const char *format = json_string_value(json_object_get(root, "format"));
    bool done = format != NULL && strcmp(format, FORMAT) == 0 && fgetc(file) == '\n';
    if (!done)
        say(path, "no counts that this program has saved");
    done = done && check_options(path, json_object_get(root, "options"), options) &&
           load_all(votes, file, root, path);
    json_decref(root);
    fclose(file);
    return done;
}
