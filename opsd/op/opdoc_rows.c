#include "config.h"

#include "opsd/op/opdoc.h"

/* Databases, tables, rows, and what is known of them. */

/* Tables, which no tool lays out as well. */
/* clang-format off */
#define DATABASE	{ KIND_TEXT, "database", "schema", "data", "dev", "The database." }
#define TABLE		{ KIND_TEXT, "table", NULL, OP_REQUIRED, "dog", "The table." }
#define IDS		{ KIND_LIST, "ids", "hash_values", OP_REQUIRED, "[1]", "Keys of rows." }
#define GET_ATTRIBUTES	{ KIND_LIST, "get_attributes", NULL, OP_REQUIRED, "[\"*\"]", \
			    "The attributes that are answered; \"*\" is all. In the database system it may be left out." }
#define ATTRIBUTE	{ KIND_TEXT, "attribute", NULL, OP_REQUIRED, "name", "The attribute." }
#define PAGE \
	{ KIND_NUMBER, "limit", NULL, OP_NONE, "10", "At most so many rows." }, \
	{ KIND_NUMBER, "offset", NULL, "0", "20", "So many rows are passed over first." }, \
	{ KIND_OBJECT, "sort", NULL, OP_NONE, "{\"attribute\": \"name\"}", "The order of rows." }, \
	{ KIND_TEXT, "sort.attribute", NULL, OP_REQUIRED, "name", "The attribute to sort by." }, \
	{ KIND_BOOLEAN, "sort.descending", NULL, "false", "true", "The greatest first." }, \
	{ KIND_OBJECT, "sort.next", NULL, OP_NONE, "{\"attribute\": \"age\"}", \
	    "How rows are sorted that are equal in the first." }, \
	{ KIND_BOOLEAN, "reverse", "desc", "false", "true", "The other way round." }
#define COUNTS \
	{ KIND_BOOLEAN, "exact_count", NULL, OP_NONE, "true", "Counts are exact in any case." }, \
	{ KIND_BOOLEAN, "include_computed", NULL, OP_NONE, "true", "Taken, and without effect." }
#define RECORDS		{ KIND_LIST, "records", NULL, OP_REQUIRED, \
			    "[{\"id\": 1, \"name\": \"Penny\"}]", "The rows, as objects." }
#define CSV	{ KIND_TEXT, "delimiter", NULL, "a comma", "\\t", "What parts cells; \\t is a tab." }, \
	{ KIND_TEXT, "encoding", NULL, "utf-8 or windows-1252, cell by cell", "windows-1252", \
	    "What a file is in; data is utf-8." }, \
	{ KIND_BOOLEAN, "strict", NULL, "false", "true", \
	    "Refuse cells beyond the header, and what is not UTF-8." }
#define ACTION		{ KIND_TEXT, "action", NULL, "insert", "upsert", \
			    "What is done with the rows: insert, update or upsert." }
#define BEFORE		{ KIND_NUMBER, "timestamp", NULL, OP_REQUIRED, "1577836800000", \
			    "What is older goes; in milliseconds since 1970." }
#define LIMIT		{ KIND_NUMBER, "limit", NULL, OP_NONE, "100", "At most so many entries." }

#define REPLICATE(otherwise) \
	{ KIND_BOOLEAN, "replicate", NULL, otherwise, "false", \
	    "false: the table stays on this node; true: it replicates with every linked node, " \
	    "whatever replication.databases says; null: as its database does." }

const struct op_doc opdoc_rows[] = {
	{ "create_database", "create_schema", RIGHT_SUPER, "Make a database.",
	    OP_FIELDS(DATABASE) },
	{ "drop_database", "drop_schema", RIGHT_SUPER,
	    "Drop a database with its tables, on this node.",
	    OP_FIELDS({ KIND_TEXT, "database", "schema", OP_REQUIRED, "dev", "The database." }) },
	{ "create_table", NULL, RIGHT_TABLE, "Make a table, and its database if that is not there.",
	    OP_FIELDS(DATABASE, TABLE,
		{ KIND_TEXT, "primary_key", "hash_attribute", OP_REQUIRED, "id",
		    "The attribute that is the key." },
		{ KIND_LIST, "attributes", NULL, OP_NONE, "[{\"name\": \"age\", \"indexed\": true}]",
		    "Attributes that are declared; others come with rows." },
		{ KIND_TEXT, "attributes[].name", "attributes[].attribute", OP_REQUIRED, "age",
		    "Its name." },
		{ KIND_TEXT, "attributes[].type", NULL, OP_NONE, "Int", "Its type, which writes "
		    "must keep to: Int, Long, BigInt, Float, String, ID, Boolean, Date, Bytes, "
		    "Array, Object, or [Int] and so on for a list; Any and other words are any." },
		{ KIND_BOOLEAN, "attributes[].indexed", NULL, "false", "true",
		    "Searches find rows by an index." },
		{ KIND_BOOLEAN, "audit", NULL, "true", "false", "Changes go into the audit log." },
		{ KIND_NUMBER, "expiration", NULL, OP_NONE, "86400",
		    "Rows leave so many seconds after their last change." },
		{ KIND_LIST, "residence", NULL, OP_NONE, "[\"*\"]",
		    "Names of nodes; kept and shown, and without effect." },
		REPLICATE(OP_NONE)) },
	{ "alter_table", NULL, RIGHT_TABLE,
	    "Change on this node whether a table replicates.",
	    OP_FIELDS(DATABASE, TABLE, REPLICATE(OP_REQUIRED)) },
	{ "drop_table", NULL, RIGHT_TABLE, "Drop a table, on this node.",
	    OP_FIELDS(DATABASE, TABLE) },
	{ "create_attribute", NULL, RIGHT_TABLE,
	    "Declare an attribute; with an index while the table is empty.",
	    OP_FIELDS(DATABASE, TABLE, ATTRIBUTE) },
	{ "drop_attribute", NULL, RIGHT_TABLE, "Drop an attribute with its values, on this node.",
	    OP_FIELDS(DATABASE, TABLE, ATTRIBUTE) },
	{ "describe_all", NULL, RIGHT_ANYONE, "Show all databases and tables that the user may see.",
	    OP_FIELDS(COUNTS) },
	{ "describe_database", "describe_schema", RIGHT_TABLE, "Show the tables of a database.",
	    OP_FIELDS(DATABASE, COUNTS) },
	{ "describe_table", NULL, RIGHT_TABLE, "Show a table.",
	    OP_FIELDS(DATABASE, TABLE, COUNTS) },

	{ "insert", NULL, RIGHT_TABLE, "Insert rows. Those whose key is there are skipped.",
	    OP_FIELDS(DATABASE, TABLE, RECORDS) },
	{ "update", NULL, RIGHT_TABLE,
	    "Set attributes of rows. Those whose key is not there are skipped.",
	    OP_FIELDS(DATABASE, TABLE, RECORDS) },
	{ "upsert", NULL, RIGHT_TABLE, "Set attributes of rows, which are made if they are not there.",
	    OP_FIELDS(DATABASE, TABLE, RECORDS) },
	{ "delete", NULL, RIGHT_TABLE, "Delete rows.", OP_FIELDS(DATABASE, TABLE, IDS) },

	{ "search_by_id", "search_by_hash", RIGHT_TABLE, "Answer the rows with these keys.",
	    OP_FIELDS(DATABASE, TABLE, IDS, GET_ATTRIBUTES) },
	{ "search_by_value", NULL, RIGHT_TABLE, "Answer the rows with this value of an attribute.",
	    OP_FIELDS(DATABASE, TABLE,
		{ KIND_TEXT, "attribute", "search_attribute", OP_REQUIRED, "name",
		    "The attribute that is looked at." },
		{ KIND_ANY, "value", "search_value", OP_REQUIRED, "Pen*",
		    "Its value; in text, * at either end stands for any text." },
		GET_ATTRIBUTES, PAGE) },
	{ "search_by_conditions", NULL, RIGHT_TABLE, "Answer the rows for which conditions hold.",
	    OP_FIELDS(DATABASE, TABLE,
		{ KIND_LIST, "conditions", NULL, OP_REQUIRED,
		    "[{\"attribute\": \"age\", \"comparator\": \"greater_than\", \"value\": 3}]",
		    "What must hold. One with an operator and conditions of its own is a group." },
		{ KIND_TEXT, "conditions[].attribute", "conditions[].search_attribute", OP_REQUIRED,
		    "age", "The attribute that is looked at." },
		{ KIND_TEXT, "conditions[].comparator", "conditions[].search_type", "equals",
		    "between", "One of equals, contains, starts_with, ends_with, greater_than, "
		    "greater_than_equal, less_than, less_than_equal, between, not_equal, in." },
		{ KIND_ANY, "conditions[].value", "conditions[].search_value", OP_REQUIRED, "[3, 7]",
		    "What it is compared with; a list with between and in." },
		{ KIND_LIST, "conditions[].conditions", NULL, OP_NONE,
		    "[{\"attribute\": \"name\", \"value\": \"Penny\"}]", "Those of a group." },
		{ KIND_TEXT, "conditions[].operator", NULL, "and", "or", "That of a group." },
		{ KIND_TEXT, "operator", NULL, "and", "or",
		    "Whether all conditions must hold (and), or one (or)." },
		GET_ATTRIBUTES, PAGE) },

	{ "sql", NULL, RIGHT_TABLE,
	    "Run one statement of SQL: SELECT, INSERT, REPLACE, UPDATE, DELETE or EXPLAIN.",
	    OP_FIELDS({ KIND_TEXT, "sql", NULL, OP_REQUIRED,
		"SELECT name FROM dev.dog WHERE age > 3 ORDER BY name",
		"The statement. A table is database.table; one without a database is of data." }) },

	{ "csv_data_load", NULL, RIGHT_TABLE, "Load rows from CSV in the request. A job.",
	    OP_FIELDS(DATABASE, TABLE, ACTION,
		{ KIND_TEXT, "data", NULL, OP_REQUIRED, "id,name\n1,Penny\n", "The CSV." }, CSV) },
	{ "csv_file_load", NULL, RIGHT_TABLE, "Load rows from a CSV file on the node. A job.",
	    OP_FIELDS(DATABASE, TABLE, ACTION,
		{ KIND_TEXT, "file_path", NULL, OP_REQUIRED, "/srv/dogs.csv", "The file's path." },
		CSV) },
	{ "csv_url_load", NULL, RIGHT_TABLE, "Load rows from CSV behind a URL. A job.",
	    OP_FIELDS(DATABASE, TABLE, ACTION,
		{ KIND_TEXT, "csv_url", NULL, OP_REQUIRED, "https://example.com/dogs.csv",
		    "Where it is; http or https." },
		{ KIND_OBJECT, "passthrough_headers", NULL, OP_NONE,
		    "{\"Authorization\": \"Bearer TOKEN\"}", "Headers that are sent along." }, CSV) },
	{ "export_local", NULL, RIGHT_ADMIN, "Write what a search finds to a file on the node. A job.",
	    OP_FIELDS(
		{ KIND_TEXT, "format", NULL, OP_REQUIRED, "json", "json or csv." },
		{ KIND_TEXT, "path", NULL, OP_REQUIRED, "/srv/export", "The folder on the node." },
		{ KIND_TEXT, "filename", NULL, "the time, and the format", "dogs.json",
		    "The file's name." },
		{ KIND_BOOLEAN, "overwrite", NULL, "false", "true",
		    "Replace a file that is there; for super users." },
		{ KIND_OBJECT, "search_operation", NULL, OP_REQUIRED,
		    "{\"operation\": \"search_by_value\", \"table\": \"dog\", \"attribute\": \"id\", "
		    "\"value\": \"*\", \"get_attributes\": [\"*\"]}", "The search, as its body is." },
		{ KIND_TEXT, "search_operation.operation", NULL, OP_REQUIRED, "search_by_value",
		    "The search's name, or sql; its fields stand beside it." }) },
	{ "get_job", NULL, RIGHT_ANYONE, "Show how far a job is, or how it ended.",
	    OP_FIELDS({ KIND_TEXT, "id", NULL, OP_REQUIRED,
		"5f0c8b1e-8f4f-4ae7-9a52-2ab3c1d04a5b", "The job_id that its start answered." }) },
	{ "search_jobs_by_start_date", NULL, RIGHT_SUPER, "List the jobs of a time.",
	    OP_FIELDS(
		{ KIND_TEXT, "from_date", NULL, OP_REQUIRED, "2026-01-01", "Started then or later." },
		{ KIND_TEXT, "to_date", NULL, OP_REQUIRED, "2026-12-31",
		    "Started then or before; a day counts whole." }) },

	{ "delete_records_before", "delete_files_before", RIGHT_SUPER,
	    "Forget rows that were made before a date, on this node alone. A job.",
	    OP_FIELDS(DATABASE, TABLE, { KIND_TEXT, "date", NULL, OP_REQUIRED,
		"2020-01-01T00:00:00.000Z", "The date, as ISO 8601 has it." }) },
	{ "delete_audit_logs_before", NULL, RIGHT_SUPER, "Forget old entries of the audit log. A job.",
	    OP_FIELDS(DATABASE, TABLE, BEFORE) },
	{ "delete_transaction_logs_before", NULL, RIGHT_SUPER,
	    "Forget old transactions of a table, unless a subscriber lacks some. A job.",
	    OP_FIELDS(DATABASE, TABLE, BEFORE, { KIND_BOOLEAN, "force", NULL, "false", "true",
		"Also if a subscriber lacks some; it gets a copy." }) },
	{ "read_transaction_log", NULL, RIGHT_SUPER,
	    "Show what this node sends to others of a table.",
	    OP_FIELDS(DATABASE, TABLE,
		{ KIND_NUMBER, "from", NULL, OP_NONE, "1767225600000", "Then or later; milliseconds." },
		{ KIND_NUMBER, "to", NULL, OP_NONE, "1767312000000", "Then or before; milliseconds." },
		LIMIT) },
	{ "read_audit_log", NULL, RIGHT_SUPER, "Show who changed what in a table.",
	    OP_FIELDS(DATABASE, TABLE,
		{ KIND_TEXT, "search_type", NULL, "timestamp", "hash_value",
		    "What is searched for: timestamp, hash_value or username." },
		{ KIND_LIST, "search_values", NULL, "all", "[1]",
		    "The first and the last time in milliseconds; or keys, or names of users." },
		LIMIT) },
	{ NULL },
};
/* clang-format on */
