#!/usr/bin/env bats
# The operations of clustering, with good and bad input, on three meshed nodes.

load node.bash

setup_file()
{
	hl_begin
	for n in n1 n2 n3; do
		node_start "$n"
	done
	mesh n1 n2 n3
}

teardown_file()
{
	hl_end
}

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] || hl_show_logs
	# A test may have stopped one.
	for n in n1 n2 n3; do
		kill -CONT "$(node_pid "$n" opsd)" 2>/dev/null || :
		[ -e "$HL_T/nodes/$n/run.pid" ] || node_again "$n"
		for other in n1 n2 n3; do
			op "$n" "{\"operation\":\"remove_node\",\"node_name\":\"$other\"}"
		done
	done
}

node_again()
{
	node_run "$1"
	wait_until 20 node_ready "$1"
	wait_until 20 in_network n1 $(printf '%s\n' n1 n2 n3 | grep -vx n1)
}

not()		# bats does not see a failing "!"
{
	if "$@"; then
		return 1
	fi
}

sub()		# sub TABLE PUBLISH SUBSCRIBE [FIELDS]
{
	echo "{\"database\":\"dev\",\"table\":\"$1\",\"publish\":$2,\"subscribe\":$3${4:-}}"
}

node_call()	# node_call OPERATION NODE SUB[,SUB...]
{
	echo "{\"operation\":\"$1\",\"node_name\":\"$2\",\"subscriptions\":[$3]}"
}

connections()	# connections NODE OTHER...: cluster_status of NODE lists these
{
	[ "$(ask "$1" '{"operation":"cluster_status"}' |
	    jq -r '[.connections[].node_name] | join(" ")')" = "${*:2}" ]
}

status()	# status NODE OTHER WORD
{
	[ "$(ask "$1" '{"operation":"cluster_status"}' |
	    jq -r ".connections[] | select(.node_name == \"$2\") | .status")" = "$3" ]
}

listed()	# listed NODE OTHER TABLE PUBLISH SUBSCRIBE: in hdb_nodes of NODE
{
	[ "$(ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_nodes",
	    "attribute":"name","value":"*","get_attributes":["*"]}' |
	    jq -c ".[] | select(.name == \"$2\") | .subscriptions[] | select(.table == \"$3\") |
	    [.publish, .subscribe]")" = "[$4,$5]" ]
}

not_listed()	# not_listed NODE OTHER
{
	ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_nodes",
	    "attribute":"name","value":"*","get_attributes":["*"]}' |
	    jq -e "[.[]? | select(.name == \"$2\")] | length == 0"
}

# ---- routes ----

@test "routes are set once, listed and deleted" {
	local two='[{"host":"h1.example","port":9932},{"host":"h2.example","port":"9933"}]'

	ok n3 "{\"operation\":\"cluster_set_routes\",\"server\":\"hub\",\"routes\":$two}" \
	    '.message == "cluster routes successfully set" and .skipped == [] and
	    .set == [{"host":"h1.example","port":9932},{"host":"h2.example","port":9933}]'
	ok n3 '{"operation":"set_cluster_routes","server":"hub","routes":[
	    {"host":"h1.example","port":9932},{"host":"h1.example","port":9999}]}' \
	    '.set == [{"host":"h1.example","port":9999}] and
	    .skipped == [{"host":"h1.example","port":9932}]'
	ok n3 '{"operation":"cluster_set_routes","server":"leaf","routes":[
	    {"host":"h5.example","port":443,"tls":"wss"}]}' '.set | length == 1'
	ok n3 '{"operation":"cluster_get_routes"}' '(.hub | length == 4) and
	    .leaf == [{"host":"h5.example","port":443,"tls":"wss"}]'
	ok n3 '{"operation":"get_cluster_routes"}' '.hub | length == 4'
	ok n3 '{"operation":"cluster_delete_routes","routes":[{"host":"h1.example","port":9999},
	    {"host":"h5.example","port":443},{"host":"h6.example","port":1}]}' \
	    '.message == "cluster routes successfully deleted" and (.deleted | length == 2) and
	    .skipped == [{"host":"h6.example","port":1}]'
	ok n3 "{\"operation\":\"delete_cluster_routes\",\"routes\":$two}" '.deleted | length == 2'
	ok n3 '{"operation":"cluster_get_routes"}' '(.hub | length == 1) and .leaf == []'
}

@test "a node in the NATS mesh lists its routes of links beside those of its servers" {
	ok n3 '{"operation":"cluster_set_routes","routes":["ws://h8.example:9933"]}' '.set == ["ws://h8.example:9933"]'
	ok n3 '{"operation":"cluster_get_routes"}' '(.hub | type) == "array" and .replication == ["ws://h8.example:9933"]'
	ok n3 '{"operation":"cluster_delete_routes","routes":["ws://h8.example:9933"]}' '.skipped == []'
	ok n3 '{"operation":"cluster_get_routes"}' 'has("replication") | not'
}

@test "routes survive a restart" {
	ok n3 '{"operation":"cluster_set_routes","server":"hub","routes":[
	    {"host":"h7.example","port":9932}]}'
	node_stop n3
	node_again n3
	ok n3 '{"operation":"cluster_get_routes"}' '[.hub[].host] | contains(["h7.example"])'
	ok n3 '{"operation":"cluster_delete_routes","routes":[{"host":"h7.example","port":9932}]}'
}

@test "bad routes are refused, all faults in one text" {
	refused n1 400 '{"operation":"cluster_set_routes"}' "'routes' is required"
	refused n1 400 '{"operation":"cluster_set_routes","routes":[{"host":"h1.example","port":9932}]}' \
	    "'server' is required"
	refused n1 400 '{"operation":"cluster_set_routes","server":"mesh","routes":{}}' \
	    "'server' must be one of [hub, leaf]. 'routes' must be an array"
	refused n1 400 '{"operation":"cluster_set_routes","server":"hub","routes":[7,{"port":1.5},
	    {"host":"","port":"x"},{"host":3,"port":70000},{"host":"h","port":1,"tls":true}]}' \
	    "'routes[0]' must be of type object. 'routes[1].host' is required. 'routes[1].port' must be an integer. 'routes[2].host' is not allowed to be empty. 'routes[2].port' must be a number. 'routes[3].host' must be a string. 'routes[3].port' must be a valid port. 'routes[4].tls' is not allowed"
	refused n1 400 '{"operation":"cluster_set_routes","server":"leaf","routes":[
	    {"host":"h","prot":1}]}' \
	    "'routes[0].port' is required. 'routes[0].prot' is not allowed, did you mean 'port'?"
	refused n1 400 '{"operation":"cluster_set_routes","server":"leaf","routes":[
	    {"host":"h","port":1,"tls":5},{"host":"http://h","port":1,"tls":"yes","separate":"no"}]}' \
	    "'routes[0].tls' must be true, false or \\\"wss\\\". 'routes[1].host' must be a host name or an address, alone. 'routes[1].tls' must be true, false or \\\"wss\\\". 'routes[1].separate' must be a boolean"
	refused n1 400 '{"operation":"cluster_set_routes","server":"hub","routes":[
	    {"host":"a.b..c","port":1},{"host":"-x","port":1}]}' \
	    "'routes[0].host' must be a host name or an address, alone. 'routes[1].host' must be a host name or an address, alone"
	refused n1 400 '{"operation":"cluster_delete_routes","routes":"h"}' \
	    "'routes' must be an array"
	ok n1 '{"operation":"cluster_get_routes"}' '.hub == [] and .leaf == []'
}

@test "a leaf route into the mesh of the own hub is refused" {
	refused n2 409 '{"operation":"cluster_set_routes","server":"leaf","routes":[
	    {"host":"127.0.0.1","port":9931}]}' "every message twice"
	ok n2 '{"operation":"cluster_get_routes"}' '.leaf == []'
}

# ---- add_node, update_node, set_node_replication ----

@test "add_node makes the table on the side that lacks it, both sides list it" {
	make_table n1 dog
	make_table n2 cat
	ok n1 "$(node_call add_node n2 "$(sub dog true true),$(sub cat false true)")" \
	    '.message == "Successfully added '"'n2'"' to manifest" and (.added | length == 2) and
	    .added[0].schema == "dev" and .added[0].table == "dog" and .skipped == []'
	ok n2 '{"operation":"describe_table","database":"dev","table":"dog"}' \
	    '.hash_attribute == "id"'
	ok n1 '{"operation":"describe_table","database":"dev","table":"cat"}'
	listed n1 n2 dog true true
	listed n1 n2 cat false true
	listed n2 n1 dog true true
	listed n2 n1 cat true false
	insert n1 dog '{"id":1}'
	insert n2 dog '{"id":2}'
	insert n2 cat '{"id":3}'
	wait_until 10 has_row n2 dog 1
	wait_until 10 has_row n1 dog 2
	wait_until 10 has_row n1 cat 3
	refused n1 409 "$(node_call add_node n2 "$(sub dog true true)")" \
	    "Node 'n2' is already in the manifest, use update_node"
	refused n2 409 "$(node_call add_node n1 "$(sub dog true true)")" "already in the manifest"
}

@test "update_node changes what it names, from either side, and skips what is so" {
	make_table n1 u1
	make_table n1 u2
	ok n1 "$(node_call set_node_replication n2 "$(sub u1 true true),$(sub u2 true false)")" \
	    '.message == "Successfully updated '"'n2'"'" and (.updated | length == 2)'
	ok n1 "$(node_call update_node n2 "$(sub u1 true true),$(sub u2 true true)")" \
	    '(.updated | length == 1) and .updated[0].table == "u2" and .skipped[0].table == "u1"'
	listed n2 n1 u2 true true
	ok n2 "$(node_call update_node n1 "$(sub u1 true false)")" '.updated | length == 1'
	listed n1 n2 u1 false true
	listed n1 n2 u2 true true
	insert n1 u1 '{"id":"kept here"}'
	insert n1 u2 '{"id":"goes"}'
	wait_until 10 has_row n2 u2 '"goes"'
	has_no_row n2 u1 '"kept here"'
}

@test "update_node adds a node that is not known; the database is data by default" {
	make_table n1 defaults data
	wait_until 20 in_network n1 n2 n3	# whose servers began anew with its routes
	ok n1 '{"operation":"update_node","node_name":"n3","subscriptions":[
	    {"table":"defaults","publish":true,"subscribe":true}]}' '.updated[0].schema == "data"'
	connections n1 n3
	connections n3 n1
}

@test "start_time brings what was written before" {
	make_table n1 past
	insert n1 past '{"id":1},{"id":2}'
	insert n1 past '{"id":3}'
	ok n2 "$(node_call add_node n1 "$(sub past false true ',"start_time":"2022-09-02T20:06:35.993Z"')")"
	wait_until 15 counts n2 past 3
}

@test "a wildcard takes tables that are made later" {
	make_table n1 w1
	ok n1 "$(node_call add_node n2 "$(sub '*' true true)")"
	make_table n1 w2
	insert n1 w2 '{"id":1}'
	wait_until 15 has_row n2 w2 1
	ok n1 '{"operation":"cluster_status"}' '.connections[0].subscriptions[0] |
	    .table == "*" and .state == "live" and .tables >= 2'
}

@test "bad subscriptions are refused, all faults in one text" {
	for o in add_node update_node set_node_replication; do
		refused n1 400 "{\"operation\":\"$o\"}" \
		    "'node_name' is required. 'subscriptions' is required"
		refused n1 400 "{\"operation\":\"$o\",\"node_name\":3,\"subscriptions\":\"x\"}" \
		    "'node_name' must be a string. 'subscriptions' must be an array"
	done
	refused n1 400 "$(node_call add_node n1 "")" \
	    "'node_name' cannot be the name of this node. 'subscriptions' must contain at least 1 items"
	refused n1 400 "$(node_call add_node 'a b' '7')" \
	    "'node_name' must not contain '.', ',', '*', '>' or white space. 'subscriptions[0]' must be of type object"
	refused n1 400 '{"operation":"add_node","node_name":"n2","subscriptions":[
	    {"schema":"system","table":"hdb_user","publish":1},
	    {"database":5,"table":"","subscribe":true,"publish":"no"},
	    {"table":"t/u","publish":true,"subscribe":true,"start_time":"yesterday"},
	    {"table":"t","publish":true,"subscribe":true,"start_time":"2022-13-02T20:06:35Z"},
	    {"table":"t","publish":true,"subscribe":true}]}' \
	    "'subscriptions[0]' invalid database name, 'system' name is reserved. 'subscriptions[0].publish' must be a boolean. 'subscriptions[0].subscribe' is required. 'subscriptions[1].database' must be a string. 'subscriptions[1].table' is not allowed to be empty. 'subscriptions[1].publish' must be a boolean. 'subscriptions[2].table' names cannot include backticks or forward slashes. 'subscriptions[2].start_time' must be in UTC YYYY-MM-DDTHH:mm:ss.sssZ format. 'subscriptions[3].start_time' must be in UTC YYYY-MM-DDTHH:mm:ss.sssZ format. 'subscriptions[4]' contains a duplicate value"
	refused n1 400 '{"operation":"add_node","node_name":"n2","subscriptions":[
	    {"table":"t","publish":true,"subscribe":true,"start_time":"2222-09-02T20:06:35.993Z"}]}' \
	    "'subscriptions[0].start_time' must not be in the future"
	refused n1 400 '{"operation":"add_node","url":"wss://n2.example:9933","start_time":"2222-09-02T20:06:35.993Z"}' \
	    "'start_time' must not be in the future"
	refused n1 400 '{"operation":"add_node","url":"wss://n2.example:9933","subscriptions":[7]}' \
	    "'subscriptions[0]' must be of type object"
	connections n1
}

# A call that does not say what it means would do something else.
@test "a field that no such call has is refused by its name, and what clients add to any is not" {
	for o in add_node set_node update_node set_node_replication; do
		refused n1 400 "{\"operation\":\"$o\",\"hostname\":\"n2.example\",\"subscribtions\":[],\"colour\":1}" \
		    "'subscribtions' is not allowed, did you mean 'subscriptions'?. 'colour' is not allowed"
		refused n1 400 "{\"operation\":\"$o\",\"node_name\":\"n2\",\"subscriptions\":[
		    {\"table\":\"t\",\"publish\":true,\"subscribe\":true},
		    {\"table\":\"u\",\"publish\":true,\"subscribe\":true,\"startTime\":\"2022-09-02T20:06:35.993Z\"}]}" \
		    "'subscriptions[1].startTime' is not allowed, did you mean 'start_time'?"
	done
	refused n1 400 '{"operation":"configure_cluster","connections":[{"node_name":"n2","subscription":[]}]}' \
	    "'connections[0].subscription' is not allowed, did you mean 'subscriptions'?"
	refused n1 400 '{"operation":"remove_node","node_name":"n2","hostnam":"n2"}' \
	    "'hostnam' is not allowed, did you mean 'hostname'?"
	connections n1
	# These are nobody's mistake: what is refused then is the name.
	refused n1 400 '{"operation":"add_node","node_name":"n1","subscriptions":[],"hdb_user":{"username":"a"},
	    "hdbAuthHeader":"x","bypass_auth":true,"replicated":false}' \
	    "'node_name' cannot be the name of this node. 'subscriptions' must contain at least 1 items"
}

@test "what the peer refuses changes nothing" {
	make_table n1 pk
	make_table n1 whole
	ok n2 '{"operation":"create_table","database":"dev","table":"pk","primary_key":"key"}'
	refused n1 400 "$(node_call add_node n2 "$(sub whole true true),$(sub pk true true)")" \
	    "Primary keys of 'dev.pk' differ"
	refused n1 404 "$(node_call add_node n2 "$(sub whole true true),$(sub nowhere true true)")" \
	    "Table 'dev.nowhere' does not exist"
	connections n1
	not_listed n2 n1
	refused n2 404 '{"operation":"describe_table","database":"dev","table":"whole"}'
}

@test "a node that is not there: 504" {
	refused n1 504 "$(node_call add_node nobody "$(sub dog true true)")" \
	    "Node 'nobody' did not answer within 3000 ms: it is not in the network, see cluster_network"
	connections n1
}

@test "what a node took too late is undone there" {
	make_table n1 late
	make_table n1 later
	ok n1 "$(node_call add_node n2 "$(sub late true false)")"
	node_kill n2 opsd STOP
	refused n1 504 "$(node_call update_node n2 "$(sub late true true),$(sub later true true)")" \
	    "did not answer within 3000 ms"
	listed n1 n2 late true false
	node_kill n2 opsd CONT
	# It takes the question from its queue, then hears that it was cancelled.
	wait_until 10 node_answers n2
	sleep 2
	wait_until 10 listed n2 n1 late false true
	not listed n2 n1 later true true
	insert n1 late '{"id":1}'
	wait_until 10 has_row n2 late 1
}

@test "calls from both sides at once end alike" {
	make_table n1 both
	ok n1 "$(node_call add_node n2 "$(sub both true true)")"
	for i in 1 2 3; do
		ask n1 "$(node_call update_node n2 "$(sub both true false)")" &
		ask n2 "$(node_call update_node n1 "$(sub both true true)")" &
	done
	wait
	sleep 2
	listed n1 n2 both true true && listed n2 n1 both true true ||
	    { listed n1 n2 both true false && listed n2 n1 both false true; }
}

entries()	# entries NODE OTHER SENT RECEIVED: "table sent received" a line, of hdb_nodes
{
	ask "$1" '{"operation":"search_by_value","database":"system","table":"hdb_nodes",
	    "attribute":"name","value":"*","get_attributes":["*"]}' |
	    jq -r ".[]? | select(.name == \"$2\") | .subscriptions[] |
	    \"\(.table) \(.$3) \(.$4)\"" | sort
}

mirrored()	# mirrored NODE OTHER: both hold the same entries
{
	[ "$(entries "$1" "$2" publish subscribe)" = "$(entries "$2" "$1" subscribe publish)" ]
}

@test "many clients at once on both sides: every call counts" {
	local i n pids=

	for i in {1..12}; do
		make_table n1 "m$i"
	done
	ok n1 "$(node_call add_node n2 "$(sub m1 true true)")"
	for i in {1..12}; do
		n=$((i % 2 + 1))
		ok n$n "$(node_call update_node n$((3 - n)) "$(sub "m$i" true true)")" &
		pids="$pids $!"
		ok n1 "$(node_call update_node n3 "$(sub "m$i" true false)")" &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i"
	done
	[ "$(entries n1 n2 publish subscribe | wc -l)" = 12 ]
	[ "$(entries n1 n3 publish subscribe | wc -l)" = 12 ]
	wait_until 5 mirrored n1 n2
	wait_until 5 mirrored n1 n3
	for i in {1..12}; do
		insert n2 "m$i" '{"id":"two"}'
		insert n1 "m$i" '{"id":"one"}'
	done
	for i in {1..12}; do
		wait_until 10 has_row n1 "m$i" '"two"'
		wait_until 10 has_row n2 "m$i" '"one"'
		wait_until 10 has_row n3 "m$i" '"one"'
	done
}

@test "configure_cluster, update_node and remove_node at once: both sides agree afterwards" {
	local i pids=

	for i in {1..6}; do
		make_table n1 "x$i"
	done
	ok n1 "$(node_call add_node n2 "$(sub x1 true true)")"
	for i in {1..4}; do
		ok n1 "{\"operation\":\"configure_cluster\",\"connections\":[{\"node_name\":\"n2\",
		    \"subscriptions\":[$(sub x1 true true),$(sub x2 true false)]}]}" &
		pids="$pids $!"
		ok n2 "$(node_call update_node n1 "$(sub x3 true true),$(sub x4 true false)")" &
		pids="$pids $!"
		ok n2 "{\"operation\":\"configure_cluster\",\"connections\":[{\"node_name\":\"n1\",
		    \"subscriptions\":[$(sub x5 true true)]}]}" &
		pids="$pids $!"
		op n1 '{"operation":"remove_node","node_name":"n2"}' &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i"
	done
	wait_until 10 mirrored n1 n2
	# Whatever came last: they work together.
	ok n1 "$(node_call update_node n2 "$(sub x6 true true)")"
	insert n2 x6 '{"id":1}'
	wait_until 10 has_row n1 x6 1
}

@test "without its cluster user a node says why clustering is off" {
	node_make nouser
	HL_RUN_FLAGS="--CLUSTERING_USER nobody" node_run nouser
	ok nouser '{"operation":"cluster_status"}' \
	    '.warnings[0] | .kind == "cluster_user" and (.message | contains("nobody"))'
	refused nouser 400 "$(node_call add_node n2 "$(sub dog true true)")" \
	    "Clustering is off: user 'nobody' (clustering.user) does not exist"
	refused nouser 400 '{"operation":"cluster_network"}' "Clustering is off"
	ok nouser '{"operation":"add_user","role":"cluster_user","username":"nobody",
	    "password":"cluster-secret","active":true}'
	wait_until 10 node_ready nouser
	ok nouser '{"operation":"cluster_status"}' '.warnings == []'
	node_stop nouser
}

@test "without its hub a node says so" {
	# The supervisor stays out of it.
	node_kill n3 run STOP
	node_kill n3 hubd
	wait_until 5 hub_is_gone n3
	refused n3 503 "$(node_call add_node n2 "$(sub dog true true)")" \
	    "This node is not connected to the cluster"
	refused n3 503 '{"operation":"cluster_network"}' "The hub of this node does not answer"
	node_kill n3 run CONT
	wait_until 20 in_network n1 n2 n3
}

hub_is_gone()	# hub_is_gone NODE
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e '.servers.hub == null'
}

@test "a node that is frozen is left out of cluster_network, in time" {
	local pids began

	pids=$(node_processes "$HL_T/nodes/n3")
	# shellcheck disable=SC2086 # a list of pids
	kill -STOP $pids
	began=${EPOCHREALTIME/./}
	ok n1 '{"operation":"cluster_network","timeout":400}' '[.nodes[].name] == ["n1", "n2"]'
	[ $((${EPOCHREALTIME/./} - began)) -lt 2000000 ]
	# shellcheck disable=SC2086
	kill -CONT $pids
	wait_until 20 in_network n1 n2 n3
}

# ---- remove_node ----

@test "remove_node ends it on both sides, adding again begins anew" {
	make_table n1 gone
	ok n1 "$(node_call add_node n2 "$(sub gone true true)")"
	ok n1 '{"operation":"remove_node","name":"n2"}' \
	    '.message == "Successfully removed '"'n2'"' from manifest"'
	connections n1
	wait_until 10 not_listed n2 n1
	insert n1 gone '{"id":1}'
	ok n1 "$(node_call add_node n2 "$(sub gone true true)")"
	insert n1 gone '{"id":2}'
	wait_until 10 has_row n2 gone 2
	has_no_row n2 gone 1
	refused n1 404 '{"operation":"remove_node","node_name":"nobody"}' \
	    "Node 'nobody' is not in the manifest"
	refused n1 400 '{"operation":"remove_node"}' "'node_name' is required"
	refused n1 400 '{"operation":"remove_node","node_name":false}' "'node_name' must be a string"
}

@test "remove_node of a node that hangs answers soon, and reaches it later" {
	local began

	make_table n1 hangs
	ok n1 "$(node_call add_node n3 "$(sub hangs true true)")"
	node_kill n3 opsd STOP
	began=${EPOCHREALTIME/./}
	ok n1 '{"operation":"remove_node","node_name":"n3"}'
	[ $((${EPOCHREALTIME/./} - began)) -lt 3000000 ]
	connections n1
	node_kill n3 opsd CONT
	wait_until 15 not_listed n3 n1
}

@test "remove_node of a node that is away reaches it when it returns" {
	make_table n1 away
	ok n1 "$(node_call add_node n3 "$(sub away true true)")"
	node_stop n3
	wait_until 20 status n1 n3 closed
	ok n1 '{"operation":"remove_node","node_name":"n3"}'
	connections n1
	node_again n3
	wait_until 15 not_listed n3 n1
}

# ---- configure_cluster ----

@test "configure_cluster replaces what there was" {
	make_table n1 c1
	make_table n1 c2
	ok n1 "$(node_call add_node n3 "$(sub c1 true true)")"
	ok n1 "{\"operation\":\"configure_cluster\",\"connections\":[
	    {\"node_name\":\"n2\",\"subscriptions\":[$(sub c1 true true),$(sub c2 true true)]}]}" \
	    '.message == "Cluster successfully configured." and
	    .connections == [{"node_name":"n2","status":"ok"}]'
	connections n1 n2
	wait_until 10 not_listed n3 n1
	ok n1 "{\"operation\":\"configure_cluster\",\"connections\":[
	    {\"node_name\":\"n3\",\"subscriptions\":[$(sub c2 true false)]},
	    {\"node_name\":\"n2\",\"subscriptions\":[$(sub c2 true true)]}]}" \
	    '[.connections[].status] == ["ok", "ok"]'
	connections n1 n2 n3
	not listed n2 n1 c1 true true
	listed n3 n1 c2 false true
	ok n1 '{"operation":"configure_cluster","connections":[]}' '.connections == []'
	connections n1
	wait_until 10 not_listed n2 n1
}

@test "configure_cluster: while one peer refuses, nothing changes anywhere" {
	make_table n1 all
	ok n1 "$(node_call add_node n2 "$(sub all true false)")"
	refused n1 404 "{\"operation\":\"configure_cluster\",\"connections\":[
	    {\"node_name\":\"n2\",\"subscriptions\":[$(sub all true true)]},
	    {\"node_name\":\"n3\",\"subscriptions\":[$(sub nowhere true true)]}]}" \
	    "Cluster not configured: Table 'dev.nowhere' does not exist"
	jq -e '[.connections[].status] == ["unchanged", "error"]' <<<"$body"
	connections n1 n2
	listed n1 n2 all true false
	wait_until 10 listed n2 n1 all false true
	refused n1 504 "{\"operation\":\"configure_cluster\",\"connections\":[
	    {\"node_name\":\"nobody\",\"subscriptions\":[$(sub all true true)]}]}"
	connections n1 n2
}

@test "configure_cluster: bad input" {
	refused n1 400 '{"operation":"configure_cluster"}' "'connections' is required"
	refused n1 400 '{"operation":"configure_cluster","connections":{}}' \
	    "'connections' must be an array"
	refused n1 400 '{"operation":"configure_cluster","connections":[4,{"node_name":"n1"},
	    {"node_name":"n2","subscriptions":[{"table":1}]},{"node_name":"n2","subscriptions":[]}]}' \
	    "'connections[0]' must be of type object. 'connections[1].node_name' cannot be the name of this node. 'connections[1].subscriptions' is required. 'connections[2].subscriptions[0].table' must be a string. 'connections[2].subscriptions[0].publish' is required. 'connections[2].subscriptions[0].subscribe' is required. 'connections[3].subscriptions' must contain at least 1 items. 'connections[3]' contains a duplicate value"
}

# ---- cluster_status, cluster_network ----

@test "cluster_status shows each connection" {
	make_table n1 shown
	ok n1 '{"operation":"cluster_status"}' \
	    '.node_name == "n1" and .is_enabled == true and .connections == []'
	ok n1 "$(node_call add_node n3 "$(sub shown true false)")"
	ok n1 "$(node_call add_node n2 "$(sub shown true true)")"
	insert n1 shown '{"id":1}'
	wait_until 10 status n1 n2 open
	wait_until 10 status n1 n3 open
	wait_until 10 eval "ask n1 '{\"operation\":\"cluster_status\"}' |
	    jq -e '.connections[0].uptime != null and .connections[0].subscriptions[0].peer_lag == 0'"
	ok n1 '{"operation":"cluster_status"}' '[.connections[].node_name] == ["n2", "n3"] and
	    (.connections[0] | .ports.clustering == '"$(port n2 cluster)"' and
	    .ports.operations_api == '"$(port n2 api)"' and (.latency_ms | type == "number") and
	    (.clock_skew_ms | type == "number") and
	    (.uptime | test("^([0-9]+d )?([0-9]+h )?([0-9]+m )?[0-9]+s$")) and
	    .system_info.platform == "Linux" and (.subscriptions[0] | .schema == "dev" and
	    .table == "shown" and .publish and .subscribe and .state == "live" and .lag == 0))'
	node_stop n3
	wait_until 20 status n1 n3 closed
	ok n1 '{"operation":"cluster_status"}' '.connections[1].latency_ms == null'
	# what came from a node that is away is not live, and its position stays
	node_stop n2
	wait_until 20 status n1 n2 closed
	ok n1 '{"operation":"cluster_status"}' '.connections[0].subscriptions[0] |
	    .state == "waiting" and .since > 1e12 and has("cursor")'
	ok n1 '{"operation":"system_information","attributes":["replication"]}' \
	    '[.replication.cursors[] | select(.node_name == "n2" and .table == "shown") | .state] == ["waiting"]'
	node_run n2
	wait_until 20 eval "ask n1 '{\"operation\":\"cluster_status\"}' |
	    jq -e '.connections[0].subscriptions[0] | .state == \"live\" and (has(\"since\") | not)'"
}

@test "cluster_network shows the mesh, and leaves out what is not wanted" {
	wait_until 20 ok n1 '{"operation":"cluster_network"}' '([.nodes[].name] | sort == ["n1", "n2", "n3"]) and
	    (.nodes[0] | .name == "n1" and (.connected_nodes | sort == ["n2", "n3"]) and
	    .routes == [] and (.response_time | type == "number")) and
	    ([.nodes[] | select(.name == "n2") | .routes[0].port] == ['"$(port n1 cluster)"'])'
	ok n1 '{"operation":"cluster_network","timeout":1500,"connected_nodes":true,"routes":true}' \
	    '[.nodes[] | has("connected_nodes") or has("routes")] | any | not'
	refused n1 400 '{"operation":"cluster_network","timeout":"x","connected_nodes":1,"routes":"a"}' \
	    "'timeout' must be a number. 'connected_nodes' must be a boolean. 'routes' must be a boolean"
	refused n1 400 '{"operation":"cluster_network","timeout":0}' \
	    "'timeout' must be greater than or equal to 1"
}

# ---- purge_stream ----

@test "purge_stream keeps what it is told to" {
	make_table n1 purged
	for i in 1 2 3 4 5; do
		insert n1 purged "{\"id\":$i}"
	done
	ok n1 '{"operation":"purge_stream","database":"dev","table":"purged","options":{"keep":2}}' \
	    '.message == "Successfully purged 3 messages from stream '"'dev.purged'"'" and .purged == 3'
	ok n1 '{"operation":"purge_stream","database":"dev","table":"purged","options":{"keep":2}}' \
	    '.purged == 0'
	ok n1 '{"operation":"purge_stream","database":"dev","table":"purged","options":{"seq":1}}' \
	    '.purged == 0'
	ok n1 '{"operation":"purge_stream","schema":"dev","table":"purged"}' '.purged == 2'
	ok n1 '{"operation":"purge_stream","database":"dev","table":"purged"}' '.purged == 0'
	counts n1 purged 5
}

@test "purge_stream refuses what a subscriber lacks; forced, it gets a copy" {
	make_table n1 lacks
	ok n1 "$(node_call add_node n2 "$(sub lacks true true)")"
	insert n1 lacks '{"id":1}'
	# It is there and says what it has in time.
	ok n1 '{"operation":"purge_stream","database":"dev","table":"lacks"}' '.purged == 1'
	insert n1 lacks '{"id":2}'
	wait_until 10 has_row n2 lacks 2
	node_stop n2
	insert n1 lacks '{"id":3}'
	insert n1 lacks '{"id":4}'
	wait_until 20 status n1 n2 closed
	refused n1 409 '{"operation":"purge_stream","database":"dev","table":"lacks"}' \
	    "Node 'n2' has not received all of 'dev.lacks'"
	ok n1 '{"operation":"purge_stream","database":"dev","table":"lacks","options":{"force":true}}' \
	    '.purged == 3'
	node_again n2
	same_rows 20 lacks n1 n2
	insert n1 lacks '{"id":5}'
	wait_until 10 has_row n2 lacks 5
	insert n2 lacks '{"id":6}'
	wait_until 10 has_row n1 lacks 6
}

stream()	# stream NODE JQ: what its leaf server says of the stream
{
	local url

	url=$(jq -r '.monitoring[0]' "$(root "$1")/clustering"/*_"$(node_pid "$1" leaf)".ports)
	curl -s -m 5 "$url/jsz?accounts=true&streams=true" |
	    jq -e ".account_details[].stream_detail[0].state | $2"
}

big_rows()	# big_rows NODE TABLE TAG: 32 MB in 64 transactions
{
	local i fill

	fill=$(printf '%0500000d' 0)
	for i in {1..64}; do
		printf '{"operation":"insert","database":"dev","table":"%s","records":[{"id":"%s","v":"%s"}]}' \
		    "$2" "$3$i" "$fill" >"$HL_T/big.json"
		ok "$1" "@$HL_T/big.json"
	done
}

@test "purge_stream frees the disk of the stream, and no peer misses anything" {
	local before gone

	make_table n1 big
	make_table n1 small
	ok n1 "$(node_call add_node n2 "$(sub big true true),$(sub small true true)")"
	insert n1 small '{"id":1}'
	big_rows n1 big a
	insert n1 small '{"id":2}'
	wait_until 20 stream n1 '.bytes > 32000000'
	[ "$(du -s -B1 "$(root n1)/clustering/leaf" | cut -f 1)" -gt 32000000 ]
	before=$(stream n1 .messages)
	ok n1 '{"operation":"purge_stream","database":"dev","table":"big","options":{"keep":2}}' \
	    '.purged == 62 and .stream_messages >= 60'
	gone=$(jq .stream_messages <<<"$body")
	stream n1 '.bytes < 2000000'
	# Those that were told to stay are still in the log, the others are not.
	ok n1 '{"operation":"read_transaction_log","database":"dev","table":"big"}' \
	    '[.[] | select(.operation == "insert")] | length == 2'
	# What others wrote around them stays.
	[ "$(stream n1 .messages)" -ge $((before - gone)) ]
	big_rows n1 big b
	wait_until 20 counts n2 big 128
	ok n1 '{"operation":"purge_stream","database":"dev","table":"big"}' '.purged == 66'
	stream n1 '.bytes < 2000000'
	# Whole blocks at once; those with something left are written anew within minutes.
	[ "$(du -s -B1 "$(root n1)/clustering/leaf" | cut -f 1)" -lt 30000000 ]
	ok n1 '{"operation":"read_transaction_log","database":"dev","table":"big"}' \
	    '[.[] | select(.operation == "insert")] | length == 0'
	# Whoever reads the stream goes on, also from its beginning.
	insert n1 big '{"id":"next"}'
	wait_until 10 has_row n2 big '"next"'
	node_kill n2 leafd
	insert n1 big '{"id":"and next"}'
	wait_until 10 has_row n2 big '"and next"'
	same_rows 5 big n1 n2
	same_rows 5 small n1 n2
	ok n3 "$(node_call add_node n1 "$(sub big false true ',"start_time":"2022-09-02T20:06:35.993Z"')")"
	wait_until 15 counts n3 big 130
}

stream_config()	# stream_config NODE JQ: how its leaf server keeps the stream
{
	local url

	url=$(jq -r '.monitoring[0]' "$(root "$1")/clustering"/*_"$(node_pid "$1" leaf)".ports)
	curl -s -m 5 "$url/jsz?accounts=true&streams=true&config=true" |
	    jq -e ".account_details[].stream_detail[0].config | $2"
}

@test "limits of the stream are in force at once; what it has no more comes from the log" {
	make_table n1 limited
	ok n1 "$(node_call add_node n2 "$(sub limited true false)")"
	ok n1 '{"operation":"set_configuration","clustering_leafServer_streams_maxMsgs":2,
	    "clustering_leafServer_streams_maxBytes":2000000}' '.live | length == 2'
	wait_until 10 stream_config n1 '.max_msgs_per_subject == 2 and .max_bytes < 5000000'
	node_stop n2
	for i in {1..20}; do
		insert n1 limited "{\"id\":$i}"
	done
	node_again n2
	wait_until 20 counts n2 limited 20
	same_rows 5 limited n1 n2
	ok n1 '{"operation":"set_configuration","clustering_leafServer_streams_maxMsgs":null,
	    "clustering_leafServer_streams_maxBytes":null}'
	wait_until 10 stream_config n1 '.max_msgs_per_subject == -1'
}

@test "purge_stream while the leaf server is away: the next one takes the messages along" {
	make_table n1 unfreed
	ok n1 "$(node_call add_node n2 "$(sub unfreed true false)")"
	insert n1 unfreed '{"id":1}'
	insert n1 unfreed '{"id":2}'
	wait_until 10 counts n2 unfreed 2
	wait_until 10 op_says n1 '{"operation":"cluster_status"}' \
	    '[.connections[].subscriptions[].peer_lag] == [0]'
	node_kill n1 leafd STOP
	node_kill n1 leaf
	node_kill n1 leafd
	ok n1 '{"operation":"purge_stream","database":"dev","table":"unfreed"}' '.purged == 2 and .stream_messages == null'
	wait_until 10 node_ready n1
	wait_until 10 op_says n1 '{"operation":"purge_stream","database":"dev","table":"unfreed"}' \
	    '.purged == 0 and .stream_messages >= 1'
	# The publisher found the end of what is left.
	insert n1 unfreed '{"id":3}'
	insert n1 unfreed '{"id":4}'
	wait_until 10 counts n2 unfreed 4
}

op_says()	# op_says NODE JSON JQ
{
	ask "$1" "$2" | jq -e "$3"
}

@test "purge_stream: bad input" {
	refused n1 400 '{"operation":"purge_stream"}' "'table' is required"
	refused n1 404 '{"operation":"purge_stream","database":"dev","table":"nope"}' \
	    "Table 'dev.nope' does not exist"
	refused n1 404 '{"operation":"purge_stream","database":"nope","table":"nope"}' \
	    "database 'nope' does not exist"
	refused n1 400 '{"operation":"purge_stream","database":"system","table":"hdb_user",
	    "options":{"keep":-1,"seq":1.5,"x":1,"force":"y"}}' \
	    "'options.x' is not allowed. 'options' contains a conflict between exclusive peers [keep, seq]. 'options.keep' must be greater than or equal to 0. 'options.seq' must be an integer. 'options.force' must be a boolean. 'database' invalid database name, 'system' name is reserved"
	refused n1 400 '{"operation":"purge_stream","table":"t","options":3}' \
	    "'options' must be of type object"
}

# ---- who may, and when ----

@test "only super users" {
	ok n1 '{"operation":"add_role","role":"plain","permission":{"super_user":false}}'
	ok n1 '{"operation":"add_user","role":"plain","username":"joe","password":"joes","active":true}'
	for o in cluster_set_routes cluster_get_routes cluster_delete_routes add_node update_node \
	    set_node_replication remove_node configure_cluster cluster_status cluster_network \
	    purge_stream; do
		HL_USER=joe HL_PASSWORD=joes refused n1 403 "{\"operation\":\"$o\"}" \
		    "restricted to 'super_user' roles"
	done
}

@test "with clustering off" {
	node_make off CLUSTERING_ENABLED=false
	node_run off
	ok off '{"operation":"cluster_status"}' '.is_enabled == false and .connections == []'
	ok off '{"operation":"cluster_get_routes"}'
	refused off 400 "$(node_call add_node n2 "$(sub dog true true)")" \
	    "Clustering is not enabled"
	refused off 400 '{"operation":"configure_cluster","connections":[]}' \
	    "Clustering is not enabled"
	refused off 400 '{"operation":"cluster_network"}' "Clustering is not enabled"
	refused off 404 '{"operation":"remove_node","node_name":"n2"}' "not in the manifest"
	node_stop off
}
