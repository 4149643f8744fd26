/* A command being recorded: what an op asks for becomes a dispatch of a shader variant and its parameters. */
#include <string.h>

#include "backends/gles/record.h"

gles_params gles_params_of(const backend_program *p, const tape_op *op) {
    gles_params q = {.norm = UINT32_MAX};
    const tape *t = p->request.tape;
    if (op->in[0] >= 0) {
        q.in0 = p->offset[op->in[0]];
        q.in0_stride = p->stride[op->in[0]];
    }
    if (op->in[1] >= 0) {
        q.in1 = p->offset[op->in[1]];
        q.in1_stride = p->stride[op->in[1]];
    }
    if (op->out >= 0) {
        q.out0 = p->offset[op->out];
        q.out_stride = p->stride[op->out];
        q.width = (uint32_t)t->values[op->out].width;
    }
    q.heads = (uint32_t)op->p.heads;
    q.kv_heads = (uint32_t)op->p.kv_heads;
    q.head_dim = (uint32_t)op->p.head_dim;
    q.eps = op->p.eps;
    q.scale = op->p.scale;
    return q;
}

glint_status gles_add_command(backend_program *p, const char *shader, const gles_define *defines, int n,
                              gles_command command, const gles_params *params, glint_error *err) {
    gles_define all[16] = {{"SUBGROUP", NULL, p->device->c.limits.subgroup}};
    bool sized = false;
    for (int i = 0; i < n; i++) {
        all[1 + i] = defines[i];
        sized |= !strcmp(defines[i].name, "THREADS");
    }
    if (!sized) all[++n] = (gles_define){"THREADS", NULL, p->device->threads};
    glint_status s = gles_program_get(p->device->programs, shader, all, n + 1, &command.program, err);
    return s ? s : gles_append_command(p, command, params, err);
}

glint_status gles_append_command(backend_program *p, gles_command command, const gles_params *params,
                                 glint_error *err) {
    if (p->n_commands == p->command_room) {
        int room = p->command_room ? 2 * p->command_room : 64;
        gles_command *c = arena_array(&p->memory, (size_t)room, sizeof *c);
        gles_params *q = arena_array(&p->memory, (size_t)room, sizeof *q);
        if (!c || !q) return base_fail(err, GLINT_INTERNAL, "out of memory for commands");
        if (p->n_commands) {
            memcpy(c, p->commands, (size_t)p->n_commands * sizeof *c);
            memcpy(q, p->params, (size_t)p->n_commands * sizeof *q);
        }
        p->commands = c;
        p->params = q;
        p->command_room = room;
    }
    command.storage[3] = p->act.id;
    if (params) p->params[p->n_commands] = *params;
    p->commands[p->n_commands++] = command;
    return GLINT_OK;
}

enum gles_rows gles_rows_of(const backend_program *p, const tape_op *op) {
    tape_value v = op->out >= 0 ? op->out : op->in[0];
    return p->request.tape->values[v].outputs ? GLES_OUTPUTS : GLES_ROWS;
}

gles_define gles_layout_define(backend_program *p, const backend_weight *w) {
    return (gles_define){"LAYOUT", arena_printf(&p->memory, "layouts/%s.glsl", gles_layouts[w->layout].name), 0};
}

gles_part gles_part_of(const backend_weight *w, int slice, uint32_t out, uint32_t bias) {
    const gles_slice *s = &w->slices[slice];
    return (gles_part){.weight = (uint32_t)(s->offset / 16),
                       .n = (uint32_t)s->rows * gles_blocks(w->cols),
                       .rows = (uint32_t)s->rows,
                       .out = out + (uint32_t)s->first,
                       .bias = bias == UINT32_MAX ? bias : bias + (uint32_t)s->first};
}

bool gles_is_tiled(const backend_program *p, int most_rows) {
    enum { FEW_ROWS = 8 };
    return most_rows > FEW_ROWS && p->device->options.precision == GLINT_FAST;
}
