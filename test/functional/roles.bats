#!/usr/bin/env bats
# Every operation, asked for by every kind of user: what each is answered.  The list of operations
# is the program's own, so one that is added without a case here fails.

load node.bash

# USER PERMISSION-OF-ITS-ROLE; a user's password is its name with -password.
users='
root super_user
clu cluster_user
builder {"structure_user":true}
devbuilder {"structure_user":["dev"]}
reader {"dev":{"tables":{"dog":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[]}}}}
inserter {"dev":{"tables":{"dog":{"read":false,"insert":true,"update":false,"delete":false,"attribute_permissions":[]}}}}
partial {"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":[{"attribute_name":"name","read":true,"insert":false,"update":false}]}}}}
'
asking="clu builder devbuilder reader inserter partial inactive nobody root"

start_nodes()
{
	local user what

	node_start n1
	mkdir "$HL_T/export"
	printf 'id\n71\n' >"$HL_T/dogs.csv"
	printf 'id,name\n71,x\n' >"$HL_T/names.csv"
	ok n1 '{"operation":"create_database","database":"dev"}'
	make_table n1 dog
	make_table n1 cat
	insert n1 dog '{"id":1,"name":"Penny"}'
	while read -r user what; do
		case $what in
		'') continue ;;
		\{*) ok n1 "{\"operation\":\"add_role\",\"role\":\"$user\",\"permission\":$what}"
		    what=$user ;;
		esac
		make_user "$user" "$what"
	done <<<"$users"
	make_user inactive super_user
	ok n1 '{"operation":"alter_user","username":"inactive","active":false}'
}

make_user()	# make_user NAME ROLE
{
	ok n1 "{\"operation\":\"add_user\",\"role\":\"$2\",\"username\":\"$1\",\"password\":\"$1-password\",\"active\":true}"
}

# ---- what is answered, as one line ----

error='This operation is not authorized due to role restrictions and/or invalid database items'

denied()	# denied UNAUTHORIZED INVALID: the body of a 403
{
	want="403 {\"error\":\"$error\",\"unauthorized_access\":[$1],\"invalid_schema_items\":[$2]}"
}

lacks()		# lacks TABLE-RIGHTS ATTRIBUTES
{
	denied "{\"schema\":\"dev\",\"table\":\"dog\",\"required_table_permissions\":[$1],\"required_attribute_permissions\":[$2]}" ""
}

names()		# names A,B: "A","B"
{
	echo "\"${1//,/\",\"}\""
}

# answer WORD INTERNAL-NAME: what is wanted, in $want: a status, or that and the body
answer()
{
	local name list

	case $1 in
	super) denied "\"Operation '$2' is restricted to 'super_user' roles\"" "" ;;
	db) denied "" "\"database 'dev' does not exist\"" ;;
	table) denied "" "\"Table 'dev.dog' does not exist\"" ;;
	attr:*) denied "" "\"Attribute '${1#*:}' does not exist on 'dev.dog'\"" ;;
	login) want='401 {"error":"Must login"}' ;;
	inactive) want='401 {"error":"Cannot complete request: User is inactive"}' ;;
	need:*:*)
		name=${1#*:} name=${name%:*} list=
		for name in ${name//,/ }; do
			list+="${list:+,}{\"attribute_name\":\"$name\",\"required_permissions\":[$(names "${1##*:}")]}"
		done
		lacks "" "$list" ;;
	need:*) lacks "$(names "${1#*:}")" "" ;;
	*) want=$1 ;;
	esac
}

# ---- asking ----

# ask_all USER: requests from standard input, one a line, over one connection; the answers,
# "STATUS BODY" each
ask_all()
{
	local request first=1 end=$'\036'

	while IFS= read -r request; do
		[ -n "$first" ] || echo next
		first=
		request=${request//\\/\\\\}
		cat <<-END
		url = "http://127.0.0.1:$(<"$HL_T/nodes/n1/port.api")/"
		header = "Content-Type: application/json"
		data-raw = "${request//\"/\\\"}"
		write-out = " %{http_code}$end"
		silent
		max-time = 60
		END
		[ "$1" = nobody ] || echo "user = \"$1:$1-password\""
	done >"$HL_T/ask.$1"
	curl -K "$HL_T/ask.$1" | tr '\n\036' ' \n' | sed -E 's/^(.*) ([0-9]{3})$/\2 \1/'
}

# The program's operations: NAME INTERNAL RIGHT
operations()
{
	find "$HL_SRC/opsd" -name '*.c' -exec \
	    sed -nE 's/^\t\{ "([a-z_0-9]+)", "([A-Za-z]+)", (RIGHT_[A-Z]+),.*/\1 \2 \3/p' {} +
}

# The cases: OPERATION, WHAT EACH IS ANSWERED, FIELDS, and a jq expression for the super_user.
# What each is answered: for what only super_users may, the super_user's status; for what
# everybody may who is logged in, that status; else a word of answer() for each of
# clu builder devbuilder reader inserter partial inactive nobody root.  In the fields @ is who asks,
# DIR a folder, ROLE the id of a role, TOKEN a refresh token, OWN_PEM the node's own certificate.
# The super_user asks last.  Those that concern other nodes are refused here: mesh.bats and
# others have two; and so is a backup, which backup.bats reads.
cases_of_all()
{
	cat <<-'END'
	create_database	200	"database":"new@"	.message == "database 'new@' successfully created"
	create_schema	200	"schema":"old@"	.message | contains("successfully created")
	drop_database	200	"database":"new@"	.message == "successfully deleted 'new@'"
	drop_schema	200	"schema":"old@"	.message == "successfully deleted 'old@'"
	create_table	super 200 200 super super super inactive login 200	"database":"dev","table":"t@","primary_key":"id"	.message == "table 'dev.t@' successfully created."
	create_table	super 200 super super super super inactive login 200	"schema":"shop","table":"u@","hash_attribute":"id"	.message == "table 'shop.u@' successfully created."
	alter_table	super 200 200 super super super inactive login 200	"database":"dev","table":"t@","replicate":false	.message == "table 'dev.t@' successfully altered."
	alter_table	super 200 super super super super inactive login 200	"schema":"shop","table":"u@","replicate":null
	create_attribute	super 200 200 super super super inactive login 200	"database":"dev","table":"t@","attribute":"x"	.message == "attribute 'dev.t@.x' successfully created."
	create_attribute	super 200 super super super super inactive login 200	"schema":"shop","table":"u@","attribute":"x"
	drop_attribute	super 200 200 super super super inactive login 200	"database":"dev","table":"t@","attribute":"x"	.message == "successfully deleted attribute 'x'"
	drop_attribute	super 200 super super super super inactive login 200	"schema":"shop","table":"u@","attribute":"x"
	drop_table	super 200 200 super super super inactive login 200	"database":"dev","table":"t@"	.message == "successfully deleted table 'dev.t@'"
	drop_table	super 200 super super super super inactive login 200	"schema":"shop","table":"u@"
	describe_all	200	-	.dev.dog.name == "dog"
	describe_database	db db db 200 200 200 inactive login 200	"database":"dev"	.dog.schema == "dev"
	describe_schema	db db db 200 200 200 inactive login 200	"schema":"dev"	.dog.schema == "dev"
	describe_table	db db db 200 200 200 inactive login 200	"database":"dev","table":"dog"	.hash_attribute == "id"
	describe_table	db db db 200 200 200 inactive login 200	"schema":"dev","table":"dog"	.hash_attribute == "id"
	insert	db db db need:insert 200 need:id:insert inactive login 200	"database":"dev","table":"dog","records":[{"id":"@"}]	.inserted_hashes == ["@"]
	insert	db db db need:insert 200 need:name:insert inactive login 200	"schema":"dev","table":"dog","records":[{"id":"i@","name":"x"}]	.message == "inserted 1 of 1 records"
	update	db db db need:update need:update need:id:update inactive login 200	"database":"dev","table":"dog","records":[{"id":"@"}]	.update_hashes == ["@"]
	update	db db db need:update need:update need:name:update inactive login 200	"schema":"dev","table":"dog","records":[{"id":"@","name":"y"}]	.message == "updated 1 of 1 records"
	upsert	db db db need:insert,update need:update need:id:insert,update inactive login 200	"database":"dev","table":"dog","records":[{"id":"@"}]	.upserted_hashes == ["@"]
	upsert	db db db need:insert,update need:update need:name:insert,update inactive login 200	"schema":"dev","table":"dog","records":[{"id":"@","name":"z"}]	.message == "upserted 1 of 1 records"
	search_by_id	db db db 200 need:read 200 inactive login 200	"database":"dev","table":"dog","ids":[1],"get_attributes":["*"]	.[0].name == "Penny"
	search_by_id	db db db 404 need:read attr:pin inactive login 404	"database":"dev","table":"dog","ids":[1],"get_attributes":["pin"]
	search_by_hash	db db db 200 need:read 200 inactive login 200	"schema":"dev","table":"dog","hash_values":[1],"get_attributes":["name"]	. == [{"name":"Penny"}]
	search_by_value	db db db 200 need:read 200 inactive login 200	"database":"dev","table":"dog","attribute":"name","value":"Pen*","get_attributes":["id"]	. == [{"id":1}]
	search_by_value	db db db 200 need:read 200 inactive login 200	"schema":"dev","table":"dog","search_attribute":"id","search_value":1,"get_attributes":["id"]	. == [{"id":1}]
	search_by_conditions	db db db 200 need:read 200 inactive login 200	"database":"dev","table":"dog","get_attributes":["id"],"conditions":[{"attribute":"name","comparator":"equals","value":"Penny"}]	. == [{"id":1}]
	search_by_conditions	db db db 200 need:read 200 inactive login 200	"schema":"dev","table":"dog","get_attributes":["id"],"conditions":[{"search_attribute":"id","search_type":"less_than","search_value":2}]	. == [{"id":1}]
	sql	db db db 200 need:read 200 inactive login 200	"sql":"SELECT name FROM dev.dog WHERE id = 1"	. == [{"name":"Penny"}]
	sql	db db db need:insert 200 need:id:insert inactive login 200	"sql":"INSERT INTO dev.dog (id) VALUES ('s@')"	.inserted_hashes == ["s@"]
	delete	db db db need:delete need:delete 200 inactive login 200	"database":"dev","table":"dog","ids":["@"]	.deleted_hashes == ["@"]
	delete	db db db need:delete need:delete 200 inactive login 200	"schema":"dev","table":"dog","hash_values":["i@"]	.message == "1 of 1 record successfully deleted"
	csv_data_load	db db db need:insert,update need:update need:id:insert inactive login 200	"database":"dev","table":"dog","data":"id\n70"	.message == "Starting job with id " + .job_id
	csv_data_load	db db db need:insert,update need:update need:name:update inactive login 200	"schema":"dev","table":"dog","action":"update","data":"id,name\n70,x"	has("job_id")
	csv_file_load	db db db need:insert,update need:update need:id:insert inactive login 200	"database":"dev","table":"dog","file_path":"DIR/dogs.csv"	has("job_id")
	csv_file_load	db db db need:insert,update need:update need:name:insert,update inactive login 200	"schema":"dev","table":"dog","action":"upsert","file_path":"DIR/names.csv"	has("job_id")
	csv_file_load	db db db need:insert,update need:update need:id:insert,update inactive login 200	"schema":"dev","table":"dog","action":"upsert","file_path":"DIR/dogs.csv"	has("job_id")
	csv_url_load	db db db need:insert,update need:update 200 inactive login 200	"database":"dev","table":"dog","csv_url":"http://127.0.0.1:1/dogs.csv"	has("job_id")
	csv_url_load	db db db need:insert,update need:update 200 inactive login 200	"schema":"dev","table":"dog","action":"insert","csv_url":"http://127.0.0.1:1/dogs.csv"	has("job_id")
	export_local	200	"format":"json","path":"DIR/export","filename":"@","search_operation":{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["*"]}	has("job_id")
	export_local	200	"format":"csv","path":"DIR/export","filename":"@","search_operation":{"operation":"search_by_hash","schema":"dev","table":"dog","hash_values":[1],"get_attributes":["*"]}	has("job_id")
	get_job	200	"id":"none"	. == []
	search_jobs_by_start_date	200	"from_date":"2020-01-01","to_date":"2099-12-31"	map(.type) | index("csv_data_load") != null
	read_transaction_log	200	"database":"dev","table":"dog","limit":2	length == 2
	read_transaction_log	200	"schema":"dev","table":"dog","from":0,"to":1	. == []
	read_audit_log	200	"database":"dev","table":"dog"	.[0].operation == "insert" and .[0].hash_values == [1]
	read_audit_log	200	"schema":"dev","table":"dog","search_type":"hash_value","search_values":[1]	.["1"][0].user_name == "admin"
	delete_audit_logs_before	200	"database":"dev","table":"cat","timestamp":1	has("job_id")
	delete_audit_logs_before	200	"schema":"dev","table":"cat","timestamp":1	has("job_id")
	delete_transaction_logs_before	200	"database":"dev","table":"cat","timestamp":1	has("job_id")
	delete_transaction_logs_before	200	"schema":"dev","table":"cat","timestamp":1	has("job_id")
	delete_records_before	200	"database":"dev","table":"cat","date":"2020-01-01"	has("job_id")
	delete_files_before	200	"schema":"dev","table":"cat","date":"2020-01-01T00:00:00.000Z"	has("job_id")
	purge_stream	200	"database":"dev","table":"cat"	has("purged")
	purge_stream	200	"schema":"dev","table":"cat","options":{"keep":1}	has("purged")
	add_role	200	"role":"r@","permission":{}	.role == "r@" and has("id")
	list_roles	200	-	map(.role) | index("r@") != null
	alter_role	200	"id":"ROLE","role":"spared","permission":{}	.id == "spare" and .role == "spared" and .permission == {} and has("__updatedtime__")
	drop_role	200	"id":"ROLE"	.message == "spared successfully deleted"
	add_user	200	"role":"reader","username":"u@","password":"p","active":true	.message == "u@ successfully added"
	alter_user	200	"username":"u@","active":false	.update_hashes == ["u@"]
	list_users	200	-	map(.username) | index("u@") != null
	drop_user	200	"username":"u@"	.message == "u@ successfully deleted"
	user_info	200	-	.username == "@"
	create_authentication_tokens	200 200 200 200 200 200 login login 200	-	has("operation_token") and has("refresh_token")
	create_authentication_tokens	200	"username":"root","password":"root-password","expires_in":"1m"	has("operation_token") and has("refresh_token")
	refresh_operation_token	200	"refresh_token":"TOKEN"	has("operation_token")
	login	200	"username":"root","password":"root-password"	.message == "Login successful"
	logout	200	-	.message == "Logout successful"
	get_configuration	200	-	.clustering.nodeName == "n1"
	set_configuration	200	"logging_level":"info"	.message | startswith("Configuration successfully set.")
	system_information	200	"attributes":["time"]	has("time")
	get_backup	400	"keys":"yes"	.error | contains("'keys' must be a boolean")
	list_certificates	200	-	.[0] | .name == "keys/links.pem" and .uses == ["clustering"] and (.is_self_signed | not)
	add_certificate	200	"name":"cert@","certificate":"OWN_PEM","is_authority":false,"uses":["https"],"hosts":["n1"]	.restart == ["tls.certificate","tls.privateKey"]
	remove_certificate	200	"name":"cert@"	.message == "Successfully removed cert@"
	create_join_token	409	"hostname":"n2"	.error | contains("securePort is not set")
	sign_certificate	400	"csr":"x"	.error | contains("'csr' must be a certificate request as PEM text")
	set_status	200	"id":"maintenance","status":"new disks"	.id == "maintenance" and .status == "new disks"
	get_status	200	"id":"maintenance"	.status == "new disks"
	get_status	200	-	map(.id) == ["maintenance"]
	clear_status	200	"id":"maintenance"	.message == "Status successfully cleared"
	registration_info	200	-	.registered == false
	get_fingerprint	200	-	has("message")
	set_license	400	"key":"k","company":"c"	.error | contains("license")
	read_log	200	"limit":1	length == 1
	cluster_status	200	-	.node_name == "n1"
	cluster_network	200	"timeout":100	.nodes[0].name == "n1"
	cluster_get_routes	200	-	. == {"hub":[],"leaf":[]}
	get_cluster_routes	200	-	has("hub")
	cluster_set_routes	200	"server":"hub","routes":[{"host":"192.0.2.1","port":9932}]	.set | length == 1
	set_cluster_routes	200	"server":"hub","routes":[{"host":"192.0.2.1","port":9932}]	.skipped | length == 1
	cluster_delete_routes	200	"routes":[{"host":"192.0.2.1","port":9932}]	.deleted | length == 1
	delete_cluster_routes	200	"routes":[{"host":"192.0.2.1","port":9932}]	.skipped | length == 1
	configure_cluster	200	"connections":[]	.message == "Cluster successfully configured."
	add_node	400	"node_name":"n1","subscriptions":[{"database":"dev","table":"dog","publish":true,"subscribe":true}]	has("error")
	set_node	400	"node_name":"n1","subscriptions":[{"database":"dev","table":"dog","publish":true,"subscribe":true}]	has("error")
	update_node	400	"node_name":"n1","subscriptions":[{"schema":"dev","table":"dog","publish":true,"subscribe":true}]	has("error")
	set_node_replication	400	"node_name":"n1","subscriptions":[{"database":"dev","table":"dog","publish":true,"subscribe":true}]	has("error")
	remove_node	404	"node_name":"none"	has("error")
	resync	404	"node_name":"none","database":"dev","table":"dog"	has("error")
	resync	404	"node_name":"none","schema":"dev","table":"dog"	has("error")
	attach_sqlite	403	"database":"dev","path":"/nowhere.db"	has("error")
	attach_sqlite	403	"schema":"dev","path":"/nowhere.db"	has("error")
	detach_sqlite	404	"database":"dev","path":"/nowhere.db"	has("error")
	detach_sqlite	404	"schema":"dev","path":"/nowhere.db"	has("error")
	verify_sqlite	404	"database":"dev","path":"/nowhere.db"	has("error")
	verify_sqlite	404	"schema":"dev","path":"/nowhere.db"	has("error")
	restart_service	200	"service":"clustering_config"	.message | startswith("Restarting clustering_config")
	restart	200	-	.message | startswith("Restarting")
	END
}

# case_answers RIGHT WHAT: a word for each who asks
case_answers()
{
	local s=super a=$2

	[[ $2 != *' '* ]] || { echo "$2"; return; }
	case $1 in
	RIGHT_SUPER | RIGHT_NODES | RIGHT_ADMIN | RIGHT_JOIN) echo "$s $s $s $s $s $s inactive login $2" ;;
	RIGHT_OPEN) echo "$a $a $a $a $a $a $a $a $a" ;;
	*) echo "$a $a $a $a $a $a inactive login $a" ;;
	esac
}

# ---- the tests ----

@test "every operation has a case, and every case an operation" {
	[ "$(operations | wc -l)" -gt 60 ]
	diff <(operations | cut -d' ' -f1 | sort) <({ cases_of_all | cut -f1; echo renew_node_id; } | sort -u) || {
		echo "'<' is an operation without a case in cases_of_all, '>' a case of no operation"
		return 1
	}
}

own_pem()	# own_pem NEWLINE: the node's certificate with this for the ends of its lines
{
	awk -v end="$1" '{ printf "%s%s", $0, end }' "$(root n1)/keys/certificate.pem"
}

# Every case with each of its fields left out, or of another kind than it may be.
wrong_cases()
{
	cases_of_all | cut -f1,3 | grep -v -e '^restart' -e '^get_backup' | jq -Rc '
	    split("\t") | .[0] as $op | (.[1] // "-") | if . == "-" then {} else "{\(.)}" | fromjson end |
	    {operation: $op} + . | . as $good | keys_unsorted[1:][] as $field |
	    ($good | del(.[$field])), ($good + {($field): (null, true, -5, 1.5, "", "ten", [], [null], {"x": 1})})' |
	    sed -e "s#DIR#$HL_T#" -e "s#OWN_PEM#$(own_pem '\\\\n')#" -e '/"node_name":"ten"/d'	# it would be waited for
}

@test "no wrong field is an error of the node: a 4xx that says what is wrong" {
	local line got

	wrong_cases >"$HL_T/wrong"
	[ "$(wc -l <"$HL_T/wrong")" -gt 1500 ]
	ask_all root <"$HL_T/wrong" >"$HL_T/wrong.answers"
	[ "$(wc -l <"$HL_T/wrong.answers")" = "$(wc -l <"$HL_T/wrong")" ]
	# Known clients look for a 500 in search_by_hash and in alter_user, with these words.
	paste -d'\n' "$HL_T/wrong" "$HL_T/wrong.answers" | while IFS= read -r line && IFS= read -r got; do
		case $line--$got in
		*--200\ * | *--4??\ *'"error":"'?*) ;;
		'{"operation":"search_by_hash'*--500\ *"'"*"' "* | '{"operation":"alter_user"'*--500\ *) ;;
		*) echo "$line gave $got" ;;
		esac
	done >"$HL_T/wrong.found"
	cat "$HL_T/wrong.found"
	[ ! -s "$HL_T/wrong.found" ]
}

@test "every operation by every kind of user" {
	local op what fields filter line got want user role token pem i failed=0
	local -A internal right

	role=$(ask n1 '{"operation":"add_role","role":"spare","permission":{}}' | jq -r .id)
	token=$(ask n1 '{"operation":"create_authentication_tokens"}' | jq -r .refresh_token)
	pem=$(own_pem '\\n')
	while read -r op line want; do
		internal[$op]=$line right[$op]=$want
	done < <(operations)
	# What each asks and is to be answered.
	while IFS=$'\t' read -r op what fields filter; do
		read -ra what < <(case_answers "${right[$op]}" "$what")
		i=0
		for user in $asking; do
			line="{\"operation\":\"$op\",$fields}"
			line=${line/,-\}/\}}
			line=${line//DIR/$HL_T} line=${line//ROLE/$role} line=${line//TOKEN/$token}
			line=${line//OWN_PEM/"$pem"}
			echo "${line//@/$user}" >>"$HL_T/asked.$user"
			answer "${what[i]}" "${internal[$op]}"
			echo "$want" >>"$HL_T/wanted.$user"
			i=$((i + 1))
		done
		echo "${filter//@/root}" >>"$HL_T/filters"
	done < <(cases_of_all)
	for user in $asking; do
		ask_all "$user" <"$HL_T/asked.$user" >"$HL_T/answered.$user"
		while IFS= read -r line <&3 && IFS= read -r want <&4; do
			IFS= read -r got <&5 || got=nothing
			[ "$got" = "$want" ] || [ "${got%% *}" = "$want" ] || {
				printf '%s: %s\ngave   %s\nwanted %s\n' "$user" "$line" "$got" "$want"
				failed=1
			}
		done 3<"$HL_T/asked.$user" 4<"$HL_T/wanted.$user" 5<"$HL_T/answered.$user"
	done
	# What the super_user was answered is what was asked for.
	while IFS= read -r line <&3 && IFS= read -r filter <&4 && IFS= read -r got <&5; do
		[[ -z ${filter// /} ]] || jq -e "$filter" <<<"${got#* }" >/dev/null || {
			printf 'root: %s\ngave   %s\nwanted %s\n' "$line" "$got" "$filter"
			failed=1
		}
	done 3<"$HL_T/asked.root" 4<"$HL_T/filters" 5<"$HL_T/answered.root"
	[ "$failed" = 0 ]
	# The last one was to restart, and so does this one.
	wait_until 20 node_ready n1
	for user in clu builder reader partial; do
		HL_USER=$user HL_PASSWORD=$user-password refused n1 403 '{"operation":"renew_node_id"}' "Operation 'renewNodeId' is restricted"
	done
	HL_USER=root HL_PASSWORD=root-password ok n1 '{"operation":"renew_node_id"}' '.message | startswith("This node gets the id ")'
	wait_until 20 node_ready n1
}
