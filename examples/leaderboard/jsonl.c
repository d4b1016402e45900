#include "table.h"

#include <stdlib.h>
#include <string.h>

/* The next line, without its end; NULL at the end of the stream. */
static char *next_line(struct table *t, size_t *length)
{
    for (;;) {
        char *begin = t->text + t->begin, *stop = t->text + t->end;
        char *end = memchr(begin, '\n', (size_t)(stop - begin));
        if (end == NULL && !t->ended && table_fill(t))
            continue;
        if (end == NULL && begin == stop)
            return NULL;
        t->line = t->next_line++;
        *length = (size_t)((end == NULL ? stop : end) - begin);
        t->begin += *length + (end != NULL);
        return begin;
    }
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr(" \t\r", text[i]) == NULL)
            return false;
    return true;
}

/* Text of a member: strings as they are, numbers as they print, booleans as 1 and 0. */
static const char *text_of(struct table *t, int k)
{
    json_t *value = json_object_get(t->object, t->columns[k]);
    switch (json_typeof(value == NULL ? json_null() : value)) {
    case JSON_STRING:
        if (strlen(json_string_value(value)) != json_string_length(value))
            t->problem = "a zero byte";
        return json_string_value(value);
    case JSON_INTEGER:
        snprintf(t->number[k], sizeof t->number[k], "%lld", (long long)json_integer_value(value));
        return t->number[k];
    case JSON_REAL:
        snprintf(t->number[k], sizeof t->number[k], "%.17g", json_real_value(value));
        return t->number[k];
    case JSON_TRUE:
        return "1";
    case JSON_FALSE:
        return "0";
    case JSON_NULL:
        return "";
    default:
        t->problem = "a list or an object where a value should be";
        return "";
    }
}

bool jsonl_next(struct table *t)
{
    static char wrong[JSON_ERROR_TEXT_LENGTH + 32];
    json_error_t error;
    size_t length = 0;
    char *line;
    do {
        line = next_line(t, &length);
        if (line == NULL)
            return false;
    } while (is_blank(line, length));
    json_decref(t->object);
    t->object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (t->object == NULL) {
        snprintf(wrong, sizeof wrong, "no JSON at column %d: %s", error.column, error.text);
        t->problem = wrong;
    } else if (!json_is_object(t->object)) {
        t->problem = "no JSON object";
    }
    for (int k = 0; k < t->n_columns && t->problem == NULL; k++)
        t->cells[k] = text_of(t, k);
    return t->problem == NULL;
}
