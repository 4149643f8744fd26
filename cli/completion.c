/* Shell completions, from the tables of commands and options. */
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"

/* What an option's argument is completed with. */
static bool takes_file(const cli_option *o) {
    return o->argument && (strcmp(o->argument, "FILE") == 0 || strcmp(o->argument, "PATH") == 0);
}

/* Words to choose from, with '|' between them: NULL where there are none. */
static const char *words_of(const cli_option *o) {
    if (o->kind == CLI_CHOICE) return o->argument;
    return o->argument && strcmp(o->argument, "DEVICE") == 0 ? "auto|cpu|cpu:ref|null" : NULL;
}

static void put_words(FILE *out, const char *words) {
    for (; *words; words++) fputc(*words == '|' ? ' ' : *words, out);
}

/* Of text between single quotes: a quote would end it. */
static void put_unquoted(FILE *out, const char *text, const char *escaped) {
    for (; *text; text++) {
        if (strchr(escaped, *text)) fputc('\\', out);
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    }
}

/* ---- bash ---- */

static void bash_arguments(FILE *out, const cli_command *c, const cli_option *o) {
    if (!takes_file(o) && !words_of(o)) return;
    fprintf(out, "        %s:--%s", c->name, o->name);
    if (o->letter) fprintf(out, "|%s:-%c", c->name, o->letter);
    fputs(") COMPREPLY=($(compgen ", out);
    if (words_of(o)) {
        fputs("-W '", out);
        put_words(out, words_of(o));
        fputc('\'', out);
    } else
        fputs("-f", out);
    fputs(" -- \"$current\")) ; return ;;\n", out);
}

static void bash(FILE *out) {
    fputs("# bash completion for glint\n_glint() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '",
          out);
    for (int i = 0; i < cli_n_commands; i++) fprintf(out, "%s ", cli_commands[i].name);
    fputs("help --help --version' -- \"$current\"))\n        return\n    fi\n    case $command:$previous in\n", out);
    for (int c = 0; c < cli_n_commands; c++)
        for (int i = 0; i < cli_n_options; i++)
            if (cli_option_table[i].commands & cli_commands[c].bit)
                bash_arguments(out, &cli_commands[c], &cli_option_table[i]);
    fputs("    esac\n    case $command in\n", out);
    for (int c = 0; c < cli_n_commands; c++) {
        fprintf(out, "        %s) COMPREPLY=($(compgen -W '", cli_commands[c].name);
        for (int i = 0; i < cli_n_options; i++)
            if (cli_option_table[i].commands & cli_commands[c].bit) fprintf(out, "--%s ", cli_option_table[i].name);
        fprintf(out, "'%s -- \"$current\")) ;;\n", cli_commands[c].bit == CLI_INSPECT ? " -f" : "");
    }
    fputs("    esac\n}\ncomplete -o filenames -F _glint glint\n", out);
}

/* ---- zsh ---- */

static void zsh_option(FILE *out, const cli_option *o) {
    fputs("            ", out);
    if (o->letter)
        fprintf(out, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    else
        fprintf(out, "'%s--%s[", o->kind == CLI_REPEATED ? "*" : "", o->name);
    put_unquoted(out, o->help, "[]\\");
    fputc(']', out);
    if (o->argument) {
        fputc(':', out);
        put_unquoted(out, o->argument, ":");
        fputc(':', out);
    }
    if (takes_file(o))
        fputs("_files", out);
    else if (words_of(o)) {
        fputc('(', out);
        for (const char *p = words_of(o); *p; p++) fprintf(out, *p == ':' ? "\\%c" : "%c", *p == '|' ? ' ' : *p);
        fputc(')', out);
    }
    fputs("' \\\n", out);
}

static void zsh(FILE *out) {
    fputs("#compdef glint\n_glint() {\n    local -a commands\n    commands=(\n", out);
    for (int i = 0; i < cli_n_commands; i++) {
        fprintf(out, "        '%s:", cli_commands[i].name);
        put_unquoted(out, cli_commands[i].summary, "");
        fputs("'\n", out);
    }
    fputs("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n",
          out);
    for (int c = 0; c < cli_n_commands; c++) {
        fprintf(out, "        %s)\n            _arguments \\\n", cli_commands[c].name);
        for (int i = 0; i < cli_n_options; i++)
            if (cli_option_table[i].commands & cli_commands[c].bit) zsh_option(out, &cli_option_table[i]);
        fprintf(out, "            %s ;;\n", cli_commands[c].bit == CLI_INSPECT ? "'1:model:_files'" : "&& return");
    }
    fputs("    esac\n}\n_glint \"$@\"\n", out);
}

/* ---- fish ---- */

static void fish_option(FILE *out, const cli_command *c, const cli_option *o) {
    fprintf(out, "complete -c glint -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (o->letter) fprintf(out, " -s %c", o->letter);
    if (takes_file(o))
        fputs(" -r -F", out);
    else if (o->argument)
        fputs(" -x", out);
    if (words_of(o)) {
        fputs(" -a '", out);
        put_words(out, words_of(o));
        fputc('\'', out);
    }
    fputs(" -d '", out);
    put_unquoted(out, o->help, "\\");
    fputs("'\n", out);
}

static void fish(FILE *out) {
    fputs("complete -c glint -f\n", out);
    for (int c = 0; c < cli_n_commands; c++) {
        fprintf(out, "complete -c glint -n __fish_use_subcommand -a %s -d '%s'\n", cli_commands[c].name,
                cli_commands[c].summary);
        for (int i = 0; i < cli_n_options; i++)
            if (cli_option_table[i].commands & cli_commands[c].bit)
                fish_option(out, &cli_commands[c], &cli_option_table[i]);
    }
    fputs("complete -c glint -n '__fish_seen_subcommand_from inspect' -F\n", out);
}

glint_status cli_completion(FILE *out, const char *shell, glint_error *err) {
    static const struct {
        const char *name;
        void (*write)(FILE *out);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].write(out);
            return GLINT_OK;
        }
    return cli_fail(err, GLINT_USAGE, "help completion: '%s' is not bash, zsh or fish", shell);
}
