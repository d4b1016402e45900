#include "names.h"

#include "memory.h"

#include <string.h>

/* FNV-1a, then mixed so that its low bits can be taken. */
uint64_t names_hash(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint32_t find(const struct names *names, const char *text, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> 32) & names->mask;
    for (; names->place[at] != 0; at = (at + 1) & names->mask) {
        int32_t i = names->place[at] - 1;
        if (names->hash[i] == hash && strcmp(names->text[i], text) == 0)
            break;
    }
    return at;
}

static void grow(struct names *names)
{
    names->room = names->room == 0 ? 64 : 2 * names->room;
    names->mask = 4 * (uint32_t)names->room - 1;
    names->text = must(realloc(names->text, sizeof *names->text * (size_t)names->room));
    names->hash = must(realloc(names->hash, sizeof *names->hash * (size_t)names->room));
    free(names->place);
    names->place = take((size_t)names->mask + 1, sizeof *names->place);
    for (int32_t i = 0; i < names->count; i++)
        names->place[find(names, names->text[i], names->hash[i])] = i + 1;
}

int32_t names_get(struct names *names, const char *text)
{
    uint64_t hash = names_hash(text);
    if (names->count == names->room)
        grow(names);
    uint32_t at = find(names, text, hash);
    if (names->place[at] == 0) {
        names->text[names->count] = must(strdup(text));
        names->hash[names->count] = hash;
        names->place[at] = ++names->count;
    }
    return names->place[at] - 1;
}

/* Bytes of the UTF-8 character at `at` (RFC 3629), or 0. */
static int character(const unsigned char *at)
{
    int more = at[0] < 0x80 ? 0 : at[0] < 0xc2 ? -1 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    if (more < 0 || at[0] > 0xf4)
        return 0;
    for (int k = 1; k <= more; k++)
        if ((at[k] & 0xc0) != 0x80)
            return 0;
    bool wrong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
                 (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f);
    return wrong ? 0 : 1 + more;
}

const char *names_fault(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t length = strlen(text);
    if (length == 0)
        return "a name";
    if (strchr(" \t", text[0]) != NULL || strchr(" \t", text[length - 1]) != NULL)
        return "a name without spaces around it";
    while (*at != '\0') {
        int bytes = character(at);
        if (bytes == 0)
            return "UTF-8";
        at += bytes;
    }
    return NULL;
}

void names_free(struct names *names)
{
    for (int32_t i = 0; i < names->count; i++)
        free(names->text[i]);
    free(names->text);
    free(names->hash);
    free(names->place);
}
