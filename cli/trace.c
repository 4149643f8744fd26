/* glint trace: writes the observed values of a run, prints statistics of each, and shows them as a page. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/setup.h"

typedef struct output {
    print_table *table; /* NULL: into `list` */
    json_t *list;
    glint_report *page; /* NULL: none is wanted */
} output;

static void on_rows(const glint_value_rows *rows, void *user) {
    glint_report_rows(((output *)user)->page, rows);
}

/* Where no number is finite, there is no largest one. */
static json_t *place_json(const glint_value_stats *v, int x) {
    return v->largest_row < 0 ? json_null() : json_integer(x);
}

static void on_value(const glint_value_stats *v, void *user) {
    output *r = user;
    if (r->page) glint_report_stats(r->page, v);
    if (!r->table) {
        json_array_append_new(
            r->list,
            json_pack("{s:s, s:I, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "name", v->name,
                      "n", (json_int_t)v->n, "rows", v->rows, "width", v->width, "minimum",
                      print_json_number(v->minimum), "maximum", print_json_number(v->maximum), "mean",
                      print_json_number(v->mean), "rms", print_json_number(v->rms), "share_negative",
                      print_json_number(v->share_negative), "largest", print_json_number(v->largest), "largest_row",
                      place_json(v, v->largest_row), "largest_index", place_json(v, v->largest_index), "nan",
                      (json_int_t)v->nan, "inf", (json_int_t)v->inf, "zero", (json_int_t)v->zero));
        return;
    }
    print_table_cell(r->table, "%s", v->name);
    print_table_cell(r->table, "%d x %d", v->rows, v->width);
    print_table_cell(r->table, "%.6g", v->minimum);
    print_table_cell(r->table, "%.6g", v->maximum);
    print_table_cell(r->table, "%.6g", v->mean);
    print_table_cell(r->table, "%.6g", v->rms);
    print_table_cell(r->table, "%.1f %%", 100 * v->share_negative);
    print_table_cell(r->table, "%.6g", v->largest);
    if (v->largest_row < 0)
        print_table_cell(r->table, "-");
    else
        print_table_cell(r->table, "(%d,%d)", v->largest_row, v->largest_index);
    print_table_cell(r->table, "%zu", v->zero);
    print_table_cell(r->table, "%zu", v->nan);
    print_table_cell(r->table, "%zu", v->inf);
}

static glint_status write_trace(const cli_options *o, const glint_model *model, glint_session *session,
                                const cli_ids *prompt, glint_report *page, glint_error *err) {
    static const char *const headers[] = {"value",    "rows x width", "min", "max",  "mean", "rms",
                                          "negative", "largest",      "at",  "zero", "nan",  "inf"};
    print_table table;
    output r = {.table = o->json ? NULL : &table, .list = json_array(), .page = page};
    if (!o->json) print_table_open(&table, "lrrrrrrrlrrr", headers);
    glint_trace_options options = {prompt->ids, prompt->n, prompt->text, o->n, o->output, page ? on_rows : NULL};
    glint_status s = glint_trace(session, &options, on_value, &r, err);
    if (!s && page) s = glint_report_finish(page, err);
    if (s) {
        if (!o->json) print_table_discard(&table);
        json_decref(r.list);
        return s;
    }
    if (o->json)
        return print_json(
            json_pack("{s:o*, s:o*, s:o, s:s, s:o}", "file", o->output ? print_json_name(o->output) : NULL, "html",
                      o->html ? print_json_name(o->html) : NULL, "model", print_json_name(glint_model_path(model)),
                      "device", glint_session_device(session), "values", r.list),
            false, err);
    json_decref(r.list);
    return print_table_end(&table, err);
}

static glint_status open_page(const cli_options *o, const glint_model *model, const glint_session *session,
                              glint_report **out, glint_error *err) {
    if (!o->html) return GLINT_OK;
    glint_report_options options = {.path = o->html,
                                    .title = "glint trace",
                                    .model = model,
                                    .device = glint_session_device(session),
                                    .precision = (glint_precision)o->precision};
    return glint_report_open(&options, out, err);
}

/* --layers: each must be one of the model's. */
static glint_status read_layers(const cli_options *o, const glint_model *model, int32_t **layers, size_t *n,
                                glint_error *err) {
    glint_status s = o->layers ? cli_parse_ids(o->layers, "--layers", "layer", layers, n, err) : GLINT_OK;
    for (size_t i = 0; !s && i < *n; i++)
        if ((*layers)[i] < 0 || (*layers)[i] >= glint_model_layers(model))
            s = cli_fail(err, GLINT_USAGE, "--layers: %d is not one of 0 to %d", (*layers)[i],
                         glint_model_layers(model) - 1);
    return s;
}

/* The same name in the same folder? Neither file need be there yet. */
static bool same_place(const char *a, const char *b) {
    const char *const path[2] = {a, b}, *name[2];
    struct stat st[2];
    bool found = true;
    for (int i = 0; i < 2 && found; i++) {
        const char *slash = strrchr(path[i], '/');
        name[i] = slash ? slash + 1 : path[i];
        char *folder = slash ? strndup(path[i], (size_t)(slash - path[i]) + 1) : strdup(".");
        found = folder && stat(folder, &st[i]) == 0;
        free(folder);
    }
    return found && st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino && !strcmp(name[0], name[1]);
}

glint_status cli_trace(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    glint_session *session = NULL;
    glint_report *page = NULL;
    cli_ids prompt = {0};
    int32_t *layers = NULL;
    size_t n_layers = 0;
    if (!o->output && !o->html)
        return cli_fail(err, GLINT_USAGE, "a file to write is needed: --output FILE or --html FILE");
    if (o->output && o->html && same_place(o->output, o->html))
        return cli_fail(err, GLINT_USAGE, "--output and --html name one file: %s", o->html);
    glint_session_options options = cli_session_options(o);
    options.observe = o->values ? o->values : "*";
    options.outputs = CLI_OUTPUTS;
    glint_status s = cli_open_model(o, &model, err);
    if (!s) s = read_layers(o, model, &layers, &n_layers, err);
    if (!s) s = cli_read_prompt(o, model, &prompt, err);
    options.layers = layers;
    options.n_layers = (int)n_layers;
    if (!s) s = cli_open_session(o, model, &options, &session, err);
    if (!s) s = open_page(o, model, session, &page, err);
    if (!s) s = write_trace(o, model, session, &prompt, page, err);
    if (!s && !o->quiet) cli_tell_device(session);
    glint_report_close(&page);
    free(layers);
    cli_free_ids(&prompt);
    glint_session_close(&session);
    glint_model_close(&model);
    return s;
}
