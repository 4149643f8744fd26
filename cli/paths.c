/* glint check --paths: the same tokens on other ways through the engine. */
#include "cli/paths.h"

#include "cli/print.h"

typedef struct list {
    print_table *table; /* NULL: into `json` */
    json_t *json;
} list;

static void on_path(const glint_path *p, void *user) {
    list *l = user;
    if (!l->table) {
        json_array_append_new(l->json,
                              json_pack("{s:s, s:b, s:b, s:o, s:i, s:i, s:b}", "path", p->name, "bits_promised",
                                        p->bits_promised, "same_bits", p->same_bits, "nmse", print_json_number(p->nmse),
                                        "position", p->position, "other_tokens", p->other_tokens, "pass", p->pass));
        return;
    }
    print_table_cell(l->table, "%s", p->name);
    print_table_cell(l->table, "%s", p->bits_promised ? "bits" : "bounds");
    print_table_cell(l->table, "%s", p->same_bits ? "same" : "differ");
    print_table_cell(l->table, "%.2g", p->nmse);
    print_table_cell(l->table, "%d", p->other_tokens);
    print_table_cell(l->table, "%s", p->pass ? "ok" : "FAIL");
}

glint_status cli_check_paths(const cli_options *o, glint_model *model, const glint_check_options *options,
                             glint_error *err) {
    static const char *const headers[] = {"path", "promised", "bits", "NMSE", "other tokens", "verdict"};
    print_table table;
    glint_verdict verdict;
    list l = {.table = o->json ? NULL : &table, .json = json_array()};
    if (!o->json) print_table_open(&table, "lllrrl", headers);
    glint_status s = glint_check_paths(model, options, on_path, &l, &verdict, err), printed = GLINT_OK;
    glint_error printing;
    bool judged = !s || s == GLINT_MISMATCH;
    if (judged && o->json)
        printed = print_json(json_pack("{s:O, s:b, s:s}", "paths", l.json, "pass", !s, "verdict", verdict.line), false,
                             &printing);
    if (judged && !o->json) printed = print_table_end(&table, &printing);
    if (judged && !o->json) puts(verdict.line);
    if (!judged && !o->json) print_table_discard(&table);
    json_decref(l.json);
    if (printed) *err = printing;
    return printed ? printed : s;
}
