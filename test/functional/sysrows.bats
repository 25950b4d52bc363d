#!/usr/bin/env bats
# Users and roles of nodes that list system in replication.databases: n1 and n2 do, n3 does not.

export HL_CARRIER="link"
load node.bash

start_nodes()
{
	node_make n1 'REPLICATION_DATABASES=["*","system"]'
	node_make n2 'REPLICATION_DATABASES=["*","system"]'
	node_make n3 'REPLICATION_DATABASES=["*"]'
	node_run n1
	make_table n1 dog
	add_reader true
	ok n1 '{"operation":"add_user","username":"early","password":"one","role":"reader","active":true}'
	# Its administrator has another password, until it meets n1.
	HL_PASSWORD=another node_run n2
	node_run n3
	set_link_route n1 n2
	HL_PASSWORD=another set_link_route n2 n1
	route n1 n3
}

permission()	# permission READ
{
	echo "{\"dev\":{\"tables\":{\"dog\":{\"read\":$1,\"insert\":false,\"update\":false,\"delete\":false,\"attribute_permissions\":[]}}}}"
}

add_reader()
{
	ok n1 "{\"operation\":\"add_role\",\"role\":\"reader\",\"permission\":$(permission "$1")}"
}

as()		# as NODE USER PASSWORD CODE: reads dev.dog; the status
{
	[ "$(HL_USER=$2 HL_PASSWORD=$3 hl_post "$1" '{"operation":"search_by_id","database":"dev","table":"dog",
	    "ids":[1],"get_attributes":["id"]}' -o /dev/null -w '%{http_code}')" = "$4" ]
}

@test "who joins has users and roles, and the cluster's password of who has the same name" {
	wait_until 20 as n2 early one 200
	wait_until 10 as n2 "$HL_USER" "$HL_PASSWORD" 200
	as n2 "$HL_USER" another 401
	as n1 "$HL_USER" "$HL_PASSWORD" 200
}

@test "made at one node, a user logs in at the other; so with password, role, and its end" {
	ok n2 '{"operation":"add_user","username":"ann","password":"one","role":"reader","active":true}'
	wait_until 10 as n1 ann one 200
	ok n1 '{"operation":"alter_user","username":"ann","password":"two"}'
	wait_until 10 as n2 ann two 200
	as n2 ann one 401
	# Who was verified a moment ago may what the role says now.
	ok n2 "{\"operation\":\"alter_role\",\"id\":\"reader\",\"permission\":$(permission false)}"
	wait_until 10 as n1 ann two 403
	ok n1 "{\"operation\":\"alter_role\",\"id\":\"reader\",\"permission\":$(permission true)}"
	wait_until 10 as n2 ann two 200
	ok n1 '{"operation":"alter_user","username":"ann","active":false}'
	wait_until 10 as n2 ann two 401
	ok n2 '{"operation":"drop_user","username":"ann"}'
	wait_until 10 lacks_user n1 ann
	ok n1 '{"operation":"read_transaction_log","database":"system","table":"hdb_user"}' \
	    'length > 2 and (tostring | contains("scrypt") | not)'
	ok n2 '{"operation":"cluster_status"}' \
	    '.connections[] | select(.name == "n1") | .database_sockets | any(.database == "system" and .connected)'
}

lacks_user()
{
	ask "$1" '{"operation":"list_users"}' | jq -e "all(.username != \"$2\")"
}

@test "a node that does not list system gets none, and gives none" {
	insert n1 dog '{"id":1}'
	wait_until 10 has_row n3 dog 1
	as n3 early one 401
	ok n3 '{"operation":"add_user","username":"alone","password":"one","role":"super_user","active":true}'
	insert n3 dog '{"id":3}'
	wait_until 10 has_row n1 dog 3
	lacks_user n1 alone
}

@test "what changes while a node is down comes when it is back" {
	node_kill n2 run TERM
	wait_until 20 node_is_gone n2
	ok n1 '{"operation":"add_user","username":"late","password":"one","role":"reader","active":true}'
	ok n1 '{"operation":"drop_user","username":"early"}'
	node_run n2
	wait_until 20 as n2 late one 200
	wait_until 10 lacks_user n2 early
	lacks_user n1 alone
	refused n1 400 '{"operation":"update_node","node_name":"n2","subscriptions":[{"database":"system","table":"hdb_user",
	    "publish":true,"subscribe":true}]}' "'system' name is reserved"
}

@test "who may link nodes by a role that lists it may not where users come from nodes" {
	local n role='"role":"linker","permission":{"super_user":false,"operations":["set_node","cluster_set_routes"]}'

	for n in n1 n3; do
		ok $n "{\"operation\":\"add_role\",$role}"
		ok $n '{"operation":"add_user","username":"lin","password":"one","role":"linker","active":true}'
	done
	HL_USER=lin HL_PASSWORD=one refused n1 403 '{"operation":"add_node","hostname":"n9"}' \
	    "Operation 'addNode' is restricted to 'super_user' roles while 'replication.databases' has system"
	HL_USER=lin HL_PASSWORD=one refused n1 403 '{"operation":"cluster_set_routes","routes":["n9"]}' restricted
	HL_USER=lin HL_PASSWORD=one ok n3 '{"operation":"cluster_set_routes","routes":["n9"]}'
	HL_USER=lin HL_PASSWORD=one refused n3 400 '{"operation":"add_node","hostname":5}' "'hostname' must be"
}

warned()	# warned NODE KIND TEXT
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg kind "$2" --arg text "$3" 'any(.warnings[]; .kind == $kind and (.message | contains($text)))'
}

@test "a port for links that another program has is said" {
	node_stop n3
	sed -i "s|^  securePort: .*|  securePort: 127.0.0.1:$(port n1 link)|" "$HL_T/nodes/n3/hubleaf.yaml"
	node_run n3
	wait_until 10 warned n3 link_port "port $(port n1 link) of 127.0.0.1 cannot be opened for links: Address already in use"
}
