#!/usr/bin/env bats
# Records and tables to the last corner, a line each (see cases in node.bash).

bats_require_minimum_version 1.5.0
load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
	ok n1 '{"operation":"create_database","database":"dev"}'
	make_table n1 t
}

@test "keys: numbers and strings apart, rules, exact lists" {
	cases n1 <<-'END'
	200	{"operation":"upsert","database":"dev","table":"t","records":[{"id":1,"a":1},{"id":"1","a":"s"}]}	. == {"message":"upserted 2 of 2 records","upserted_hashes":[1,"1"]}
	200	{"operation":"insert","schema":"dev","table":"t","records":[{"id":1},{"id":2},{"id":2}]}	. == {"message":"inserted 1 of 3 records","inserted_hashes":[2],"skipped_hashes":[1,2]}
	200	{"operation":"update","database":"dev","table":"t","records":[{"id":1,"b":2},{"id":99,"b":1}]}	. == {"message":"updated 1 of 2 records","update_hashes":[1],"skipped_hashes":[99]}
	200	{"operation":"search_by_id","database":"dev","table":"t","ids":[1,"1",77],"get_attributes":["id","a","b"]}	. == [{"id":1,"a":1,"b":2},{"id":"1","a":"s","b":null}]
	200	{"operation":"search_by_hash","schema":"dev","table":"t","hash_values":[1.0],"get_attributes":["id"]}	. == [{"id":1}]
	200	{"operation":"delete","database":"dev","table":"t","ids":[2,2,3]}	. == {"message":"1 of 3 records successfully deleted","deleted_hashes":[2],"skipped_hashes":[2,3]}
	200	{"operation":"delete","database":"dev","table":"t","hash_values":["zz"]}	. == {"message":"0 of 1 record successfully deleted","deleted_hashes":[],"skipped_hashes":["zz"]}
	200	{"operation":"insert","database":"dev","table":"t","records":[]}	.message == "inserted 0 of 0 records"
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":null}]}	Invalid hash value: 'null' is not a valid hash attribute value, check log for more info
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":true}]}	Invalid hash value: 'true' is not
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":{"a":1}}]}	Invalid hash value:
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":"null"}]}	Invalid hash value: 'null' is not a valid hash attribute value, check log for more info
	400	{"operation":"update","database":"dev","table":"t","records":[{"id":""}]}	a valid hash attribute must be provided with update record, check log for more info
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":"a/b"}]}	hash value that contains a forward slash
	400	{"operation":"update","database":"dev","table":"t","records":[{"a":1}]}	a valid hash attribute must be provided with update record, check log for more info
	400	{"operation":"delete","database":"dev","table":"t"}	'hash_values' is required
	400	{"operation":"delete","database":"dev","table":"t","ids":"x"}	'ids' must be an array
	400	{"operation":"delete","database":"dev","table":"t","ids":[5],"hash_values":[6]}	'ids' and 'hash_values' are the same field
	END
	refused n1 400 '{"operation":"insert","database":"dev","table":"t","records":[{"id":"'"$(printf 'k%.0s' {1..251})"'"}]}' \
	    "hash value that exceeds 250 bytes"
}

@test "a record without a key gets a UUID, or the next number after numbers" {
	make_table n1 made
	cases n1 <<-'END'
	200	{"operation":"insert","database":"dev","table":"made","records":[{"a":1}]}	.inserted_hashes[0] | test("^[0-9a-f]{8}-[0-9a-f]{4}-4")
	END
	make_table n1 counted
	cases n1 <<-'END'
	200	{"operation":"upsert","database":"dev","table":"counted","records":[{"id":1},{"id":5}]}	.upserted_hashes == [1,5]
	200	{"operation":"upsert","database":"dev","table":"counted","records":[{"a":1},{"id":6,"a":2},{"a":3}]}	.upserted_hashes == [7,6,8]
	200	{"operation":"insert","database":"dev","table":"counted","records":[{"a":4}]}	.inserted_hashes == [9]
	200	{"operation":"delete","database":"dev","table":"counted","ids":[9]}	.deleted_hashes == [9]
	200	{"operation":"insert","database":"dev","table":"counted","records":[{"a":5},{"id":2.5}]}	.inserted_hashes == [10,2.5]
	200	{"operation":"search_by_id","database":"dev","table":"counted","ids":[6,7,8],"get_attributes":["a"]}	. == [{"a":2},{"a":1},{"a":3}]
	200	{"operation":"insert","database":"dev","table":"counted","records":[{"id":9007199254740991}]}	.inserted_hashes == [9007199254740991]
	200	{"operation":"insert","database":"dev","table":"counted","records":[{"a":6}]}	.inserted_hashes[0] | type == "string"
	END
}

@test "rows of a CSV without a key column get numbers, too" {
	make_table n1 sheet
	upsert n1 sheet '{"id":7}'
	ok n1 '{"operation":"csv_data_load","database":"dev","table":"sheet","data":"a,b\n1,2\n3,4\n"}'
	wait_until 10 ok n1 '{"operation":"search_by_value","database":"dev","table":"sheet","attribute":"id","value":"*","get_attributes":["id","a"]}' \
	    '. == [{"id":7,"a":null},{"id":8,"a":1},{"id":9,"a":3}]'
}

@test "many clients at once get numbers that nobody else got" {
	local pids=() i

	make_table n1 race
	upsert n1 race '{"id":1}'
	for i in {1..4}; do
		for _ in {1..25}; do
			ask n1 '{"operation":"insert","database":"dev","table":"race","records":[{"by":'"$i"'},{"by":'"$i"'}]}'
			echo
		done >"$HL_T/race.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(jq -s '[.[].inserted_hashes[]] | length' "$HL_T"/race.*)" = 200 ]
	[ "$(jq -s '[.[].inserted_hashes[]] | unique | [length, min, max] | @text' "$HL_T"/race.*)" = '"[200,2,201]"' ]
}

@test "a replicated table gets UUIDs: two nodes would count the same" {
	make_table n1 both
	upsert n1 both '{"id":1}'
	subscribe n1 n2 both true true
	cases n1 <<-'END'
	200	{"operation":"insert","database":"dev","table":"both","records":[{"a":1}]}	.inserted_hashes[0] | type == "string"
	END
}

@test "numbers survive" {
	cases n1 <<-'END'
	200	{"operation":"insert","database":"dev","table":"t","records":[{"id":9007199254740993,"n":9223372036854775807}]}	.inserted_hashes | tostring | test("900719925474099")
	200	{"operation":"insert","database":"dev","table":"t","records":[{"id":"wide","n":18446744073709551616,"m":-9223372036854775808,"f":0.1,"q":"x\"18446744073709551616"}]}	.message == "inserted 1 of 1 records"
	200	{"operation":"search_by_id","database":"dev","table":"t","ids":["wide"],"get_attributes":["n","f","q"]}	. == [{"n":1.8446744073709552e+19,"f":0.1,"q":"x\"18446744073709551616"}]
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":"no","n":1e400}]}	Invalid JSON
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":"no","n":01}]}	Invalid JSON
	END
	[[ $(ask n1 '{"operation":"search_by_id","database":"dev","table":"t","ids":[9007199254740993],"get_attributes":["id","n"]}') == \
	    '[{"id":9007199254740993,"n":9223372036854775807}]' ]]
	[[ $(ask n1 '{"operation":"search_by_id","database":"dev","table":"t","ids":["wide"],"get_attributes":["m"]}') == \
	    '[{"m":-9223372036854775808}]' ]]
}

@test "comparators, operators, sort, pages" {
	make_table n1 c
	upsert n1 c '{"id":1,"n":1,"s":"alpha"},{"id":2,"n":2,"s":"beta"},{"id":3,"n":3,"s":"gamma"},{"id":4,"n":"3","s":"alphabet"},{"id":5}'
	local head='200	{"operation":"search_by_conditions","database":"dev","table":"c","get_attributes":["id"],"conditions":'
	local x='	[.[].id] == '

	cases n1 <<-END
	$head[{"attribute":"n","comparator":"equals","value":3}]}$x[3]
	$head[{"search_attribute":"n","search_type":"equals","search_value":"3"}]}$x[4]
	$head[{"attribute":"n","comparator":"not_equal","value":3}]}$x[1,2,4,5]
	$head[{"attribute":"n","comparator":"greater_than","value":1}]}	[.[].id] | contains([2,3])
	$head[{"attribute":"n","comparator":"greater_than_equal","value":2},{"attribute":"n","comparator":"less_than","value":3}]}$x[2]
	$head[{"attribute":"n","comparator":"less_than_equal","value":2},{"attribute":"n","comparator":"greater_than","value":0}]}$x[1,2]
	$head[{"attribute":"n","comparator":"between","value":[1,2]}]}$x[1,2]
	$head[{"attribute":"s","comparator":"starts_with","value":"alpha"}]}$x[1,4]
	$head[{"attribute":"s","comparator":"ends_with","value":"a"}]}$x[1,2,3]
	$head[{"attribute":"s","comparator":"contains","value":"amm"}]}$x[3]
	$head[{"attribute":"s","comparator":"equals","value":"beta"},{"attribute":"n","comparator":"equals","value":1}],"operator":"OR"}$x[1,2]
	$head[{"operator":"or","conditions":[{"attribute":"id","comparator":"equals","value":1},{"attribute":"id","comparator":"equals","value":3}]},{"attribute":"s","comparator":"starts_with","value":"g"}],"operator":"and"}$x[3]
	$head[{"attribute":"n","comparator":"between","value":[1,3]}],"sort":{"attribute":"n","descending":true}}$x[3,2,1]
	$head[{"attribute":"n","comparator":"between","value":[1,3]}],"sort":{"attribute":"n"},"limit":1,"offset":1}$x[2]
	END
	cases n1 <<-'END'
	200	{"operation":"search_by_value","database":"dev","table":"c","attribute":"s","value":"alph*","get_attributes":["id"]}	. == [{"id":1},{"id":4}]
	200	{"operation":"search_by_value","schema":"dev","table":"c","search_attribute":"s","search_value":"*a","get_attributes":["id"]}	. == [{"id":1},{"id":2},{"id":3}]
	200	{"operation":"search_by_value","database":"dev","table":"c","attribute":"s","value":"*phab*","get_attributes":["id"]}	. == [{"id":4}]
	200	{"operation":"search_by_value","database":"dev","table":"c","attribute":"n","value":"3*","get_attributes":["id"]}	. == [{"id":4}]
	200	{"operation":"search_by_value","database":"dev","table":"c","attribute":"id","value":"*","get_attributes":["id"],"reverse":true,"limit":2,"offset":1}	. == [{"id":4},{"id":3}]
	200	{"operation":"search_by_value","database":"dev","table":"c","attribute":"id","value":5,"get_attributes":["*"]}	.[0] | .id == 5 and .n == null and .s == null and (.__createdtime__ | type == "number")
	END
}

@test "wrong searches" {
	cases n1 <<-'END'
	400	{"operation":"search_by_conditions","database":"dev","table":"t","get_attributes":["*"],"limit":"ten","conditions":[{"attribute":"id","comparator":"equals","value":1}]}	'limit' must be a number
	400	{"operation":"search_by_conditions","database":"dev","table":"t","get_attributes":["*"],"limit":-5,"offset":-1,"conditions":[]}	'limit' must be greater than or equal to 1. 'offset' must be greater than or equal to 0
	400	{"operation":"search_by_conditions","database":"dev","table":"t","get_attributes":["*"],"operator":"xor","conditions":[{"attribute":"id","comparator":"nope","value":1}]}	'operator' must be one of [and, or]. 'conditions[0].comparator' must be one of
	400	{"operation":"search_by_conditions","database":"dev","table":"t","get_attributes":["*"],"conditions":"x"}	'conditions' must be an array
	400	{"operation":"search_by_conditions","database":"dev","table":"t","get_attributes":["*"]}	'conditions' is required
	400	{"operation":"search_by_conditions","database":"dev","table":"t","get_attributes":["*"],"conditions":[{"attribute":"id","comparator":"between","value":[1]}]}	'conditions[0].value'
	400	{"operation":"search_by_value","database":"dev","table":"t","value":1,"get_attributes":["*"]}	is required
	400	{"operation":"search_by_value","database":"dev","table":"t","attribute":"a","get_attributes":["*"]}	is required
	400	{"operation":"search_by_value","database":"dev","table":"t","attribute":"a","search_attribute":"b","value":1,"get_attributes":["*"]}	are the same field
	404	{"operation":"search_by_value","database":"dev","table":"t","attribute":"a","value":1,"get_attributes":["id","qq","rr","ss"]}	unknown attribute 'qq, rr and ss'
	404	{"operation":"search_by_value","database":"dev","table":"nope","attribute":"a","value":1,"get_attributes":["id"]}	Table 'dev.nope' does not exist
	404	{"operation":"search_by_value","database":"nope","table":"t","attribute":"a","value":1,"get_attributes":["id"]}	database 'nope' does not exist
	500	{"operation":"search_by_hash","database":"dev","table":"t","get_attributes":["*"]}	'hash_values' is required
	500	{"operation":"search_by_hash","database":"dev","table":"t","hash_values":"x","get_attributes":["*"]}	'hash_values' must be an array
	500	{"operation":"search_by_hash","database":"dev","table":"t","hash_values":[{}],"get_attributes":["*"]}	'hash_values' must be strings or numbers
	500	{"operation":"search_by_hash","database":"dev","table":"t","hash_values":[1]}	'get_attributes' is required
	500	{"operation":"search_by_hash","database":"dev","table":"t","hash_values":[1],"get_attributes":[]}	'get_attributes' must contain at least 1 item
	500	{"operation":"search_by_hash","database":"dev","table":"t","hash_values":[1],"get_attributes":"id"}	'get_attributes' must be an array
	END
}

@test "wrong writes" {
	cases n1 <<-'END'
	400	{"operation":"insert","database":"dev","table":"t","records":"x"}	'records' must be an array
	400	{"operation":"insert","database":"dev","table":"t","records":[1]}	'records[0]' must be of type object
	400	{"operation":"insert","database":"dev","table":"t"}	'records' is required
	400	{"operation":"insert","database":"dev","records":[{"id":1}]}	'table' is required
	400	{"operation":"insert","database":5,"table":6,"records":[{"id":1}]}	database '5' does not exist
	400	{"operation":"insert","database":true,"table":[6],"records":[{"id":1}]}	'database' must be a string. 'table' must be a string
	400	{"operation":"insert","database":"nope","table":"t","records":[{"id":1}]}	database 'nope' does not exist
	400	{"operation":"insert","database":"dev","table":"nope","records":[{"id":1}]}	Table 'dev.nope' does not exist
	400	{"operation":"insert","database":"dev","schema":"e","table":"t","records":[{"id":1}]}	'database' and 'schema' are the same field, and have different values
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":50,"a`b":1}]}	Attribute names cannot include backticks or forward slashes
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":50,"":1}]}	an attribute name that is null, undefined or empty string
	400	{"operation":"insert","database":"dev","table":"t","records":[{"id":50,"a\u0001":1}]}	Invalid attribute name
	403	{"operation":"insert","database":"system","table":"hdb_job","records":[{"id":"x"}]}	are used internally by HarperDB and cannot be updated or removed
	400	{"operation":"insert",	Invalid JSON
	400	{"operation":"no_such","database":"dev"}	Operation 'no_such' not found
	400	{"database":"dev"}	Request body must include an 'operation' property.
	END
	refused n1 400 '{"operation":"insert","database":"dev","table":"t","records":[{"id":50,"'"$(printf 'a%.0s' {1..251})"'":1}]}' \
	    "being too long. Attribute names cannot be longer than 250 bytes."
}

@test "databases, tables and attributes" {
	cases n1 <<-'END'
	200	{"operation":"create_schema","schema":"s1"}	.message | test("'s1' successfully created")
	400	{"operation":"create_database","database":"s1"}	database 's1' already exists
	400	{"operation":"create_schema","schema":5}	'schema' must be a string
	400	{"operation":"create_database","database":"a/b"}	names cannot include backticks or forward slashes
	400	{"operation":"create_database","database":"*"}	'database' name '*' is reserved: in a subscription it is every database
	400	{"operation":"create_table","table":"*","primary_key":"id"}	'table' name '*' is reserved: in a subscription it is every table
	200	{"operation":"create_table","schema":"s2","table":"x","hash_attribute":"id"}	.message == "table 's2.x' successfully created."
	400	{"operation":"create_table","database":"s2","table":"x","primary_key":"id"}	Table 'x' already exists in 's2'
	400	{"operation":"create_table","database":"s2","table":"y"}	'primary_key' is required
	400	{"operation":"create_table","database":"s2","primary_key":"id"}	'table' is required
	400	{"operation":"create_table","database":"s2","schema":"s1","table":"y","primary_key":"id"}	'database' and 'schema' are the same field
	200	{"operation":"describe_table","schema":"s2","table":"x"}	.schema == "s2" and .name == "x" and .hash_attribute == "id" and ([.attributes[].attribute] | sort == ["__createdtime__","__updatedtime__","id"]) and .record_count == 0
	200	{"operation":"create_attribute","database":"s2","table":"x","attribute":"a"}	.message == "attribute 's2.x.a' successfully created."
	400	{"operation":"create_attribute","database":"s2","table":"x","attribute":"a"}	attribute 'a' already exists in s2.x
	200	{"operation":"drop_attribute","database":"s2","table":"x","attribute":"a"}	.message == "successfully deleted attribute 'a'"
	404	{"operation":"drop_attribute","database":"s2","table":"x","attribute":"a"}	does not exist
	400	{"operation":"drop_attribute","database":"s2","table":"x","attribute":"id"}	You cannot drop a hash attribute
	400	{"operation":"drop_attribute","database":"s2","table":"x","attribute":"__createdtime__"}	cannot drop internal timestamp attribute: __createdtime__
	200	{"operation":"describe_schema","schema":"s2"}	keys == ["x"]
	404	{"operation":"describe_database","database":"nope"}	database 'nope' does not exist
	404	{"operation":"describe_table","database":"s2","table":"nope"}	Table 's2.nope' does not exist
	200	{"operation":"describe_all"}	.s1 == {} and (.s2 | keys == ["x"]) and (has("system") | not)
	200	{"operation":"drop_table","database":"s2","table":"x"}	.message == "successfully deleted table 's2.x'"
	404	{"operation":"drop_table","database":"s2","table":"x"}	Table 's2.x' does not exist
	200	{"operation":"drop_schema","schema":"s2"}	.message == "successfully deleted 's2'"
	404	{"operation":"drop_database","database":"s2"}	database 's2' does not exist
	400	{"operation":"drop_database"}	'database' is required
	END
}
