#!/usr/bin/env bats
# Three nodes, all linked: who sees whom, and what subscriptions carry.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	node_start n3
	mesh n1 n2 n3
}

subscriptions_of()	# NODE PEER: of cluster_status, "table publish subscribe" a line
{
	ask "$1" '{"operation":"cluster_status"}' | jq -r --arg n "$2" '.connections[] |
	    select(.node_name == $n).subscriptions[] | "\(.table) \(.publish) \(.subscribe)"' | sort
}

status_is()		# NODE PEER STATUS
{
	[ "$(ask "$1" '{"operation":"cluster_status"}' |
	    jq -r --arg n "$2" '.connections[] | select(.node_name == $n).status')" = "$3" ]
}

all_connected()	# NODE: its cluster_network has all three, each connected to the two others
{
	ok "$1" '{"operation":"cluster_network"}' '(.nodes | length == 3) and
	    ([.nodes[] | .name as $me | (.connected_nodes | sort) == (["n1","n2","n3"] - [$me])] | all) and
	    ([.nodes[].response_time | type == "number"] | all)'
}

@test "routes on one side only: every node lists all, each connected to the others" {
	over_nats
	for n in n1 n2 n3; do
		wait_until 10 all_connected $n
	done
	ok n1 '{"operation":"cluster_get_routes"}' '. == {"hub":[],"leaf":[]}'
	ok n2 '{"operation":"cluster_get_routes"}' '.hub | length == 1'
}

@test "a leaf finds its hub at once: a new node need not wait to be reachable" {
	for n in n1 n2 n3; do
		! grep "Error trying to connect as leafnode" "$HL_T/nodes/$n/log" || return 1
	done
}

@test "the leaf server starts although the hub server cannot" {
	over_nats
	node_make hubless "CLUSTERING_HUBSERVER_CLUSTER_NETWORK_PORT=$(port n1 cluster)"
	node_run hubless
	wait_until 10 servers_are hubless running
	ok hubless '{"operation":"cluster_status"}' '.servers.hub.status != "running"'
	make_table hubless t
	insert hubless t '{"id":1}'
	node_stop hubless
}

servers_are()		# NODE STATUS-OF-LEAF
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --arg s "$2" '.servers.leaf.status == $s'
}

@test "cluster_network leaves out what it is told to" {
	over_nats
	ok n1 '{"operation":"cluster_network","connected_nodes":true,"routes":true}' \
	    '[.nodes[] | has("connected_nodes") or has("routes")] | any | not'
}

@test "one call, both ways: inserts, updates, upserts and deletes, with their times" {
	over_nats
	make_table n1 dog
	ok n1 '{"operation":"add_node","node_name":"n2","subscriptions":[
	    {"schema":"dev","table":"dog","publish":true,"subscribe":true}]}' \
	    '(.message | contains("n2")) and (.added | length == 1) and .skipped == []'
	insert n1 dog '{"id":1,"name":"Penny","age":3}'
	insert n2 dog '{"id":2,"name":"Kato","tags":["a",{"b":null}],"weight":7.25}'
	wait_until 5 has_row n1 dog 2
	wait_until 5 has_row n2 dog 1
	update n2 dog '{"id":1,"age":4}'
	upsert n1 dog '{"id":2,"name":"Kato II"},{"id":"three","name":"\u00e9\ud83d\ude00"}'
	insert n1 dog '{"id":4},{"id":5}'
	wait_until 5 has_row n2 dog 5
	delete n2 dog 4
	wait_until 5 has_no_row n1 dog 4
	same_rows 5 dog n1 n2
	[ "$(rows n1 dev dog | wc -l)" = 4 ]
	[ "$(row n2 dog 1 | jq -c '[.name, .age, .__updatedtime__ > .__createdtime__]')" = '["Penny",4,true]' ]
	[ "$(row n1 dog 2 | jq -c '[.name, .weight, .tags]')" = '["Kato II",7.25,["a",{"b":null}]]' ]
}

@test "the other side lists the same subscription, seen from there" {
	make_table n1 seen
	subscribe n1 n2 seen true false
	wait_until 5 status_is n1 n2 open
	wait_until 5 status_is n2 n1 open
	subscriptions_of n1 n2 | grep -x 'seen true false'
	subscriptions_of n2 n1 | grep -x 'seen false true'
	ok n1 '{"operation":"cluster_status"}' '.is_enabled and .node_name == "n1"'
	# A node that is linked has no port for a mesh.
	ok n1 '{"operation":"cluster_status"}' ".connections[0] | .ports.clustering $(by_links && echo '== null' || echo '> 0')"
	ok n1 '{"operation":"cluster_status"}' '.connections[0] | .ports.operations_api > 0 and (.latency_ms | type == "number") and
	    (.uptime | test("^([0-9]+[dhm] )*[0-9]+s$")) and (.system_info | has("hdb_version"))'
}

@test "hdb_nodes shows it, too" {
	ok n2 '{"operation":"search_by_value","database":"system","table":"hdb_nodes","search_attribute":"name",
	    "search_value":"*","get_attributes":["*"]}' '.[] | select(.name == "n1").subscriptions | length > 0'
}

@test "the side that lacks the table gets it" {
	make_table n2 cat
	subscribe n1 n2 cat false true
	ok n1 '{"operation":"describe_table","database":"dev","table":"cat"}' '.hash_attribute == "id"'
	insert n2 cat '{"id":"x","lives":9}'
	wait_until 5 has_row n1 cat '"x"' '.lives == 9'
	wait_until 5 eval 'ok n1 "{\"operation\":\"describe_table\",\"database\":\"dev\",\"table\":\"cat\"}" "[.attributes[].attribute] | index(\"lives\") != null"'
}

@test "one way is one way" {
	make_table n1 way
	make_table n2 way
	subscribe n1 n2 way true false
	insert n2 way '{"id":"from2"}'
	insert n1 way '{"id":"from1"}'
	wait_until 5 has_row n2 way '"from1"'
	sleep 0.5
	has_no_row n1 way '"from2"'
}

@test "a subscription begins now: earlier rows stay, unless start_time asks for them" {
	make_table n1 before
	insert n1 before '{"id":"early"}'
	subscribe n1 n2 before true false
	insert n1 before '{"id":"late"}'
	wait_until 5 has_row n2 before '"late"'
	has_no_row n2 before '"early"'
	subscribe n1 n3 before true false 2020-01-01T00:00:00.000Z
	wait_until 5 has_row n3 before '"early"'
	same_rows 5 before n1 n3
}

@test "a wildcard takes every table, future ones too" {
	make_table n1 first zoo
	ok n1 '{"operation":"set_node_replication","node_name":"n3","subscriptions":[
	    {"database":"zoo","table":"*","publish":true,"subscribe":true}]}'
	make_table n1 second zoo
	ok n1 '{"operation":"insert","database":"zoo","table":"first","records":[{"id":1}]}'
	ok n1 '{"operation":"insert","database":"zoo","table":"second","records":[{"id":2}]}'
	wait_until 5 ok n3 '{"operation":"search_by_id","database":"zoo","table":"first","ids":[1],"get_attributes":["*"]}' 'length == 1'
	wait_until 5 ok n3 '{"operation":"search_by_id","database":"zoo","table":"second","ids":[2],"get_attributes":["*"]}' 'length == 1'
	ok n3 '{"operation":"insert","database":"zoo","table":"second","records":[{"id":3}]}'
	wait_until 5 ok n1 '{"operation":"search_by_id","database":"zoo","table":"second","ids":[3],"get_attributes":["*"]}' 'length == 1'
	make_table n3 third zoo
	ok n3 '{"operation":"insert","database":"zoo","table":"third","records":[{"id":4}]}'
	wait_until 5 ok n1 '{"operation":"search_by_id","database":"zoo","table":"third","ids":[4],"get_attributes":["*"]}' 'length == 1'
}

cursor_of_star()	# cursor_of_star NODE JQ
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e ".connections[].subscriptions[]? | select(.database == \"star\") | $2"
}

@test "tables of one name with different keys, made on both sides at once: said, and mended" {
	make_table n1 other star
	ok n1 '{"operation":"update_node","node_name":"n2","subscriptions":[
	    {"database":"star","table":"*","publish":true,"subscribe":true}]}'
	node_kill n1 leaf STOP
	make_table n1 keys star
	ok n2 '{"operation":"create_table","database":"star","table":"keys","primary_key":"key"}'
	node_kill n1 leaf CONT
	for n in n1 n2; do
		wait_until 20 cursor_of_star $n '.state == "failed" and (.error | contains("another primary key"))'
	done
	# Others of the same subscription go on.
	ok n1 '{"operation":"insert","database":"star","table":"other","records":[{"id":1}]}'
	wait_until 5 ok n2 '{"operation":"describe_table","database":"star","table":"other"}' '.record_count == 1'
	ok n2 '{"operation":"drop_table","database":"star","table":"keys"}'
	make_table n2 keys star
	for n in n1 n2; do
		wait_until 20 cursor_of_star $n '.state == "live"'
	done
	ok n1 '{"operation":"insert","database":"star","table":"keys","records":[{"id":1}]}'
	wait_until 5 ok n2 '{"operation":"describe_table","database":"star","table":"keys"}' '.record_count == 1'
	ok n1 '{"operation":"update_node","node_name":"n2","subscriptions":[
	    {"database":"star","table":"*","publish":false,"subscribe":false}]}'
}

@test "all pairs of three: what one writes the others have once" {
	make_table n1 all
	subscribe n1 n2 all
	subscribe n1 n3 all
	subscribe n2 n3 all
	load_rows n1 all "$HL_T/all.1" -k a -n 500 -c 4 &
	load_rows n2 all "$HL_T/all.2" -k b -n 500 -c 4 &
	load_rows n3 all "$HL_T/all.3" -k c -n 500 -c 4
	wait
	for n in n1 n2 n3; do
		wait_until 15 counts $n all 1500
		holds_all $n all "$HL_T"/all.[123]
	done
	same_rows 5 all n1 n2 n3
}

@test "each received transaction is in the audit log once, with its origin" {
	make_table n1 audited
	subscribe n1 n2 audited
	insert n1 audited '{"id":1},{"id":2}'
	update n1 audited '{"id":1,"a":1}'
	wait_until 5 has_row n2 audited 1 '.a == 1'
	ok n2 '{"operation":"read_audit_log","database":"dev","table":"audited"}' \
	    '[.[] | "\(.operation) \(.hash_values | length)"] == ["insert 2", "update 1"]'
	id=$(ask n2 '{"operation":"cluster_status"}' | jq -r '.connections[] | select(.node_name == "n1").node_id')
	ok n2 '{"operation":"read_audit_log","database":"dev","table":"audited"}' \
	    "[.[] | .user_name == \"admin\" and .origin == \"$id\"] | all"
	ok n1 '{"operation":"read_transaction_log","database":"dev","table":"audited"}' 'length == 2'
	ok n2 '{"operation":"read_transaction_log","database":"dev","table":"audited"}' 'length == 0'
}

@test "update_node changes only what it names, remove_node ends all" {
	over_nats
	make_table n1 up
	make_table n1 stay
	ok n1 '{"operation":"update_node","node_name":"n3","subscriptions":[
	    {"database":"dev","table":"up","publish":true,"subscribe":false},
	    {"database":"dev","table":"stay","publish":true,"subscribe":false}]}'
	ok n1 '{"operation":"update_node","node_name":"n3","subscriptions":[
	    {"database":"dev","table":"up","publish":false,"subscribe":true}]}' '.updated | length == 1'
	subscriptions_of n1 n3 | grep -x 'up false true'
	subscriptions_of n1 n3 | grep -x 'stay true false'
	refused n1 409 '{"operation":"add_node","node_name":"n3","subscriptions":[
	    {"database":"dev","table":"up","publish":true,"subscribe":true}]}'
	ok n1 '{"operation":"remove_node","node_name":"n3"}' '.message | contains("n3")'
	[ -z "$(subscriptions_of n1 n3)" ]
	wait_until 5 eval '[ -z "$(subscriptions_of n3 n1)" ]'
	insert n1 stay '{"id":"gone"}'
	sleep 0.7
	has_no_row n3 stay '"gone"'
	refused n1 404 '{"operation":"remove_node","node_name":"n3"}'
	subscribe n1 n3 stay true false
	insert n1 stay '{"id":"back"}'
	wait_until 5 has_row n3 stay '"back"'
	has_no_row n3 stay '"gone"'
}

@test "configure_cluster replaces all subscriptions" {
	over_nats
	make_table n1 conf
	ok n1 '{"operation":"configure_cluster","connections":[
	    {"node_name":"n2","subscriptions":[{"database":"dev","table":"conf","publish":true,"subscribe":true}]},
	    {"node_name":"n3","subscriptions":[{"database":"dev","table":"conf","publish":true,"subscribe":false}]}]}'
	[ "$(subscriptions_of n1 n2)" = "conf true true" ]
	[ "$(subscriptions_of n1 n3)" = "conf true false" ]
	insert n1 conf '{"id":1}'
	wait_until 5 has_row n2 conf 1
	wait_until 5 has_row n3 conf 1
}

@test "drop_table is local; a table made again flows again, without the old rows" {
	make_table n1 dropped
	subscribe n1 n2 dropped
	insert n1 dropped '{"id":1}'
	wait_until 5 has_row n2 dropped 1
	ok n1 '{"operation":"drop_table","database":"dev","table":"dropped"}'
	has_row n2 dropped 1
	insert n2 dropped '{"id":2}'
	sleep 1
	refused n1 404 '{"operation":"describe_table","database":"dev","table":"dropped"}'
	make_table n1 dropped
	insert n1 dropped '{"id":3}'
	wait_until 10 has_row n2 dropped 3
	insert n2 dropped '{"id":4}'
	wait_until 10 has_row n1 dropped 4
	has_no_row n1 dropped 1
	has_row n2 dropped 1
}

@test "a bad subscription is refused and nothing changes" {
	make_table n1 good
	refused n1 404 '{"operation":"add_node","node_name":"n9","subscriptions":[
	    {"database":"dev","table":"nowhere","publish":true,"subscribe":true}]}' ||
	    refused n1 504 '{"operation":"add_node","node_name":"n9","subscriptions":[
	    {"database":"dev","table":"good","publish":true,"subscribe":true}]}'
	refused n1 404 '{"operation":"set_node_replication","node_name":"n2","subscriptions":[
	    {"database":"dev","table":"good","publish":true,"subscribe":true},
	    {"database":"dev","table":"nowhere","publish":true,"subscribe":true}]}' "Table 'dev.nowhere' does not exist"
	! subscriptions_of n1 n2 | grep -q '^good ' || return 1
	refused n1 504 '{"operation":"set_node_replication","node_name":"n9","subscriptions":[
	    {"database":"dev","table":"good","publish":true,"subscribe":true}]}' "n9"
	refused n1 400 '{"operation":"add_node","node_name":"n1","subscriptions":[]}'
	refused n1 400 '{"operation":"add_node","node_name":"n2","subscriptions":[{"table":"good","publish":"x"}]}' \
	    "'subscriptions[0].publish' must be a boolean"
	refused n1 400 '{"operation":"add_node","subscriptions":{}}' "is required"
}

in_network_for()	# in_network_for SECONDS NODE OTHER...: all the time
{
	local i

	for ((i = 0; i < $1 * 2; i++)); do
		in_network "${@:2}" || return 1
		sleep 0.5
	done
}

@test "a node whose routes are deleted leaves the mesh, links that were gossiped too, and comes back with one" {
	local to_n1

	over_nats
	to_n1="[{\"host\":\"127.0.0.1\",\"port\":$(port n1 cluster)}]"
	wait_until 10 in_network n2 n1 n3
	ok n3 "{\"operation\":\"cluster_delete_routes\",\"routes\":$to_n1}" '.deleted | length == 1'
	wait_until 15 node_ready n3
	wait_until 15 in_network n1 n2
	wait_until 15 in_network n2 n1
	wait_until 15 in_network n3
	in_network_for 3 n2 n1
	in_network n3
	ok n3 "{\"operation\":\"cluster_set_routes\",\"server\":\"hub\",\"routes\":$to_n1}"
	wait_until 15 in_network n3 n1 n2
	wait_until 15 in_network n2 n1 n3
}
