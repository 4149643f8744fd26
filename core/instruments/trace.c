/* A trace: observed values of a prompt and of greedy steps after it, as safetensors (docs/trace-format.md). The sizes
 * are known before the first step, so the header goes out first and each step's rows to their places. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file_map.h"
#include "core/base/size.h"
#include "core/instruments/statistics.h"
#include "core/session.h"

typedef struct trace {
    glint_session *s;
    const glint_trace_options *o;
    int rows;          /* of the whole trace */
    uint64_t *offset;  /* by observed value: of its first byte in the file; last: of the ids */
    statistics *stats; /* by value */
    float *buffer;     /* rows of one value of one step */
    int chunk;         /* rows of a step, all of which are outputs */
    file_out file;     /* all zeros: none is wanted */
    void *user;
} trace;

/* ---- Header ---- */

static bool describe(json_t *header, const char *name, const char *type, int rows, int width, uint64_t *at) {
    size_t bytes;
    if (!size_mul((uint64_t)rows, (uint64_t)width * 4, &bytes)) return false;
    json_t *t = width > 1 || strcmp(type, "I32")
                    ? json_pack("{s:s, s:[i,i], s:[I,I]}", "dtype", type, "shape", rows, width, "data_offsets",
                                (json_int_t)*at, (json_int_t)(*at + bytes))
                    : json_pack("{s:s, s:[i], s:[I,I]}", "dtype", type, "shape", rows, "data_offsets", (json_int_t)*at,
                                (json_int_t)(*at + bytes));
    *at += bytes;
    return json_object_set_new(header, name, t) == 0;
}

static json_t *metadata(const trace *t) {
    char prompt_rows[16];
    snprintf(prompt_rows, sizeof prompt_rows, "%zu", t->o->n_prompt);
    json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:s}", "format", "glint-trace-1", "glint", GLINT_VERSION, "device",
                          t->s->device_name, "precision", t->s->precision == GLINT_EXACT ? "exact" : "fast",
                          "prompt_tokens", prompt_rows);
    if (!m) return NULL;
    json_object_set_new(m, "model", json_string(glint_model_path(t->s->model))); /* absent where it is not UTF-8 */
    if (t->o->prompt_text) json_object_set_new(m, "prompt", json_string(t->o->prompt_text));
    return m;
}

/* The JSON of the header, padded so that data begins at a multiple of 8; offsets become file offsets. */
static char *header_text(trace *t) {
    json_t *h = json_object();
    uint64_t at = 0;
    bool good = h && json_object_set_new(h, "__metadata__", metadata(t)) == 0;
    for (int v = 0; v < t->s->n_values && good; v++) {
        t->offset[v] = at;
        good = describe(h, t->s->values[v].name, "F32", t->rows, t->s->values[v].width, &at);
    }
    t->offset[t->s->n_values] = at;
    good = good && describe(h, "ids", "I32", t->rows, 1, &at);
    char *text = good ? json_dumps(h, JSON_COMPACT) : NULL;
    json_decref(h);
    if (!text) return NULL;
    size_t n = strlen(text), padded = (n + 7) / 8 * 8;
    char *out = malloc(padded + 1);
    if (out) {
        memcpy(out, text, n);
        memset(out + n, ' ', padded - n);
        out[padded] = 0;
    }
    free(text);
    return out;
}

static glint_status write_header(trace *t, glint_error *err) {
    char *text = header_text(t);
    if (!text) return base_fail(err, GLINT_INTERNAL, "%s: out of memory for the header", t->o->path);
    uint64_t n = strlen(text);
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(n >> (8 * i));
    fwrite(length, 1, sizeof length, t->file.stream); /* errors are collected by file_out_commit */
    fwrite(text, 1, n, t->file.stream);
    free(text);
    for (int v = 0; v <= t->s->n_values; v++) t->offset[v] += sizeof length + n;
    return GLINT_OK;
}

/* ---- Rows ---- */

static void write_at(trace *t, uint64_t offset, const void *data, size_t bytes) {
    if (t->file.stream && fseeko(t->file.stream, (off_t)offset, SEEK_SET) == 0) fwrite(data, 1, bytes, t->file.stream);
}

/* One value of n rows that begin at row `first` of the trace, in t->buffer: to the file, the statistics, the caller. */
static void take(trace *t, int v, const int32_t *ids, int first, int n) {
    const glint_value_info *i = &t->s->values[v];
    size_t row_bytes = (size_t)i->width * sizeof(float);
    write_at(t, t->offset[v] + (uint64_t)first * row_bytes, t->buffer, (size_t)n * row_bytes);
    statistics_rows(&t->stats[v], t->buffer, first, n);
    if (t->o->rows)
        t->o->rows(&(glint_value_rows){i->name, i->layer, i->width, first, n, ids, t->buffer, NULL}, t->user);
}

static glint_status take_ids(trace *t, const int32_t *ids, int first, int n, glint_error *err) {
    write_at(t, t->offset[t->s->n_values] + (uint64_t)first * 4, ids, (size_t)n * sizeof *ids);
    bool failed = t->file.stream && ferror(t->file.stream);
    return failed ? file_out_commit(&t->file, err) : GLINT_OK; /* says why; nothing is left */
}

static glint_status step(trace *t, const int32_t *ids, int n, glint_error *err) {
    for (int r = 0; r < n; r++) t->s->rows[r] = (glint_row){.token = ids[r], .output = true};
    return glint_session_step(t->s, t->s->rows, n, err);
}

/* What the last step of n rows came to. */
static glint_status take_last(trace *t, const int32_t *ids, int first, int n, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int v = 0; v < t->s->n_values && !status; v++) {
        status = glint_session_value(t->s, v, 0, n, t->buffer, err);
        if (!status) take(t, v, ids, first, n);
    }
    return status ? status : take_ids(t, ids, first, n, err);
}

/* The same of an earlier step of one row. */
static glint_status take_earlier(trace *t, backend_ticket ticket, int32_t id, int first, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int v = 0; v < t->s->n_values && !status; v++) {
        status = session_read_earlier(t->s, ticket, t->s->value_ids[v], t->buffer, err);
        if (!status) take(t, v, &id, first, 1);
    }
    return status ? status : take_ids(t, &id, first, 1, err);
}

/* ---- Steps ---- */

static glint_status decode_by_host(trace *t, int32_t id, glint_error *err) {
    glint_status status = GLINT_OK;
    for (int i = 0; i < t->o->n && !status; i++) {
        if (i) status = glint_session_argmax(t->s, 0, &id, err);
        if (!status) status = step(t, &id, 1, err);
        if (!status) status = take_last(t, &id, (int)t->o->n_prompt + i, 1, err);
    }
    return status;
}

/* The device goes on with what it chose itself while the step before is read and written. A device that is lost ends
 * the trace. */
static glint_status decode_ahead(trace *t, int32_t id, glint_error *err) {
    int n = t->o->n;
    glint_status status = n > 0 ? step(t, &id, 1, err) : GLINT_OK;
    if (!status && !session_values_last(t->s)) status = base_fail(err, GLINT_DEVICE, "%s", t->s->reason);
    for (int i = 0; i < n && !status; i++) {
        backend_ticket ticket = session_ticket(t->s);
        int32_t next = id;
        if (i + 1 < n) status = session_step_previous(t->s, err);
        if (!status && i + 1 < n) status = session_chosen(t->s, ticket, &next, err);
        if (!status) status = take_earlier(t, ticket, id, (int)t->o->n_prompt + i, err);
        id = next;
    }
    return status;
}

static glint_status run(trace *t, glint_error *err) {
    int n = (int)t->o->n_prompt, last = 0;
    glint_status status = glint_session_cut(t->s, 0, 0, err);
    for (int at = 0; at < n && !status; at += last) {
        last = n - at < t->chunk ? n - at : t->chunk;
        status = step(t, t->o->prompt + at, last, err);
        if (!status) status = take_last(t, t->o->prompt + at, at, last, err);
    }
    int32_t id = 0;
    if (!status && t->o->n) status = glint_session_argmax(t->s, last - 1, &id, err);
    if (status) return status;
    return session_values_last(t->s) ? decode_ahead(t, id, err) : decode_by_host(t, id, err);
}

/* ---- All of it ---- */

static glint_status make_room(trace *t, arena *a, glint_error *err) {
    size_t n = (size_t)t->s->n_values, widest = 1;
    for (size_t v = 0; v < n; v++)
        if ((size_t)t->s->values[v].width > widest) widest = (size_t)t->s->values[v].width;
    t->offset = arena_array(a, n + 1, sizeof *t->offset);
    t->stats = arena_array(a, n, sizeof *t->stats);
    t->buffer = arena_array(a, (size_t)t->chunk, widest * sizeof *t->buffer);
    if (!t->offset || !t->stats || !t->buffer) return base_fail(err, GLINT_INTERNAL, "out of memory for a trace");
    for (size_t v = 0; v < n; v++) statistics_begin(&t->stats[v], t->s->values[v].name, t->s->values[v].width);
    return GLINT_OK;
}

static glint_status check(const trace *t, glint_error *err) {
    if (!t->o->n_prompt) return base_fail(err, GLINT_BAD_INPUT, "the prompt has no tokens");
    if (t->o->n < 0 || t->o->n_prompt > (size_t)t->s->context || t->o->n > t->s->context - (int)t->o->n_prompt)
        return base_fail(err, GLINT_BAD_INPUT, "%zu tokens of the prompt and %d steps do not fit the context of %d",
                         t->o->n_prompt, t->o->n, t->s->context);
    return GLINT_OK;
}

glint_status glint_trace(glint_session *s, const glint_trace_options *o,
                         void (*stats)(const glint_value_stats *value, void *user), void *user, glint_error *err) {
    trace t = {.s = s, .o = o, .chunk = s->outputs < s->batch ? s->outputs : s->batch, .user = user};
    arena memory = {0};
    int failures = s->failures;
    glint_status status = check(&t, err);
    if (!status) status = make_room(&t, &memory, err);
    t.rows = (int)o->n_prompt + o->n;
    if (!status && o->path) status = file_out_open(o->path, &t.file, err);
    if (!status && o->path) status = write_header(&t, err);
    if (!status) status = run(&t, err);
    if (!status && s->failures > failures)
        status = base_fail(err, GLINT_DEVICE, "%s; a trace is of one device", s->reason);
    if (!status && o->path) status = file_out_commit(&t.file, err);
    file_out_abort(&t.file);
    for (int v = 0; v < s->n_values && !status && stats; v++) {
        statistics_end(&t.stats[v]);
        stats(&t.stats[v].value, user);
    }
    arena_free(&memory);
    return status;
}
