#include "config.h"

#include "opsd/op/op_cert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/auth/certstore.h"
#include "opsd/cluster/trustsync.h"
#include "opsd/op/cert_change.h"
#include "opsd/op/node.h"
#include "opsd/pki/pki.h"

/* remove_certificate: of what add_certificate has added, and nothing else. */

/* Once the keys no longer name it, the file may go; after what is wrong, `hint`. */
static int
remove_file(struct cert_change *c, const char *hint, json_t **report)
{
	struct conf *now;
	int rc;

	if (cert_change_try(c, 409, hint) == -1 || cert_change_make(c, report) == -1)
		return (-1);
	now = data_conf(&c->r->ops->data);
	rc = certstore_remove(now, c->path);
	conf_free(now);
	if (rc == 0)
		return (0);
	reply_error(c->r, 500, "%s: cannot remove: %s", c->path, strerror(errno));
	json_decref(*report);
	return (-1);
}

static int
remove_own(struct cert_change *c, json_t **report)
{
	static const enum conf_key keys[] = { CL_TLS_CERT, CL_TLS_KEY, TLS_CERT, TLS_KEY,
		REP_TLS_CERT, REP_TLS_KEY };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		cert_change_leave(c, keys[i]);
	return (remove_file(c, ": first remove the authorities", report));
}

static int
remove_last_authority(struct cert_change *c, json_t **report)
{
	cert_change_leave(c, CL_TLS_CA);
	return (remove_file(c, ": first remove the certificate of the node", report));
}

static int
keep_authorities(struct cert_change *c, const json_t *left, json_t **report)
{
	char *text = certstore_bundle(left);
	int rc = -1;

	if (cert_change_names(c, CL_TLS_CA))
		cert_change_use(c, CL_TLS_CA);
	if (cert_change_write(c, text) == 0 &&
	    cert_change_try(c, 409, ": first replace the certificate of the node") == 0)
		rc = cert_change_make(c, report);
	free(text);
	return (rc);
}

/* One that is trusted for links by hostname alone. */
static int
distrust_named(struct cert_change *c, const char *name, json_t **report)
{
	char *err = NULL;
	json_t *gone;
	int status;

	if (!pki_has_named(c->r->ops->pki, name)) {
		reply_error(c->r, 404, "Certificate '%.100s' does not exist", name);
		return (-1);
	}
	gone = pki_named(c->r->ops->pki, name);
	if ((status = pki_remove_named(c->r->ops->pki, name, &err)) == 200)
		trustsync_forget(&c->r->ops->rep, gone);
	json_decref(gone);
	if (status != 200) {
		reply_failed(c->r, status, err);
		return (-1);
	}
	if (*report == NULL)
		*report = json_pack("{s:[], s:[]}", "live", "restart");
	return (0);
}

/* 0, or -1 with the request answered. */
static int
remove_authority(struct cert_change *c, const char *name, json_t **report)
{
	char *text;
	json_t *all;
	int rc = -1;

	cert_change_file(c, xstrdup(CERT_BUNDLE));
	text = certstore_read(c->path);
	all = certstore_authorities(text != NULL ? text : "");
	if (text == NULL && errno != ENOENT)
		reply_error(c->r, 500, "%s: %s", c->path, strerror(errno));
	else if (name[0] == '\0' || json_object_del(all, name) == -1)
		rc = distrust_named(c, name, report);
	else if (json_object_size(all) > 0)
		rc = keep_authorities(c, all, report);
	else
		rc = remove_last_authority(c, report);
	if (rc == 0 && pki_has_named(c->r->ops->pki, name))
		rc = distrust_named(c, name, report);
	json_decref(all);
	free(text);
	return (rc);
}

void
op_cert_remove(struct request *r)
{
	struct faults f = { 0 };
	const char *name = field_string(&f, r->body, "name", 1);
	struct cert_change c;
	json_t *report = NULL;
	int rc, own = 0;

	if (faults_answer(r, &f))
		return;
	cert_change_begin(&c, r);
	if (certstore_name_ok(name)) {
		cert_change_file(&c, certstore_file(name));
		own = c.was_there;
	}
	rc = own ? remove_own(&c, &report) : remove_authority(&c, name, &report);
	cert_change_end(&c);
	if (rc == -1)
		return;
	op_cert_table(r->ops);
	json_object_set_new(report, "message", json_sprintf("Successfully removed %s", name));
	reply_json(r, 200, report);
}
