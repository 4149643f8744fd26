/* glint devices: what can run here, and --self-test. */
#include <math.h>
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/setup.h"

enum { MAX_DEVICES = 64 };

typedef struct self_test { /* of one device */
    const char *device;
    print_table *table; /* NULL: into `list` */
    json_t *list;
} self_test;

/* ---- The list ---- */

static const char *memory_text(char buffer[32], uint64_t bytes) {
    return bytes ? print_bytes(buffer, (double)bytes) : "unknown";
}

static glint_status print_table_of(const glint_device_info *devices, int n, glint_error *err) {
    print_table t;
    char total[32], available[32];
    print_table_open(&t, "lrrl", (const char *[]){"device", "memory", "free", "description"});
    for (int i = 0; i < n; i++) {
        print_table_cell(&t, "%s", devices[i].name);
        print_table_cell(&t, "%s", memory_text(total, devices[i].memory_bytes));
        print_table_cell(&t, "%s", memory_text(available, devices[i].free_bytes));
        print_table_cell(&t, "%s", devices[i].description);
    }
    return print_table_end(&t, err);
}

/* ---- What drivers say, and what was measured ---- */

/* Facts of one device: lines under its name, which comes with the first; or members of an object. */
typedef struct fact_list {
    const char *device;
    bool any;
    json_t *object; /* NULL: lines */
} fact_list;

static void print_fact(const glint_device_fact *f) {
    char size[32];
    printf("  %-28s", f->name);
    if (f->text)
        printf("%s\n", f->text);
    else if (strncmp(f->unit, "bytes", strlen("bytes")) == 0)
        printf("%s%s\n", print_bytes(size, f->number), f->unit + strlen("bytes"));
    else if (strcmp(f->unit, "s") == 0)
        printf("%.3g us\n", 1e6 * f->number);
    else
        printf("%.0f%s\n", f->number, f->unit);
}

/* "read bandwidth" is read_bandwidth in JSON. */
static void add_fact(json_t *object, const glint_device_fact *f) {
    char key[64];
    snprintf(key, sizeof key, "%s", f->name);
    for (char *p = key; (p = strpbrk(p, " -"));) *p = '_';
    bool whole = !f->text && f->number == floor(f->number);
    json_t *value = f->text ? print_json_name(f->text)
                    : whole ? json_integer((json_int_t)f->number)
                            : print_json_number(f->number);
    json_object_set_new(object, key, value);
}

static void on_fact(const glint_device_fact *f, void *user) {
    fact_list *list = user;
    if (list->object) {
        add_fact(list->object, f);
        return;
    }
    if (!list->any) printf("\n%s\n", list->device);
    list->any = true;
    print_fact(f);
}

/* A device that fails says so in the place of its facts: the others are still wanted. */
static void tell_facts(const char *device, json_t *object) {
    glint_error why = {""};
    fact_list list = {.device = device, .object = object};
    if (glint_device_facts(device, on_fact, &list, &why))
        on_fact(&(glint_device_fact){.name = "failure", .text = why.message}, &list);
}

static glint_status print_devices(const glint_device_info *devices, int n, double bandwidth, glint_error *err) {
    char rate[32];
    glint_status s = print_table_of(devices, n, err);
    if (s) return s;
    for (int i = 0; i < n; i++) tell_facts(devices[i].name, NULL);
    printf("\nread bandwidth of the host's memory: %s/s\n", print_bytes(rate, bandwidth));
    return GLINT_OK;
}

static glint_status print_devices_json(const glint_device_info *devices, int n, double bandwidth, glint_error *err) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const glint_device_info *d = &devices[i];
        json_t *facts = json_object();
        tell_facts(d->name, facts);
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:b, s:o}", "name", d->name, "description",
                                              d->description, "memory_bytes", (json_int_t)d->memory_bytes, "free_bytes",
                                              (json_int_t)d->free_bytes, "software", d->software, "facts", facts));
    }
    json_t *document = json_pack("{s:o, s:f}", "devices", list, "host_read_bandwidth", bandwidth);
    return print_json(document, false, err);
}

/* ---- The self-test ---- */

static void on_op(const char *op, double share, void *user) {
    self_test *test = user;
    const char *verdict = share <= 1 ? "ok" : "differs"; /* NaN differs */
    if (!test->table) {
        json_array_append_new(test->list, json_pack("{s:s, s:s, s:o, s:b}", "device", test->device, "op", op,
                                                    "share_of_bound", print_json_number(share), "ok", share <= 1));
        return;
    }
    print_table_cell(test->table, "%s", test->device);
    print_table_cell(test->table, "%s", op);
    print_table_cell(test->table, "%.3f", share);
    print_table_cell(test->table, "%s", verdict);
}

/* Every device is tested even where one differs; another failure ends the test. */
static glint_status test_devices(const cli_options *o, const glint_device_info *devices, int n, self_test *test,
                                 glint_error *err) {
    glint_status worst = GLINT_OK;
    for (int i = 0; i < n; i++) {
        if (!o->device && strcmp("null", devices[i].name) == 0) continue; /* nothing there that could be compared */
        test->device = devices[i].name;
        glint_status s = glint_self_test(devices[i].name, o->threads, on_op, test, err);
        if (s == GLINT_MISMATCH)
            worst = s;
        else if (s)
            return s;
    }
    return worst;
}

static glint_status run_self_test(const cli_options *o, const glint_device_info *devices, int n, glint_error *err) {
    print_table table;
    self_test test = {.table = o->json ? NULL : &table, .list = json_array()};
    if (!o->json) print_table_open(&table, "llrl", (const char *[]){"device", "op", "error / bound", "verdict"});
    glint_status s = test_devices(o, devices, n, &test, err), printed;
    glint_error unprinted;
    if (o->json)
        printed = print_json(json_pack("{s:o, s:b}", "ops", test.list, "ok", s == GLINT_OK), false, &unprinted);
    else {
        json_decref(test.list);
        printed = print_table_end(&table, &unprinted);
    }
    if (s || !printed) return s;
    *err = unprinted;
    return printed;
}

static void ignore_fact(const glint_device_fact *f, void *user) {
    (void)f;
    (void)user;
}

/* Why a device is not in the list: what opening it says, as any other command would. */
static glint_status not_listed(const char *device, glint_error *err) {
    glint_error why = {""};
    glint_status s = glint_device_facts(device, ignore_fact, NULL, &why);
    if (!s) return cli_fail(err, GLINT_USAGE, "--device: '%s' is not one of those that 'glint devices' lists", device);
    return cli_fail(err, s, "--device: %s", why.message);
}

/* "gles" is the first one that is no software. */
static bool is_called(const glint_device_info *d, const char *name) {
    size_t family = strlen(name);
    return !strcmp(d->name, name) || (!d->software && !strncmp(d->name, name, family) && d->name[family] == ':');
}

glint_status cli_devices(const cli_options *o, glint_error *err) {
    glint_device_info all[MAX_DEVICES], *devices = all;
    glint_error missing;
    int n = glint_devices(all, MAX_DEVICES, &missing);
    if (n > MAX_DEVICES) n = MAX_DEVICES;
    if (o->device) {
        int i = 0;
        while (i < n && !is_called(&all[i], o->device)) i++;
        if (i == n) return not_listed(o->device, err);
        devices = all + i;
        n = 1;
    } else if (!o->quiet)
        cli_tell_missing(&missing);
    if (o->self_test) return run_self_test(o, devices, n, err);
    double bandwidth = glint_measure_bandwidth(o->threads);
    return (o->json ? print_devices_json : print_devices)(devices, n, bandwidth, err);
}
