#include "checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_FIELDS = 7, SIZE_LIMIT = 1 << 20 };

static const char *const header_names[HEADER_FIELDS] = {
    "dim", "hidden", "layers", "heads", "kv heads", "vocabulary", "context",
};

static bool check_header(const char *path, const int32_t *field, model_config *c, problem *why)
{
    for (int i = 0; i < HEADER_FIELDS; i++) {
        int32_t value = strcmp(header_names[i], "vocabulary") == 0 ? abs(field[i]) : field[i];

        if (value < 1 || value > SIZE_LIMIT)
            return refuse(why,
                          "%s: header field %s = %d, expected 1..%d; not a version-0 checkpoint",
                          path, header_names[i], field[i], SIZE_LIMIT);
    }
    *c = (model_config){.dim = field[0],
                        .hidden = field[1],
                        .layers = field[2],
                        .heads = field[3],
                        .kv_heads = field[4],
                        .vocab = abs(field[5]),
                        .context = field[6],
                        .tied = field[5] > 0};
    if (c->dim % c->heads != 0 || c->dim / c->heads % 2 != 0)
        return refuse(why,
                      "%s: header field heads = %d, expected dim = %d to be an even multiple of it",
                      path, c->heads, c->dim);
    if (c->heads % c->kv_heads != 0)
        return refuse(why, "%s: header field kv heads = %d, expected a divisor of heads = %d", path,
                      c->kv_heads, c->heads);
    return true;
}

static int64_t rope_count(const model_config *c)
{
    return (int64_t)c->context * (c->dim / c->heads);
}

static bool read_reals(FILE *file, real *to, int64_t count)
{
    enum { CHUNK = 4096 };
    float chunk[CHUNK];

    while (count > 0) {
        size_t part = count < CHUNK ? (size_t)count : CHUNK;

        if (fread(chunk, sizeof *chunk, part, file) != part)
            return false;
        for (size_t i = 0; i < part; i++)
            to[i] = chunk[i];
        to += part;
        count -= (int64_t)part;
    }
    return true;
}

static bool load_open(model *m, FILE *file, const char *path, problem *why)
{
    int32_t field[HEADER_FIELDS];
    model_config c;
    weights sizes;
    long long bytes, expected;
    int64_t before_tables;

    if (fread(field, sizeof *field, HEADER_FIELDS, file) != HEADER_FIELDS)
        return refuse(why, "%s: shorter than the header of %zu bytes", path, sizeof field);
    if (!check_header(path, field, &c, why))
        return false;
    expected = (long long)sizeof field + 4LL * (weights_map(&sizes, &c, NULL) + rope_count(&c));
    if (fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) < 0)
        return refuse(why, "%s: %s", path, strerror(errno));
    if (bytes != expected)
        return refuse(
            why, "%s: %s, %lld bytes where dim %d, layers %d, vocabulary %d, context %d need %lld",
            path, bytes < expected ? "truncated" : "too long", bytes, c.dim, c.layers, c.vocab,
            c.context, expected);
    model_create(m, &c);
    before_tables = c.tied ? m->count : m->count - (int64_t)c.vocab * c.dim;
    fseek(file, sizeof field, SEEK_SET);
    if (!read_reals(file, m->params, before_tables) ||
        fseek(file, 4L * rope_count(&c), SEEK_CUR) != 0 ||
        !read_reals(file, m->params + before_tables, m->count - before_tables))
        return refuse(why, "%s: cannot read: %s", path, strerror(errno));
    for (int64_t i = 0; i < m->count; i++) {
        if (!(m->params[i] - m->params[i] == 0))
            return refuse(why, "%s: parameter %lld = %g, expected a finite number", path,
                          (long long)i, (double)m->params[i]);
    }
    return true;
}

bool checkpoint_load(model *m, const char *path, problem *why)
{
    FILE *file = fopen(path, "rb");
    bool ok;

    *m = (model){0};
    if (!file)
        return refuse(why, "%s: %s", path, strerror(errno));
    ok = load_open(m, file, path, why);
    fclose(file);
    if (!ok)
        model_free(m);
    return ok;
}

static void write_reals(FILE *file, const real *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        float value = (float)from[i];

        fwrite(&value, sizeof value, 1, file);
    }
}

static void write_model(const model *m, FILE *file)
{
    const model_config *c = &m->config;
    const int32_t field[HEADER_FIELDS] = {
        c->dim,     c->hidden, c->layers, c->heads, c->kv_heads, c->tied ? c->vocab : -c->vocab,
        c->context,
    };
    const int64_t before_tables = c->tied ? m->count : m->count - (int64_t)c->vocab * c->dim;
    const int64_t pairs = rope_count(c) / 2;

    fwrite(field, sizeof field, 1, file);
    write_reals(file, m->params, before_tables);
    for (int part = 0; part < 2; part++)
        for (int64_t i = 0; i < pairs; i++)
            write_reals(file, m->rope + 2 * i + part, 1);
    write_reals(file, m->params + before_tables, m->count - before_tables);
}

bool checkpoint_save(const model *m, const char *path, problem *why)
{
    size_t room = strlen(path) + sizeof ".part";
    char *part = take((int64_t)room, 1);
    FILE *file;
    bool ok;

    snprintf(part, room, "%s.part", path);
    file = fopen(part, "wb");
    ok = file != NULL;
    if (ok) {
        write_model(m, file);
        ok = !ferror(file);
        ok = fclose(file) == 0 && ok && rename(part, path) == 0;
    }
    if (!ok)
        refuse(why, "%s: cannot write: %s", path, strerror(errno));
    free(part);
    return ok;
}
