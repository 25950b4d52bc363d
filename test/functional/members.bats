#!/usr/bin/env bats
# Members: whoever joins one member is linked with all, and whoever is removed by one is locked out by all.
# n1 has the address 127.0.1.1, and so on, each with an authority of its own; n4 takes no links, it only dials.

load node.bash

start_nodes()
{
	local n

	link_port=$(hl_ports)
	export link_port
	for n in n1 n2 n3 n4 n6; do
		$([ $n = n6 ] && echo clock || echo node)_make $n CLUSTERING_ENABLED=false "REPLICATION_HOSTNAME=$(host $n)" \
		    "OPERATIONSAPI_NETWORK_HOST=127.0.0.1,$(host $n)"
		sed -i "s|^    port: $(port $n api)\$|&\n    securePort: $(secure_port $n)|" "$HL_T/nodes/$n/hubleaf.yaml"
		[ $n = n4 ] || echo "REPLICATION_SECUREPORT=$(host $n):$link_port" >>"$HL_T/nodes/$n/env"
	done
	# Nobody is at that address but the node itself.
	echo "REPLICATION_SECUREPORT=127.0.0.1:$link_port" >>"$HL_T/nodes/n4/env"
	for n in n1 n2 n3 n4; do
		node_run $n
	done
	make_table n1 t
}

host()
{
	echo "127.0.1.${1#n}"
}

secure_port()
{
	echo $(($(port "$1" api) + 1))
}

joining()	# joining MEMBER [FIELDS]: a call that does so by a token of it
{
	local token

	token=$(ask "$1" '{"operation":"create_join_token"}' | jq -r .token)
	echo "{\"operation\":\"add_node\",\"hostname\":\"$(host "$1")\",\"port\":$link_port,
	    \"operations_port\":$(secure_port "$1"),\"authorization\":\"$token\"${2:+,$2}}"
}

join()		# join NODE MEMBER [FIELDS]
{
	ok "$1" "$(joining "$2" "${3:-}")"
}

join_refused()	# join_refused NODE CODE MEMBER TEXT
{
	refused "$1" "$2" "$(joining "$3")" "$4"
}

addresses()	# addresses NODE...: a sorted list
{
	local node

	for node in "$@"; do
		host "$node"
	done | jq -Rsc 'split("\n") | map(select(. != "")) | sort'
}

linked()	# linked NODE OTHER...: with these, and no others
{
	local node=$1

	shift
	ask "$node" '{"operation":"cluster_status"}' |
	    jq -e "[.connections[] | select(.status == \"open\") | .node_name] | sort == $(addresses "$@")"
}

known()		# known NODE OTHER...: these are in hdb_nodes
{
	local node=$1

	shift
	ask "$node" '{"operation":"search_by_value","database":"system","table":"hdb_nodes",
	    "search_attribute":"name","search_value":"*","get_attributes":["name"]}' |
	    jq -e "map(.name) | sort == $(addresses "$@")"
}

ask_status()	# ask_status NODE JQ
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e "$2"
}

is_away()	# is_away NODE OTHER WHY: a member that there was no link with yet
{
	ask_status "$1" ".connections[] | select(.node_name == \"$(host "$2")\") | .connected == false and
	    .status == \"closed\" and .replicates == false and .url == \"wss://$(host "$2"):$link_port\" and
	    (.error | contains(\"$3\"))"
}

says()		# says NODE KIND WORDS: a warning of cluster_status
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg k "$2" --arg w "$3" '.warnings[] | select(.kind == $k and (.message | contains($w)))'
}

@test "who joins one member learns all, and links with all" {
	join n2 n1
	join n3 n1
	wait_until 30 linked n2 n1 n3
	wait_until 30 linked n3 n1 n2
	insert n3 t '{"id":"three"}'
	wait_until 20 has_row n2 t '"three"'
	# Whom it has not met yet is shown, too, and why.
	node_stop n2
	join n4 n1
	wait_until 30 linked n4 n1 n3
	wait_until 20 is_away n4 n2 "Connection refused"
	known n4 n1 n2 n3
	node_run n2
	wait_until 30 linked n4 n1 n2 n3
	wait_until 30 linked n1 n2 n3 n4
	wait_until 20 ask_status n4 '[.connections[] | .connected] == [true, true, true]'
	insert n4 t '{"id":"four"}'
	wait_until 20 has_row n1 t '"four"'
	known n2 n1 n3 n4
}

@test "remove_node at one member locks out at all, also after restarts" {
	ok n2 '{"operation":"remove_node","hostname":"127.0.1.4"}'
	wait_until 20 linked n1 n2 n3
	wait_until 20 linked n3 n1 n2
	wait_until 20 known n4
	wait_until 20 known n1 n2 n3
	known n3 n1 n2
	grep -q "this node was removed from the cluster by '127.0.1.2'" "$HL_T/nodes/n4/log"
	says n4 removed "This node was removed from the cluster by '127.0.1.2'"
	node_stop n1
	node_run n1
	wait_until 30 linked n1 n2 n3
	# Its certificate is as good as before, and it knows where they are: that is not enough.
	ok n4 "{\"operation\":\"set_configuration\",\"replication_routes\":[\"wss://127.0.1.1:$link_port\",\"wss://127.0.1.3:$link_port\"]}"
	wait_until 20 says n3 link_refused "'127.0.1.4' was removed from the cluster by '127.0.1.2': add_node with credentials or a join token brings it back"
	# n1 has signed it, and has revoked that.
	wait_until 20 says n4 link_failing "wss://127.0.1.1:$link_port"
	linked n1 n2 n3
	ok n4 '{"operation":"set_configuration","replication_routes":[]}'
	# Routes of others to it stay, and they say so.
	ok n3 "{\"operation\":\"set_configuration\",\"replication_routes\":[\"wss://127.0.1.4:$link_port\"]}"
	wait_until 20 says n3 removed_route "'127.0.1.4', which was removed from the cluster by '127.0.1.2'"
	ok n3 '{"operation":"set_configuration","replication_routes":[]}'
}

@test "add_node with a token brings it back, to all" {
	join n4 n1
	wait_until 30 linked n4 n1 n2 n3
	wait_until 30 linked n2 n1 n3 n4
	insert n2 t '{"id":"again"}'
	wait_until 20 has_row n4 t '"again"'
	node_stop n3
	node_run n3
	wait_until 30 linked n3 n1 n2 n4
}

@test "who is added with subscriptions is linked only with whom it was subscribed to" {
	local links

	ok n1 '{"operation":"remove_node","hostname":"127.0.1.4"}'
	wait_until 20 known n4
	wait_until 20 linked n2 n1 n3
	# What it signs before it has heard of the removal is revoked with that.
	wait_until 20 known n2 n1 n3
	links=$(grep -c "linked with 127.0.1.4" "$HL_T/nodes/n1/log")
	join n4 n2 '"subscriptions":[{"database":"dev","table":"t","subscribe":true,"publish":false}]'
	wait_until 20 linked n4 n2
	wait_until 20 linked n2 n1 n3 n4
	linked n1 n2 n3
	# Not for a moment: that its authority is known does not let it in.
	[ "$(grep -c "linked with 127.0.1.4" "$HL_T/nodes/n1/log")" = "$links" ]
	# Its name is known to all, and it is removed anywhere.
	ok n3 '{"operation":"remove_node","hostname":"127.0.1.4"}'
	wait_until 20 known n4
	wait_until 20 linked n2 n1 n3
}

@test "a name that comes back with another key is refused with what to do" {
	join n4 n1
	wait_until 30 linked n4 n1 n2 n3
	node_stop n4
	rm -rf "$(root n4)"
	mkdir "$(root n4)"
	node_run n4
	join_refused n4 409 n1 "remove that node, or revoke its certificate, first"
	# n3 has signed nothing for it, but knows it as all members do.
	join_refused n4 504 n3 "'127.0.1.4' has another node id than before: if it was installed anew, run remove_node"
	ok n1 '{"operation":"remove_node","hostname":"127.0.1.4"}'
	join n4 n1
	wait_until 30 linked n4 n1 n2 n3
}

@test "who joins any member is believed by all; what one revokes is revoked at all, within a second or so" {
	local n serial

	ok n1 '{"operation":"remove_node","hostname":"127.0.1.4"}'
	wait_until 20 known n4
	wait_until 20 known n3 n1 n2
	join n4 n3
	wait_until 30 linked n4 n1 n2 n3
	serial=$(openssl x509 -in "$(root n4)/keys/replication.pem" -noout -serial | cut -d = -f 2)
	node_stop n2
	ok n1 "{\"operation\":\"update_node\",\"hostname\":\"127.0.1.3\",\"revoked_certificates\":[\"$serial\"]}"
	for n in n1 n3; do
		wait_until 5 eval 'grep -q "the link with 127.0.1.4 has ended: the certificate with serial number .* is revoked" "$HL_T/nodes/'$n'/log"'
	done
	grep -q "was revoked by '127.0.1.1'" "$HL_T/nodes/n3/log"
	# Who was away hears of it from any member, whoever it has met first.
	node_run n2
	wait_until 30 linked n2 n1 n3
	wait_until 20 says n3 link_refused "A link from 127.0.1.4 at 127.0.0.1 was refused here: the certificate with serial number"
	says n4 revoked "The certificate of this node is revoked"
	linked n4
	linked n1 n2 n3
	# A new certificate, and it is a member as before.
	join n4 n2
	wait_until 30 linked n4 n1 n2 n3
	wait_until 20 eval '! says n4 revoked ""'
	wait_until 20 eval '! says n3 link_refused ""'
}

refuses()	# refuses NODE WORDS
{
	says "$1" link_refused "$2"
}

@test "whom an introducer let in is let in by all, also when it is away, or has an old backup" {
	local n

	ok n1 '{"operation":"remove_node","hostname":"127.0.1.4"}'
	wait_until 20 known n4
	wait_until 20 known n2 n1 n3
	wait_until 20 known n3 n1 n2
	for n in n1 n2 n3 n4; do
		node_stop $n
	done
	rm -rf "$(root n4)"
	mkdir "$(root n4)"
	node_run n4
	cp -a "$(root n2)" "$HL_T/backup"
	node_run n2
	join n4 n2
	wait_until 20 linked n4 n2
	insert n2 t '{"id":"introduced"}'
	wait_until 20 has_row n4 t '"introduced"'
	node_stop n2
	rm -r "$(root n2)"
	mv "$HL_T/backup" "$(root n2)"
	node_run n2
	wait_until 40 linked n4 n2
	insert n2 t '{"id":"restored"}'
	wait_until 20 has_row n4 t '"restored"'
	# The n4 of before may have introduced them: n2 does it first.
	wait_until 120 says n4 link_failing "$(host n1)"
	wait_until 120 says n4 link_failing "$(host n3)"
	# n2 had no time to say so to the others: n4 shows it.
	node_stop n2
	node_run n1
	wait_until 40 linked n1 n4
}

@test "whom a removed member has let in is not believed, but told what to do, and where" {
	node_stop n4
	node_stop n1
	node_run n3
	ok n3 '{"operation":"remove_node","hostname":"127.0.1.2"}'
	node_run n4
	wait_until 40 refuses n3 "'127.0.1.4' was let in by '127.0.1.2', which '127.0.1.3' has removed from the cluster before this node had heard of it: if it is to be a member, run add_node on '127.0.1.4', with a join token of this node"
	wait_until 20 says n4 link_failing "run add_node on '127.0.1.4'"
	join n4 n3
	wait_until 20 linked n4 n3
	node_run n1
	wait_until 30 linked n1 n3 n4
	node_run n2
	wait_until 20 linked n2
}

shows_five()	# shows_five NODE CONNECTED: by name and hostname
{
	ask_status "$1" ".connections[] | select(.node_name == \"n5\") |
	    .name == \"127.0.1.5\" and .connected == $2"
}

@test "remove_node by the node name of a member that there was never a link with" {
	node_make n5 "REPLICATION_HOSTNAME=$(host n5)" "REPLICATION_SECUREPORT=$(host n5):$link_port"
	node_run n5
	join n5 n1
	wait_until 30 shows_five n1 true
	# By now n1 knows what n5 has told all.
	join n3 n1
	wait_until 30 shows_five n3 true
	node_stop n5
	join n2 n1
	wait_until 30 shows_five n2 false
	refused n2 404 '{"operation":"remove_node","node_name":"n55"}' "'n55'"
	ok n2 '{"operation":"remove_node","node_name":"n5"}' '.message == "Successfully removed '"'n5'"' from manifest"'
	ask_status n2 'all(.connections[]; .name != "127.0.1.5")'
	wait_until 20 ask_status n1 'all(.connections[]; .name != "127.0.1.5")'
}

@test "a clock that is ahead keeps a node that joins out for a while, as the member that it has joined says" {
	node_run n6
	clock_set n6 600000
	join n6 n3
	wait_until 30 says n3 member_refused "the clock of '127.0.1.6' is ahead of this node's by at least"
}
