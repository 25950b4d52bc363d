#!/usr/bin/env bats
# The operations API of one node: answers, statuses, bad input.

load node.bash

start_nodes()
{
	node_start n1
	ok n1 '{"operation":"create_database","database":"dev"}'
	make_table n1 dog
}

raw()		# raw CURL-ARGUMENTS...: $code and $body
{
	body=$(curl -s -m 20 -w '\n%{http_code}' "$@") || :
	code=${body##*$'\n'}
	body=${body%$'\n'*}
}

url()
{
	echo "http://127.0.0.1:$(port n1 api)$1"
}

@test "GET /health needs nobody, everything else does" {
	raw "$(url /health)"
	[ "$code" = 200 ]
	raw -d '{"operation":"describe_all"}' "$(url /)"
	[ "$code" = 401 ]
	[[ $body == *'Must login'* ]]
	raw -u admin:wrong -d '{"operation":"describe_all"}' "$(url /)"
	[ "$code" = 401 ]
	[[ $body == *'Login failed'* ]]
	raw -u nobody:wrong -d '{"operation":"describe_all"}' "$(url /)"
	[ "$code" = 401 ]
	raw -H 'Authorization: Basic ====' -d '{"operation":"describe_all"}' "$(url /)"
	[ "$code" = 401 ]
}

@test "what is no operation" {
	refused n1 400 'no json'
	refused n1 400 '{"operation":'
	refused n1 400 '[]'
	refused n1 400 '{}' "Request body must include an 'operation' property."
	refused n1 400 '{"operation":5}'
	refused n1 400 '{"operation":"fly"}' "Operation 'fly' not found"
	refused n1 400 '{"operation":"serch_by_id"}' \
	    "Operation 'serch_by_id' not found, did you mean 'search_by_id'?"
	raw -u admin:admin-secret -X POST "$(url /)"
	[ "$code" = 400 ]
}

@test "databases and tables are made, described and dropped" {
	ok n1 '{"operation":"create_schema","schema":"zoo"}' '.message | contains("zoo")'
	refused n1 400 '{"operation":"create_database","database":"zoo"}' "'zoo' already exists"
	ok n1 '{"operation":"create_table","schema":"zoo","table":"ape","hash_attribute":"id"}' \
	    ".message == \"table 'zoo.ape' successfully created.\""
	refused n1 400 '{"operation":"create_table","database":"zoo","table":"ape","primary_key":"id"}' \
	    "Table 'ape' already exists in 'zoo'"
	ok n1 '{"operation":"describe_table","database":"zoo","table":"ape"}' \
	    '.schema == "zoo" and .name == "ape" and .hash_attribute == "id" and .record_count == 0'
	ok n1 '{"operation":"describe_table","database":"zoo","table":"ape"}' \
	    '[.attributes[].attribute] | sort == ["__createdtime__","__updatedtime__","id"]'
	ok n1 '{"operation":"describe_schema","schema":"zoo"}' 'keys == ["ape"]'
	ok n1 '{"operation":"describe_all"}' 'has("zoo") and (has("system") | not)'
	ok n1 '{"operation":"create_attribute","database":"zoo","table":"ape","attribute":"age"}'
	refused n1 400 '{"operation":"create_attribute","database":"zoo","table":"ape","attribute":"age"}' "already exists"
	refused n1 400 '{"operation":"drop_attribute","database":"zoo","table":"ape","attribute":"id"}' "hash attribute"
	ok n1 '{"operation":"drop_attribute","database":"zoo","table":"ape","attribute":"age"}'
	ok n1 '{"operation":"drop_table","database":"zoo","table":"ape"}' '.message | contains("zoo.ape")'
	refused n1 404 '{"operation":"drop_table","database":"zoo","table":"ape"}' "Table 'zoo.ape' does not exist"
	refused n1 404 '{"operation":"describe_table","database":"zoo","table":"ape"}' "Table 'zoo.ape' does not exist"
	ok n1 '{"operation":"drop_database","database":"zoo"}' '.message | contains("zoo")'
	refused n1 404 '{"operation":"drop_database","database":"zoo"}' "database 'zoo' does not exist"
	refused n1 404 '{"operation":"describe_database","database":"zoo"}' "database 'zoo' does not exist"
}

@test "fields are checked" {
	refused n1 400 '{"operation":"create_table","table":"x"}' "'primary_key' is required"
	refused n1 400 '{"operation":"create_table","primary_key":"id"}' "'table' is required"
	refused n1 400 '{"operation":"create_table","schema":1,"table":2,"primary_key":"id"}' "must be a string"
	refused n1 400 '{"operation":"create_table","table":"a/b","primary_key":"id"}' "forward slashes"
	refused n1 400 '{"operation":"create_table","table":"","primary_key":"id"}'
	refused n1 400 "{\"operation\":\"create_table\",\"table\":\"$(printf 'x%.0s' {1..300})\",\"primary_key\":\"id\"}"
	for name in super_user cluster_user structure_user; do
		refused n1 400 "{\"operation\":\"create_database\",\"database\":\"$name\"}"
	done
	refused n1 400 '{"operation":"insert","table":"dog","database":"dev"}' "'records' is required"
	refused n1 400 '{"operation":"insert","table":"dog","database":"dev","records":{}}'
	refused n1 400 '{"operation":"insert","table":"dog","database":"dev","records":[1]}'
	refused n1 400 '{"operation":"insert","records":[{"id":1}],"database":"dev"}' "'table' is required"
}

@test "insert, update, upsert, delete: counts and keys" {
	insert n1 dog '{"id":1,"name":"Penny"},{"id":2,"name":"Kato"},{"id":"x y","name":"Ünal"}'
	jq -e '.message == "inserted 3 of 3 records" and .inserted_hashes == [1,2,"x y"] and .skipped_hashes == []' <<<"$body"
	insert n1 dog '{"id":2},{"id":3}'
	jq -e '.inserted_hashes == [3] and .skipped_hashes == [2]' <<<"$body"
	insert n1 dog '{"name":"no key"}'
	jq -e '.inserted_hashes | length == 1' <<<"$body"
	update n1 dog '{"id":1,"age":5},{"id":99,"age":5}'
	jq -e '.message == "updated 1 of 2 records" and .update_hashes == [1] and .skipped_hashes == [99]' <<<"$body"
	has_row n1 dog 1 '.name == "Penny" and .age == 5 and .__updatedtime__ > .__createdtime__'
	upsert n1 dog '{"id":1,"name":"P."},{"id":4}'
	jq -e '.upserted_hashes == [1,4]' <<<"$body"
	ok n1 '{"operation":"delete","database":"dev","table":"dog","hash_values":[4]}' \
	    '.message == "1 of 1 record successfully deleted" and .deleted_hashes == [4]'
	ok n1 '{"operation":"delete","database":"dev","table":"dog","ids":[4,3]}' \
	    '.message == "1 of 2 records successfully deleted" and .skipped_hashes == [4]'
	refused n1 400 '{"operation":"update","database":"dev","table":"dog","records":[{"name":"x"}]}' "hash attribute"
	refused n1 400 '{"operation":"delete","database":"dev","table":"dog"}' "is required"
	refused n1 400 '{"operation":"insert","database":"dev","table":"dog","records":[{"id":null}]}'
	refused n1 400 '{"operation":"insert","database":"dev","table":"dog","records":[{"id":{}}]}'
	refused n1 400 '{"operation":"insert","database":"dev","table":"dog","records":[{"id":"a/b"}]}'
	refused n1 400 '{"operation":"insert","database":"dev","table":"cat","records":[{"id":1}]}' "Table 'dev.cat' does not exist"
	refused n1 400 '{"operation":"insert","database":"no","table":"cat","records":[{"id":1}]}' "database 'no' does not exist"
}

@test "values come back as they went in" {
	make_table n1 values
	insert n1 values '{"id":1,"v":[null,true,false,0,-1,1.5,1e300,-9007199254740991,9007199254740993,"","\u0000a","\ud83d\ude00",{"a":{"b":[[]]}}]}'
	row n1 values 1 | jq -e '.v == [null,true,false,0,-1,1.5,1e300,-9007199254740991,9007199254740993,"","\u0000a","😀",{"a":{"b":[[]]}}]'
	ask n1 '{"operation":"search_by_id","database":"dev","table":"values","ids":[1],"get_attributes":["v"]}' |
	    grep -F 9007199254740993
}

@test "searching" {
	make_table n1 s
	insert n1 s '{"id":1,"k":"alpha","n":10},{"id":2,"k":"beta","n":20},{"id":3,"k":"alphabet","n":30},{"id":4,"n":0}'
	ok n1 '{"operation":"search_by_hash","schema":"dev","table":"s","hash_values":[3,1,77],"get_attributes":["id"]}' '[.[].id] | sort == [1,3]'
	ok n1 '{"operation":"search_by_value","database":"dev","table":"s","search_attribute":"k","search_value":"alpha*","get_attributes":["id"]}' '[.[].id] == [1,3]'
	ok n1 '{"operation":"search_by_value","database":"dev","table":"s","attribute":"k","value":"beta","get_attributes":["*"]}' '.[0].n == 20 and length == 1'
	ok n1 '{"operation":"search_by_value","database":"dev","table":"s","attribute":"id","value":"*","get_attributes":["id","k"],"limit":2,"offset":1}' '[.[].id] == [2,3]'
	ok n1 '{"operation":"search_by_conditions","database":"dev","table":"s","operator":"and","get_attributes":["id"],"conditions":[
	    {"search_attribute":"n","search_type":"between","search_value":[10,30]},
	    {"attribute":"k","comparator":"starts_with","value":"alpha"}]}' '[.[].id] | sort == [1,3]'
	ok n1 '{"operation":"search_by_conditions","database":"dev","table":"s","operator":"OR","get_attributes":["id"],"conditions":[
	    {"attribute":"n","comparator":"less_than","value":10},{"attribute":"n","comparator":"greater_than_equal","value":30}]}' '[.[].id] | sort == [3,4]'
	refused n1 404 '{"operation":"search_by_value","database":"dev","table":"none","search_attribute":"k","search_value":"a","get_attributes":["*"]}'
	op n1 '{"operation":"search_by_hash","database":"dev","table":"s","get_attributes":["*"]}'
	[ "$code" = 500 ] || [ "$code" = 400 ]
	for bad in '"limit":"ten"' '"limit":-5' '"offset":-1' '"conditions":{}' '"operator":"xor"' '"conditions":[{"attribute":"n","comparator":"like","value":1}]'; do
		op n1 "{\"operation\":\"search_by_conditions\",\"database\":\"dev\",\"table\":\"s\",\"get_attributes\":[\"*\"],\"conditions\":[{\"attribute\":\"n\",\"comparator\":\"equals\",\"value\":1}],$bad}"
		echo "$bad: $code $body"
		[ "$code" = 400 ]
	done
}

@test "an indexed attribute gives the same as a scan" {
	ok n1 '{"operation":"create_table","database":"dev","table":"idx","primary_key":"id","attributes":[{"name":"id"},{"name":"k","indexed":true},{"name":"n"}]}'
	insert n1 idx "$(jq -nc '[range(500) | {id:., k:(. % 7), n:(. % 7)}] | map(tojson) | join(",")' -r)"
	update n1 idx '{"id":3,"k":100,"n":100}'
	delete n1 idx 10
	for v in 0 3 100; do
		for a in k n; do
			ask n1 "{\"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"idx\",\"attribute\":\"$a\",\"value\":$v,\"get_attributes\":[\"id\"]}" |
			    jq -c '[.[].id] | sort' >"$HL_T/by.$a"
		done
		cmp "$HL_T/by.k" "$HL_T/by.n"
	done
}

@test "the system database is not for writing" {
	refused n1 403 '{"operation":"drop_table","database":"system","table":"hdb_nodes"}'
	refused n1 403 '{"operation":"insert","database":"system","table":"hdb_nodes","records":[{"name":"x"}]}'
	refused n1 403 '{"operation":"create_table","database":"system","table":"t","primary_key":"id"}'
	ok n1 '{"operation":"describe_database","database":"system"}' 'has("hdb_nodes") and has("hdb_user")'
	ok n1 '{"operation":"search_by_value","database":"system","table":"hdb_user","search_attribute":"username","search_value":"*","get_attributes":["*"]}' '[.[] | has("password") and .password != null] | any | not'
}

@test "users, roles and what they may" {
	ok n1 '{"operation":"add_role","role":"reader","permission":{"dev":{"tables":{"dog":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":"reader","username":"bob","password":"pw1","active":true}' '.message | contains("bob")'
	refused n1 409 '{"operation":"add_user","role":"reader","username":"bob","password":"pw1","active":true}' "already exists"
	refused n1 404 '{"operation":"add_user","role":"nobody","username":"eve","password":"pw1","active":true}' "not found"
	ok n1 '{"operation":"list_users"}' '[.[].username] | index("bob") != null'
	ok n1 '{"operation":"list_users"}' '[.[] | has("password")] | any | not'
	raw -u bob:pw1 -d '{"operation":"search_by_value","database":"dev","table":"dog","search_attribute":"id","search_value":"*","get_attributes":["*"]}' "$(url /)"
	[ "$code" = 200 ]
	for o in '{"operation":"insert","database":"dev","table":"dog","records":[{"id":1000}]}' \
	    '{"operation":"cluster_status"}' '{"operation":"drop_table","database":"dev","table":"dog"}' \
	    '{"operation":"get_configuration"}' '{"operation":"list_users"}' \
	    '{"operation":"add_node","node_name":"x","subscriptions":[]}'; do
		raw -u bob:pw1 -d "$o" "$(url /)"
		echo "$o: $code $body"
		[ "$code" = 403 ]
	done
	ok n1 '{"operation":"alter_user","username":"bob","password":"pw2"}'
	raw -u bob:pw1 -d '{"operation":"user_info"}' "$(url /)"
	[ "$code" = 401 ]
	raw -u bob:pw2 -d '{"operation":"user_info"}' "$(url /)"
	[ "$code" = 200 ]
	ok n1 '{"operation":"alter_user","username":"bob","active":false}'
	raw -u bob:pw2 -d '{"operation":"user_info"}' "$(url /)"
	[ "$code" = 401 ]
	ok n1 '{"operation":"drop_user","username":"bob"}'
	refused n1 404 '{"operation":"drop_user","username":"bob"}' "does not exist"
}

@test "cluster operations check what they get" {
	refused n1 400 '{"operation":"cluster_set_routes","routes":[{"host":"h","port":1}]}' \
	    "'server' is required"
	refused n1 400 '{"operation":"cluster_set_routes","server":"tree","routes":[]}' "must be one of"
	refused n1 400 '{"operation":"cluster_set_routes","server":"hub"}' "'routes' is required"
	refused n1 400 '{"operation":"cluster_set_routes","server":"hub","routes":[{"host":"h","port":"x"}]}'
	refused n1 400 '{"operation":"cluster_set_routes","server":"hub","routes":[{"host":"h","port":70000}]}'
	ok n1 '{"operation":"cluster_set_routes","server":"hub","routes":[{"host":"127.0.0.1","port":1}]}' '.set | length == 1'
	ok n1 '{"operation":"cluster_set_routes","server":"hub","routes":[{"host":"127.0.0.1","port":1}]}' '.skipped | length == 1'
	ok n1 '{"operation":"cluster_get_routes"}' '.hub == [{"host":"127.0.0.1","port":1}]'
	ok n1 '{"operation":"cluster_delete_routes","routes":[{"host":"127.0.0.1","port":1},{"host":"other","port":2}]}' \
	    '(.deleted | length == 1) and (.skipped | length == 1)'
	ok n1 '{"operation":"cluster_get_routes"}' '.hub == []'
	refused n1 400 '{"operation":"cluster_network","timeout":"x"}' "'timeout' must be a number"
	refused n1 400 '{"operation":"configure_cluster"}' "'connections' is required"
}

@test "get_configuration and set_configuration" {
	ok n1 '{"operation":"get_configuration"}' '.clustering.nodeName == "n1" and .clustering.enabled'
	ok n1 '{"operation":"set_configuration","clustering_requestTimeout":4000}'
	ok n1 '{"operation":"get_configuration"}' '.clustering.requestTimeout == 4000'
	refused n1 400 '{"operation":"set_configuration","clustering_requestTimeout":"soon"}' "requestTimeout"
	refused n1 400 '{"operation":"set_configuration","clustering_requestTimout":4000}' "clustering.requestTimeout"
	[ "$(ask n1 '{"operation":"get_configuration"}' | grep -c -e admin-secret -e cluster-secret)" = 0 ]
}

@test "keep-alive, a slow client and garbage do not hold up others" {
	exec 8<>"/dev/tcp/127.0.0.1/$(port n1 api)"
	printf 'POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{' >&8
	exec 9<>"/dev/tcp/127.0.0.1/$(port n1 api)"
	head -c 2000 /dev/urandom >&9 || :
	for _ in 1 2 3; do
		node_answers n1
	done
	exec 8>&- 9>&-
	# Two requests on one connection.
	curl -sv -m 5 -u admin:admin-secret -d '{"operation":"user_info"}' "$(url /)" \
	    --next -s -m 5 -u admin:admin-secret -d '{"operation":"user_info"}' "$(url /)" >"$HL_T/two" 2>&1
	[ "$(grep -c '^< HTTP/1.1 200' "$HL_T/two")" = 2 ]
	[ "$(grep -c -i -E 're-?using' "$HL_T/two")" = 1 ]
}

@test "a cookie that is nobody's is as none, refused credentials stay refused" {
	raw -H 'Cookie: a=b' -d '{"operation":"describe_all"}' "$(url /)"
	[ "$code" = 401 ]
	[[ $body == *'Must login'* ]]
	raw -H 'Cookie: a=b' -u admin:admin-secret -d '{"operation":"describe_all"}' "$(url /)"
	[ "$code" = 200 ]
	raw -u admin:wrong -d 'no json' "$(url /)"
	[ "$code" = 401 ]
	[[ $body == *'Login failed'* ]]
}
