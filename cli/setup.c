#include "cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/print.h"

const char *const cli_precisions[] = {"fast", "exact"};

double cli_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- The model ---- */

static const char model_name[] = "gemma3-shakespeare-Q4_K_M.gguf";

/* Cuts the last component off a path; false where there is none. */
static bool cut_component(char *path) {
    char *slash = strrchr(path, '/');
    if (slash) *slash = 0;
    return slash != NULL;
}

/* PREFIX/share/glint, where this program is PREFIX/bin/glint (a build folder is laid out the same way), then the folder
 * that the build was configured for. */
static glint_status default_model(char *path, size_t room, glint_error *err) {
    char prefix[4096];
    ssize_t n = readlink("/proc/self/exe", prefix, sizeof prefix - 1);
    prefix[n > 0 ? n : 0] = 0;
    if (cut_component(prefix) && cut_component(prefix)) {
        snprintf(path, room, "%s/share/glint/%s", prefix, model_name);
        if (access(path, R_OK) == 0) return GLINT_OK;
    }
    snprintf(path, room, "%s/%s", GLINT_DATADIR, model_name);
    if (access(path, R_OK) == 0) return GLINT_OK;
    return cli_fail(err, GLINT_BAD_INPUT, "%s: %s; give a model with -m", path, strerror(errno));
}

glint_status cli_open_model(const cli_options *o, glint_model **out, glint_error *err) {
    char path[8192];
    glint_status s = o->model ? GLINT_OK : default_model(path, sizeof path, err);
    return s ? s : glint_model_open(o->model ? o->model : path, out, err);
}

static void on_notice(const char *line, void *user) {
    (void)user;
    fprintf(stderr, "glint: %s\n", line);
}

glint_session_options cli_session_options(const cli_options *o) {
    return (glint_session_options){.device = o->gpu_layers == 0 ? "cpu" : o->device,
                                   .split = o->split,
                                   .gpu_layers = o->gpu_layers > 0 ? o->gpu_layers : 0,
                                   .memory = o->memory,
                                   .notice = on_notice,
                                   .precision = (glint_precision)o->precision,
                                   .threads = o->threads,
                                   .context = o->context,
                                   .batch = o->batch,
                                   .cache_f32 = o->cache_type == 1};
}

glint_status cli_check_places(const cli_options *o, glint_error *err) {
    if (o->split && (o->device || o->gpu_layers >= 0))
        return cli_fail(err, GLINT_USAGE,
                        "--split says where everything goes: neither --device nor --gpu-layers beside it");
    return GLINT_OK;
}

glint_status cli_open_session(const cli_options *o, glint_model *model, const glint_session_options *options,
                              glint_session **out, glint_error *err) {
    int longest = glint_model_context(model);
    glint_status s = cli_check_places(o, err);
    if (!s) s = glint_session_open(model, options, out, err);
    if (!s && !o->quiet && longest > 0 && options->context > longest)
        fprintf(stderr,
                "glint: %s was made for %d tokens of context, not for %d: text may turn to nonsense behind them\n",
                glint_model_path(model), longest, options->context);
    if (s || !o->verbose) return s;
    fprintf(stderr, "glint: %s: %s, %d layers, vocabulary %d\n", glint_model_path(model),
            glint_model_architecture(model), glint_model_layers(model), glint_model_vocabulary(model));
    fprintf(stderr, "glint: device %s (%s), %s; context %d, batch %d\n", glint_session_device(*out),
            glint_session_reason(*out), cli_precisions[o->precision], glint_session_context(*out),
            glint_session_batch(*out));
    return s;
}

void cli_tell_device(const glint_session *session) {
    fprintf(stderr, "glint: device %s (%s)\n", glint_session_device(session), glint_session_reason(session));
}

void cli_tell_missing(const glint_error *missing) {
    if (missing->message[0]) fprintf(stderr, "glint: a device may be missing: %s\n", missing->message);
}

/* ---- The text ---- */

static glint_status read_stream(FILE *in, const char *name, char **text, size_t *bytes, glint_error *err) {
    char *data = NULL;
    size_t n = 0, room = 0;
    do {
        if (room - n < 2) {
            room = room * 2 + 65536;
            char *more = realloc(data, room);
            if (!more) {
                free(data);
                return cli_fail(err, GLINT_INTERNAL, "%s: out of memory", name);
            }
            data = more;
        }
        n += fread(data + n, 1, room - n - 1, in);
    } while (!feof(in) && !ferror(in));
    if (ferror(in)) {
        int why = errno;
        free(data);
        return cli_fail(err, GLINT_BAD_INPUT, "%s: %s", name, strerror(why));
    }
    data[n] = 0;
    *text = data;
    *bytes = n;
    return GLINT_OK;
}

static glint_status read_file(const char *path, char **text, size_t *bytes, glint_error *err) {
    if (strcmp(path, "-") == 0) return read_stream(stdin, "standard input", text, bytes, err);
    FILE *in = fopen(path, "rb");
    if (!in) return cli_fail(err, GLINT_BAD_INPUT, "%s: %s", path, strerror(errno));
    glint_status s = read_stream(in, path, text, bytes, err);
    fclose(in);
    return s;
}

/* \n and the like become the characters they stand for, in place; an unknown escape stays as it is. */
static size_t unescape(char *s) {
    static const char letters[] = "ntr\"'\\", meanings[] = "\n\t\r\"'\\";
    char *out = s, *begin = s;
    for (; *s; s++) {
        const char *known = s[0] == '\\' && s[1] ? strchr(letters, s[1]) : NULL;
        *out++ = known ? meanings[known - letters] : *s;
        if (known) s++;
    }
    *out = 0;
    return (size_t)(out - begin);
}

glint_status cli_read_text(const cli_options *o, char **text, size_t *bytes, glint_error *err) {
    if ((o->prompt != NULL) + (o->file != NULL) + (o->id_list != NULL) > 1)
        return cli_fail(err, GLINT_USAGE, "only one of --prompt, --file and --ids can be given");
    if (o->file) return read_file(o->file, text, bytes, err);
    if (!o->prompt) return cli_fail(err, GLINT_USAGE, "a text is needed: --prompt TEXT or --file FILE");
    char *copy = strdup(o->prompt);
    if (!copy) return cli_fail(err, GLINT_INTERNAL, "out of memory");
    *bytes = o->escape ? unescape(copy) : strlen(copy);
    *text = copy;
    return GLINT_OK;
}

/* ---- Ids ---- */

static glint_status check_ids(const cli_ids *ids, const glint_model *model, glint_error *err) {
    int vocabulary = glint_model_vocabulary(model);
    if (ids->n == 0) return cli_fail(err, GLINT_BAD_INPUT, "the prompt is empty: it makes no tokens");
    for (size_t i = 0; i < ids->n; i++)
        if (ids->ids[i] < 0 || ids->ids[i] >= vocabulary)
            return cli_fail(err, GLINT_BAD_INPUT, "%s: token id %d is not one of 0 to %d", glint_model_path(model),
                            ids->ids[i], vocabulary - 1);
    return GLINT_OK;
}

/* A text that the tokenizer refuses is named by where it came from. */
static glint_status tokenize(const cli_options *o, const glint_model *model, cli_ids *out, glint_error *err) {
    unsigned flags = o->no_special ? 0 : GLINT_TOKENIZE_SPECIAL | GLINT_TOKENIZE_ADD_ENDS;
    glint_error cause = {""};
    glint_status s = glint_tokenize(model, out->text, out->bytes, flags, &out->ids, &out->n, &cause);
    if (!s) return GLINT_OK;
    const char *source = !o->file ? "--prompt" : strcmp(o->file, "-") == 0 ? "standard input" : o->file;
    return cli_fail(err, s, "%s: %s", source, cause.message);
}

glint_status cli_read_ids(const cli_options *o, const glint_model *model, cli_ids *out, glint_error *err) {
    cli_ids ids = {0};
    bool given = o->id_list && !o->prompt && !o->file;
    glint_status s = given ? cli_parse_ids(o->id_list, "--ids", "token id", &ids.ids, &ids.n, err)
                           : cli_read_text(o, &ids.text, &ids.bytes, err);
    if (!s && !given) s = tokenize(o, model, &ids, err);
    if (s)
        cli_free_ids(&ids);
    else
        *out = ids;
    return s;
}

glint_status cli_read_prompt(const cli_options *o, const glint_model *model, cli_ids *out, glint_error *err) {
    cli_ids ids = {0};
    glint_status s = cli_read_ids(o, model, &ids, err);
    if (!s) s = check_ids(&ids, model, err);
    if (s)
        cli_free_ids(&ids);
    else
        *out = ids;
    return s;
}

void cli_free_ids(cli_ids *ids) {
    free(ids->text);
    free(ids->ids);
    *ids = (cli_ids){0};
}
