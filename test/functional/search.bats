#!/usr/bin/env bats
# Searches find the same rows in the same order by every way there is: the same rows are in a
# table with indexes and in one without, and what is under the key is also under an attribute.

load node.bash

start_nodes()
{
	node_start n1
	ok n1 '{"operation":"create_table","table":"indexed","primary_key":"id","attributes":[
	    {"name":"v","indexed":true},{"name":"t","indexed":true},{"name":"k","indexed":true},{"name":"u"},
	    {"name":"__updatedtime__","indexed":true}]}'
	ok n1 '{"operation":"create_table","table":"plain","primary_key":"id"}'
	jq -nc --argjson values "$VALUES" '[$values | to_entries[] | (.key, .key + 100, "k\(.key)") as $id |
	    {id: $id, k: $id, t: "\("abc"[(.key % 3):])\(.key % 2)"} +
	    if .key % 5 == 4 then {} else {v: .value} end +
	    if .key % 7 == 3 then {u: .key} else {} end]' >"$HL_T/rows"
	for table in indexed plain; do
		jq -c --arg table "$table" '{operation: "insert", table: $table, records: .}' "$HL_T/rows" >"$HL_T/body"
		ok n1 "@$HL_T/body" '.skipped_hashes == []'
		# Changed and deleted rows leave nothing in an index.
		ok n1 '{"operation":"update","table":"'$table'","records":[{"id":3,"v":"new"},{"id":104,"v":null},{"id":"k5","t":null}]}'
		ok n1 '{"operation":"delete","table":"'$table'","ids":[1,"k2"]}'
		ok n1 '{"operation":"upsert","table":"'$table'","records":[{"id":1,"k":1,"v":"again"}]}'
	done
}

VALUES='[null,true,false,0,2,2.5,-1,1e300,"2","","a","ab","abc","b","é","a\u0000b","A","*","?","a*","new",[1],{"x":1},[]]'
WORDS='["equals","eq","EQUALS","not_equal","ne","contains","starts_with","ends_with","greater_than","gt",
    "greater_than_equal","ge","gte","less_than","lt","less_than_equal","le","lte"]'

# Requests without a table, one a line, are sent to a table over one connection; an answer a line.
answers()	# answers TABLE FILE
{
	jq -r --arg table "$1" --arg url "http://127.0.0.1:$(port n1 api)/" '. + {table: $table} |
	    "url = \($url)\ndata-binary = \(tojson | tojson)\nwrite-out = \"\\n\"\nnext"' "$2" |
	    sed '$d' >"$HL_T/curl"
	[ -s "$HL_T/curl" ]
	sed -i "s/^url/user = $HL_USER:$HL_PASSWORD\nheader = \"Content-Type: application\/json\"\nurl/" "$HL_T/curl"
	curl -sS -m 120 -K "$HL_T/curl"
}

same()		# same FILE [JQ]: both tables answer rows, and the same ones
{
	local wrong

	answers indexed "$1" | jq -c "${2:-.}" >"$HL_T/indexed"
	answers plain "$1" | jq -c "${2:-.}" >"$HL_T/plain"
	[ "$(wc -l <"$1")" = "$(wc -l <"$HL_T/plain")" ]
	jq -es 'all(type == "array") and ([.[] | length] | max) > 5' "$HL_T/plain" >"$HL_T/are_rows" ||
		grep -vm 3 '^\[' "$HL_T/plain"
	wrong=$(paste "$1" "$HL_T/indexed" "$HL_T/plain" | awk -F '\t' '$2 != $3' | head -n 3)
	[ -z "$wrong" ] || echo "indexed and plain differ: $wrong"
	[ -z "$wrong" ] && grep -q true "$HL_T/are_rows"
}

# All conditions on one attribute: every word with every value.
conditions()	# conditions ATTRIBUTE
{
	jq -nc --argjson values "$VALUES" --argjson words "$WORDS" --arg attribute "$1" '
	    ({comparator: $words[], value: $values[]},
	     {comparator: "between", value: ([$values | .[range(0; length; 3)]] | .[] as $from | .[] as $to | [$from, $to])},
	     {comparator: "in", value: ([], [2, "a", null], [[1], true, "k3"], [3, 3, "3"])},
	     {value: $values[]}) + {attribute: $attribute}'
}

@test "each comparator with each value: rows by an index are those of a scan" {
	conditions v | jq -c '{operation: "search_by_conditions", conditions: [.], get_attributes: ["id", "v"]}' >"$HL_T/q"
	same "$HL_T/q" 'sort_by(.id | tostring)'
}

@test "the same under the older names" {
	conditions v | jq -c '{operation: "search_by_conditions", get_attributes: ["id", "v"], conditions:
	    [{search_attribute: .attribute, search_value: .value, search_type: (.comparator // "equals")}]}' >"$HL_T/q"
	same "$HL_T/q" 'sort_by(.id | tostring)'
	mv "$HL_T/indexed" "$HL_T/older"
	conditions v | jq -c '{operation: "search_by_conditions", conditions: [.], get_attributes: ["id", "v"]}' >"$HL_T/q"
	same "$HL_T/q" 'sort_by(.id | tostring)'
	cmp "$HL_T/older" "$HL_T/indexed"
}

@test "by the key, by an indexed and by another attribute with the same values" {
	local values

	values=$(jq -c '[.[].id] | .[:9] + .[-3:] + [3.5, "k", "k1", "", "kk"]' "$HL_T/rows")
	VALUES=$values conditions id | jq -c '{operation: "search_by_conditions", conditions: [.], get_attributes: ["id"]}' >"$HL_T/key"
	jq -c '.conditions[0].attribute = "k"' "$HL_T/key" >"$HL_T/q"
	answers plain "$HL_T/key" | jq -c 'sort_by(.id | tostring)' >"$HL_T/by_key"
	same "$HL_T/q" 'sort_by(.id | tostring)'
	diff "$HL_T/by_key" "$HL_T/plain" | head -n 5
	cmp "$HL_T/by_key" "$HL_T/plain"
}

@test "orders and pages: several orders, either direction, rows without the attribute" {
	jq -nc '
	    def by: [[], ["v"], ["-v"], ["id"], ["-id"], ["t"], ["-t", "v"], ["t", "-v", "-id"], ["v", "-t"], ["u", "t"],
	        ["-k"], ["__updatedtime__", "v"]][];
	    def nested: if length == 0 then null else
	        {attribute: .[0] | ltrimstr("-"), descending: .[0] | startswith("-")} +
	        if length > 1 then {next: .[1:] | nested} else {} end end;
	    def where: [[], [{attribute: "v", comparator: "ne", value: "zz"}], [{attribute: "v", comparator: "gt", value: 0}],
	        [{attribute: "t", comparator: "starts_with", value: "b"}, {attribute: "v", comparator: "ge", value: "a"}],
	        [{attribute: "t", value: "c0"}], [{attribute: "v", value: null}], [{attribute: "u", comparator: "ge", value: 3}],
	        [{attribute: "id", comparator: "between", value: [2, 110]}],
	        [{operator: "or", conditions: [{attribute: "v", value: 2}, {attribute: "id", comparator: "gt", value: 100},
	            {attribute: "t", value: "bc1"}]}]][];
	    def page: ({}, {limit: 4}, {limit: 5, offset: 3}, {offset: 7}, {offset: 1000});
	    by as $by | where as $where | page as $page |
	    if $where == [] then {operation: "search_by_value", attribute: "id", value: "*"}
	    else {operation: "search_by_conditions", conditions: $where} end +
	    if $by == [] then {} else {sort: $by | nested} end +
	    (if $by == [] then {} else $page end) + {get_attributes: ["id", "v", "t"]}' | sort -u >"$HL_T/q"
	jq -c 'select(.sort != null and .sort.attribute != "__updatedtime__")' "$HL_T/q" >"$HL_T/sorted"
	same "$HL_T/sorted"
	# Times differ between the tables: only which rows.
	jq -c 'select((.sort == null or .sort.attribute == "__updatedtime__") and .limit == null and .offset == null)' "$HL_T/q" >"$HL_T/any"
	same "$HL_T/any" 'sort_by(.id | tostring)'
}

@test "descending is ascending from its end" {
	jq -nc '["id", "v", "t", "u", "k"][] as $by | {operation: "search_by_value", attribute: "id", value: "*",
	    get_attributes: ["id"], sort: {attribute: $by}}' >"$HL_T/up"
	jq -c '.sort.descending = true' "$HL_T/up" >"$HL_T/down"
	for table in indexed plain; do
		[ "$(answers $table "$HL_T/up")" = "$(answers $table "$HL_T/down" | jq -c reverse)" ]
	done
}

@test "wildcards: at either end, alone, elsewhere; of any other kind they are text" {
	jq -nc '["*", "**", "***", "a*", "*b", "*b*", "a*b", "?", "a?", "", "2*", "*2", "\u0000*", "*é", 2, null, true, [1]][] as $value |
	    ("v", "t", "id", "u") as $attribute |
	    ({}, {sort: {attribute: "v"}, limit: 7}, {sort: {attribute: "t", descending: true}}) as $page |
	    {operation: "search_by_value", attribute: $attribute, value: $value, get_attributes: ["id"]} + $page' >"$HL_T/q"
	jq -c 'select(.sort != null)' "$HL_T/q" >"$HL_T/sorted"
	same "$HL_T/sorted"
	jq -c 'select(.sort == null)' "$HL_T/q" >"$HL_T/any"
	same "$HL_T/any" 'sort_by(.id | tostring)'
	cases n1 <<-'END'
	200	{"operation":"search_by_value","table":"indexed","attribute":"v","value":"?","get_attributes":["v"]}	length > 0 and all(.v == "?")
	200	{"operation":"search_by_value","table":"indexed","attribute":"v","value":"a?","get_attributes":["v"]}	. == []
	200	{"operation":"search_by_value","table":"indexed","attribute":"v","value":null,"get_attributes":["v"]}	length > 9 and all(.v == null)
	200	{"operation":"search_by_value","table":"indexed","attribute":"__updatedtime__","value":"*","get_attributes":["id"]}	length > 40
	200	{"operation":"search_by_conditions","table":"indexed","conditions":[{"attribute":"__updatedtime__","comparator":"gt","value":1000000}],"get_attributes":["id"]}	length > 40
	200	{"operation":"search_by_conditions","table":"indexed","conditions":[{"attribute":"__updatedtime__","comparator":"lt","value":1000000}],"get_attributes":["id"]}	. == []
	END
}

@test "groups in groups" {
	jq -nc '
	    def leaf: {attribute: "v", value: 2}, {attribute: "t", comparator: "starts_with", value: "b"},
	        {attribute: "u", comparator: "gt", value: 5}, {attribute: "id", comparator: "lt", value: 9},
	        {attribute: "v", value: null}, {attribute: "v", comparator: "in", value: ["a", "b", 0]};
	    def pair: leaf as $a | leaf as $b | ("and", "or") as $operator | {operator: $operator, conditions: [$a, $b]};
	    pair as $a | ("or", "AND") as $operator | {operation: "search_by_conditions", operator: $operator, get_attributes: ["id"],
	        sort: {attribute: "t"}, conditions: [$a, {attribute: "k", comparator: "ge", value: "k2"},
	            {operator: "or", conditions: [$a, {operator: "and", conditions: [{attribute: "t", comparator: "ends_with", value: "1"},
	                {attribute: "id", comparator: "ge", value: 100}]}]}]}' >"$HL_T/q"
	same "$HL_T/q"
}

@test "an index outlives a restart, and rows that came and went since" {
	node_stop n1
	node_run n1
	for table in indexed plain; do
		upsert_value $table 2 '"a"'
		upsert_value $table 4 '[1]'
		ok n1 '{"operation":"delete","table":"'$table'","ids":[5,"k6"]}'
	done
	conditions v | jq -c '{operation: "search_by_conditions", conditions: [.], get_attributes: ["id", "v"], sort: {attribute: "v"}}' >"$HL_T/q"
	same "$HL_T/q"
}

upsert_value()	# upsert_value TABLE ID VALUE
{
	ok n1 "{\"operation\":\"upsert\",\"table\":\"$1\",\"records\":[{\"id\":$2,\"v\":$3}]}"
}
