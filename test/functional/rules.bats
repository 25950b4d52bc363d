#!/usr/bin/env bats
# The rules of records and tables, in old and new names: a line each (see cases in node.bash).

load node.bash

start_nodes()
{
	local path='"operation":"insert","table":"s"'

	node_start n1
	ok n1 '{"operation":"create_table","table":"s","primary_key":"id"}'
	ok n1 '{"operation":"create_attribute","table":"s","attribute":"n"}'
	ok n1 '{"operation":"create_attribute","table":"s","attribute":"t"}'
	ok n1 "{$path,\"records\":[
	    {\"id\":1,\"n\":1,\"t\":\"apple\",\"m\":true},{\"id\":2,\"n\":2,\"t\":\"banana\",\"m\":false},
	    {\"id\":3,\"n\":3,\"t\":\"cherry\",\"m\":null},{\"id\":4,\"n\":\"3\",\"t\":\"ap*\",\"m\":[1,2]},
	    {\"id\":\"4\",\"n\":2.5,\"t\":\"papa\",\"m\":{\"x\":1}}]}"
	ok n1 '{"operation":"create_table","table":"w","primary_key":"id"}'
}

# Conditions on the table s, short: `attribute comparator value | ids`.
finds()
{
	local attribute comparator value ids wrong=0

	while read -r attribute comparator value; do
		[ -n "$attribute" ] || continue
		ids=${value##* => }
		value=${value% => *}
		set -- "{\"operation\":\"search_by_conditions\",\"table\":\"s\",\"get_attributes\":[\"id\"],
		    \"conditions\":[{\"attribute\":\"$attribute\",\"comparator\":\"$comparator\",\"value\":$value}]}"
		ok n1 "$1" "[.[].id] | . - $ids == [] and $ids - . == []" || wrong=1
		ok n1 "$(older "$1")" "[.[].id] | . - $ids == [] and $ids - . == []" || wrong=1
	done
	[ "$wrong" = 0 ]
}

@test "numbers as names, numbers as text" {
	ok n1 '{"operation":"create_database","database":"1123"}'
	ok n1 '{"operation":"create_table","database":"1123","table":"4","primary_key":"id"}'
	cases n1 old <<-'END'
	200	{"operation":"insert","database":1123,"table":4,"records":[{"id":1,"a":1},{"id":2,"a":2}]}	.inserted_hashes == [1,2] or .skipped_hashes == [1,2]
	200	{"operation":"update","database":1123,"table":4,"records":[{"id":1,"a":3}]}	.update_hashes == [1]
	200	{"operation":"upsert","database":1123,"table":"4","records":[{"id":2,"a":3}]}	.upserted_hashes == [2]
	200	{"operation":"search_by_id","database":1123,"table":4,"ids":[1],"get_attributes":["a"]}	.[0].a == 3
	200	{"operation":"search_by_value","database":"1123","table":4,"attribute":"id","value":"*","get_attributes":["id"],"limit":"1","offset":"1"}	ids == [2]
	200	{"operation":"search_by_conditions","database":1123,"table":4,"get_attributes":["id"],"limit":"1","conditions":[{"attribute":"a","comparator":"equals","value":3}]}	length == 1
	400	{"operation":"search_by_value","database":1123,"table":4,"attribute":"id","value":"*","get_attributes":["id"],"limit":"0"}	"'limit' must be greater than or equal to 1"
	400	{"operation":"search_by_value","database":1123,"table":4,"attribute":"id","value":"*","get_attributes":["id"],"limit":"1.5"}	"'limit' must be an integer"
	400	{"operation":"search_by_value","database":1123,"table":4,"attribute":"id","value":"*","get_attributes":["id"],"limit":"1 row"}	"'limit' must be a number"
	200	{"operation":"read_audit_log","database":1123,"table":4,"search_type":"timestamp","search_values":["0","99999999999999"],"limit":"1"}	length == 1
	400	{"operation":"read_audit_log","database":1123,"table":4,"search_values":["soon"]}	"'search_values[0]' must be a number"
	200	{"operation":"read_log","limit":"2","start":"1"}	length <= 2
	200	{"operation":"delete_audit_logs_before","database":1123,"table":4,"timestamp":"1700000000000"}
	200	{"operation":"cluster_network","timeout":"100"}	.nodes
	END
	# in the search of an export, too
	ok n1 "{\"operation\":\"export_local\",\"format\":\"json\",\"path\":\"$HL_T\",\"search_operation\":{\"operation\":\"search_by_value\",
	    \"database\":1123,\"table\":4,\"attribute\":\"id\",\"value\":\"*\",\"get_attributes\":[\"id\"],\"limit\":\"1\"}}"
	# what is empty is no key: one is made, but not for an update
	ok n1 '{"operation":"insert","database":"1123","table":"4","records":[{"id":"","a":9}]}' '.inserted_hashes | length == 1 and .[0] != ""'
	ok n1 '{"operation":"upsert","database":"1123","table":"4","records":[{"id":"","a":9},{"id":"","a":9}]}' '.upserted_hashes | length == 2 and .[0] != .[1]'
	ok n1 '{"operation":"csv_data_load","database":1123,"table":4,"data":"id,a\n\"\",9\n"}'
	wait_until 10 csv_row_made
}

csv_row_made()
{
	ok n1 '{"operation":"search_by_conditions","database":1123,"table":4,"get_attributes":["id"],"conditions":[{"attribute":"a","value":9}]}' \
	    'length == 4 and all(.id != "")'
}

@test "declared types hold for what is written" {
	ok n1 '{"operation":"create_table","table":"typed","primary_key":"id","attributes":[{"name":"id","type":"Int"},{"name":"s","type":"String"},
	    {"name":"n","type":"Long","indexed":true},{"name":"b","type":"Boolean"},{"name":"d","type":"Date"},{"name":"l","type":"[Float]"},{"name":"x","type":"Any"}]}'
	cases n1 <<-'END'
	200	{"operation":"insert","table":"typed","records":[{"id":1,"s":"x","n":5,"b":true,"d":"2020-01-01","l":[1.5],"x":{}},{"id":2,"s":null}]}	.inserted_hashes == [1,2]
	400	{"operation":"insert","table":"typed","records":[{"id":3},{"id":4,"s":4}]}	"'records[1].s' must be text: it is declared String"
	400	{"operation":"update","table":"typed","records":[{"id":1,"n":"many"}]}	"'records[0].n' must be a whole number from -9007199254740992 to 9007199254740992: it is declared Long"
	400	{"operation":"upsert","table":"typed","records":[{"id":1,"b":"yes"}]}	"'records[0].b' must be true or false: it is declared Boolean"
	400	{"operation":"upsert","table":"typed","records":[{"id":1,"l":[1,"2"]}]}	"'records[0].l' is a list of which item 1 must be a number: it is declared [Float]"
	400	{"operation":"insert","table":"typed","records":[{"id":"seven"}]}	"'records[0].id' must be a whole number from
	200	{"operation":"upsert","table":"typed","records":[{"x":1}]}	.upserted_hashes == [3]
	200	{"operation":"search_by_id","table":"typed","ids":[1,4],"get_attributes":["n","b"]}	. == [{"n":5,"b":true}]
	END
	# cells are read as their column is declared
	ok n1 '{"operation":"csv_data_load","table":"typed","data":"id,s,b,n\n5,007,True,1\n6,12,FALSE,\n7,true,,2\n8,x,true,many\n"}'
	wait_until 10 job_said "line 5: 'n' must be a whole number from"
	ok n1 '{"operation":"search_by_id","table":"typed","ids":[5,6,7,8],"get_attributes":["id","s","b"]}' \
	    '. == [{"id":5,"s":"007","b":true},{"id":6,"s":"12","b":false},{"id":7,"s":"true","b":null}]'
	ok n1 '{"operation":"csv_data_load","table":"typed","data":"id,s\nseven,x\n"}'
	wait_until 10 job_said "line 2: 'id' must be a whole number from"
	# keys that are declared numbers are made as such from the first
	ok n1 '{"operation":"create_table","table":"counting","primary_key":"id","attributes":[{"name":"id","type":"Int"}]}'
	ok n1 '{"operation":"insert","table":"counting","records":[{"a":1},{"a":2}]}' '.inserted_hashes == [1,2]'
}

job_said()
{
	ok n1 '{"operation":"search_by_value","database":"system","table":"hdb_job","attribute":"id","value":"*","get_attributes":["message"]}' \
	    "map(.message | tostring) | join(\" \") | contains(\"$1\")"
}

@test "comparators: every word, values of one kind only" {
	finds <<-'END'
	n equals 2 => [2]
	n eq 2 => [2]
	n EQUALS 2 => [2]
	n equals "3" => [4]
	n equals "2" => []
	n not_equal 2 => [1,3,4,"4"]
	n ne 2 => [1,3,4,"4"]
	n greater_than 2 => [3,"4"]
	n gt 2 => [3,"4"]
	n greater_than "2" => [4]
	n greater_than_equal 2 => [2,3,"4"]
	n ge 2 => [2,3,"4"]
	n gte 2 => [2,3,"4"]
	n less_than 2.5 => [1,2]
	n lt 2.5 => [1,2]
	n less_than_equal 2.5 => [1,2,"4"]
	n le 2.5 => [1,2,"4"]
	n lte 2.5 => [1,2,"4"]
	n between [2,3] => [2,3,"4"]
	n between [3,2] => []
	n between ["2","4"] => [4]
	n in [1,"3",7] => [1,4]
	n in [] => []
	t contains "an" => [2]
	t contains "ap" => [1,4,"4"]
	t starts_with "ap" => [1,4]
	t ends_with "a" => [2,"4"]
	t starts_with "" => [1,2,3,4,"4"]
	n contains "3" => [4]
	n starts_with 3 => [4]
	m equals true => [1]
	m equals false => [2]
	m equals null => [3]
	m equals [1,2] => [4]
	m equals {"x":1} => ["4"]
	m not_equal null => [1,2,4,"4"]
	m greater_than null => []
	id greater_than 2 => [3,4]
	id greater_than "1" => ["4"]
	id equals 4 => [4]
	id equals "4" => ["4"]
	id less_than 3 => [1,2]
	id starts_with "4" => ["4"]
	END
}

@test "search_by_value: wildcards at the ends, on text only" {
	local value ids wrong=0

	while read -r attribute value ids; do
		[ -n "$attribute" ] || continue
		set -- "{\"operation\":\"search_by_value\",\"table\":\"s\",\"attribute\":\"$attribute\",
		    \"value\":$value,\"get_attributes\":[\"id\"]}"
		ok n1 "$1" "[.[].id] | . - $ids == [] and $ids - . == []" || wrong=1
		ok n1 "$(older "$1")" "[.[].id] | . - $ids == [] and $ids - . == []" || wrong=1
	done <<-'END'
	id "*" [1,2,3,4,"4"]
	m "*" [1,2,3,4,"4"]
	t "ap*" [1,4]
	t "*a" [2,"4"]
	t "*an*" [2]
	t "a*e" []
	t "**" [1,2,3,4,"4"]
	n "3*" [4]
	n "*3" [4]
	n 3 [3]
	n "3" [4]
	id "4*" ["4"]
	id 4 [4]
	t null []
	m null [3]
	END
	[ "$wrong" = 0 ]
}

@test "searches: order, pages, columns, nesting" {
	cases n1 old <<-'END'
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"]}	ids == [1,2,3,4,"4"]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"limit":2}	ids == [1,2]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"offset":3}	ids == [4,"4"]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"limit":2,"offset":1}	ids == [2,3]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"offset":9}	. == []
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"reverse":true,"limit":2}	ids == ["4",4]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"desc":true}	ids == ["4",4,3,2,1]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["t","id"],"limit":1}	(.[0] | keys_unsorted) == ["t","id"]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":1,"get_attributes":["*"]}	.[0] | keys == ["__createdtime__","__updatedtime__","id","m","n","t"]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":3,"get_attributes":["m"]}	. == [{"m":null}]
	200	{"operation":"search_by_id","table":"s","ids":["4",1,99,1],"get_attributes":["id"]}	ids == ["4",1,1]
	200	{"operation":"search_by_id","table":"s","ids":[],"get_attributes":["id"]}	. == []
	200	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{"attribute":"n","comparator":"greater_than","value":1},{"attribute":"t","comparator":"contains","value":"a"}]}	ids == [2,"4"]
	200	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"operator":"OR","conditions":[{"attribute":"n","comparator":"equals","value":1},{"attribute":"id","comparator":"equals","value":3}]}	ids == [1,3]
	200	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"operator":"And","conditions":[{"attribute":"id","comparator":"le","value":3},{"operator":"or","conditions":[{"attribute":"n","comparator":"eq","value":1},{"attribute":"t","comparator":"eq","value":"cherry"}]}]}	ids == [1,3]
	# ["*"] of a table without declared attributes: what is missing is null
	200	{"operation":"search_by_conditions","table":"s","get_attributes":["*"],"conditions":[{"attribute":"id","value":2}]}	length == 1 and .[0].m == false
	# kinds in order: null, booleans, numbers, text, the rest
	200	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"sort":{"attribute":"n"},"conditions":[{"attribute":"id","comparator":"ne","value":0}]}	ids == [1,2,"4",3,4]
	200	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"sort":{"attribute":"n","descending":true},"limit":2,"conditions":[{"attribute":"id","comparator":"ne","value":0}]}	ids == [4,3]
	200	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"sort":{"attribute":"n"},"limit":2,"conditions":[{"attribute":"n","comparator":"gt","value":1}]}	ids == [2,"4"]
	200	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"sort":{"attribute":"t","descending":true,"next":{"attribute":"id"}}}	ids == ["4",3,2,1,4]
	END
}

@test "searches: what is wrong is a 4xx that names it" {
	cases n1 <<-'END'
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"limit":"ten"}	"'limit' must be a number"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"limit":-5}	"'limit' must be greater than or equal to 1"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"limit":0}	"'limit' must be greater than or equal to 1"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"limit":1.5}	"'limit' must be an integer"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"offset":-1}	"'offset' must be greater than or equal to 0"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"desc":"yes"}	"'desc' must be a boolean"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"reverse":1}	"'reverse' must be a boolean"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"sort":"id"}	"'sort' must be of type object"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"sort":{}}	"'sort.attribute' is required"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"sort":{"attribute":"id","descending":"no"}}	"'sort.descending' must be a boolean"
	404	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["id"],"sort":{"attribute":"zz"}}	"unknown attribute 'zz'"
	404	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":["a","b","c"]}	"unknown attribute 'a, b and c'"
	404	{"operation":"search_by_value","table":"s","attribute":"zz","value":"*","get_attributes":["id"]}	"unknown attribute 'zz'"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*"}	"'get_attributes' is required"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":"id"}	"'get_attributes' must be an array"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":[]}	"'get_attributes' must contain at least 1 item"
	400	{"operation":"search_by_value","table":"s","attribute":"id","value":"*","get_attributes":[7]}	"'get_attributes[0]' must be a string"
	400	{"operation":"search_by_value","table":"s","attribute":"id","get_attributes":["id"]}	"'search_value' is required"
	400	{"operation":"search_by_value","table":"s","value":"*","get_attributes":["id"]}	"'search_attribute' is required"
	400	{"operation":"search_by_value","table":"s","attribute":7,"value":"*","get_attributes":["id"]}	"'search_attribute' must be a string"
	400	{"operation":"search_by_value","attribute":"id","value":"*","get_attributes":["id"]}	"'table' is required"
	400	{"operation":"search_by_value","database":{},"table":"s","attribute":"id","value":"*","get_attributes":["id"]}	"'database' must be a string"
	404	{"operation":"search_by_value","database":7,"table":"s","attribute":"id","value":"*","get_attributes":["id"]}	"database '7' does not exist"
	404	{"operation":"search_by_value","table":"no","attribute":"id","value":"*","get_attributes":["id"]}	"Table 'data.no' does not exist"
	404	{"operation":"search_by_value","database":"no","table":"s","attribute":"id","value":"*","get_attributes":["id"]}	"database 'no' does not exist"
	400	{"operation":"search_by_value","database":"data","schema":"dev","table":"s","attribute":"id","value":"*","get_attributes":["id"]}	"'database' and 'schema' are the same field, and have different values"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"]}	"'conditions' is required"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":{}}	"'conditions' must be an array"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[]}	"'conditions' must contain at least 1
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[7]}	"'conditions[0]' must be of type object"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{}]}	"'conditions[0].search_attribute' is required. 'conditions[0].search_value' is required"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"operator":"xor","conditions":[{"attribute":"id","value":1}]}	"'operator' must be one of [and, or]"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{"attribute":"id","comparator":"like","value":1}]}	"'conditions[0].comparator' must be one of [equals, 
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{"attribute":"id","comparator":7,"value":1}]}	"'conditions[0].comparator' must be a string"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{"attribute":"id","comparator":"between","value":1}]}	"'conditions[0].value' must be an array"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{"attribute":"id","comparator":"between","value":[1]}]}	"'conditions[0].value' must contain 2 items"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{"attribute":"id","comparator":"in","value":1}]}	"'conditions[0].value' must be an array"
	400	{"operation":"search_by_conditions","table":"s","get_attributes":["id"],"conditions":[{"operator":"or","conditions":[{"attribute":"id"}]}]}	"'conditions[0].conditions[0].search_value' is required"
	400	{"operation":"search_by_id","table":"s","get_attributes":["id"]}	"'hash_values' is required"
	400	{"operation":"search_by_id","table":"s","ids":[1]}	"'get_attributes' is required"
	# known clients look for 500
	500	{"operation":"search_by_hash","table":"s","get_attributes":["id"]}	"'hash_values' is required"
	500	{"operation":"search_by_hash","table":"s","hash_values":"a","get_attributes":["id"]}	"'hash_values' must be an array"
	500	{"operation":"search_by_hash","table":"s","hash_values":[{}],"get_attributes":["id"]}	"'hash_values' must be strings or numbers"
	500	{"operation":"search_by_hash","table":"s","hash_values":[1]}	"'get_attributes' is required"
	500	{"operation":"search_by_hash","table":"s","hash_values":[1],"get_attributes":"*"}	"'get_attributes' must be an array"
	500	{"operation":"search_by_hash","table":"s","hash_values":[1],"get_attributes":[]}	"'get_attributes' must contain at least 1 item"
	END
}

@test "writes: which were written, which skipped, and how many" {
	cases n1 <<-'END'
	200	{"operation":"insert","table":"w","records":[{"id":1,"a":1},{"id":"1"},{"id":1,"a":2},{"id":2}]}	. == {"message":"inserted 3 of 4 records","inserted_hashes":[1,"1",2],"skipped_hashes":[1]}
	200	{"operation":"search_by_id","table":"w","ids":[1],"get_attributes":["a"]}	. == [{"a":1}]
	200	{"operation":"insert","table":"w","records":[{"id":1,"a":9}]}	. == {"message":"inserted 0 of 1 records","inserted_hashes":[],"skipped_hashes":[1]}
	200	{"operation":"insert","table":"w","records":[]}	. == {"message":"inserted 0 of 0 records","inserted_hashes":[],"skipped_hashes":[]}
	200	{"operation":"update","table":"w","records":[{"id":1,"b":2},{"id":9,"b":2}]}	. == {"message":"updated 1 of 2 records","update_hashes":[1],"skipped_hashes":[9]}
	200	{"operation":"update","table":"w","records":[{"id":1,"b":3},{"id":1,"c":4}]}	. == {"message":"updated 2 of 2 records","update_hashes":[1,1],"skipped_hashes":[]}
	200	{"operation":"search_by_id","table":"w","ids":[1],"get_attributes":["a","b","c"]}	. == [{"a":1,"b":3,"c":4}]
	200	{"operation":"upsert","table":"w","records":[{"id":1,"d":1},{"id":3,"d":1}]}	. == {"message":"upserted 2 of 2 records","upserted_hashes":[1,3]}
	200	{"operation":"delete","table":"w","ids":[3]}	. == {"message":"1 of 1 record successfully deleted","deleted_hashes":[3],"skipped_hashes":[]}
	200	{"operation":"delete","table":"w","hash_values":[2,2,99]}	. == {"message":"1 of 3 records successfully deleted","deleted_hashes":[2],"skipped_hashes":[2,99]}
	200	{"operation":"delete","table":"w","ids":[]}	.message == "0 of 0 records successfully deleted"
	200	{"operation":"delete","table":"w","ids":["9"]}	.message == "0 of 1 record successfully deleted"
	# -0, 0 and 0.0 are one key; times are the server's
	200	{"operation":"insert","table":"w","records":[{"id":-0.0},{"id":0},{"id":1.5}]}	.inserted_hashes == [0,1.5] and .skipped_hashes == [0]
	200	{"operation":"upsert","table":"w","records":[{"id":"t","__createdtime__":5,"__updatedtime__":"x"}]}	true
	200	{"operation":"search_by_id","table":"w","ids":["t"],"get_attributes":["__createdtime__","__updatedtime__"]}	.[0].__createdtime__ > 1e12 and .[0].__updatedtime__ > 1e12
	200	{"operation":"insert","table":"w","records":[{"z":1},{"z":2}]}	(.inserted_hashes | map(test("^[0-9a-f-]{36}$")) == [true,true])
	END
}

@test "writes: what is wrong is a 400 that names it" {
	local long

	long=$(printf 'k%.0s' {1..251})
	cases n1 <<-END
	400	{"operation":"insert","table":"w"}	"'records' is required"
	400	{"operation":"insert","records":[{"id":1}]}	"'table' is required"
	400	{"operation":"insert"}	'records' is required. 'table' is required
	400	{"operation":"insert","table":"w","records":{}}	"'records' must be an array"
	400	{"operation":"insert","table":"w","records":"x"}	"'records' must be an array"
	400	{"operation":"upsert","table":"w","records":[{"id":1},7]}	"'records[1]' must be of type object"
	400	{"operation":"update","table":"w","records":[null]}	"'records[0]' must be of type object"
	400	{"operation":"insert","table":false,"records":[]}	"'table' must be a string"
	400	{"operation":"insert","table":"no","records":[{"id":1}]}	"Table 'data.no' does not exist"
	400	{"operation":"insert","schema":"no","table":"w","records":[{"id":1}]}	"database 'no' does not exist"
	400	{"operation":"delete","table":"no","ids":[1]}	"Table 'data.no' does not exist"
	400	{"operation":"insert","table":"w","records":[{"id":null}]}	"Invalid hash value: 'null' is not a valid hash attribute value, check log for more info"
	400	{"operation":"upsert","table":"w","records":[{"id":true}]}	"Invalid hash value: 'true' is not a valid hash attribute value, check log for more info"
	400	{"operation":"insert","table":"w","records":[{"id":{}}]}	"Invalid hash value: '{}'
	400	{"operation":"insert","table":"w","records":[{"id":[1]}]}	"Invalid hash value: '[1]'
	400	{"operation":"update","table":"w","records":[{"id":""}]}	"a valid hash attribute must be provided with update record, check log for more info"
	400	{"operation":"upsert","table":"w","records":[{"id":"null"}]}	"Invalid hash value: 'null' is not a valid hash attribute value, check log for more info"
	400	{"operation":"insert","table":"w","records":[{"id":"a/b"}]}	"transaction aborted due to record(s) with a hash value that contains a forward slash, check log for more info"
	400	{"operation":"insert","table":"w","records":[{"id":"$long"}]}	"transaction aborted due to record(s) with a hash value that exceeds 250 bytes, check log for more info"
	400	{"operation":"update","table":"w","records":[{"a":1}]}	"a valid hash attribute must be provided with update record, check log for more info"
	400	{"operation":"insert","table":"w","records":[{"id":7,"a/b":1}]}	"Attribute names cannot include backticks or forward slashes"
	400	{"operation":"insert","table":"w","records":[{"id":7,"a\`b":1}]}	"Attribute names cannot include backticks or forward slashes"
	400	{"operation":"insert","table":"w","records":[{"id":7,"":1}]}	"transaction aborted due to record(s) with an attribute name that is null, undefined or empty string"
	400	{"operation":"insert","table":"w","records":[{"id":7,"$long":1}]}	"transaction aborted due to attribute name $long being too long. Attribute names cannot be longer than 250 bytes."
	400	{"operation":"insert","table":"w","records":[{"id":7,"a\u0001":1}]}	"Invalid attribute name: 'a
	400	{"operation":"delete","table":"w"}	"'hash_values' is required"
	400	{"operation":"delete","table":"w","ids":7}	"'ids' must be an array"
	400	{"operation":"delete","table":"w","ids":[{}]}	"'ids' must be strings or numbers"
	400	{"operation":"delete","table":"w","ids":[null]}	"'ids' must be strings or numbers"
	400	{"operation":"delete","table":"w","ids":[1],"hash_values":[2]}	same field
	403	{"operation":"insert","database":"system","table":"hdb_job","records":[{"id":1}]}	"The 'system' database, tables and records are used internally
	# nothing of a request that is refused is written
	400	{"operation":"insert","table":"w","records":[{"id":"first"},{"id":null}]}
	200	{"operation":"search_by_id","table":"w","ids":["first"],"get_attributes":["id"]}	. == []
	END
}

@test "numbers and text come back as they went in" {
	local number wrong=0

	while read -r number want; do
		[ -n "$number" ] || continue
		ok n1 "{\"operation\":\"upsert\",\"table\":\"w\",\"records\":[{\"id\":\"n\",\"v\":[$number],\"w\":$number}]}"
		op n1 '{"operation":"search_by_id","table":"w","ids":["n"],"get_attributes":["w","v"]}'
		[ "$body" = "[{\"w\":${want:=$number},\"v\":[$want]}]" ] || {
			echo "$number gave $body"
			wrong=1
		}
	done <<-'END'
	0
	-1
	9007199254740993
	9223372036854775807
	-9223372036854775808
	9223372036854775808 9.223372036854776e+18
	-9223372036854775809 -9.223372036854776e+18
	18446744073709551615 1.8446744073709552e+19
	123456789012345678901234567890 1.2345678901234568e+29
	0.1
	1.5
	1e2 100
	5e-324
	1.7976931348623157e308 1.7976931348623157e+308
	"a\u0000b"
	"18446744073709551616"
	"é\n\"\\"
	END
	[ "$wrong" = 0 ]
	refused n1 400 '{"operation":"insert","table":"w","records":[{"id":"n","v":1e400}]}'
	ok n1 '{"operation":"insert","table":"w","records":[{"id":9223372036854775807},{"id":9223372036854775806}]}' \
	    '.inserted_hashes | length == 2'
}

row_is_gone()	# row_is_gone TABLE ID
{
	[ "$(ask n1 "{\"operation\":\"search_by_id\",\"table\":\"$1\",\"ids\":[$2],\"get_attributes\":[\"id\"]}")" = '[]' ]
}

@test "rows of a table with an expiration leave, others stay" {
	ok n1 '{"operation":"create_table","table":"e","primary_key":"id","expiration":2}'
	ok n1 '{"operation":"create_table","table":"f","primary_key":"id","expiration":1000}'
	ok n1 '{"operation":"describe_table","table":"e"}' '.expiration == 2'
	ok n1 '{"operation":"insert","table":"e","records":[{"id":1,"a":1},{"id":2}]}'
	ok n1 '{"operation":"insert","table":"f","records":[{"id":1}]}'
	wait_until 40 row_is_gone e 1
	wait_until 20 row_is_gone e 2
	ok n1 '{"operation":"describe_table","table":"e"}' '.record_count == 0'
	ok n1 '{"operation":"search_by_id","table":"f","ids":[1],"get_attributes":["id"]}' 'length == 1'
	# The key is free again.
	ok n1 '{"operation":"insert","table":"e","records":[{"id":1}]}' '.inserted_hashes == [1]'
}

@test "a table has 10000 attributes at most" {
	jq -nc '{operation: "create_table", table: "wide", primary_key: "id", attributes: [range(9998) | {name: "a\(.)"}]}' >"$HL_T/wide"
	refused n1 400 "@$HL_T/wide" "'attributes' must contain less than or equal to 9997 items (storage.maxTableAttributes)"
	jq -c 'del(.attributes[0])' "$HL_T/wide" >"$HL_T/fits"
	ok n1 "@$HL_T/fits"
	cases n1 <<-'END'
	400	{"operation":"create_attribute","table":"wide","attribute":"b"}	"Table 'data.wide' would have more than 10000 attributes (storage.maxTableAttributes)"
	400	{"operation":"create_attribute","table":"wide","attribute":"a1"}	"attribute 'a1' already exists in data.wide"
	200	{"operation":"drop_attribute","table":"wide","attribute":"a1"}	true
	200	{"operation":"create_attribute","table":"wide","attribute":"a1"}	true
	END
}

@test "tables and databases: what is made, described, refused" {
	cases n1 old <<-'END'
	400	{"operation":"create_table","database":"ddl"}	"'table' is required. 'primary_key' is required"
	400	{"operation":"create_table","table":7,"primary_key":"id"}	"'table' must be a string"
	400	{"operation":"create_table","table":"a/b","primary_key":"id"}	"'table' names cannot include backticks or forward slashes"
	400	{"operation":"create_table","table":"größe","primary_key":"id"}	"'table' names can only have letters, digits and signs of ASCII, and spaces"
	400	{"operation":"create_table","table":"a\tb","primary_key":"id"}	"'table' names can only have letters, digits and signs of ASCII, and spaces"
	400	{"operation":"create_table","table":"","primary_key":"id"}	"'table' is not allowed to be empty"
	400	{"operation":"create_table","table":"x","primary_key":"id","attributes":{}}	"'attributes' must be an array"
	400	{"operation":"create_table","table":"x","primary_key":"id","attributes":[7]}	"'attributes[0]' must be of type object"
	400	{"operation":"create_table","table":"x","primary_key":"id","attributes":[{}]}	"'attributes[0].name' is required"
	400	{"operation":"create_table","table":"x","primary_key":"id","attributes":[{"name":"a","indexed":1}]}	"'attributes[0].indexed' must be a boolean"
	400	{"operation":"create_table","table":"x","primary_key":"id","attributes":[{"name":"a","type":1}]}	"'attributes[0].type' must be a string"
	400	{"operation":"create_table","table":"x","primary_key":"id","audit":"yes"}	"'audit' must be a boolean"
	400	{"operation":"create_table","table":"x","primary_key":"id","residence":"n1"}	"'residence' must be an array"
	400	{"operation":"create_table","table":"x","primary_key":"id","residence":["n1",7]}	"'residence[1]' must be a string"
	400	{"operation":"create_table","table":"x","primary_key":"id","residence":["a\u0000b"]}	"'residence[0]' must be a string"
	400	{"operation":"create_table","table":"x","primary_key":"id","residence":[""]}	"'residence[0]' is not allowed to be empty"
	400	{"operation":"create_table","table":"x","primary_key":"id","replicate":"no"}	"'replicate' must be a boolean"
	400	{"operation":"alter_table","table":"x","replicate":0}	"'replicate' must be a boolean"
	400	{"operation":"alter_table","table":"x"}	"'replicate' is required"
	404	{"operation":"alter_table","table":"nowhere","replicate":true}	"Table 'data.nowhere' does not exist"
	403	{"operation":"alter_table","database":"system","table":"hdb_user","replicate":true}
	400	{"operation":"describe_table","table":"s","exact_count":"yes"}	"'exact_count' must be a boolean"
	400	{"operation":"describe_database","include_computed":1}	"'include_computed' must be a boolean"
	400	{"operation":"describe_all","exact_count":1}	"'exact_count' must be a boolean"
	400	{"operation":"create_table","table":"x","primary_key":"id","expiration":"soon"}	"'expiration' must be a number"
	400	{"operation":"create_table","table":"x","primary_key":"id","expiration":0}	"'expiration' must be greater than or equal to 1"
	400	{"operation":"create_table","table":"x","primary_key":"id","expiration":1.5}	"'expiration' must be an integer of seconds"
	400	{"operation":"create_table","table":"x","primary_key":"id","expiration":4294967296}	"'expiration' must be an integer of seconds"
	400	{"operation":"create_table","table":"s","primary_key":"id"}	"Table 's' already exists in 'data'"
	403	{"operation":"create_table","database":"system","table":"x","primary_key":"id"}	"The 'system' database
	400	{"operation":"create_attribute","table":"s"}	"'attribute' is required"
	400	{"operation":"create_attribute","table":"s","attribute":"n"}
	404	{"operation":"describe_table","table":"no"}	"Table 'data.no' does not exist"
	404	{"operation":"describe_table","database":"no","table":"s"}	"database 'no' does not exist"
	404	{"operation":"describe_database","database":"no"}	"database 'no' does not exist"
	400	{"operation":"drop_table"}	"'table' is required"
	404	{"operation":"drop_table","table":"no"}	"Table 'data.no' does not exist"
	404	{"operation":"drop_table","database":"no","table":"s"}	"database 'no' does not exist"
	404	{"operation":"drop_database","database":"no"}	"database 'no' does not exist"
	400	{"operation":"drop_database"}	"'database' is required"
	END
	cases n1 <<-'END'
	200	{"operation":"create_table","database":"ddl","table":"t","primary_key":"k","audit":false,"attributes":[{"name":"a","type":"Int","indexed":true}]}	.message == "table 'ddl.t' successfully created."
	200	{"operation":"describe_table","database":"ddl","table":"t"}	.schema == "ddl" and .name == "t" and .hash_attribute == "k" and .audit == false and .schema_defined and .record_count == 0 and .last_updated_record == null and (.clustering_stream_name | length) == 32 and has("db_size") and has("table_size") and (has("expiration") | not)
	200	{"operation":"describe_table","database":"ddl","table":"t"}	[.attributes[] | select(.attribute == "a")] == [{"attribute":"a","type":"Int","indexed":true}]
	200	{"operation":"insert","database":"ddl","table":"t","records":[{"k":1,"a":1}]}	true
	200	{"operation":"search_by_value","database":"ddl","table":"t","attribute":"a","value":1,"get_attributes":["*"]}	length == 1
	200	{"operation":"describe_table","schema":"ddl","table":"t","exact_count":true}	.record_count == 1 and .last_updated_record > 1e12
	200	{"operation":"create_attribute","database":"ddl","table":"t","attribute":"z"}	.message == "attribute 'ddl.t.z' successfully created."
	400	{"operation":"create_attribute","database":"ddl","table":"t","attribute":"z"}	"attribute 'z' already exists in ddl.t"
	200	{"operation":"drop_attribute","database":"ddl","table":"t","attribute":"z"}	.message == "successfully deleted attribute 'z'"
	404	{"operation":"drop_attribute","database":"ddl","table":"t","attribute":"z"}
	400	{"operation":"drop_attribute","database":"ddl","table":"t","attribute":"k"}	"You cannot drop a hash attribute"
	400	{"operation":"drop_attribute","database":"ddl","table":"t","attribute":"__createdtime__"}	"cannot drop internal timestamp attribute: __createdtime__"
	200	{"operation":"describe_all"}	has("ddl") and (has("system") | not)
	200	{"operation":"create_table","database":"ddl","table":"r","primary_key":"k","residence":["*","n1"]}	true
	200	{"operation":"describe_table","database":"ddl","table":"r"}	.residence == ["*","n1"]
	200	{"operation":"describe_table","database":"ddl","table":"t"}	has("residence") or has("estimated_record_range") | not
	200	{"operation":"describe_database","database":"ddl","exact_count":false,"include_computed":true}	.t.db_audit_size >= 0 and .r.residence == ["*","n1"]
	200	{"operation":"drop_table","database":"ddl","table":"r"}	true
	200	{"operation":"drop_table","database":"ddl","table":"t"}	.message == "successfully deleted table 'ddl.t'"
	200	{"operation":"describe_database","database":"ddl"}	. == {}
	200	{"operation":"drop_schema","schema":"ddl"}	.message == "successfully deleted 'ddl'"
	END
}
