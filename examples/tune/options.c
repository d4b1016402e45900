#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How the value of an option is read, and where in `options` it goes. */
typedef enum value_kind { FLAG, TEXT, COUNT, NUMBER, PAIRS, LISTS, BETA, SETTING } value_kind;

static const struct {
    const char *name;
    value_kind kind;
    size_t offset;
    double least, most;
} rows[] = {
    {"model", TEXT, offsetof(options, model), 0, 0},
    {"tokenizer", TEXT, offsetof(options, tokenizer), 0, 0},
    {"pairs", PAIRS, 0, 0, 0},
    {"lists", LISTS, 0, 0, 0},
    {"loss", TEXT, offsetof(options, loss), 0, 0},
    {"reward-norm", TEXT, offsetof(options, reward_norm), 0, 0},
    {"beta", BETA, 0, 0, 0},
    {"set", SETTING, 0, 0, 0},
    {"steps", COUNT, offsetof(options, steps), 0, INT_MAX},
    {"batch", COUNT, offsetof(options, batch), 1, 1 << 20},
    {"interval", COUNT, offsetof(options, interval), 1, INT_MAX},
    {"lr", NUMBER, offsetof(options, rate), 0, 1},
    {"held-out", COUNT, offsetof(options, held_out), 0, INT_MAX},
    {"seed", COUNT, offsetof(options, seed), 0, INT_MAX},
    {"threads", COUNT, offsetof(options, threads), 1, 1024},
    {"ref-cache", TEXT, offsetof(options, ref_cache), 0, 0},
    {"log", TEXT, offsetof(options, log), 0, 0},
    {"plot", TEXT, offsetof(options, plot), 0, 0},
    {"save", TEXT, offsetof(options, save), 0, 0},
    {"sample", TEXT, offsetof(options, sample), 0, 0},
    {"list-losses", FLAG, offsetof(options, list_losses), 0, 0},
    {"help", FLAG, offsetof(options, help), 0, 0},
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

static const char help_text[] =
    "Tunes a LLaMA-architecture model (llama2.c's version-0 checkpoint) on\n"
    "preferences, with any pair or list loss of libalign.\n"
    "\n"
    "What to train, and on what:\n"
    "  --model F.bin      checkpoint to start from; also the reference policy\n"
    "  --tokenizer T.bin  llama2.c's tokenizer file\n"
    "  --pairs F.json[l]  pairs, as a JSON array or one object a line: chosen,\n"
    "                     rejected and prompt; or instruction and perhaps input\n"
    "                     instead of prompt; or neither: whole conversations,\n"
    "                     of which the shared beginning is the prompt\n"
    "  --lists F.json[l]  lists: prompt, and responses as an array of objects\n"
    "                     with text and score; or one answer a row with source,\n"
    "                     system_output and scores.overall (UniEval), joined\n"
    "                     into lists by equal source and context\n"
    "  --held-out N       measure on the last N usable pairs or lists, never\n"
    "                     train on them (default: a tenth, 100 at most)\n"
    "  --interval N       measure before the first step, after every N steps and\n"
    "                     at the end (default: an eighth of the run)\n"
    "\n"
    "How:\n"
    "  --loss NAME        row of libalign's table (default: dpo for pairs,\n"
    "                     lipo_lambda for lists)\n"
    "  --list-losses      print the table with all parameters, and stop\n"
    "  --set NAME=X       a parameter of the loss, a number or a name (default: its paper's)\n"
    "  --beta X           the same as --set beta=X\n"
    "  --steps N          optimiser steps (default: once through the data)\n"
    "  --batch N          pairs or lists a step (default: 8)\n"
    "  --lr X             AdamW's learning rate, after a warm-up of four steps\n"
    "                     (default: 5e-4)\n"
    "  --seed N           order of the data, and sampling (default: 1)\n"
    "  --threads N        changes the speed and no result (default: all cores)\n"
    "  --reward-norm NAME labels of lists are their scores, normalised list by\n"
    "                     list: a kind (zscore, minmax, rank_normal and others)\n"
    "                     or what a trainer does (trl/grpo)\n"
    "\n"
    "Without --reward-norm, labels of lists come from the order of the scores\n"
    "alone: the share of its list that an answer is better than, ties and itself\n"
    "counting half; (K - rank + 1/2) / K without ties. A pair loss on lists sees\n"
    "every pair of answers with different scores; a list loss on pairs sees lists\n"
    "of two.\n"
    "\n"
    "Files and results:\n"
    "  --ref-cache F      keep the reference log-probabilities in F; read again\n"
    "                     only for the same model and data\n"
    "  --log F.jsonl      a JSON line a step; and lines with held_out_loss,\n"
    "                     held_out_accuracy and held_out_margin\n"
    "  --plot F.svg       loss and accuracy over steps, drawn by gnuplot\n"
    "  --save F.bin       the tuned checkpoint; also written at Ctrl-C\n"
    "  --sample \"prompt\"  print a continuation before and after\n"
    "\n"
    "Pairs and lists that are too long for the model's context, empty, or\n"
    "without a difference are left out, counted and reported. Exit status: 0;\n"
    "1 after an error; 130 after Ctrl-C.\n";

void options_help(const char *program)
{
    printf("Usage: %s --model F.bin --tokenizer T.bin (--pairs F | --lists F) [option...]\n%s",
           program, help_text);
}

static bool read_number(const char *name, const char *text, double least, double most,
                        double *value, problem *why)
{
    char *end;

    errno = 0;
    *value = strtod(text, &end);
    if (end == text || *end || errno == ERANGE || !(*value >= least && *value <= most))
        return refuse(why, "--%s %s: expected a number in %g..%g", name, text, least, most);
    return true;
}

static bool read_count(const char *name, const char *text, double least, double most, int *value,
                       problem *why)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(text, &end, 10);
    if (end == text || *end || errno == ERANGE || (double)number < least || (double)number > most)
        return refuse(why, "--%s %s: expected a whole number in %.0f..%.0f", name, text, least,
                      most);
    *value = (int)number;
    return true;
}

static bool read_setting(options *o, const char *name, const char *text, problem *why)
{
    if (o->sets == SET_LIMIT)
        return refuse(why, "--set %s=%s: more than %d settings", name, text, SET_LIMIT);
    o->set[o->sets].name = name;
    if (isalpha((unsigned char)*text)) {
        o->set[o->sets++].word = text;
        return true;
    }
    return read_number(name, text, -DBL_MAX, DBL_MAX, &o->set[o->sets++].value, why);
}

static bool read_set(options *o, char *text, problem *why)
{
    char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return refuse(why, "--set %s: expected NAME=X", text);
    *equals = '\0';
    return read_setting(o, text, equals + 1, why);
}

static bool read_data(options *o, data_kind kind, const char *path, problem *why)
{
    if (o->data)
        return refuse(why, "--%s %s: %s is to be read already; expected one of --pairs and --lists",
                      kind == DATA_PAIRS ? "pairs" : "lists", path, o->data);
    o->kind = kind;
    o->data = path;
    return true;
}

static bool read_option(options *o, int i, char *text, problem *why)
{
    void *to = (char *)o + rows[i].offset;

    switch (rows[i].kind) {
    case FLAG:
        *(bool *)to = true;
        return true;
    case TEXT:
        *(const char **)to = text;
        return true;
    case COUNT:
        return read_count(rows[i].name, text, rows[i].least, rows[i].most, to, why);
    case NUMBER:
        return read_number(rows[i].name, text, rows[i].least, rows[i].most, to, why);
    case PAIRS:
        return read_data(o, DATA_PAIRS, text, why);
    case LISTS:
        return read_data(o, DATA_LISTS, text, why);
    case BETA:
        return read_setting(o, "beta", text, why);
    default:
        return read_set(o, text, why);
    }
}

static bool complete(const options *o, problem *why)
{
    if (o->help || o->list_losses)
        return true;
    if (!o->model)
        return refuse(why, "--model is missing; --help tells more");
    if (!o->tokenizer)
        return refuse(why, "--tokenizer is missing; --help tells more");
    return o->data || refuse(why, "--pairs or --lists is missing; --help tells more");
}

bool options_read(options *o, int argc, char **argv, problem *why)
{
    struct option long_options[ROW_COUNT + 1] = {{0}};
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int id;

    *o = (options){.steps = -1,
                   .batch = 8,
                   .held_out = -1,
                   .threads = cores > 0 ? (int)cores : 1,
                   .rate = 5e-4,
                   .seed = 1};
    for (int i = 0; i < ROW_COUNT; i++)
        long_options[i] = (struct option){
            rows[i].name, rows[i].kind == FLAG ? no_argument : required_argument, NULL, i + 1};
    opterr = 0;
    while ((id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (id == ':')
            return refuse(why, "%s: its value is missing", argv[optind - 1]);
        if (id == '?')
            return refuse(why, "%s: no such option; --help prints those there are",
                          argv[optind - 1]);
        if (!read_option(o, id - 1, optarg, why))
            return false;
    }
    if (optind < argc)
        return refuse(why, "%s: expected an option; --help prints those there are", argv[optind]);
    if (!o->loss)
        o->loss = o->kind == DATA_PAIRS ? "dpo" : "lipo_lambda";
    return complete(o, why);
}
