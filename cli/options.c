#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"

enum {
    SESSIONS = CLI_RUN | CLI_BENCH | CLI_PERPLEXITY | CLI_TRACE, /* subcommands that open a session */
    RUNNING = SESSIONS | CLI_CHECK,                              /* subcommands that compute */
    MODELS = RUNNING | CLI_TOKENIZE | CLI_INSPECT,
    TEXTS = CLI_RUN | CLI_TOKENIZE | CLI_PERPLEXITY | CLI_TRACE | CLI_CHECK,
    ALL = MODELS | CLI_DEVICES | CLI_DIFF,
};

#define FIELD(name) offsetof(cli_options, name)

/* name, letter, argument, help, subcommands, kind, field, range */
const cli_option cli_option_table[] = {
    {"model", 'm', "PATH",
     "GGUF file, first file of a split GGUF, or Hugging Face directory (default: the small model installed with Glint)",
     MODELS, CLI_NAME, FIELD(model), 0, 0},
    {"model", 'm', "PATH", "the model of the values, to find out what made them differ (default: values alone)",
     CLI_DIFF, CLI_NAME, FIELD(model), 0, 0},
    {"device", 'd', "DEVICE", "auto, or a name that 'glint devices' lists (default: auto)", RUNNING, CLI_NAME,
     FIELD(device), 0, 0},
    {"device", 'd', "DEVICE", "only this one of those that 'glint devices' lists (default: all)", CLI_DEVICES, CLI_NAME,
     FIELD(device), 0, 0},
    {"split", 0, "LIST",
     "layers by device, as 'gles:0=0-12,cpu=13-25'; also the items embed and head, which else go with the layer beside "
     "them",
     SESSIONS | CLI_CHECK, CLI_NAME, FIELD(split), 0, 0},
    {"gpu-layers", 0, "N",
     "also -ngl N: the last N layers on the GPU, the rest on the CPU; more than there are: everything (default: all "
     "that fit)",
     SESSIONS, CLI_INT, FIELD(gpu_layers), 0, 1 << 20},
    {"memory", 0, "LIST", "how much of devices may be used, as 'gles:0=8G,cpu=16G' (default: what is free)", SESSIONS,
     CLI_NAME, FIELD(memory), 0, 0},
    {"plan", 0, NULL, "print which layers would run where, their bytes and the time predicted, and do nothing else",
     CLI_RUN | CLI_BENCH, CLI_FLAG, FIELD(plan), 0, 0},
    {"precision", 0, "fast|exact",
     "fast: 8-bit activations, half-precision cache; exact: float32, the same bits however the prompt is fed (default: "
     "fast)",
     RUNNING, CLI_CHOICE, FIELD(precision), 0, 0},
    {"threads", 't', "N", "threads of the CPU (default: its processors, or as many as a container was given)",
     RUNNING | CLI_DEVICES, CLI_INT, FIELD(threads), 0, 4096},
    {"context", 'c', "N", "tokens of context (default: 4096, or the model's own length where shorter)",
     CLI_RUN | CLI_BENCH | CLI_TRACE, CLI_INT, FIELD(context), 0, 1 << 24},
    {"context", 'c', "N", "tokens of a window (default: 256)", CLI_PERPLEXITY, CLI_INT, FIELD(context), 2, 1 << 24},
    {"batch", 'b', "N", "tokens of the prompt that are computed together (default: 512)", RUNNING, CLI_INT,
     FIELD(batch), 0, 1 << 20},
    {"cache-type", 0, "f16|f32", "format of cached keys and values (default: f16; always f32 with --precision exact)",
     SESSIONS, CLI_CHOICE, FIELD(cache_type), 0, 0},

    {"prompt", 'p', "TEXT", "the text, taken as it is", TEXTS, CLI_TEXT, FIELD(prompt), 0, 0},
    {"file", 'f', "FILE", "read the text from FILE, '-' for standard input", TEXTS, CLI_NAME, FIELD(file), 0, 0},
    {"escape", 'e', NULL, "read \\n, \\t, \\r, \\\" and \\\\ in -p as the characters they stand for", TEXTS, CLI_FLAG,
     FIELD(escape), 0, 0},
    {"ids", 0, "LIST", "exactly these token ids instead of a text, separated by commas",
     CLI_RUN | CLI_TRACE | CLI_CHECK, CLI_TEXT, FIELD(id_list), 0, 0},
    {"predict", 'n', "N", "new tokens at most (default: until the end of the text or of the context)", CLI_RUN, CLI_INT,
     FIELD(n), -1, INT_MAX},
    {"predict", 'n', "N", "greedy steps after the prompt (default: 0)", CLI_TRACE | CLI_CHECK, CLI_INT, FIELD(n), 0,
     INT_MAX},

    {"temp", 0, "T", "temperature; 0 takes the likeliest token (default: 0.8)", CLI_RUN, CLI_FLOAT,
     FIELD(sampling.temperature), 0, 1e6},
    {"top-k", 0, "K", "choose among the K likeliest; 0: off (default: 40)", CLI_RUN, CLI_INT, FIELD(sampling.top_k), 0,
     INT_MAX},
    {"top-p", 0, "P", "choose among the likeliest that make up P; 1: off (default: 0.95)", CLI_RUN, CLI_FLOAT,
     FIELD(sampling.top_p), 0, 1},
    {"min-p", 0, "P", "drop tokens less likely than P times the likeliest; 0: off (default: 0.05)", CLI_RUN, CLI_FLOAT,
     FIELD(sampling.min_p), 0, 1},
    {"repeat-penalty", 0, "X", "divide the logits of recent tokens by X; 1: off (default: 1)", CLI_RUN, CLI_FLOAT,
     FIELD(sampling.repeat_penalty), 1e-3, 1e3},
    {"presence-penalty", 0, "X", "subtract X from the logits of recent tokens (default: 0)", CLI_RUN, CLI_FLOAT,
     FIELD(sampling.presence_penalty), -1e3, 1e3},
    {"frequency-penalty", 0, "X", "subtract X for each time a recent token occurred (default: 0)", CLI_RUN, CLI_FLOAT,
     FIELD(sampling.frequency_penalty), -1e3, 1e3},
    {"seed", 's', "SEED", "same seed, build and device: same text; -1: random (default: random, printed)", CLI_RUN,
     CLI_INT64, FIELD(seed), -1, 0x1p63},
    {"top", 0, "K", "show the K likeliest tokens of each step with their probabilities", CLI_RUN, CLI_INT, FIELD(top),
     0, 1000},
    {"watch", 0, "TEXT|#ID", "show logit, rank and probability of this token at each step; may be repeated", CLI_RUN,
     CLI_REPEATED, FIELD(watch), 0, 0},

    {"ids", 0, NULL, "print the ids alone", CLI_TOKENIZE, CLI_FLAG, FIELD(ids_only), 0, 0},
    {"no-special", 0, NULL, "neither add tokens around the text nor read the text of special tokens as those tokens",
     CLI_TOKENIZE, CLI_FLAG, FIELD(no_special), 0, 0},
    {"decode", 0, NULL, "the other way: the text is a list of ids", CLI_TOKENIZE, CLI_FLAG, FIELD(decode), 0, 0},

    {"tensors", 0, NULL, "every tensor: format, shape, bytes and use", CLI_INSPECT, CLI_FLAG, FIELD(tensors), 0, 0},
    {"digest", 0, NULL,
     "a hash of every weight as Glint decodes it; the same for the same weights in another container", CLI_INSPECT,
     CLI_FLAG, FIELD(digest), 0, 0},
    {"device", 'd', "DEVICE", "look at the weights as this device holds them (default: cpu:ref)", CLI_INSPECT, CLI_NAME,
     FIELD(device), 0, 0},
    {"card", 0, NULL, "every choice that the metadata made, or that was made in its absence", CLI_INSPECT, CLI_FLAG,
     FIELD(card), 0, 0},

    {"self-test", 0, NULL, "run every op on the device and compare it with the oracle", CLI_DEVICES, CLI_FLAG,
     FIELD(self_test), 0, 0},

    {"prompt", 'p', "N", "tokens of the prompt; 0: no such test (default: 512)", CLI_BENCH, CLI_INT,
     FIELD(bench_prompt), 0, 1 << 24},
    {"predict", 'n', "N", "tokens decoded one by one; 0: no such test (default: 128)", CLI_BENCH, CLI_INT,
     FIELD(bench_decode), 0, 1 << 24},
    {"repeats", 'r', "N", "measurements of each test (default: 5)", CLI_BENCH, CLI_INT, FIELD(repeats), 1, 1000},
    {"null", 0, NULL, "measure the engine alone, on a device that computes nothing", CLI_BENCH, CLI_FLAG, FIELD(null),
     0, 0},

    {"score", 0, "half|all",
     "half: the second half of each whole window, as llama.cpp does; all: all but the first token of each window "
     "(default: half)",
     CLI_PERPLEXITY, CLI_CHOICE, FIELD(score), 0, 0},

    {"output", 'o', "FILE", "the safetensors file to write", CLI_TRACE, CLI_NAME, FIELD(output), 0, 0},
    {"html", 0, "FILE", "write a page that shows what came out", CLI_TRACE | CLI_CHECK, CLI_NAME, FIELD(html), 0, 0},
    {"values", 0, "LIST",
     "only these values: names or globs, separated by commas, such as 'layers.*.out,logits' (default: all)", CLI_TRACE,
     CLI_NAME, FIELD(values), 0, 0},
    {"layers", 0, "LIST", "only values of these layers, separated by commas, and those of no layer (default: all)",
     CLI_TRACE | CLI_CHECK, CLI_NAME, FIELD(layers), 0, 0},

    {"against", 0, "DEVICE|FILE",
     "what is right: another device, a trace, or a Hugging Face reference (default: cpu:ref, the oracle)", CLI_CHECK,
     CLI_NAME, FIELD(against), 0, 0},
    {"free", 0, NULL, "let both sides run on by themselves, and judge by the bounds for a whole model", CLI_CHECK,
     CLI_FLAG, FIELD(free_run), 0, 0},
    {"unfused", 0, NULL, "watch every value, also where that breaks up what a device runs as one piece", CLI_CHECK,
     CLI_FLAG, FIELD(unfused), 0, 0},
    {"paths", 0, NULL,
     "instead compare ways through the engine: prompt whole or in pieces, among other sequences, other kernels ...",
     CLI_CHECK, CLI_FLAG, FIELD(paths), 0, 0},
    {"bisect", 0, NULL, "where the logits of a step are wrong, narrow that down to the op that makes them so",
     CLI_CHECK, CLI_FLAG, FIELD(bisect), 0, 0},
    {"steps", 0, NULL,
     "instead of the table a numbered log: text, ids, every op of the layers asked for, the token chosen", CLI_CHECK,
     CLI_FLAG, FIELD(steps), 0, 0},

    {"json", 0, NULL, "print JSON instead of text (run: a line for each event)", ALL, CLI_FLAG, FIELD(json), 0, 0},
    {"quiet", 'q', NULL, "print nothing but the result and errors", ALL, CLI_FLAG, FIELD(quiet), 0, 0},
    {"verbose", 'v', NULL, "say more on standard error", ALL, CLI_FLAG, FIELD(verbose), 0, 0},
    {"help", 'h', NULL, "show this help", ALL, CLI_FLAG, FIELD(help), 0, 0},
};
const int cli_n_options = sizeof cli_option_table / sizeof *cli_option_table;

/* ---- Values ---- */

static glint_status set_choice(const cli_option *o, const char *text, int *field, glint_error *err) {
    size_t n = strlen(text);
    int index = 0;
    for (const char *word = o->argument;; index++) {
        size_t length = strcspn(word, "|");
        if (length == n && memcmp(word, text, n) == 0) break;
        if (!word[length]) return cli_fail(err, GLINT_USAGE, "--%s: '%s' is not one of %s", o->name, text, o->argument);
        word += length + 1;
    }
    *field = index;
    return GLINT_OK;
}

static glint_status set_whole(const cli_option *o, const char *text, int64_t *out, glint_error *err) {
    char *end;
    errno = 0;
    long long x = strtoll(text, &end, 10);
    if (!*text || strspn(text, "+-0123456789") != strlen(text) || *end)
        return cli_fail(err, GLINT_USAGE, "--%s: '%s' is not a whole number", o->name, text);
    long long low = (long long)o->low, high = o->high < 0x1p63 ? (long long)o->high : LLONG_MAX;
    if (errno || x < low || x > high)
        return cli_fail(err, GLINT_USAGE, "--%s: %s is not between %lld and %lld", o->name, text, low, high);
    *out = x;
    return GLINT_OK;
}

static glint_status set_float(const cli_option *o, const char *text, float *out, glint_error *err) {
    char *end;
    double x = strtod(text, &end);
    if (!*text || strspn(text, "+-.eE0123456789") != strlen(text) || *end)
        return cli_fail(err, GLINT_USAGE, "--%s: '%s' is not a number", o->name, text);
    if (!isfinite(x) || x < o->low || x > o->high)
        return cli_fail(err, GLINT_USAGE, "--%s: %s is not between %g and %g", o->name, text, o->low, o->high);
    *out = (float)x;
    return GLINT_OK;
}

static glint_status set_repeated(const cli_option *o, const char *text, cli_list *list, glint_error *err) {
    if (list->n == CLI_MAX_LIST)
        return cli_fail(err, GLINT_USAGE, "--%s: given more than %d times", o->name, CLI_MAX_LIST);
    list->items[list->n++] = text;
    return GLINT_OK;
}

static glint_status set_value(const cli_option *o, const char *text, cli_options *out, glint_error *err) {
    void *field = (char *)out + o->offset;
    int64_t whole;
    glint_status s;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)field = true;
        return GLINT_OK;
    case CLI_NAME:
        if (!*text) return cli_fail(err, GLINT_USAGE, "--%s: '' is no %s", o->name, o->argument);
        *(const char **)field = text;
        return GLINT_OK;
    case CLI_TEXT:
        *(const char **)field = text;
        return GLINT_OK;
    case CLI_REPEATED:
        return set_repeated(o, text, field, err);
    case CLI_CHOICE:
        return set_choice(o, text, field, err);
    case CLI_INT:
        if ((s = set_whole(o, text, &whole, err)) == GLINT_OK) *(int *)field = (int)whole;
        return s;
    case CLI_INT64:
        return set_whole(o, text, field, err);
    case CLI_FLOAT:
        return set_float(o, text, field, err);
    }
    return GLINT_OK;
}

/* ---- Parsing ---- */

enum { LONG = 256 }; /* a long option's code is LONG + its row; a letter's code is the letter */

static const cli_option *option_of(unsigned command, int code) {
    if (code >= LONG) return &cli_option_table[code - LONG];
    if (!code) return NULL; /* what getopt says of an unknown long option */
    for (int i = 0; i < cli_n_options; i++)
        if (cli_option_table[i].letter == code && (cli_option_table[i].commands & command)) return &cli_option_table[i];
    return NULL;
}

static void build_getopt(unsigned command, struct option *longs, char *letters) {
    *letters++ = ':'; /* a missing argument is told apart from an unknown option */
    for (int i = 0; i < cli_n_options; i++) {
        const cli_option *o = &cli_option_table[i];
        if (!(o->commands & command)) continue;
        *longs++ = (struct option){o->name, o->argument ? required_argument : no_argument, NULL, LONG + i};
        if (!o->letter) continue;
        *letters++ = o->letter;
        if (o->argument) *letters++ = ':';
    }
    *longs = (struct option){0};
    *letters = 0;
}

/* Is the word an option whose argument is the next word? */
static bool takes_next(unsigned command, const char *word) {
    for (int i = 0; i < cli_n_options; i++) {
        const cli_option *o = &cli_option_table[i];
        if (!(o->commands & command) || !o->argument) continue;
        if (word[0] == '-' && o->letter && word[1] == o->letter && !word[2]) return true;
        if (!strncmp(word, "--", 2) && !strcmp(word + 2, o->name)) return true;
    }
    return false;
}

/* -ngl, which users of llama.cpp type, is one word and not three letters. */
static void expand_ngl(unsigned command, int argc, char **argv) {
    static char full[] = "--gpu-layers";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!strcmp(argv[i], "-ngl")) argv[i] = full;
        if (takes_next(command, argv[i])) i++;
    }
}

static glint_status parse_failure(unsigned command, int code, char **argv, glint_error *err) {
    const cli_option *o = option_of(command, optopt);
    if (code == ':') return cli_fail(err, GLINT_USAGE, "--%s: needs an argument, %s", o->name, o->argument);
    if (o) return cli_fail(err, GLINT_USAGE, "--%s: takes no argument", o->name);
    if (optopt) return cli_fail(err, GLINT_USAGE, "unknown option '-%c'", optopt);
    return cli_fail(err, GLINT_USAGE, "unknown option '%s'", argv[optind - 1]);
}

glint_status cli_parse(unsigned command, int argc, char **argv, cli_options *out, int *operands, glint_error *err) {
    struct option longs[sizeof cli_option_table / sizeof *cli_option_table + 1];
    char letters[2 * sizeof cli_option_table / sizeof *cli_option_table + 2];
    build_getopt(command, longs, letters);
    *out = (cli_options){.sampling = glint_sampling_default(),
                         .gpu_layers = -1,
                         .seed = -1,
                         .bench_prompt = 512,
                         .bench_decode = 128,
                         .repeats = 5,
                         .n = command & CLI_RUN ? -1 : 0};
    opterr = 0; /* the messages are ours */
    expand_ngl(command, argc, argv);
    for (int code; (code = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        if (code == '?' || code == ':') return parse_failure(command, code, argv, err);
        glint_status s = set_value(option_of(command, code), optarg, out, err);
        if (s) return s;
    }
    *operands = optind;
    return GLINT_OK;
}

glint_status cli_parse_ids(const char *text, const char *what, const char *noun, int32_t **ids, size_t *count,
                           glint_error *err) {
    static const char gaps[] = ", \t\r\n";
    size_t n = 0;
    int32_t *out = malloc((strlen(text) / 2 + 1) * sizeof *out); /* an id and a gap are two characters at least */
    if (!out) return cli_fail(err, GLINT_INTERNAL, "out of memory");
    for (const char *p = text + strspn(text, gaps); *p; p += strspn(p, gaps)) {
        char *end;
        errno = 0;
        long x = strtol(p, &end, 10);
        if (end == p || (*end && !strchr(gaps, *end)) || errno || x < INT32_MIN || x > INT32_MAX) {
            glint_status s = cli_fail(err, GLINT_USAGE, "%s: '%.*s' is not a %s", what, (int)strcspn(p, gaps), p, noun);
            free(out);
            return s;
        }
        out[n++] = (int32_t)x;
        p = end;
    }
    *ids = out;
    *count = n;
    return GLINT_OK;
}
