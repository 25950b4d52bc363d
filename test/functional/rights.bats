#!/usr/bin/env bats
# What roles may: databases, tables, attributes, by every way that asks for them.

load node.bash

# name, permission
roles='
reader {"dev":{"tables":{"dog":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[]}}}}
writer {"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":[]}}}}
partial {"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":false,"attribute_permissions":[{"attribute_name":"name","read":true,"insert":true,"update":true},{"attribute_name":"age","read":true,"insert":false,"update":false},{"attribute_name":"pin","read":false,"insert":false,"update":false}]}}}}
blind {"dev":{"tables":{"dog":{"read":false,"insert":true,"update":false,"delete":false,"attribute_permissions":[]}}}}
keyless {"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":false,"attribute_permissions":[{"attribute_name":"name","read":false,"insert":false,"update":false}]}}}}
adder {"dev":{"tables":{"dog":{"read":true,"insert":true,"update":true,"delete":false,"attribute_permissions":[{"attribute_name":"name","read":false,"insert":true,"update":false}]}}}}
dated {"dev":{"tables":{"dog":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[{"attribute_name":"__updatedtime__","read":true,"insert":false,"update":false},{"attribute_name":"id","read":false,"insert":false,"update":false}]}}}}
nothing {"dev":{"tables":{}}}
builder {"structure_user":true}
dev_builder {"structure_user":["dev"]}
'

start_nodes()
{
	local name permission

	node_start n1
	ok n1 '{"operation":"create_database","database":"dev"}'
	ok n1 '{"operation":"create_database","database":"vault"}'
	make_table n1 dog
	make_table n1 secret
	make_table n1 gold vault
	insert n1 dog '{"id":1,"name":"Penny","age":5,"pin":1234},{"id":2,"name":"Kato","age":7,"pin":99}'
	insert n1 secret '{"id":1,"key":"x"}'
	while read -r name permission; do
		[ -z "$name" ] || {
			ok n1 "{\"operation\":\"add_role\",\"role\":\"$name\",\"permission\":$permission}"
			make_user "$name" "$name"
		}
	done <<<"$roles"
	make_user clu cluster_user
	make_user root super_user
}

make_user()	# make_user NAME ROLE: its password is NAME-password
{
	ok n1 "{\"operation\":\"add_user\",\"role\":\"$2\",\"username\":\"$1\",\"password\":\"$1-password\",\"active\":true}"
}

# as USER CODE JSON [JQ]: that status, and the filter holds for the answer
as()
{
	HL_USER=$1 HL_PASSWORD=$1-password op n1 "$3"
	if [ "$code" != "$2" ] || ! jq -e "${4:-true}" <<<"$body" >/dev/null; then
		echo "$1: $3"
		echo "gave $code: $body"
		echo "wanted $2: ${4:-}"
		return 1
	fi
}

error='This operation is not authorized due to role restrictions and/or invalid database items'

# same USER JSON JSON: both get the same answer but for the name asked (hidden, absent)
same()
{
	local first code1

	HL_USER=$1 HL_PASSWORD=$1-password op n1 "$2"
	first=${body//$4/NAME} code1=$code
	HL_USER=$1 HL_PASSWORD=$1-password op n1 "$3"
	if [ "$code1 $first" != "$code ${body//$5/NAME}" ]; then
		echo "$1: $2"
		echo "gave $code1 $first"
		echo "$3"
		echo "gave $code $body"
		return 1
	fi
}

search()	# search ATTRIBUTES(JSON) [MORE]
{
	echo "{\"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"dog\",
	    \"search_attribute\":\"id\",\"search_value\":\"*\",\"get_attributes\":$1${2:-}}"
}

write()		# write OPERATION RECORD [TABLE [DATABASE]]
{
	echo "{\"operation\":\"$1\",\"database\":\"${4:-dev}\",\"table\":\"${3:-dog}\",\"records\":[$2]}"
}

@test "who may run which operation" {
	local user op codes

	# operation; reader, nothing, builder, a cluster user, root
	while IFS='|' read -r op codes; do
		set -- $codes
		for user in reader nothing builder clu root; do
			as "$user" "$1" "$op"
			shift
		done
	done <<-'END'
	{"operation":"user_info"}|200 200 200 200 200
	{"operation":"registration_info"}|200 200 200 200 200
	{"operation":"describe_all"}|200 200 200 200 200
	{"operation":"get_job","id":"x"}|200 200 200 200 200
	{"operation":"describe_database","database":"dev"}|200 403 403 403 200
	{"operation":"describe_table","database":"dev","table":"dog"}|200 403 403 403 200
	{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["*"]}|200 403 403 403 200
	{"operation":"insert","database":"dev","table":"dog","records":[{"id":1}]}|403 403 403 403 200
	{"operation":"update","database":"dev","table":"dog","records":[{"id":77}]}|403 403 403 403 200
	{"operation":"upsert","database":"dev","table":"dog","records":[{"id":1}]}|403 403 403 403 200
	{"operation":"delete","database":"dev","table":"dog","ids":[77]}|403 403 403 403 200
	{"operation":"csv_data_load","database":"dev","table":"dog","data":"id\n1"}|403 403 403 403 200
	{"operation":"create_database","database":"dev"}|403 403 403 403 400
	{"operation":"drop_database","database":"absent"}|403 403 403 403 404
	{"operation":"create_table","database":"dev","table":"dog","primary_key":"id"}|403 403 400 403 400
	{"operation":"drop_table","database":"dev","table":"absent"}|403 403 404 403 404
	{"operation":"create_attribute","database":"dev","table":"dog","attribute":"name"}|403 403 400 403 400
	{"operation":"drop_attribute","database":"dev","table":"dog","attribute":"id"}|403 403 400 403 400
	{"operation":"list_users"}|403 403 403 403 200
	{"operation":"list_roles"}|403 403 403 403 200
	{"operation":"add_user"}|403 403 403 403 400
	{"operation":"alter_user"}|403 403 403 403 500
	{"operation":"drop_user"}|403 403 403 403 400
	{"operation":"add_role"}|403 403 403 403 400
	{"operation":"alter_role"}|403 403 403 403 400
	{"operation":"drop_role"}|403 403 403 403 400
	{"operation":"get_configuration"}|403 403 403 403 200
	{"operation":"set_configuration","x":1}|403 403 403 403 400
	{"operation":"system_information"}|403 403 403 403 200
	{"operation":"read_transaction_log","database":"dev","table":"dog"}|403 403 403 403 200
	{"operation":"read_audit_log","database":"dev","table":"dog"}|403 403 403 403 200
	{"operation":"search_jobs_by_start_date"}|403 403 403 403 400
	{"operation":"cluster_status"}|403 403 403 403 200
	{"operation":"get_backup","table":"dog"}|403 403 403 403 400
	{"operation":"cluster_get_routes"}|403 403 403 403 200
	{"operation":"add_node"}|403 403 403 403 400
	{"operation":"purge_stream","database":"dev","table":"absent"}|403 403 403 403 404
	END
}

@test "what is for super_users says so in the internal name" {
	while read -r op name; do
		as reader 403 "{\"operation\":\"$op\"}" ".error == \"$error\" and .invalid_schema_items == [] and
		    .unauthorized_access == [\"Operation '$name' is restricted to 'super_user' roles\"]"
	done <<-'END'
	create_schema createSchema
	create_database createSchema
	drop_schema dropSchema
	get_configuration getConfiguration
	set_configuration setConfiguration
	search_jobs_by_start_date handleGetJobsByStartDate
	list_users listUsersExternal
	system_information systemInformation
	add_user addUser
	alter_user alterUser
	drop_user dropUser
	list_roles listRoles
	add_role addRole
	alter_role alterRole
	drop_role dropRole
	read_audit_log readAuditLog
	read_transaction_log readTransactionLog
	delete_audit_logs_before deleteAuditLogsBefore
	END
	as reader 403 '{"operation":"create_table","database":"dev","table":"x","primary_key":"id"}' \
	    ".unauthorized_access == [\"Operation 'createTable' is restricted to 'super_user' roles\"]"
	as reader 403 '{"operation":"drop_table","database":"dev","table":"dog"}' \
	    ".unauthorized_access == [\"Operation 'dropTable' is restricted to 'super_user' roles\"]"
	as reader 403 '{"operation":"drop_attribute","database":"dev","table":"dog","attribute":"name"}' \
	    ".unauthorized_access == [\"Operation 'dropAttribute' is restricted to 'super_user' roles\"]"
}

@test "a table's rights: what is missing is named" {
	while read -r op missing; do
		as reader 403 "$(write "$op" '{"id":1}')" ".error == \"$error\" and .invalid_schema_items == [] and
		    .unauthorized_access == [{\"schema\":\"dev\",\"table\":\"dog\",
		    \"required_table_permissions\":$missing,\"required_attribute_permissions\":[]}]"
	done <<-'END'
	insert ["insert"]
	update ["update"]
	upsert ["insert","update"]
	END
	as reader 403 '{"operation":"delete","database":"dev","table":"dog","hash_values":[1]}' \
	    '.unauthorized_access[0].required_table_permissions == ["delete"]'
	as reader 403 '{"operation":"csv_data_load","action":"insert","database":"dev","table":"dog","data":"id\n1"}' \
	    '.unauthorized_access[0].required_table_permissions == ["insert","update"]'
	as writer 200 "$(write upsert '{"id":50,"any":1}')"
	as writer 200 '{"operation":"delete","database":"dev","table":"dog","hash_values":[50]}'
	as blind 200 "$(write insert '{"id":51}')"
	# What it may do to the table tells that it is there, so what it lacks is said.
	as blind 403 "$(search '["*"]')" '.invalid_schema_items == [] and .unauthorized_access ==
	    [{"schema":"dev","table":"dog","required_table_permissions":["read"],"required_attribute_permissions":[]}]'
	# Then attributes are not gone through, such as those that are not there.
	as reader 403 "$(write insert '{"id":1,"pin":1,"pax":2}')" '.invalid_schema_items == [] and
	    .unauthorized_access[0].required_attribute_permissions == []'
	as dated 403 "$(write insert '{"id":1,"pin":1,"pax":2}')" '.invalid_schema_items == [] and
	    .unauthorized_access == [{"schema":"dev","table":"dog","required_table_permissions":["insert"],"required_attribute_permissions":[]}]'
	delete n1 dog 51
}

@test "without a right to it, what is there and what is not are the same" {
	local user q

	for user in reader partial nothing clu builder; do
		# Tables and databases by every operation that names one; also with other faults.
		for q in '"operation":"search_by_id","ids":[1],"get_attributes":["*"]' \
		    '"operation":"search_by_hash","hash_values":[1],"get_attributes":["key"]' \
		    '"operation":"search_by_hash","hash_values":[1]' \
		    '"operation":"search_by_value","search_attribute":"key","search_value":"*","get_attributes":["nosuch"]' \
		    '"operation":"search_by_conditions","get_attributes":["*"],"conditions":[{"search_attribute":"key"}]' \
		    '"operation":"search_by_conditions","get_attributes":["*"],"conditions":[{"search_attribute":"key","search_type":"equals","search_value":"x"}]' \
		    '"operation":"insert","records":[{"id":1}]' \
		    '"operation":"insert","records":[{"id":null},5]' \
		    '"operation":"update","records":[{"key":1}]' \
		    '"operation":"upsert","records":[{"a/b":1}]' \
		    '"operation":"delete","ids":[1]' \
		    '"operation":"describe_table"' \
		    '"operation":"csv_data_load","data":"id\n1"' \
		    '"operation":"csv_file_load","file_path":"/nowhere"' \
		    '"operation":"read_audit_log"' \
		    '"operation":"read_transaction_log"'; do
			same "$user" "{$q,\"database\":\"dev\",\"table\":\"secret\"}" \
			    "{$q,\"database\":\"dev\",\"table\":\"absent\"}" secret absent
			[[ $code != 200 && $code != 404 ]]
			same "$user" "{$q,\"database\":\"vault\",\"table\":\"gold\"}" \
			    "{$q,\"database\":\"valve\",\"table\":\"gold\"}" vault valve
			same "$user" "{$q,\"schema\":\"system\",\"table\":\"hdb_user\"}" \
			    "{$q,\"schema\":\"system\",\"table\":\"hdb_none\"}" hdb_user hdb_none
		done
		same "$user" '{"operation":"describe_database","database":"vault"}' \
		    '{"operation":"describe_database","database":"valve"}' vault valve
		[ "$code" = 403 ]
	done
	for user in reader partial nothing clu; do
		for q in create_attribute drop_attribute; do
			same "$user" "{\"operation\":\"$q\",\"database\":\"dev\",\"table\":\"secret\",\"attribute\":\"id\"}" \
			    "{\"operation\":\"$q\",\"database\":\"dev\",\"table\":\"absent\",\"attribute\":\"id\"}" secret absent
		done
		same "$user" '{"operation":"drop_table","database":"dev","table":"secret"}' \
		    '{"operation":"drop_table","database":"dev","table":"absent"}' secret absent
		same "$user" '{"operation":"drop_database","database":"vault"}' \
		    '{"operation":"drop_database","database":"valve"}' vault valve
	done
	has_row n1 secret 1
}

@test "the words for what is not there" {
	as reader 403 '{"operation":"search_by_id","database":"dev","table":"secret","ids":[1],"get_attributes":["*"]}' \
	    ".unauthorized_access == [] and .invalid_schema_items == [\"Table 'dev.secret' does not exist\"]"
	as reader 403 '{"operation":"search_by_id","database":"vault","table":"gold","ids":[1],"get_attributes":["*"]}' \
	    ".invalid_schema_items == [\"database 'vault' does not exist\"]"
	as reader 403 '{"operation":"describe_database","database":"vault"}' \
	    ".error == \"$error\" and .unauthorized_access == [] and .invalid_schema_items == [\"database 'vault' does not exist\"]"
	as reader 403 '{"operation":"describe_table","database":"dev","table":"secret"}' \
	    ".error == \"$error\" and .unauthorized_access == [] and .invalid_schema_items == [\"Table 'dev.secret' does not exist\"]"
	as nothing 403 '{"operation":"describe_table","database":"dev","table":"dog"}' \
	    ".invalid_schema_items == [\"database 'dev' does not exist\"]"
	as root 404 '{"operation":"describe_table","database":"dev","table":"absent"}'
}

shown()		# shown ATTRIBUTES: describe_table shows just these
{
	echo "[.attributes[].attribute] | sort == ($1 | sort)"
}

@test "describing shows what there is any right to" {
	local q='{"operation":"describe_table","database":"dev","table":"dog"}'

	as keyless 200 "$q" "$(shown '[]')"
	as adder 200 "$q" "$(shown '["id","name"]')"
	as dated 200 "$q" "$(shown '["__createdtime__","__updatedtime__"]')"
	as partial 200 "$q" "$(shown '["id","name","age","__createdtime__","__updatedtime__"]')"
	as blind 200 "$q" '[.attributes[].attribute] | index("pin") != null and index("__createdtime__") != null'
	as blind 200 '{"operation":"describe_all"}' '.dev | keys == ["dog"]'
	as blind 200 '{"operation":"describe_database","database":"dev"}' 'keys == ["dog"]'
	as reader 200 '{"operation":"describe_all"}' '. | (keys == ["dev"]) and (.dev | keys == ["dog"])'
	as partial 200 '{"operation":"describe_database","database":"dev"}' \
	    'keys == ["dog"] and ([.dog.attributes[].attribute] | index("pin") == null and index("name") != null)'
	as partial 200 '{"operation":"describe_table","database":"dev","table":"dog"}' \
	    '[.attributes[].attribute] | index("pin") == null'
	as clu 200 '{"operation":"describe_all"}' '. == {}'
	as nothing 200 '{"operation":"describe_all"}' '. == {}'
	as root 200 '{"operation":"describe_all"}' 'keys | index("vault") != null'
}

@test "describing tells how much there is only to who may read it" {
	local q='{"operation":"describe_table","database":"dev","table":"dog"}' user
	local none='(has("record_count") or has("last_updated_record") or has("table_size")) | not'

	for user in blind keyless adder; do
		as $user 200 "$q" "($none) and .db_size == 0 and .db_audit_size == 0"
		as $user 200 '{"operation":"describe_all"}' ".dev.dog | $none"
		as $user 200 '{"operation":"describe_database","database":"dev"}' ".dog | $none"
	done
	# one attribute is enough, and what others hold is not in the sums
	for user in reader partial dated; do
		as $user 200 "$q" '.record_count >= 2 and .last_updated_record > 1e12 and .db_size == .table_size'
		as $user 200 '{"operation":"describe_all"}' '.dev.dog | .record_count >= 2 and .db_size == .table_size'
	done
	as root 200 "$q" '.record_count >= 2 and .db_size >= .table_size'
}

@test "attributes that may not be read: asked for by every way" {
	local q

	as partial 200 "$(search '["*"]')" '.[0] | has("name") and has("age") and (has("pin") | not)'
	as partial 200 "$(search '["id","name","age"]')" '.[0] == {"id":1,"name":"Penny","age":5}'
	for q in "$(search '["id","pin"]')" "$(search '["*","pin"]')" \
	    "$(search '["id"]' ',"sort":{"attribute":"pin"}')" \
	    "$(search '["id"]' ',"sort":{"attribute":"name","next":{"attribute":"pin"}}')" \
	    '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["pin"]}' \
	    '{"operation":"search_by_value","database":"dev","table":"dog","search_attribute":"pin","search_value":1234,"get_attributes":["id"]}' \
	    '{"operation":"search_by_value","schema":"dev","table":"dog","attribute":"pin","value":"*","get_attributes":["id"]}' \
	    '{"operation":"search_by_conditions","database":"dev","table":"dog","get_attributes":["id"],"conditions":[{"attribute":"pin","comparator":"greater_than","value":1000}]}' \
	    '{"operation":"search_by_conditions","database":"dev","table":"dog","get_attributes":["id"],"operator":"or","conditions":[{"search_attribute":"id","search_type":"equals","search_value":1},{"operator":"and","conditions":[{"search_attribute":"pin","search_type":"equals","search_value":1234}]}]}'; do
		as partial 403 "$q" ".unauthorized_access == [] and
		    .invalid_schema_items == [\"Attribute 'pin' does not exist on 'dev.dog'\"]"
		# One that is not there is no different.
		same partial "$q" "${q//pin/pax}" pin pax
	done
	# Names are exact: no other spelling reaches it, nor a NUL behind it.
	as partial 403 "$(search '["PIN"]')"
	as partial 403 "$(search '["pin\u0000x"]')"
}

@test "attributes that may not be written" {
	local op

	as partial 200 "$(write insert '{"id":60,"name":"new"}')"
	as partial 200 "$(write update '{"id":60,"name":"newer"}')"
	as partial 200 "$(write upsert '{"id":60,"name":"newest"}')"
	for op in insert update upsert; do
		as partial 403 "$(write $op '{"id":60},{"id":61,"name":"x","pin":5}')" \
		    ".invalid_schema_items == [\"Attribute 'pin' does not exist on 'dev.dog'\"]"
		same partial "$(write $op '{"id":60,"pin":5}')" "$(write $op '{"id":60,"pax":5}')" pin pax
		as partial 403 "$(write $op '{"id":60,"__createdtime__":5}')" '.error | contains("Internal timestamp attributes")'
		as writer 403 "$(write $op '{"id":60,"__updatedtime__":5}')" '.error | contains("Internal timestamp attributes")'
	done
	as partial 403 "$(write insert '{"id":61,"age":5}')" '.unauthorized_access[0] |
	    .required_table_permissions == [] and .required_attribute_permissions ==
	    [{"attribute_name":"age","required_permissions":["insert"]}]'
	as partial 403 "$(write upsert '{"id":61,"age":5}')" '.unauthorized_access[0] |
	    .required_attribute_permissions == [{"attribute_name":"age","required_permissions":["insert","update"]}]'
	as partial 403 '{"operation":"delete","database":"dev","table":"dog","ids":[60]}' \
	    '.unauthorized_access[0].required_table_permissions == ["delete"]'
	as partial 403 '{"operation":"create_attribute","database":"dev","table":"dog","attribute":"pax"}'
	as writer 200 '{"operation":"create_attribute","database":"dev","table":"dog","attribute":"pux"}'
	has_row n1 dog 60 '.name == "newest" and (has("pin") | not)'
	has_no_row n1 dog 61
	delete n1 dog 60
}

@test "the rights of the key and the times follow those of the attributes that are listed" {
	local q op

	# None to any attribute: no key either, no time, no row without anything in it.
	for q in "$(search '["*"]')" "$(search '["id"]')" "$(search '["__createdtime__"]')" \
	    '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["id"]}' \
	    '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["*"]}' \
	    '{"operation":"search_by_conditions","database":"dev","table":"dog","get_attributes":["*"],"conditions":[{"attribute":"__updatedtime__","comparator":"greater_than","value":1}]}'; do
		as keyless 403 "$q" '.unauthorized_access == [] and (.invalid_schema_items[0] | startswith("Attribute '"'"'"))'
	done
	for op in insert upsert; do
		as keyless 403 "$(write $op '{"id":80}')" ".invalid_schema_items == [\"Attribute 'id' does not exist on 'dev.dog'\"]"
		as keyless 403 "$(write $op '{}')" ".invalid_schema_items == [\"Attribute 'id' does not exist on 'dev.dog'\"]"
	done
	as keyless 403 "$(write update '{"id":1}')"
	as keyless 403 '{"operation":"csv_data_load","database":"dev","table":"dog","data":"id\n80\n"}'
	has_no_row n1 dog 80
	# A right to one of them is one to the key.
	as adder 200 "$(write insert '{"id":80}')"
	as adder 200 "$(write insert '{"id":81,"name":"x"}')"
	as adder 403 "$(write update '{"id":81}')" '.unauthorized_access[0].required_attribute_permissions ==
	    [{"attribute_name":"id","required_permissions":["update"]}]'
	as adder 403 "$(search '["id"]')" '.invalid_schema_items == [] and .unauthorized_access[0].required_attribute_permissions ==
	    [{"attribute_name":"id","required_permissions":["read"]}]'
	as adder 403 "$(search '["__createdtime__"]')"
	# What may be written and not read is there, and what it lacks is said.
	as adder 403 '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["name"]}' \
	    '.invalid_schema_items == [] and .unauthorized_access[0].required_attribute_permissions ==
	    [{"attribute_name":"name","required_permissions":["read"]}]'
	as partial 200 "$(search '["id","__createdtime__"]')" 'length > 1'
	# Listed, they are as listed.
	as dated 403 "$(search '["__updatedtime__"]')" ".invalid_schema_items == [\"Attribute 'id' does not exist on 'dev.dog'\"]"
	as dated 200 '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["*"]}' '.[0] | keys == ["__createdtime__","__updatedtime__"]'
	ok n1 '{"operation":"delete","database":"dev","table":"dog","ids":[80,81]}'
}

@test "a file on the node is written for super_users only" {
	local q='{"operation":"export_local","format":"json","path":"'$HL_T'","filename":"dogs","search_operation":{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["*"]}}'

	as reader 403 "$q" ".unauthorized_access == [\"Operation 'exportLocal' is restricted to 'super_user' roles\"]"
	as root 200 "$q" 'has("job_id")'
}

@test "CSV columns are attributes as others" {
	local id

	as partial 403 '{"operation":"csv_data_load","action":"insert","database":"dev","table":"dog","data":"id,name,pin\n70,x,5\n"}' \
	    ".invalid_schema_items == [\"Attribute 'pin' does not exist on 'dev.dog'\"]"
	has_no_row n1 dog 70
	as partial 403 '{"operation":"csv_data_load","action":"update","database":"dev","table":"dog","data":"id,age\n1,6\n"}' \
	    '.unauthorized_access[0].required_attribute_permissions ==
	    [{"attribute_name":"age","required_permissions":["update"]}]'
	as partial 200 '{"operation":"csv_data_load","action":"insert","database":"dev","table":"dog","data":"id,name\n71,x\n"}'
	id=$(jq -r .job_id <<<"$body")
	wait_until 20 job_over "$id"
	has_row n1 dog 71
	# Others do not see the job, and not that there is one.
	as reader 200 "{\"operation\":\"get_job\",\"id\":\"$id\"}" '. == []'
	as partial 200 "{\"operation\":\"get_job\",\"id\":\"$id\"}" 'length == 1'
	delete n1 dog 71
}

job_over()
{
	ask n1 "{\"operation\":\"get_job\",\"id\":\"$1\"}" |
	    jq -e '.[0].status | . == "COMPLETE" or . == "ERROR"'
}

@test "two names of one field with different values are refused, for everybody" {
	local user q

	for user in reader root; do
		while read -r q; do
			as "$user" 400 "$q" '.error | contains("have different values")'
		done <<-'END'
		{"operation":"describe_table","database":"dev","schema":"vault","table":"dog"}
		{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"hash_values":[2],"get_attributes":["id"]}
		{"operation":"search_by_value","database":"dev","table":"dog","attribute":"id","search_attribute":"pin","value":1,"get_attributes":["id"]}
		{"operation":"search_by_value","database":"dev","table":"dog","attribute":"id","search_value":2,"value":1,"get_attributes":["id"]}
		{"operation":"search_by_conditions","database":"dev","table":"dog","get_attributes":["id"],"conditions":[{"attribute":"id","search_attribute":"pin","value":1}]}
		{"operation":"delete","database":"dev","table":"dog","ids":[1],"hash_values":[2]}
		END
	done
	as reader 200 '{"operation":"describe_table","database":"dev","schema":"dev","table":"dog"}'
	# Another case is another name.
	as reader 403 '{"operation":"search_by_id","database":"DEV","table":"dog","ids":[1],"get_attributes":["*"]}'
	as reader 403 '{"operation":"search_by_id","Database":"dev","table":"dog","ids":[1],"get_attributes":["*"]}'
	as reader 403 '{"operation":"search_by_id","database":"dev","table":"DOG","ids":[1],"get_attributes":["*"]}'
}

@test "the system tables: read by super_users without secrets, written by nobody" {
	local user op what

	for user in reader writer builder clu root; do
		for op in insert update upsert; do
			as "$user" 403 "$(write $op '{"username":"eve","role":"x"}' hdb_user system)"
			as "$user" 403 "$(write $op '{"id":"x","permission":{"super_user":true}}' hdb_role system)"
		done
		as "$user" 403 '{"operation":"delete","database":"system","table":"hdb_user","ids":["root"]}'
		[ "$user" = root ] || for op in \
		    '{"operation":"search_by_id","database":"system","table":"hdb_user","ids":["root"],"get_attributes":["*"]}' \
		    "$(write insert '{"username":"eve"}' hdb_user system)" "$(write insert '{"id":1}' hdb_none system)" \
		    '{"operation":"delete","database":"system","table":"hdb_user","ids":["root"]}'; do
			as "$user" 403 "$op" ".error == \"$error\" and .unauthorized_access == [] and
			    .invalid_schema_items == [\"database 'system' does not exist\"]"
		done
		as "$user" 403 '{"operation":"csv_data_load","database":"system","table":"hdb_user","data":"username\neve"}'
	done
	# A super_user is told how it is done.
	while read -r what op; do
		as root 403 "$(write insert '{"id":1}' "$what" system)" \
		    ".error | startswith(\"The 'system' database, tables and records are used internally\") and endswith(\"Rows of '$what' are written with $op.\")"
		as root 403 "{\"operation\":\"delete\",\"schema\":\"system\",\"table\":\"$what\",\"hash_values\":[1]}" '.error | contains("are written with")'
	done <<-'END'
	hdb_user add_user, alter_user and drop_user
	hdb_role add_role, alter_role and drop_role
	hdb_nodes add_node, update_node and remove_node
	hdb_status set_status and clear_status
	END
	as root 403 "$(write insert '{"id":1}' hdb_job system)" '.error | endswith("cannot be updated or removed.")'
	as builder 403 '{"operation":"drop_table","database":"system","table":"hdb_user"}'
	as builder 403 '{"operation":"create_table","database":"system","table":"x","primary_key":"id"}'
	as root 200 '{"operation":"search_by_value","database":"system","table":"hdb_user","attribute":"username","value":"*","get_attributes":["*"]}' \
	    'length > 3 and ([.[] | has("password") or has("sealed") or has("refresh_token")] | any | not)'
	for op in password sealed refresh_token; do
		as root 404 "{\"operation\":\"search_by_value\",\"database\":\"system\",\"table\":\"hdb_user\",\"attribute\":\"$op\",\"value\":\"*\",\"get_attributes\":[\"username\"]}"
		as root 404 "{\"operation\":\"search_by_id\",\"database\":\"system\",\"table\":\"hdb_user\",\"ids\":[\"root\"],\"get_attributes\":[\"$op\"]}"
	done
}

@test "operations: a role's users may those alone, and those that are for super users" {
	local all='"read":true,"insert":true,"update":true,"delete":true,"attribute_permissions":[]' q

	ok n1 "{\"operation\":\"add_role\",\"role\":\"few\",\"permission\":{\"operations\":[\"search_by_id\",\"insert\",\"system_information\"],\"dev\":{\"tables\":{\"dog\":{$all}}}}}"
	make_user few few
	as few 200 '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["id"]}' '. == [{"id":1}]'
	# Its other name is the same operation.
	as few 200 '{"operation":"search_by_hash","database":"dev","table":"dog","hash_values":[1],"get_attributes":["id"]}'
	as few 200 "$(write insert '{"id":90}')"
	as few 200 '{"operation":"system_information","attributes":["time"]}'
	as few 200 '{"operation":"user_info"}' '.role.permission.operations | length == 3'
	as few 200 '{"operation":"create_authentication_tokens"}'
	as few 200 '{"operation":"logout"}'
	as few 403 "$(write update '{"id":90}')" ".error == \"$error\" and
	    .unauthorized_access == [\"Operation 'update' is not among the operations of your role\"]"
	for q in delete describe_all describe_table search_by_value csv_data_load get_job create_table; do
		as few 403 "{\"operation\":\"$q\",\"database\":\"dev\",\"table\":\"dog\",\"ids\":[90]}"
	done
	# Rights in tables are still needed, and nothing else of a super user comes with one operation.
	as few 403 "$(write insert '{"id":1}' secret)"
	as few 403 '{"operation":"get_configuration"}' ".unauthorized_access == [\"Operation 'getConfiguration' is restricted to 'super_user' roles\"]"
	as few 403 '{"operation":"search_by_id","database":"system","table":"hdb_user","ids":["root"],"get_attributes":["*"]}'
	ok n1 "{\"operation\":\"alter_role\",\"id\":\"few\",\"permission\":{\"operations\":[],\"dev\":{\"tables\":{\"dog\":{$all}}}}}"
	as few 403 '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["id"]}'
	while read -r q; do
		as root 400 "{\"operation\":\"add_role\",\"role\":\"bad\",\"permission\":{\"operations\":$q}}" '.main_permissions | length == 1'
	done <<-'END'
	"insert"
	true
	[1]
	["nothing"]
	["insert","add_user"]
	["alter_role"]
	["set_configuration"]
	["get_backup"]
	["export_local"]
	["/metrics"]
	END
	as root 400 '{"operation":"add_role","role":"bad","permission":{"super_user":true,"operations":["insert"]}}'
	delete n1 dog 90
}

@test "several roles: what any of them allows, and no more" {
	local get='{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":'

	ok n1 '{"operation":"add_role","role":"ages","permission":{"dev":{"tables":{"dog":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[{"attribute_name":"age","read":true,"insert":false,"update":false}]}}}}}'
	ok n1 '{"operation":"add_role","role":"namer","permission":{"dev":{"tables":{"dog":{"read":false,"insert":true,"update":true,"delete":false,"attribute_permissions":[{"attribute_name":"name","read":false,"insert":true,"update":true}]}}}}}'
	ok n1 '{"operation":"add_role","role":"watch","permission":{"operations":["system_information"],"dev":{"tables":{"secret":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":["ages","namer"],"username":"both","password":"both-password"}'
	as both 200 "$get[\"*\"]}" '.[0] | has("age") and has("id") and (has("name") | not)'
	as both 200 "$(write insert '{"id":95,"name":"x"}')"
	as both 403 "$(write insert '{"id":96,"age":1}')" '.unauthorized_access[0].required_attribute_permissions ==
	    [{"attribute_name":"age","required_permissions":["insert"]}]'
	as both 403 "$get[\"name\"]}"
	as both 403 "$get[\"pin\"]}" ".invalid_schema_items == [\"Attribute 'pin' does not exist on 'dev.dog'\"]"
	as both 403 '{"operation":"delete","database":"dev","table":"dog","ids":[95]}' '.unauthorized_access[0].required_table_permissions == ["delete"]'
	as both 403 '{"operation":"system_information"}'
	as both 200 '{"operation":"user_info"}' '.role.role == "ages" and (.roles | map(.role) == ["ages","namer"])'
	# What one grants in a table does not widen what another lists of it.
	ok n1 '{"operation":"add_role","role":"filler","permission":{"dev":{"tables":{"dog":{"read":false,"insert":true,"update":false,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"alter_user","username":"both","role":["ages","filler"]}'
	as both 200 "$(write insert '{"id":97,"age":1,"name":"x"}')"
	as both 403 "$get[\"name\"]}" '.unauthorized_access[0].required_attribute_permissions ==
	    [{"attribute_name":"name","required_permissions":["read"]}]'
	as both 200 "$get[\"*\"]}" '.[0] | has("age") and (has("name") | not)'
	# One that is limited to operations limits nothing but itself.
	ok n1 '{"operation":"alter_user","username":"both","role":["watch","namer"]}'
	as both 200 '{"operation":"system_information","attributes":["time"]}'
	as both 200 "$(write insert '{"id":96,"name":"x"}')"
	as both 403 "$get[\"age\"]}" '.unauthorized_access[0].required_table_permissions == ["read"]'
	as both 403 '{"operation":"search_by_id","database":"dev","table":"secret","ids":[1],"get_attributes":["*"]}' \
	    ".invalid_schema_items == [\"Table 'dev.secret' does not exist\"]"
	ok n1 '{"operation":"list_users"}' '.[] | select(.username == "both") | .roles | map(.id) == ["watch","namer"]'
	refused n1 409 '{"operation":"drop_role","id":"namer"}' 'Cannot drop role namer'
	ok n1 '{"operation":"alter_user","username":"both","role":"reader"}'
	as both 200 '{"operation":"user_info"}' '.role.role == "reader" and (has("roles") | not)'
	as both 403 "$(write insert '{"id":97,"name":"x"}')"
	while IFS='|' read -r code q; do
		as root "$code" "{\"operation\":\"add_user\",\"username\":\"bad\",\"password\":\"p\",\"role\":$q}"
		as root "$code" "{\"operation\":\"alter_user\",\"username\":\"both\",\"role\":$q}"
	done <<-'END'
	400|[]
	400|["reader","reader"]
	400|["reader",1]
	400|[""]
	404|["reader","nobody"]
	END
	# Who is a super user by one of several is one, and the last one stays.
	ok n1 '{"operation":"alter_user","username":"both","role":["reader","super_user"]}'
	as both 200 '{"operation":"list_users"}'
	as both 200 '{"operation":"describe_table","database":"dev","table":"secret"}'
	ok n1 '{"operation":"delete","database":"dev","table":"dog","ids":[95,96,97]}'
	ok n1 '{"operation":"drop_user","username":"both"}'
}

@test "structure_user: all databases, or those listed" {
	as builder 200 '{"operation":"create_table","database":"vault","table":"b1","primary_key":"id"}'
	as builder 200 '{"operation":"create_attribute","database":"vault","table":"b1","attribute":"a"}'
	as builder 200 '{"operation":"drop_attribute","database":"vault","table":"b1","attribute":"a"}'
	# It may build it, not read it.
	as builder 403 '{"operation":"search_by_id","database":"vault","table":"b1","ids":[1],"get_attributes":["*"]}'
	as builder 403 "$(write insert '{"id":1}' b1 vault)"
	as dev_builder 403 '{"operation":"create_table","database":"vault","table":"b2","primary_key":"id"}'
	as dev_builder 403 '{"operation":"drop_table","database":"vault","table":"b1"}'
	as dev_builder 403 '{"operation":"create_table","database":"other","table":"b2","primary_key":"id"}'
	as dev_builder 200 '{"operation":"create_table","database":"dev","table":"b2","primary_key":"id"}'
	as dev_builder 200 '{"operation":"drop_table","database":"dev","table":"b2"}'
	as builder 200 '{"operation":"drop_table","database":"vault","table":"b1"}'
	as builder 403 '{"operation":"create_database","database":"b3"}'
	as builder 403 '{"operation":"drop_database","database":"vault"}'
}

@test "names that are privileges in a role are no names of databases" {
	local name

	for name in super_user cluster_user structure_user; do
		as root 400 "{\"operation\":\"create_database\",\"database\":\"$name\"}" '.error | contains("is reserved")'
		as root 400 "{\"operation\":\"create_table\",\"database\":\"$name\",\"table\":\"t\",\"primary_key\":\"id\"}" '.error | contains("is reserved")'
		as builder 400 "{\"operation\":\"create_table\",\"schema\":\"$name\",\"table\":\"t\",\"primary_key\":\"id\"}"
	done
}

@test "a table that is dropped and made again is covered by the role as before, and no other is" {
	make_table n1 again
	ok n1 '{"operation":"add_role","role":"again","permission":{"dev":{"tables":{"again":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[]}}}}}'
	make_user again again
	as again 200 '{"operation":"describe_table","database":"dev","table":"again"}'
	ok n1 '{"operation":"drop_table","database":"dev","table":"again"}'
	as again 403 '{"operation":"search_by_id","database":"dev","table":"again","ids":[1],"get_attributes":["*"]}'
	make_table n1 again
	as again 200 '{"operation":"search_by_id","database":"dev","table":"again","ids":[1],"get_attributes":["*"]}'
}

@test "logins that fail too often are not looked at for a while; who is known, and the socket, go on" {
	local i url

	url="http://127.0.0.1:$(port n1 api)/"
	ok n1 '{"operation":"user_info"}'
	as root 200 '{"operation":"user_info"}'
	# One is forgotten each three seconds: a slow machine needs some more than twenty.
	for i in {1..60}; do
		curl -s -m 20 -i -u "eve$i:wrong" -d '{"operation":"user_info"}' "$url" >"$HL_T/many"
		! grep -q '^HTTP/1.1 429' "$HL_T/many" || break
		grep -q '^HTTP/1.1 401' "$HL_T/many"
	done
	[ "$i" -ge 20 ]
	grep -q '^HTTP/1.1 429' "$HL_T/many"
	grep -q -i '^Retry-After: [1-9]' "$HL_T/many"
	ok n1 '{"operation":"user_info"}'
	# Also after others were changed; not with a password of before.
	ok n1 '{"operation":"alter_user","username":"reader","active":true}'
	ok n1 '{"operation":"add_role","role":"later","permission":{}}'
	ok n1 '{"operation":"user_info"}'
	ok n1 '{"operation":"alter_user","username":"root","password":"root-new"}'
	HL_USER=root HL_PASSWORD=root-password op n1 '{"operation":"user_info"}'
	[[ $code == 4?? ]]
	ok n1 '{"operation":"user_info"}'
	curl -s -m 20 --unix-socket "$(root n1)/operations-server" -d '{"operation":"user_info"}' http://x/ | jq -e '.active'
	wait_until 20 as reader 200 '{"operation":"user_info"}'
}
