#include "rows.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A parsed row and where it stands: "file.jsonl:17" or "file.json[16]". */
typedef struct place {
    const json_t *json;
    char name[256];
} place;

typedef bool (*row_reader)(row_list *list, json_t *seen, const place *at, problem *why);

static row *add_row(row_list *list, const char *prompt)
{
    grow(&list->rows, &list->room, list->count + 1, sizeof *list->rows);
    list->rows[list->count] = (row){.prompt = copy_text(prompt)};
    return &list->rows[list->count++];
}

static void add_answer(row *r, const char *text, double score)
{
    grow(&r->answers, &r->room, r->count + 1, sizeof *r->answers);
    r->answers[r->count++] = (answer){copy_text(text), score};
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return value ? names[json_typeof(value)] : "missing";
}

static bool read_text(const place *at, const char *field, const char **text, problem *why)
{
    const json_t *value = json_object_get(at->json, field);

    *text = json_string_value(value);
    return *text || refuse(why, "%s: field \"%s\" is %s, expected a string", at->name, field,
                           type_name(value));
}

static bool read_number(const place *at, const char *field, double *number, problem *why)
{
    const json_t *value = json_object_get(at->json, field);

    *number = json_number_value(value);
    return json_is_number(value) || refuse(why, "%s: field \"%s\" is %s, expected a number",
                                           at->name, field, type_name(value));
}

size_t shared_prompt(const char *a, const char *b)
{
    static const char turn[] = "Assistant:";
    size_t common = 0, space = 0, end = 0;

    for (; a[common] && a[common] == b[common]; common++) {
        const size_t count = common + 1;

        if (count >= sizeof turn - 1 &&
            memcmp(a + count - (sizeof turn - 1), turn, sizeof turn - 1) == 0)
            end = count;
        if (isspace((unsigned char)a[common]))
            space = count;
    }
    return end > 0 ? end : space;
}

/* The two texts with a line break after each; an empty second one is left out. */
static char *two_lines(const char *first, const char *second)
{
    size_t room = strlen(first) + strlen(second) + 3;
    char *text = take((int64_t)room, 1);

    snprintf(text, room, *second ? "%s\n%s\n" : "%s\n", first, second);
    return text;
}

static bool instruction_prompt(const place *at, char **prompt, problem *why)
{
    const char *instruction, *input = "";

    if (!read_text(at, "instruction", &instruction, why) ||
        (json_object_get(at->json, "input") && !read_text(at, "input", &input, why)))
        return false;
    *prompt = *instruction || *input ? two_lines(instruction, input) : copy_text("");
    return true;
}

static bool read_pair(row_list *list, json_t *seen, const place *at, problem *why)
{
    const char *chosen, *rejected, *text;
    char *prompt;
    size_t shared = 0;
    row *r;

    (void)seen;
    if (!read_text(at, "chosen", &chosen, why) || !read_text(at, "rejected", &rejected, why))
        return false;
    if (json_object_get(at->json, "prompt")) {
        if (!read_text(at, "prompt", &text, why))
            return false;
        prompt = copy_text(text);
    } else if (json_object_get(at->json, "instruction")) {
        if (!instruction_prompt(at, &prompt, why))
            return false;
    } else {
        shared = shared_prompt(chosen, rejected);
        prompt = copy_text(chosen);
        prompt[shared] = '\0';
    }
    r = add_row(list, prompt);
    add_answer(r, chosen + shared, 1);
    add_answer(r, rejected + shared, 0);
    free(prompt);
    return true;
}

static bool read_responses(row_list *list, const place *at, problem *why)
{
    const json_t *responses = json_object_get(at->json, "responses");
    const char *prompt, *text;
    double score;
    row *r;

    if (!read_text(at, "prompt", &prompt, why))
        return false;
    if (!json_is_array(responses))
        return refuse(why, "%s: field \"responses\" is %s, expected an array", at->name,
                      type_name(responses));
    r = add_row(list, prompt);
    for (size_t i = 0; i < json_array_size(responses); i++) {
        place item = {.json = json_array_get(responses, i)};

        snprintf(item.name, sizeof item.name, "%.200s: responses[%zu]", at->name, i);
        if (!json_is_object(item.json))
            return refuse(why, "%s is %s, expected an object", item.name, type_name(item.json));
        if (!read_text(&item, "text", &text, why) || !read_number(&item, "score", &score, why))
            return false;
        add_answer(r, text, score);
    }
    return true;
}

/* seen maps a prompt to its row. */
static bool read_scored_output(row_list *list, json_t *seen, const place *at, problem *why)
{
    place scores = {.json = json_object_get(at->json, "scores")};
    const char *source, *context = "", *output;
    double overall;
    char *prompt;
    const json_t *known;

    snprintf(scores.name, sizeof scores.name, "%.200s: scores", at->name);
    if (!read_text(at, "source", &source, why) ||
        (json_object_get(at->json, "context") && !read_text(at, "context", &context, why)) ||
        !read_text(at, "system_output", &output, why) ||
        !read_number(&scores, "overall", &overall, why))
        return false;
    prompt = two_lines(source, context);
    known = json_object_get(seen, prompt);
    if (!known) {
        json_object_set_new(seen, prompt, json_integer(list->count));
        add_row(list, prompt);
        known = json_object_get(seen, prompt);
    }
    add_answer(&list->rows[json_integer_value(known)], output, overall);
    free(prompt);
    return true;
}

static bool read_list(row_list *list, json_t *seen, const place *at, problem *why)
{
    return json_object_get(at->json, "system_output") ? read_scored_output(list, seen, at, why)
                                                      : read_responses(list, at, why);
}

static char *read_file(const char *path, problem *why)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    int64_t room = 0, count = 0;
    bool ok;

    if (!file) {
        refuse(why, "%s: %s", path, strerror(errno));
        return NULL;
    }
    do {
        grow(&text, &room, count + 65536, 1);
        count += (int64_t)fread(text + count, 1, (size_t)(room - count - 1), file);
    } while (!feof(file) && !ferror(file));
    text[count] = '\0';
    ok = !ferror(file) || refuse(why, "%s: %s", path, strerror(errno));
    ok = ok && (strlen(text) == (size_t)count ||
                refuse(why, "%s: zero byte at %zu, expected JSON text", path, strlen(text)));
    fclose(file);
    if (ok)
        return text;
    free(text);
    return NULL;
}

static bool read_object(row_list *list, json_t *seen, const place *at, row_reader reader,
                        problem *why)
{
    return json_is_object(at->json)
               ? reader(list, seen, at, why)
               : refuse(why, "%s is %s, expected an object", at->name, type_name(at->json));
}

static bool load_array(row_list *list, json_t *seen, const char *path, const char *text,
                       row_reader reader, problem *why)
{
    json_error_t error;
    json_t *array = json_loads(text, 0, &error);
    bool ok = array ||
              refuse(why, "%s:%d:%d: broken JSON: %s", path, error.line, error.column, error.text);

    for (size_t i = 0; ok && i < json_array_size(array); i++) {
        place at = {.json = json_array_get(array, i)};

        snprintf(at.name, sizeof at.name, "%.200s[%zu]", path, i);
        ok = read_object(list, seen, &at, reader, why);
    }
    json_decref(array);
    return ok;
}

static bool load_lines(row_list *list, json_t *seen, const char *path, char *text,
                       row_reader reader, problem *why)
{
    bool ok = true;
    int line = 1;

    for (char *next; ok && text; text = next, line++) {
        place at = {0};
        json_error_t error;
        json_t *json;

        next = strchr(text, '\n');
        if (next)
            *next++ = '\0';
        if (text[strspn(text, " \t\r")] == '\0')
            continue;
        json = json_loads(text, JSON_DECODE_ANY, &error);
        if (!json)
            return refuse(why, "%s:%d:%d: broken JSON: %s", path, line, error.column, error.text);
        at.json = json;
        snprintf(at.name, sizeof at.name, "%.200s:%d", path, line);
        ok = read_object(list, seen, &at, reader, why);
        json_decref(json);
    }
    return ok;
}

static bool load(row_list *list, const char *path, row_reader reader, problem *why)
{
    char *text = read_file(path, why);
    json_t *seen = json_object();
    bool ok;

    *list = (row_list){0};
    ok = text &&
         (text[strspn(text, " \t\r\n")] == '[' ? load_array(list, seen, path, text, reader, why)
                                               : load_lines(list, seen, path, text, reader, why));
    if (ok && list->count == 0)
        ok = refuse(why, "%s: no rows", path);
    json_decref(seen);
    free(text);
    return ok;
}

bool rows_load_pairs(row_list *list, const char *path, problem *why)
{
    return load(list, path, read_pair, why);
}

bool rows_load_lists(row_list *list, const char *path, problem *why)
{
    return load(list, path, read_list, why);
}

void rows_free(row_list *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        for (int k = 0; k < list->rows[i].count; k++)
            free(list->rows[i].answers[k].text);
        free(list->rows[i].answers);
        free(list->rows[i].prompt);
    }
    free(list->rows);
    *list = (row_list){0};
}
