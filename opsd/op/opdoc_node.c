#include "config.h"

#include "opsd/op/opdoc.h"

/* The cluster, users, and the node itself. */

/* Tables, which no tool lays out as well. */
/* clang-format off */
#define DATABASE	{ KIND_TEXT, "database", "schema", "data", "dev", "The database." }
#define TABLE		{ KIND_TEXT, "table", NULL, OP_REQUIRED, "dog", "The table." }
#define SUBSCRIPTIONS \
	"[{\"table\": \"dog\", \"publish\": true, \"subscribe\": true}]"
#define SUBSCRIPTION_FIELDS(at) \
	{ KIND_TEXT, at "database", at "schema", "data", "dev", "The table's database." }, \
	{ KIND_TEXT, at "table", NULL, OP_REQUIRED, "dog", \
	    "The table; * is every one of the database, future ones too." }, \
	{ KIND_BOOLEAN, at "publish", NULL, OP_REQUIRED, "true", "This node sends its writes." }, \
	{ KIND_BOOLEAN, at "subscribe", NULL, OP_REQUIRED, "true", \
	    "This node gets the writes of the other." }, \
	{ KIND_TEXT, at "start_time", NULL, "now", "2026-01-01T00:00:00.000Z", \
	    "What was written since then flows as well, in both directions that are on. It cannot be in the " \
	    "future." }
#define NODE_NAME	{ KIND_TEXT, "node_name", NULL, OP_REQUIRED, "boston", \
			    "The other node's name." }
#define LINKED_FIELDS(at) \
	{ KIND_TEXT, at "hostname", NULL, OP_SHOWN, "server-two", \
	    "For a link: the other node's replication.hostname." }, \
	{ KIND_TEXT, at "url", NULL, OP_NONE, "wss://server-two:9933", \
	    "For a link: where to dial the other node." }, \
	{ KIND_NUMBER, at "port", NULL, OP_NONE, "9933", "With hostname: its port for links; unless given, this node's own." }, \
	{ KIND_ANY, at "authorization", NULL, OP_SHOWN, "hlj1.PIN.SECRET", \
	    "With it the other node signs a certificate for this one: a join token of the other, an " \
	    "object with username and password, or the value of an Authorization header. It is not " \
	    "kept, but for retain_authorization." }, \
	{ KIND_NUMBER, at "operations_port", NULL, "as this node's, or 9925", "9926", \
	    "With authorization: operationsApi.network.securePort of the other node." }, \
	{ KIND_BOOLEAN, at "verify_tls", NULL, "true", "false", \
	    "With authorization: false accepts any certificate there. A token does not need that." }, \
	{ KIND_BOOLEAN, at "retain_authorization", NULL, "false", "false", \
	    "With authorization, but not with a join token: keep it, sealed, so that the certificate can " \
	    "be renewed when there is no link. False forgets what was kept. cluster_status shows for " \
	    "which nodes there is some." }, \
	{ KIND_LIST, at "revoked_certificates", NULL, OP_NONE, "[\"0a1b\"]", \
	    "Serial numbers of certificates that get no link with any member any more, and those of clients no " \
	    "request. update_node takes it alone, without a node." }, \
	{ KIND_NUMBER, at "shard", NULL, OP_NONE, "1", \
	    "For a link: the number of the node's shard, or null for none. It is kept, and shown in hdb_nodes and by " \
	    "cluster_status; all nodes have all rows whatever it is." }, \
	{ KIND_TEXT, at "start_time", NULL, OP_NONE, "2026-01-01T00:00:00.000Z", \
	    "For a link: what was written since then flows as well." }
#define FLOWS(at)	{ KIND_LIST, at "subscriptions", NULL, OP_NONE, SUBSCRIPTIONS, \
			    "What flows, by table. Required in the NATS mesh; without it, a link replicates " \
			    "everything both ways." }, \
	SUBSCRIPTION_FIELDS(at "subscriptions[].")
#define MESH_NAME(at)	{ KIND_TEXT, at "node_name", NULL, OP_NONE, "boston", \
			    "In the NATS mesh: the other node's name." }
#define SUBSCRIBE	OP_FIELDS(MESH_NAME(""), LINKED_FIELDS(""), FLOWS(""))
#define ROUTES		{ KIND_LIST, "routes", NULL, OP_REQUIRED, \
			    "[{\"hostname\": \"server-two\", \"port\": 9933}]", \
			    "The routes. For links: host names, URLs such as wss://server-two:9933, " \
			    "or objects with hostname or url. For the NATS mesh: objects with host " \
			    "and port." }, \
	{ KIND_TEXT, "routes[].hostname", NULL, OP_NONE, "server-two", \
	    "For links: the other node's host name." }, \
	{ KIND_TEXT, "routes[].url", NULL, OP_NONE, "wss://server-two:9933", \
	    "For links: instead of hostname, where to dial the other node." }, \
	{ KIND_TEXT, "routes[].host", NULL, OP_NONE, "boston.example.com", \
	    "For the NATS mesh: a host name or an address." }, \
	{ KIND_NUMBER, "routes[].port", NULL, OP_NONE, "9932", \
	    "For links: this node's own unless given, so 9933. For the NATS mesh it is required: usually 9932, or 9931 " \
	    "for leaf routes." }
#define USERNAME	{ KIND_TEXT, "username", NULL, OP_REQUIRED, "joe", "The user's name." }
#define LOGIN_FIELDS \
	{ KIND_TEXT, "username", NULL, "whoever sends the request", "joe", "The user's name." }, \
	{ KIND_PASSWORD, "password", NULL, OP_NONE, "SECRET", "The user's password." }
#define PERMISSION \
	"{\"super_user\": false, \"data\": {\"tables\": {\"dog\": {\"read\": true, " \
	"\"insert\": false, \"update\": false, \"delete\": false, \"attribute_permissions\": []}}}}"
#define CERT_NAME	{ KIND_TEXT, "name", NULL, OP_REQUIRED, "node", \
			    "Its name: letters, digits, '.', '_' and '-'." }
#define STATUS_ID	{ KIND_TEXT, "id", NULL, OP_REQUIRED, "maintenance", \
			    "primary, maintenance or availability." }

#define SQLITE_FILE \
	{ KIND_TEXT, "database", "schema", "data", "dev", "The database." }, \
	{ KIND_TEXT, "path", NULL, OP_REQUIRED, "/srv/shop/app.db", \
	    "The file, below one of sqlite.paths." }

const struct op_doc opdoc_node[] = {
	{ "cluster_set_routes", "set_cluster_routes", RIGHT_NODES,
	    "Add routes to other nodes, live. In the NATS mesh one side's route is enough. A link needs a "
	    "route on both sides, or add_node on one of them.",
	    OP_FIELDS({ KIND_TEXT, "server", NULL, OP_NONE, "hub",
		"For the NATS mesh: hub, or leaf for an edge that only dials out." }, ROUTES,
		{ KIND_BOOLEAN, "routes[].sends", NULL, "true", "false",
		    "For links: all databases go there." },
		{ KIND_BOOLEAN, "routes[].receives", NULL, "true", "false",
		    "For links: all databases come from there." },
		{ KIND_ANY, "routes[].replicates", NULL, "true", "false",
		    "For links: one word for sends and receives, or an object with both." },
		{ KIND_TEXT, "routes[].startTime", NULL, "replication.startTime", "2026-01-01T00:00:00.000Z",
		    "For links: a table that comes for the first time comes with what was written since then." },
		{ KIND_LIST, "routes[].revokedCertificates", NULL, OP_NONE, "[\"0a1b\"]",
		    "For links: serial numbers of certificates that get no link." },
		{ KIND_NUMBER, "routes[].shard", NULL, OP_NONE, "1", "Kept, without effect." },
		{ KIND_ANY, "routes[].tls", NULL, "true", "wss",
		    "Of leaf routes: true, false or wss, through a WebSocket." },
		{ KIND_BOOLEAN, "routes[].separate", NULL, "false", "true",
		    "Of leaf routes: it leads to another mesh than the hub's." }) },
	{ "cluster_get_routes", "get_cluster_routes", RIGHT_SUPER, "List the routes.",
	    OP_NO_FIELDS },
	{ "cluster_delete_routes", "delete_cluster_routes", RIGHT_SUPER, "Remove routes.  Without one of "
	    "the hub its links are made anew, which takes three seconds. A node that no route leads to any "
	    "more leaves the mesh after some ten.",
	    OP_FIELDS(ROUTES) },
	{ "add_node", "set_node", RIGHT_NODES,
	    "Link with a node, by hostname or url. Or, in the NATS mesh, subscribe to tables with a node "
	    "that there are no subscriptions with yet.", SUBSCRIBE },
	{ "update_node", "set_node_replication", RIGHT_NODES,
	    "Add or change subscriptions with a node. With hostname only what it names, and what was named "
	    "before, flows from then on; a node that is not known yet is added.", SUBSCRIBE },
	{ "remove_node", NULL, RIGHT_SUPER,
	    "End all subscriptions with a node, also while it is away. A linked node is a member no more: every "
	    "member hears of it, refuses its links, and revokes the certificates that it has signed for it.",
	    OP_FIELDS({ KIND_TEXT, "node_name", "name", OP_NONE, "boston", "The other node's name." },
		{ KIND_TEXT, "hostname", NULL, OP_SHOWN, "server-two",
		    "Of a linked node: its replication.hostname." },
		{ KIND_TEXT, "url", NULL, OP_NONE, "wss://server-two:9933", "Of a linked node: its URL." },
		{ KIND_NUMBER, "port", NULL, OP_NONE, "9933", "Accepted, without effect." }) },
	{ "configure_cluster", NULL, RIGHT_NODES,
	    "Set all subscriptions of this node at once, or none; those not named end.",
	    OP_FIELDS(
		{ KIND_LIST, "connections", NULL, OP_REQUIRED,
		    "[{\"hostname\": \"server-two\", \"subscriptions\": " SUBSCRIPTIONS "}]",
		    "The nodes, each with the fields of add_node. All others are removed." },
		MESH_NAME("connections[]."), LINKED_FIELDS("connections[]."),
		FLOWS("connections[].")) },
	{ "cluster_status", NULL, RIGHT_SUPER,
	    "Show what flows with each node, how far behind it is, and what an operator should mend.",
	    OP_NO_FIELDS },
	{ "cluster_network", NULL, RIGHT_SUPER, "List the nodes of the mesh that answer.",
	    OP_FIELDS(
		{ KIND_NUMBER, "timeout", NULL, "2000", "5000", "How long to wait; milliseconds." },
		{ KIND_BOOLEAN, "connected_nodes", NULL, "false", "true",
		    "Leave out whom each is connected to." },
		{ KIND_BOOLEAN, "routes", NULL, "false", "true", "Leave out its routes." }) },
	{ "resync", NULL, RIGHT_SUPER,
	    "Compare a table with a node's, and copy from there what differs. What only this node has "
	    "stays, and is counted. A job.", OP_FIELDS(NODE_NAME, DATABASE, TABLE) },
	{ "attach_sqlite", NULL, RIGHT_SUPER,
	    "Make the tables of an application's SQLite file tables of a database: they replicate as others, and "
	    "what comes for them is written into the file. The application goes on as it did.",
	    OP_FIELDS(SQLITE_FILE,
		{ KIND_ANY, "tables", NULL, "\"*\"", "[\"orders\"]",
		    "Names of tables, or \"*\": all that can be, also those that are made later." },
		{ KIND_TEXT, "seed", NULL, "refuse", "local",
		    "When both have rows: those of the file count (local), those of the database (cluster), "
		    "or nothing is done (refuse)." },
		{ KIND_BOOLEAN, "check", NULL, "false", "true",
		    "Only say what would be done, and what is refused." },
		{ KIND_BOOLEAN, "create", NULL, "false", "true",
		    "Make the file, and tables that it lacks, as they are elsewhere." },
		{ KIND_BOOLEAN, "wal", NULL, "false", "true", "Put the file into WAL mode, for good." }) },
	{ "detach_sqlite", NULL, RIGHT_SUPER,
	    "Take out of a SQLite file what attach_sqlite put into it. Rows stay on both sides.",
	    OP_FIELDS(SQLITE_FILE) },
	{ "verify_sqlite", NULL, RIGHT_SUPER,
	    "Compare all rows of a SQLite file with those of the database, and look whether the file is sound.",
	    OP_FIELDS(SQLITE_FILE,
		{ KIND_TEXT, "repair", NULL, "none", "file",
		    "What becomes of rows that differ: the file is made as the database (file), or the "
		    "database as the file (database)." }) },
	{ "purge_stream", NULL, RIGHT_SUPER,
	    "Remove a table's transactions from the log and the stream, unless a subscriber lacks some.",
	    OP_FIELDS(DATABASE, TABLE,
		{ KIND_OBJECT, "options", NULL, OP_NONE, "{\"keep\": 1000}", "What stays." },
		{ KIND_NUMBER, "options.keep", NULL, "0", "1000", "So many of the newest stay." },
		{ KIND_NUMBER, "options.seq", NULL, OP_NONE, "5000",
		    "Those from this sequence on stay; not together with keep." },
		{ KIND_BOOLEAN, "options.force", NULL, "false", "true", "As force." },
		{ KIND_BOOLEAN, "force", NULL, "false", "true",
		    "Also if a subscriber lacks some; it gets a copy." }) },
	{ "renew_node_id", NULL, RIGHT_SUPER,
	    "Give a node that is a copy of another an id of its own; it restarts.", OP_NO_FIELDS },

	{ "add_user", NULL, RIGHT_ADMIN, "Add a user, of this node, or of all where users replicate.",
	    OP_FIELDS(USERNAME,
		{ KIND_NEW_PASSWORD, "password", NULL, OP_REQUIRED, "SECRET",
		    "The password. For a cluster_user without one the node makes it, and answers it once." },
		{ KIND_ANY, "role", NULL, OP_REQUIRED, "super_user",
		    "The role's name, or a list of names: the user may what any of them may." },
		{ KIND_BOOLEAN, "active", NULL, "true", "true", "The user may log in." }) },
	{ "alter_user", NULL, RIGHT_ADMIN, "Change a user's password, role, or whether it is active.",
	    OP_FIELDS(USERNAME,
		{ KIND_NEW_PASSWORD, "password", NULL, OP_NONE, "SECRET",
		    "The new password; it ends tokens and sessions." },
		{ KIND_ANY, "role", NULL, OP_NONE, "reader",
		    "The new role's name, or a list of names: these are then all its roles." },
		{ KIND_BOOLEAN, "active", NULL, OP_NONE, "false", "The user may log in." }) },
	{ "drop_user", NULL, RIGHT_ADMIN, "Drop a user.", OP_FIELDS(USERNAME) },
	{ "list_users", NULL, RIGHT_SUPER, "List the users with their roles.", OP_NO_FIELDS },
	{ "user_info", NULL, RIGHT_SELF, "Show who asks.", OP_NO_FIELDS },
	{ "add_role", NULL, RIGHT_ADMIN, "Add a role.",
	    OP_FIELDS(
		{ KIND_TEXT, "role", NULL, OP_REQUIRED, "reader", "Its name." },
		{ KIND_OBJECT, "permission", NULL, OP_REQUIRED, PERMISSION,
		    "super_user, cluster_user, structure_user or metrics_user; operations, to which "
		    "its users are limited; and databases, with rights in their tables." }) },
	{ "alter_role", NULL, RIGHT_ADMIN, "Change a role.",
	    OP_FIELDS(
		{ KIND_TEXT, "id", NULL, OP_REQUIRED, "reader", "The name it was made with." },
		{ KIND_TEXT, "role", NULL, OP_NONE, "reader", "A new name." },
		{ KIND_OBJECT, "permission", NULL, OP_NONE, PERMISSION,
		    "What it may, as a whole; required without role." }) },
	{ "drop_role", NULL, RIGHT_ADMIN, "Drop a role that no active user has.",
	    OP_FIELDS({ KIND_TEXT, "id", NULL, OP_REQUIRED, "reader", "The name it was made with." }) },
	{ "list_roles", NULL, RIGHT_SUPER, "List the roles.", OP_NO_FIELDS },

	{ "create_authentication_tokens", NULL, RIGHT_OPEN,
	    "Answer an operation token and a refresh token of a user.",
	    OP_FIELDS(LOGIN_FIELDS,
		{ KIND_ANY, "expires_in", NULL, "authentication.operationTokenTimeout", "12h",
		    "How long the operation token is good." }) },
	{ "refresh_operation_token", NULL, RIGHT_OPEN, "Answer a new operation token.",
	    OP_FIELDS({ KIND_PASSWORD, "refresh_token", NULL, "that of Authorization: Bearer",
		"TOKEN", "The refresh token." }) },
	{ "login", NULL, RIGHT_OPEN, "Begin a session, with a cookie.", OP_FIELDS(LOGIN_FIELDS) },
	{ "logout", NULL, RIGHT_SELF, "End the session.", OP_NO_FIELDS },

	{ "get_configuration", NULL, RIGHT_SUPER,
	    "Show the configuration; pending is what is set and not in force.", OP_NO_FIELDS },
	{ "set_configuration", NULL, RIGHT_ADMIN, "Set configuration keys, all or none. "
	    "Keys that only HarperDB has are skipped and named.",
	    OP_FIELDS({ KIND_KEYS, "KEY", NULL, OP_REQUIRED, "logging_level=debug",
		"A key of hubleaf.yaml(5), such as logging_level; null unsets it." }) },
	{ "restart", NULL, RIGHT_SUPER, "Restart the node.", OP_NO_FIELDS },
	{ "restart_service", NULL, RIGHT_SUPER, "Restart a part of the node. A job.",
	    OP_FIELDS({ KIND_TEXT, "service", NULL, OP_REQUIRED, "clustering_config",
		"http_workers, clustering, clustering_config, hubd, leafd or opsd." }) },
	{ "list_certificates", NULL, RIGHT_SUPER,
	    "List the certificates that the node shows and believes.", OP_NO_FIELDS },
	{ "add_certificate", NULL, RIGHT_ADMIN,
	    "Add a certificate of the node, or an authority that it believes.",
	    OP_FIELDS(CERT_NAME,
		{ KIND_TEXT, "certificate", NULL, OP_REQUIRED,
		    "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n", "PEM." },
		{ KIND_BOOLEAN, "is_authority", NULL, OP_REQUIRED, "false",
		    "An authority, not the node's own." },
		{ KIND_TEXT, "private_key", NULL, "a key that the node has",
		    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
		    "PEM, without a password; not of an authority." },
		{ KIND_LIST, "uses", NULL, "as it was, or all that it is for",
		    "[\"https\", \"clustering\"]", "What it is used for: https, clustering, replication." },
		{ KIND_LIST, "hosts", NULL, OP_NONE, "[\"amsterdam.example.com\"]",
		    "It must be valid for each of them." }) },
	{ "remove_certificate", NULL, RIGHT_ADMIN, "Remove what add_certificate has added.",
	    OP_FIELDS(CERT_NAME) },

	{ "create_join_token", NULL, RIGHT_ADMIN,
	    "Make a token with which another node gets a certificate from this one, once. It names the key that "
	    "this node's API shows over TLS, so the other node knows whom it talks to.",
	    OP_FIELDS({ KIND_ANY, "expires_in", NULL, "1h", "\"10m\"",
			  "How long the token is good: milliseconds, or a text such as 10m; a day at most." },
		{ KIND_TEXT, "hostname", NULL, "any", "server-two.example.com",
		    "The replication.hostname of the only node that may use it." }) },
	{ "sign_certificate", NULL, RIGHT_JOIN,
	    "Sign a certificate for another node. A joining node sends this, with credentials of a super user "
	    "or, over TLS, with a join token. A certificate that no link uses within a minute is revoked. One that "
	    "has a certificate of its own sends that, and nothing is signed.",
	    OP_FIELDS({ KIND_TEXT, "csr", NULL, "required without certificate",
			  "-----BEGIN CERTIFICATE REQUEST-----\n...\n-----END CERTIFICATE REQUEST-----\n",
			  "PEM: a P-256 key, a hostname, and the node's id as URI urn:hubleaf:node:ID." },
		{ KIND_TEXT, "certificate", NULL, OP_NONE,
		    "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n",
		    "PEM: what the other node shows already, in place of csr." },
		{ KIND_TEXT, "hostname", NULL, "required with certificate", "server-two.example.com",
		    "The other node's replication.hostname." },
		{ KIND_TEXT, "node_id", NULL, "required with certificate",
		    "0123456789abcdef0123456789abcdef", "The other node's id." },
		{ KIND_TEXT, "authority", NULL, OP_NONE,
		    "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n",
		    "The other node's own authority, which this node trusts as soon as the other is linked." },
		{ KIND_TEXT, "member", NULL, "any", "server-one.example.com",
		    "The replication.hostname that the other node takes this one to have; when it is another, "
		    "nothing is signed." }) },

	{ "get_backup", NULL, RIGHT_ADMIN, "Answer a copy of the whole node, as a tar.",
	    OP_FIELDS({ KIND_BOOLEAN, "keys", NULL, "true", "false", "With the node's keys." }) },
	{ "set_status", NULL, RIGHT_SUPER,
	    "Say how the node is. While availability is Unavailable, /health answers 503.",
	    OP_FIELDS(STATUS_ID,
		{ KIND_TEXT, "status", NULL, OP_REQUIRED, "new disks until 14:00",
		    "Any text; of availability Available or Unavailable." }) },
	{ "get_status", NULL, RIGHT_SUPER, "Show what set_status has said.",
	    OP_FIELDS({ KIND_TEXT, "id", NULL, "all", "maintenance",
		"primary, maintenance or availability." }) },
	{ "clear_status", NULL, RIGHT_SUPER, "Take it back.", OP_FIELDS(STATUS_ID) },
	{ "system_information", NULL, RIGHT_SUPER, "Show the host, the processes, the store.",
	    OP_FIELDS({ KIND_LIST, "attributes", NULL, "all", "[\"memory\", \"replication\"]",
		"Parts of it: system, time, cpu, memory, disk, network, harperdb_processes, "
		"table_size, metrics, threads, replication, hubleaf, nats." }) },
	{ "registration_info", NULL, RIGHT_ANYONE, "Show the version; there is no registration.",
	    OP_NO_FIELDS },
	{ "get_fingerprint", NULL, RIGHT_SUPER, "Show the node's id.", OP_NO_FIELDS },
	{ "set_license", NULL, RIGHT_SUPER, "Refused: no licence is needed.", OP_NO_FIELDS },
	{ "read_log", NULL, RIGHT_SUPER, "Show lines of the three daemons' logs, merged by time.",
	    OP_FIELDS(
		{ KIND_TEXT, "level", NULL, OP_NONE, "error",
		    "Lines of it and of those above: fatal, error, warn, info, debug or trace." },
		{ KIND_ANY, "from", NULL, OP_NONE, "2026-01-01T00:00:00.000Z",
		    "Then or later; a date, or milliseconds." },
		{ KIND_ANY, "until", NULL, OP_NONE, "2026-01-02T00:00:00.000Z",
		    "Then or before; a date, or milliseconds." },
		{ KIND_TEXT, "order", NULL, "asc", "desc", "desc: the newest first." },
		{ KIND_NUMBER, "start", NULL, "0", "100", "So many lines are passed over first." },
		{ KIND_NUMBER, "limit", NULL, "1000", "20", "At most so many lines; up to 10000." },
		{ KIND_TEXT, "log_name", NULL, "hdb.log", "opsd.log",
		    "opsd.log, hubd.log, leafd.log, or hdb.log for all." }) },
	{ NULL },
};
/* clang-format on */
