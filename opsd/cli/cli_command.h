#ifndef HL_CLI_COMMAND_H
#define HL_CLI_COMMAND_H

#include "opsd/cli/cli.h"

/* The command as it was given. */
struct cli {
	char *conf_file;
	int nflags; /* --KEY value, and -c FILE for daemons */
	char **flags;
	const char *command;
	int nfields;
	char **fields; /* key=value */
	char **made;   /* of the flags: those that are not the caller's */
	int nmade;
	int help, is_long; /* --help, --long */
	const char *keep;  /* --keep */
	struct conf *conf;
};

/* The configuration, or the program ends; `own`: for the daemons. */
void cli_load_conf(struct cli *c, int own);
/* The command's name and fields as a request; a new reference. */
json_t *cli_operation_body(const struct cli *c);
int cli_is_sql(const struct cli *c); /* the operation sql, which has a short form */
/* Where it goes, by the fields for that, which leave the body; target_free it. */
void cli_choose_target(struct cli *c, struct cli_target *t, json_t *body);
/* One more, with NULL behind them. */
void cli_push(char ***list, int *n, char *arg);
/* The flags of run that stand for several keys; those become flags of `c`. NULL: the argument is none. */
const char *cli_is_cluster(const char *arg);
void cli_take_cluster(struct cli *c, const char *flag, const char *text);
/* nats-permissions, convert-config */
int cli_nats_permissions(struct cli *c);
int cli_convert(struct cli *c);
/* Sends the operation and prints the answer; the exit status. */
int cli_operation(struct cli *c);

#endif
